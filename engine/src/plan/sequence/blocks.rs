//! Indices in such an order that several of one slot follow each other, so that they can go in one
//! command to a cluster: block after block of some rounds of 16384 indices, and within a block slot
//! after slot. Which indices these are is not changed by it.

use std::sync::Arc;

use super::{KeySequence, Shape};
use crate::cluster::slot::SLOTS;

/// Blocks of whole rounds, without end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    /// Places of a round whose indices there are, in ascending order; at least one.
    pub(super) places: Arc<[u16]>,
    /// The round with which the first block begins.
    first_round: u64,
    /// Rounds of a block: so many indices of one slot follow each other.
    rounds: u64,
}

impl Blocks {
    /// The index with this number.
    #[inline]
    pub(super) fn at(&self, number: u64) -> u64 {
        let (run, round) = (number / self.rounds, number % self.rounds);
        let places = self.places.len() as u64;
        let (block, place) = (run / places, run % places);
        let round = self.first_round + block * self.rounds + round;
        round * u64::from(SLOTS) + u64::from(self.places[place as usize])
    }

    /// The same blocks with only these of their places.
    pub(super) fn at_places(&self, places: Arc<[u16]>) -> Self {
        Self {
            places,
            ..self.clone()
        }
    }

    /// How many indices before the one with this number are at these places, which are some of its
    /// own.
    pub(super) fn count_before(&self, number: u64, places: &[u16]) -> u64 {
        let (run, round) = (number / self.rounds, number % self.rounds);
        let all = self.places.len() as u64;
        let (block, place) = (run / all, self.places[(run % all) as usize]);
        let (runs, is_among) = match places.binary_search(&place) {
            Ok(runs) => (runs, true),
            Err(runs) => (runs, false),
        };
        let whole = (block * places.len() as u64 + runs as u64) * self.rounds;
        whole + if is_among { round } else { 0 }
    }
}

impl KeySequence {
    /// The same indices in another order: those of one slot follow each other, `keys` at a time,
    /// as far as `keys` whole rounds of 16384 reach. The others come last, as they are.
    #[must_use]
    pub(crate) fn by_slots(&self, keys: u64) -> Self {
        let reorder = |run: Self| {
            let places = match &run.shape {
                Shape::All => (0..SLOTS).collect(),
                Shape::Places(places) => Arc::clone(places),
                _ => return vec![run],
            };
            let round = places.len() as u64;
            let first_round = run.first.div_ceil(round);
            let begin = first_round * round - run.first;
            let blocks = run.count.saturating_sub(begin) / (keys * round);
            if blocks == 0 {
                return vec![run];
            }
            let count = blocks * keys * round;
            let ordered = Self {
                shape: Shape::Blocks(Blocks {
                    places,
                    first_round,
                    rounds: keys,
                }),
                first: 0,
                count,
            };
            vec![ordered, run.head(begin), run.tail(begin + count)]
        };
        let (ordered, others): (Vec<_>, Vec<_>) = self
            .runs()
            .into_iter()
            .flat_map(reorder)
            .partition(|run| matches!(run.shape, Shape::Blocks(_)));
        Self::join(ordered.into_iter().chain(others))
    }

    /// What of this is in whole runs of `keys` indices of one slot each, and all the rest.
    #[must_use]
    pub(crate) fn whole_runs(&self, keys: u64) -> (Self, Self) {
        let (mut whole, mut rest) = (Vec::new(), Vec::new());
        for run in self.runs() {
            match &run.shape {
                Shape::Blocks(blocks) if blocks.rounds == keys => {
                    let begin = (run.first.next_multiple_of(keys) - run.first).min(run.count);
                    let count = (run.count - begin) / keys * keys;
                    rest.push(run.head(begin));
                    whole.push(run.part(begin, count));
                    rest.push(run.tail(begin + count));
                }
                _ => rest.push(run),
            }
        }
        (Self::join(whole), Self::join(rest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::slot::slot_of_index;
    use crate::cluster::slot_set::SlotSet;

    const ROUND: u64 = SLOTS as u64;

    fn all(sequence: &KeySequence) -> Vec<u64> {
        (0..sequence.count()).map(|n| sequence.at(n)).collect()
    }

    fn sorted(sequence: &KeySequence) -> Vec<u64> {
        let mut indices = all(sequence);
        indices.sort_unstable();
        indices
    }

    /// Asserts that every so many indices are those of one slot.
    fn are_runs(sequence: &KeySequence, keys: u64) {
        let indices = all(sequence);
        assert!(indices.len().is_multiple_of(keys as usize));
        for run in indices.chunks(keys as usize) {
            let slot = slot_of_index(run[0]);
            assert!(run.iter().all(|index| slot_of_index(*index) == slot));
        }
    }

    #[test]
    fn those_of_one_slot_follow_each_other() {
        let sequence = KeySequence::new(5, 5 * ROUND).by_slots(2);
        let first: Vec<u64> = (0..4).map(|n| sequence.at(n)).collect();
        assert_eq!(first, [ROUND, 2 * ROUND, ROUND + 1, 2 * ROUND + 1]);
        assert_eq!(sequence.at(2 * ROUND), 3 * ROUND);
        // Before and behind the two blocks, as they were.
        assert_eq!(sequence.at(4 * ROUND), 5);
        assert_eq!(sequence.at(5 * ROUND - 1), 5 * ROUND + 4);
        let (whole, rest) = sequence.whole_runs(2);
        assert_eq!((whole.count(), rest.count()), (4 * ROUND, ROUND));
    }

    #[test]
    fn too_few_for_a_block_stay_as_they_are() {
        for (first, count) in [(0, 2 * ROUND - 1), (1, 3 * ROUND - 2), (1 << 60, 7)] {
            let sequence = KeySequence::new(first, count);
            assert_eq!(sequence.by_slots(2), sequence);
            assert_eq!(sequence.whole_runs(2).0.count(), 0);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Whatever is cut off, dealt to other owners and put together again: nothing is lost,
        /// nothing is there twice, and what counts as a run is one.
        #[test]
        fn any_part_at_any_owner_is_of_the_same_indices(
            first in prop_oneof![0_u64..3 * ROUND, (1_u64 << 40)..(1 << 40) + 3 * ROUND],
            count in 0_u64..9 * ROUND,
            keys in 2_u64..6,
            cut in 0.0..1.0_f64,
            step in 1_u16..300,
            lanes in 1_usize..5,
        ) {
            let plain = KeySequence::new(first, count);
            let ordered = plain.by_slots(keys);
            prop_assert_eq!(sorted(&ordered), all(&plain));
            let some: SlotSet = (0..SLOTS).step_by(usize::from(step)).collect();
            let some = plain.within(&some);
            prop_assert_eq!(sorted(&some.by_slots(keys)), all(&some));
            are_runs(&some.by_slots(keys).whole_runs(keys).0, keys);
            let (whole, rest) = ordered.whole_runs(keys);
            are_runs(&whole, keys);
            prop_assert_eq!(whole.count() + rest.count(), count);
            // A part that is not in whole runs, at an owner of some slots.
            let slots: SlotSet = (step / 2..SLOTS).step_by(step.into()).collect();
            let others: SlotSet = (0..SLOTS).filter(|slot| !slots.contains(*slot)).collect();
            let cut = (cut * count as f64) as u64;
            let mut seen = Vec::new();
            for part in [ordered.head(cut), ordered.tail(cut)] {
                for owned in [&slots, &others] {
                    let share = part.within(owned);
                    let expected = all(&part).into_iter().filter(|index| owned.contains(slot_of_index(*index)));
                    prop_assert_eq!(all(&share), expected.collect::<Vec<_>>());
                    let (whole, rest) = share.whole_runs(keys);
                    for lane in whole.split_by(lanes, keys) {
                        are_runs(&lane, keys);
                        seen.extend(all(&lane));
                    }
                    seen.extend(all(&rest));
                }
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, all(&plain));
            let slot = step;
            let of_slot = all(&ordered).into_iter().filter(|index| slot_of_index(*index) == slot);
            prop_assert_eq!(all(&ordered.of_slot(slot)), of_slot.collect::<Vec<_>>());
        }
    }
}
