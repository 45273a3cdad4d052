//! Which key indices one lane sends, in which order. In a cluster these are the indices of one
//! node's slots; later, what is left of them, or what an audit found missing.

use std::sync::Arc;

use crate::cluster::slot::{SLOTS, place_of_slot};
use crate::cluster::slot_set::SlotSet;

/// Key indices in a fixed order, whose j-th element is found without walking there, so that
/// nothing has to be stored per key: in constant time, or in logarithmic time where several
/// sequences were joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySequence {
    shape: Shape,
    /// Number of the first element among all that the shape has.
    first: u64,
    count: u64,
}

/// Which indices there are, numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// Every index.
    All,
    /// Those at these places of each round of 16384, in ascending order.
    Places(Arc<[u16]>),
    /// Those of several sequences, one after the other.
    Joined(Arc<[Part]>),
}

/// One of several sequences, and the number of its first element.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    begin: u64,
    sequence: KeySequence,
}

impl KeySequence {
    /// The `count` indices from `first` upwards; their end must not exceed 2^64 - 1.
    #[must_use]
    pub fn new(first: u64, count: u64) -> Self {
        debug_assert!(first.checked_add(count).is_some());
        Self {
            shape: Shape::All,
            first,
            count,
        }
    }

    /// Several sequences, one after the other.
    #[must_use]
    pub fn join(sequences: impl IntoIterator<Item = Self>) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        let mut count = 0;
        for sequence in sequences.into_iter().filter(|sequence| sequence.count > 0) {
            let begin = count;
            count += sequence.count;
            parts.push(Part { begin, sequence });
        }
        match parts.pop() {
            None => Self::new(0, 0),
            Some(only) if parts.is_empty() => only.sequence,
            Some(last) => {
                parts.push(last);
                Self {
                    shape: Shape::Joined(parts.into()),
                    first: 0,
                    count,
                }
            }
        }
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
        let number = self.first + position;
        match &self.shape {
            Shape::All => number,
            Shape::Places(places) => {
                let round_length = places.len() as u64;
                let place = places[(number % round_length) as usize];
                number / round_length * u64::from(SLOTS) + u64::from(place)
            }
            Shape::Joined(parts) => {
                let part = &parts[parts.partition_point(|part| part.begin <= number) - 1];
                part.sequence.at(number - part.begin)
            }
        }
    }

    /// The first `count` elements.
    #[must_use]
    pub fn head(&self, count: u64) -> Self {
        self.part(0, count.min(self.count))
    }

    /// All but the first `count` elements.
    #[must_use]
    pub fn tail(&self, count: u64) -> Self {
        let count = count.min(self.count);
        self.part(count, self.count - count)
    }

    /// `count` elements from the `begin`-th on.
    #[must_use]
    pub fn part(&self, begin: u64, count: u64) -> Self {
        debug_assert!(begin + count <= self.count);
        Self {
            shape: self.shape.clone(),
            first: self.first + begin,
            count,
        }
    }

    /// This sequence and `next` as one, where `next` goes on just where this one ends in the same
    /// greater sequence.
    #[must_use]
    pub fn followed_by(&self, next: &Self) -> Option<Self> {
        let follows = self.first + self.count == next.first && self.shape == next.shape;
        follows.then(|| Self {
            count: self.count + next.count,
            ..self.clone()
        })
    }

    /// Splits into `parts` consecutive sequences whose lengths differ by at most one. Parts
    /// beyond the number of indices are left out.
    #[must_use]
    pub fn split(&self, parts: usize) -> Vec<Self> {
        let parts = (parts as u64).clamp(1, self.count.max(1));
        let (length, longer) = (self.count / parts, self.count % parts);
        (0..parts)
            .map(|part| {
                let begin = part * length + part.min(longer);
                self.part(begin, length + u64::from(part < longer))
            })
            .collect()
    }

    /// Only those indices whose slot, in the slotted layout, is one of `slots`.
    #[must_use]
    pub fn within(&self, slots: &SlotSet) -> Self {
        let places: Arc<[u16]> = match &self.shape {
            Shape::All => {
                let mut places: Vec<u16> = slots.iter().map(place_of_slot).collect();
                places.sort_unstable();
                places.into()
            }
            Shape::Places(places) => {
                let mut wanted = SlotSet::default();
                slots
                    .iter()
                    .for_each(|slot| wanted.insert(place_of_slot(slot)));
                let places = places.iter().copied();
                places.filter(|place| wanted.contains(*place)).collect()
            }
            Shape::Joined(parts) => {
                let end = self.first + self.count;
                return Self::join(parts.iter().map(|part| {
                    let begin = self.first.max(part.begin) - part.begin;
                    let end = end.saturating_sub(part.begin).min(part.sequence.count);
                    let seen = part.sequence.part(begin.min(end), end - begin.min(end));
                    seen.within(slots)
                }));
            }
        };
        if self.count == 0 || places.is_empty() {
            return Self::new(0, 0);
        }
        let before = |index: u64| {
            let place = (index % u64::from(SLOTS)) as u16;
            index / u64::from(SLOTS) * places.len() as u64
                + places.partition_point(|other| *other < place) as u64
        };
        let first = before(self.at(0));
        let count = before(self.at(self.count - 1) + 1) - first;
        Self {
            shape: Shape::Places(places),
            first,
            count,
        }
    }

    /// The consecutive runs it is made of: itself, or the sequences it was joined from.
    pub fn runs(&self) -> Vec<Self> {
        let Shape::Joined(parts) = &self.shape else {
            return vec![self.clone()];
        };
        let end = self.first + self.count;
        let runs = parts.iter().filter_map(|part| {
            let begin = self.first.saturating_sub(part.begin);
            let end = end.checked_sub(part.begin)?.min(part.sequence.count);
            (begin < end).then(|| part.sequence.part(begin, end - begin))
        });
        runs.collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::slot::slot_of_index;

    fn all(sequence: &KeySequence) -> Vec<u64> {
        (0..sequence.count())
            .map(|position| sequence.at(position))
            .collect()
    }

    /// Sets that are contiguous, fragmented, tiny or complete.
    fn slots() -> impl Strategy<Value = SlotSet> {
        prop_oneof![
            (0..SLOTS, 0..SLOTS).prop_map(|(a, b)| (a.min(b)..=a.max(b)).collect()),
            (1_u16..50, 0_u16..50)
                .prop_map(|(step, first)| (first..SLOTS).step_by(step.into()).collect()),
            proptest::collection::vec(0..SLOTS, 0..40)
                .prop_map(|slots| slots.into_iter().collect()),
        ]
    }

    proptest! {
        #[test]
        fn parts_cover_every_index_once(first in 0_u64..1 << 60, count in 0_u64..1 << 40, parts in 1_usize..100) {
            let sequence = KeySequence::new(first, count);
            let split = sequence.split(parts);
            let mut next = first;
            for part in &split {
                prop_assert!(part.count() == 0 || part.at(0) == next);
                next += part.count();
            }
            prop_assert_eq!(next, first + count);
            let lengths = split.iter().map(KeySequence::count);
            prop_assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1);
        }

        #[test]
        fn a_restriction_keeps_exactly_the_indices_of_its_slots(
            first in prop_oneof![0_u64..100_000, 0_u64..1 << 60],
            count in 0_u64..60_000,
            (one, two) in (slots(), slots()),
            (skip, keep) in (0_u64..30_000, 0_u64..30_000),
        ) {
            let sequence = KeySequence::new(first, count);
            let wanted = |slots: &SlotSet, from: &KeySequence| -> Vec<u64> {
                all(from).into_iter().filter(|index| slots.contains(slot_of_index(*index))).collect()
            };
            let within = sequence.within(&one);
            prop_assert_eq!(all(&within), wanted(&one, &sequence));
            // What is left of it goes to another owner.
            let left = within.tail(skip).head(keep);
            prop_assert_eq!(all(&left.within(&two)), wanted(&two, &left));
            // And again, from several such parts.
            let joined = KeySequence::join([left.clone(), within.head(skip), sequence.part(0, count.min(7))]);
            let window = joined.tail(skip / 2).head(keep);
            prop_assert_eq!(all(&window.within(&two)), wanted(&two, &window));
            let runs: Vec<u64> = window.runs().iter().flat_map(all).collect();
            prop_assert_eq!(runs, all(&window));
        }

        #[test]
        fn owners_share_a_sequence_without_overlap(first in 0_u64..1 << 50, count in 0_u64..1 << 45, cut in 0..SLOTS) {
            let sequence = KeySequence::new(first, count);
            let low: SlotSet = (0..cut).collect();
            let high: SlotSet = (cut..SLOTS).collect();
            prop_assert_eq!(sequence.within(&low).count() + sequence.within(&high).count(), count);
        }
    }

    #[test]
    fn nothing_joined_is_empty() {
        assert_eq!(KeySequence::join([]).count(), 0);
        assert_eq!(
            KeySequence::join([KeySequence::new(7, 0)]).runs()[0].count(),
            0
        );
    }
}
