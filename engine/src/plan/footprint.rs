//! How much memory a server will need for the planned keys: an estimate from the data structures
//! and allocator of Redis 6 to 8.0 and Valkey 7 (`sds.h`, `dict.h`, jemalloc's size classes).

/// A string value of at most so many bytes is stored inside its object (`OBJ_ENCODING_EMBSTR`).
const EMBEDDED_VALUE_MAX: u64 = 44;
/// `robj`: the header of a value.
const OBJECT_BYTES: u64 = 16;
/// `dictEntry`: key, value and next.
const ENTRY_BYTES: u64 = 24;
/// One bucket of the hash table.
const BUCKET_BYTES: u64 = 8;

/// Bytes that `keys` string keys take, hash table included.
#[must_use]
pub fn estimate(keys: u64, key_size: usize, value_size: usize) -> u64 {
    let (key, value) = (key_size as u64, value_size as u64);
    let value_bytes = if value <= EMBEDDED_VALUE_MAX {
        // An embedded string always has the three-byte header.
        allocation(OBJECT_BYTES + 3 + value + 1)
    } else {
        OBJECT_BYTES + allocation(string_bytes(value))
    };
    let per_key = allocation(string_bytes(key)) + value_bytes + ENTRY_BYTES;
    let buckets = keys
        .checked_next_power_of_two()
        .unwrap_or(u64::MAX)
        .saturating_mul(BUCKET_BYTES);
    keys.saturating_mul(per_key).saturating_add(buckets)
}

/// `sds`: header, bytes, terminator.
fn string_bytes(length: u64) -> u64 {
    let header = match length {
        0..32 => 1,
        32..256 => 3,
        256..65_536 => 5,
        _ => 9,
    };
    header + length + 1
}

/// The size class that jemalloc (built with a quantum of 8) serves `bytes` from: four classes
/// per doubling, multiples of 8 at the small end.
fn allocation(bytes: u64) -> u64 {
    let group = bytes.next_power_of_two() / 2;
    let step = (group / 4).max(8);
    bytes.next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_classes_are_those_of_jemalloc() {
        for (bytes, class) in [
            (1, 8),
            (18, 24),
            (33, 40),
            (65, 80),
            (81, 96),
            (129, 160),
            (1030, 1280),
            (1024, 1024),
            (1100, 1280),
            (4097, 5120),
        ] {
            assert_eq!(allocation(bytes), class, "{bytes}");
        }
    }

    #[test]
    fn estimates_agree_with_measured_servers() {
        // Measured with Redis 7.0 and a million keys: bytes per key.
        for (key_size, value_size, measured) in [(16, 64, 156), (16, 1024, 1356), (16, 1018, 1100)]
        {
            let estimated = estimate(1_000_000, key_size, value_size) / 1_000_000;
            assert!(
                estimated.abs_diff(measured) * 20 <= measured,
                "{estimated} {measured}"
            );
        }
    }
}
