//! Which key indices one lane sends, in which order. In a cluster these are the indices of one
//! node's slots; later, what is left of them, or what an audit found missing.

mod blocks;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::blocks::Blocks;
use crate::cluster::slot::{SLOTS, place_of_slot, slot_of_index};
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
    /// Those of blocks of rounds, several of one slot after the other.
    Blocks(Blocks),
    /// These.
    Listed(Arc<[u64]>),
    /// Those of several sequences, none of which is joined itself, one after the other.
    Joined(Arc<[Part]>),
}

/// One of several sequences, and the number of its first element.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    begin: u64,
    sequence: KeySequence,
}

impl Default for KeySequence {
    /// No indices.
    fn default() -> Self {
        Self::new(0, 0)
    }
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

    /// These indices, in this order: few enough to be held in memory.
    #[must_use]
    pub fn listed(indices: impl Into<Arc<[u64]>>) -> Self {
        let indices = indices.into();
        Self {
            first: 0,
            count: indices.len() as u64,
            shape: Shape::Listed(indices),
        }
    }

    /// Several sequences, one after the other.
    #[must_use]
    pub fn join(sequences: impl IntoIterator<Item = Self>) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        let mut count = 0;
        let runs = sequences.into_iter().flat_map(|sequence| sequence.runs());
        for sequence in runs.filter(|run| run.count > 0) {
            let begin = count;
            count += sequence.count;
            parts.push(Part { begin, sequence });
        }
        match parts.pop() {
            None => Self::default(),
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
            Shape::Blocks(blocks) => blocks.at(number),
            Shape::Listed(indices) => indices[number as usize],
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
        self.split_by(parts, 1)
    }

    /// As [`split`](Self::split), into whole units of so many indices, of which this sequence
    /// consists.
    #[must_use]
    pub fn split_by(&self, parts: usize, unit: u64) -> Vec<Self> {
        debug_assert!(self.count.is_multiple_of(unit));
        let units = self.count / unit;
        let parts = (parts as u64).clamp(1, units.max(1));
        let (length, longer) = (units / parts, units % parts);
        (0..parts)
            .map(|part| {
                let begin = part * length + part.min(longer);
                let length = length + u64::from(part < longer);
                self.part(begin * unit, length * unit)
            })
            .collect()
    }

    /// Only those indices whose slot, in the slotted layout, is one of `slots`.
    #[must_use]
    pub fn within(&self, slots: &SlotSet) -> Self {
        let owner = |slot| slots.contains(slot).then_some(0);
        self.deal(owner, 1).swap_remove(0)
    }

    /// Only those indices whose slot, in the slotted layout, is `slot`.
    #[must_use]
    pub fn of_slot(&self, slot: u16) -> Self {
        let place = place_of_slot(slot);
        let places = match &self.shape {
            Shape::Places(places) | Shape::Blocks(Blocks { places, .. }) => Some(places),
            _ => None,
        };
        if places.is_some_and(|places| places.binary_search(&place).is_err()) {
            return Self::default();
        }
        match &self.shape {
            Shape::All | Shape::Places(_) | Shape::Blocks(_) => self.at_places([place].into()),
            Shape::Listed(_) | Shape::Joined(_) => self.within(&std::iter::once(slot).collect()),
        }
    }

    /// For each of so many owners the indices whose slot, in the slotted layout, it owns.
    #[must_use]
    pub fn deal(&self, owner_of: impl Fn(u16) -> Option<usize>, owners: usize) -> Vec<Self> {
        let mut dealt: Vec<Vec<Self>> = vec![Vec::new(); owners];
        for run in self.runs() {
            if let Shape::Listed(indices) = &run.shape {
                let (first, count) = (run.first as usize, run.count as usize);
                let mut lists = vec![Vec::new(); owners];
                for index in &indices[first..first + count] {
                    if let Some(owner) = owner_of(slot_of_index(*index)) {
                        lists[owner].push(*index);
                    }
                }
                for (dealt, list) in dealt.iter_mut().zip(lists) {
                    dealt.push(Self::listed(list));
                }
                continue;
            }
            let mut places: BTreeMap<usize, Vec<u16>> = BTreeMap::new();
            let mut add = |place: u16| {
                if let Some(owner) = owner_of(slot_of_index(place.into())) {
                    places.entry(owner).or_default().push(place);
                }
            };
            match &run.shape {
                Shape::Places(all) | Shape::Blocks(Blocks { places: all, .. }) => {
                    all.iter().copied().for_each(&mut add);
                }
                _ => (0..SLOTS).for_each(&mut add),
            }
            for (owner, places) in places {
                dealt[owner].push(run.at_places(places.into()));
            }
        }
        dealt.into_iter().map(Self::join).collect()
    }

    /// Only the indices at these places of each round, in the same order: places that this
    /// sequence, which is not a joined one, has.
    fn at_places(&self, places: Arc<[u16]>) -> Self {
        if self.count == 0 || places.is_empty() {
            return Self::default();
        }
        if let Shape::Blocks(blocks) = &self.shape {
            let first = blocks.count_before(self.first, &places);
            return Self {
                first,
                count: blocks.count_before(self.first + self.count, &places) - first,
                shape: Shape::Blocks(blocks.at_places(places)),
            };
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

    /// The sequences it was joined from, or itself.
    fn runs(&self) -> Vec<Self> {
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
            // And what is left of those, and of some that are listed.
            let listed = KeySequence::listed(all(&left)).tail(skip / 3);
            prop_assert_eq!(all(&listed.within(&two)), wanted(&two, &listed));
            let nested = KeySequence::join([window.tail(3), listed.clone(), sequence.part(0, count.min(5)), window.head(9)]);
            prop_assert_eq!(all(&nested.within(&one)), wanted(&one, &nested));
            for slot in two.iter().take(20) {
                let alone = std::iter::once(slot).collect();
                prop_assert_eq!(all(&within.of_slot(slot)), wanted(&alone, &within));
                prop_assert_eq!(all(&window.of_slot(slot)), wanted(&alone, &window));
            }
        }

        #[test]
        fn owners_share_a_sequence_without_overlap(first in 0_u64..1 << 50, count in 0_u64..1 << 45, cut in 0..SLOTS) {
            let sequence = KeySequence::new(first, count);
            let low: SlotSet = (0..cut).collect();
            let high: SlotSet = (cut..SLOTS).collect();
            prop_assert_eq!(sequence.within(&low).count() + sequence.within(&high).count(), count);
            let dealt = sequence.deal(|slot| Some(usize::from(slot >= cut)), 2);
            prop_assert_eq!(dealt, vec![sequence.within(&low), sequence.within(&high)]);
        }
    }

    #[test]
    fn nothing_joined_is_empty() {
        assert_eq!(KeySequence::join([]).count(), 0);
        assert_eq!(KeySequence::join([KeySequence::new(7, 0)]).count(), 0);
    }
}
