//! How much to fill: bytes of key plus value, or a number of keys; and the reading of amounts
//! such as `1.5`, `500mb` or `2GiB`.

use std::str::FromStr;

use crate::error::Error;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// How much the keyspace shall hold when the fill is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Bytes of key plus value, without protocol or server overhead.
    Bytes(u64),
    /// An exact number of keys.
    Keys(u64),
    /// As many keys as the keyspace has: something else ends the fill.
    AsManyAsFit,
}

impl Amount {
    /// The number of keys: `ceil(bytes / (key_size + value_size))`, so that the keyspace holds at
    /// least the bytes asked for. 2^64 - 1 stands for as many as fit.
    ///
    /// ```
    /// # use engine::Amount;
    /// assert_eq!(Amount::Bytes(1 << 30).keys(256 + 1024), 838_861);
    /// ```
    #[must_use]
    pub fn keys(self, payload_bytes_per_key: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.div_ceil(payload_bytes_per_key),
            Self::Keys(keys) => keys,
            Self::AsManyAsFit => u64::MAX,
        }
    }
}

/// Reads an amount of bytes, exactly: units as in redis.conf (`1k` = 1000, `1kb` = 1024), the
/// IEC names as well, a bare number in GiB. Fractions of a byte are dropped.
impl FromStr for Amount {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fail = |why| Error::Amount {
            given: text.to_owned(),
            why,
        };
        let trimmed = text.trim();
        let digits_end = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits_end);
        if number.is_empty() {
            return Err(fail(if trimmed.starts_with('-') {
                "it is negative"
            } else {
                "it does not start with a number"
            }));
        }
        let unit_bytes = unit_bytes(unit.trim_start()).ok_or_else(|| fail("unknown unit"))?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return Err(fail("it is not a number"));
        }
        if fraction.len() > 18 {
            return Err(fail("it has more than 18 decimals"));
        }
        let too_large = || fail("it is more than 2^63 bytes");
        let parse = |digits: &str| {
            if digits.is_empty() {
                Ok(0)
            } else {
                digits.parse::<u128>()
            }
        };
        let whole = parse(whole).map_err(|_| too_large())?;
        let scaled = parse(fraction).map_err(|_| too_large())? * u128::from(unit_bytes);
        let bytes = whole
            .checked_mul(u128::from(unit_bytes))
            .and_then(|bytes| bytes.checked_add(scaled / 10_u128.pow(fraction.len() as u32)))
            .filter(|bytes| *bytes <= 1 << 63)
            .ok_or_else(too_large)?;
        match u64::try_from(bytes) {
            Ok(0) => Err(fail("it is less than one byte")),
            Ok(bytes) => Ok(Self::Bytes(bytes)),
            Err(_) => Err(too_large()),
        }
    }
}

/// Bytes of one unit, or `None` where the unit is unknown. An empty unit is GiB.
fn unit_bytes(unit: &str) -> Option<u64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "b" => 1,
        "k" => 1_000,
        "kb" | "kib" => KIB,
        "m" => 1_000_000,
        "mb" | "mib" => MIB,
        "g" => 1_000_000_000,
        "" | "gb" | "gib" => GIB,
        "t" => 1_000_000_000_000,
        "tb" | "tib" => TIB,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(text: &str) -> Option<u64> {
        match text.parse() {
            Ok(Amount::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    #[test]
    fn units_are_those_of_redis_conf() {
        for (text, expected) in [
            ("1", GIB),
            ("0.5", GIB / 2),
            (".5", GIB / 2),
            ("500mb", 500 * MIB),
            ("1g", 1_000_000_000),
            ("1GiB", GIB),
            ("1 gb", GIB),
            ("1.5kb", 1536),
            ("1024B", 1024),
            ("2t", 2_000_000_000_000),
            ("0.000000001", 1),
        ] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "does not start"),
            ("abc", "does not start"),
            ("-1", "negative"),
            ("1x", "unknown unit"),
            ("1.2.3", "not a number"),
            (".", "not a number"),
            ("0", "less than one byte"),
            ("0.1b", "less than one byte"),
            ("99999999999999999999", "more than 2^63"),
            (
                "99999999999999999999999999999999999999999999",
                "more than 2^63",
            ),
            ("0.1234567890123456789", "18 decimals"),
        ] {
            let error = text.parse::<Amount>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn numbers_of_keys_are_those_of_the_documentation() {
        for (key_size, value_size, keys) in [
            (256, 1024, 838_861),
            (64, 128, 5_592_406),
            (512, 8192, 123_362),
            (512, 512, 1_048_576),
        ] {
            assert_eq!(Amount::Bytes(GIB).keys(key_size + value_size), keys);
        }
    }

    proptest! {
        #[test]
        fn keys_are_the_fewest_that_hold_the_bytes(bytes in 1_u64..1 << 50, size in 2_u64..600_000) {
            let keys = Amount::Bytes(bytes).keys(size);
            prop_assert!(keys * size >= bytes);
            prop_assert!((keys - 1) * size < bytes);
        }

        #[test]
        fn whole_numbers_read_back(bytes in 1_u64..1 << 60) {
            prop_assert_eq!(self::bytes(&format!("{bytes}b")), Some(bytes));
        }
    }
}
