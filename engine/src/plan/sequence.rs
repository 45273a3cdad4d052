//! Which key indices one lane sends, in which order.

/// An ordered run of key indices; its j-th element is found in constant time, so nothing has to
/// be stored per key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySequence {
    first: u64,
    count: u64,
}

impl KeySequence {
    /// The `count` indices from `first` upwards; their end must not exceed 2^64 - 1.
    #[must_use]
    pub fn new(first: u64, count: u64) -> Self {
        debug_assert!(first.checked_add(count).is_some());
        Self { first, count }
    }

    /// How many indices there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The `position`-th index, for positions below [`count`](Self::count).
    #[must_use]
    #[inline]
    pub fn at(&self, position: u64) -> u64 {
        debug_assert!(position < self.count);
        self.first + position
    }

    /// The first `count` elements.
    #[must_use]
    pub fn head(&self, count: u64) -> Self {
        Self {
            first: self.first,
            count: count.min(self.count),
        }
    }

    /// Splits into `parts` consecutive sequences whose lengths differ by at most one. Parts
    /// beyond the number of indices are left out.
    #[must_use]
    pub fn split(&self, parts: usize) -> Vec<Self> {
        let parts = (parts as u64).clamp(1, self.count.max(1));
        let (length, longer) = (self.count / parts, self.count % parts);
        (0..parts)
            .map(|part| Self {
                first: self.first + part * length + part.min(longer),
                count: length + u64::from(part < longer),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_cover_every_index_once(first in 0_u64..1 << 60, count in 0_u64..1 << 40, parts in 1_usize..100) {
            let sequence = KeySequence::new(first, count);
            let split = sequence.split(parts);
            let mut next = first;
            for part in &split {
                prop_assert_eq!(part.first, next);
                next += part.count;
            }
            prop_assert_eq!(next, first + count);
            let lengths = split.iter().map(KeySequence::count);
            prop_assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1);
        }
    }
}
