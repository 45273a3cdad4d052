//! From key index to value: a stamp that says whose value this is, then pseudo-random bytes.

/// Bytes of the stamp: counter (8), fingerprint (4), number of the body (4), all little-endian.
pub const STAMP_BYTES: usize = 16;
/// Increment of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// The layout of all values of a plan. Values with room for a stamp can be recomputed from their
/// key's index and the stamp; shorter ones share one body.
#[derive(Clone, Debug)]
pub struct ValueLayout {
    value_size: usize,
    seed: u64,
    fingerprint: u32,
    is_stamped: bool,
}

impl ValueLayout {
    /// Values of `value_size` bytes whose content follows from `seed`. The key size is only
    /// fingerprinted.
    #[must_use]
    pub fn new(value_size: usize, key_size: usize, seed: u64) -> Self {
        let sizes = (value_size as u64) << 32 | key_size as u64;
        Self {
            value_size,
            seed,
            fingerprint: (mix(mix(seed) ^ sizes) >> 32) as u32,
            is_stamped: value_size >= STAMP_BYTES,
        }
    }

    /// The same values, all of one body and without stamps, as no fill sends them: to measure what
    /// stamps cost.
    #[doc(hidden)]
    #[must_use]
    pub fn without_stamps(self) -> Self {
        Self {
            is_stamped: false,
            ..self
        }
    }

    /// Bytes of every value.
    #[must_use]
    pub fn value_size(&self) -> usize {
        self.value_size
    }

    /// What the values follow from.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether values are long enough for a stamp.
    #[must_use]
    pub fn is_stamped(&self) -> bool {
        self.is_stamped
    }

    /// Writes the whole value of `index` with body number `body` into `value`.
    pub fn render(&self, index: u64, body: u32, value: &mut [u8]) {
        debug_assert_eq!(value.len(), self.value_size);
        if self.is_stamped() {
            let (stamp, bytes) = value.split_at_mut(STAMP_BYTES);
            stamp.copy_from_slice(&self.stamp(index, body));
            self.fill_body(body, bytes);
        } else {
            self.fill_body(0, value);
        }
    }

    /// Writes only what differs between the values of one body into `value`.
    #[inline]
    pub fn patch(&self, index: u64, value: &mut [u8]) {
        if let Some(counter) = value.first_chunk_mut().filter(|_| self.is_stamped()) {
            *counter = index.to_le_bytes();
        }
    }

    /// The stamp of `index` in a value with body number `body`.
    #[must_use]
    pub fn stamp(&self, index: u64, body: u32) -> [u8; STAMP_BYTES] {
        let mut stamp = [0; STAMP_BYTES];
        stamp[..8].copy_from_slice(&index.to_le_bytes());
        stamp[8..12].copy_from_slice(&self.fingerprint.to_le_bytes());
        stamp[12..].copy_from_slice(&body.to_le_bytes());
        stamp
    }

    /// Whether `value` starts like a value of this plan for `index`: the stamp's counter and
    /// fingerprint for stamped values, all bytes for shorter ones.
    #[must_use]
    pub fn starts_right(&self, index: u64, value: &[u8]) -> bool {
        if self.is_stamped() {
            value.get(..12) == Some(&self.stamp(index, 0)[..12])
        } else {
            self.is_value(index, value)
        }
    }

    /// Whether `value` is, byte for byte, a value of this plan for `index`.
    #[must_use]
    pub fn is_value(&self, index: u64, value: &[u8]) -> bool {
        if value.len() != self.value_size {
            return false;
        }
        let body = value
            .get(12..STAMP_BYTES)
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u32::from_le_bytes);
        let mut expected = vec![0; self.value_size];
        self.render(index, body, &mut expected);
        value == expected
    }

    /// Writes what stands behind the stamp, or the whole value where there is none: SplitMix64,
    /// one stream per body.
    pub(crate) fn fill_body(&self, body: u32, bytes: &mut [u8]) {
        let mut state = mix(self.seed ^ u64::from(body).wrapping_mul(GOLDEN_GAMMA));
        for chunk in bytes.chunks_mut(8) {
            state = state.wrapping_add(GOLDEN_GAMMA);
            chunk.copy_from_slice(&mix(state).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// The finalizer of SplitMix64.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_is_recognised_and_any_damage_too(
            size in 1_usize..600, index: u64, body in 0_u32..5_000, seed: u64, at: usize, flip in 1_u8..,
        ) {
            let layout = ValueLayout::new(size, 512, seed);
            let mut value = vec![0; size];
            layout.render(index, body, &mut value);
            prop_assert!(layout.is_value(index, &value) && layout.starts_right(index, &value));
            // With few body bytes behind it, a changed body number can stand for an equal body.
            prop_assume!(size >= 24 || !(12..STAMP_BYTES).contains(&(at % size)));
            value[at % size] ^= flip;
            prop_assert!(!layout.is_value(index, &value));
        }

        #[test]
        fn patching_equals_rendering(size in 1_usize..600, before: u64, after: u64, body in 0_u32..5_000) {
            let layout = ValueLayout::new(size, 512, 1);
            let (mut patched, mut rendered) = (vec![0; size], vec![0; size]);
            layout.render(before, body, &mut patched);
            layout.patch(after, &mut patched);
            layout.render(after, body, &mut rendered);
            prop_assert_eq!(patched, rendered);
        }

        #[test]
        fn another_seed_or_size_is_recognised(size in 16_usize..600, index: u64) {
            let mut value = vec![0; size];
            ValueLayout::new(size, 512, 1).render(index, 0, &mut value);
            prop_assert!(!ValueLayout::new(size, 512, 2).starts_right(index, &value));
            prop_assert!(!ValueLayout::new(size, 511, 1).starts_right(index, &value));
            prop_assert!(!ValueLayout::new(size, 512, 1).starts_right(index.wrapping_add(1), &value));
        }
    }
}
