//! Which keys of a plan are looked at. Pure; holds no more than a part of a sample at a time.

use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::plan::values::mix;

/// Most keys of a sample that are listed at the same time.
const PART_KEYS_MAX: u64 = 1 << 18;

/// How many of a plan's keys are looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample {
    /// Every key.
    All,
    /// So many in a hundred, above 0 and at most 100, rounded up to whole keys.
    Percent(f64),
    /// So many keys, at least 1; all where there are fewer.
    Keys(u64),
}

impl Sample {
    /// How many of `keys` keys these are.
    #[must_use]
    pub fn count(self, keys: u64) -> u64 {
        match self {
            Self::All => keys,
            // Rounding may not turn a sample of something into nothing, nor into too much.
            Self::Percent(percent) => {
                let count = (keys as f64 * percent / 100.0).ceil() as u64;
                count.clamp(1.min(keys), keys)
            }
            Self::Keys(count) => count.min(keys),
        }
    }

    /// The keys of `planned` to look at, in parts that follow each other. Key j of k lies in the
    /// j-th of k equal strata, at a place in it that follows from the plan's seed: every part of
    /// the keyspace is seen, and the same command looks at the same keys.
    pub(crate) fn parts(
        self,
        plan: &Plan,
        planned: &KeySequence,
    ) -> impl Iterator<Item = KeySequence> {
        let (planned, seed) = (planned.clone(), plan.values().seed());
        let keys = planned.count();
        let count = self.count(keys);
        let whole = (count == keys).then(|| planned.clone());
        let rest = if whole.is_some() { 0 } else { count };
        let sampled = (0..rest).step_by(PART_KEYS_MAX as usize).map(move |begin| {
            let part = begin..count.min(begin + PART_KEYS_MAX);
            let picked = part.map(|number| planned.at(place(number, count, keys, seed)));
            KeySequence::listed(picked.collect::<Vec<_>>())
        });
        whole.into_iter().chain(sampled)
    }
}

/// The place of sampled key `number` of `count` among `keys` keys.
fn place(number: u64, count: u64, keys: u64, seed: u64) -> u64 {
    let begin_of = |number: u64| {
        let begin = u128::from(number) * u128::from(keys) / u128::from(count);
        begin as u64
    };
    let (begin, end) = (begin_of(number), begin_of(number + 1));
    begin + mix(mix(seed) ^ number) % (end - begin)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_stratum_gives_one_key(keys in 1_u64..1 << 62, count in 1_u64..1000, seed: u64) {
            let count = count.min(keys);
            let places: Vec<u64> = (0..count).map(|number| place(number, count, keys, seed)).collect();
            prop_assert!(places.is_sorted_by(|one, next| one < next));
            for (number, place) in (0_u128..).zip(places) {
                let (keys, count) = (u128::from(keys), u128::from(count));
                let stratum = number * keys / count..(number + 1) * keys / count;
                prop_assert!(stratum.contains(&u128::from(place)));
            }
        }
    }

    #[test]
    fn a_sample_is_never_empty_nor_too_large() {
        assert_eq!(Sample::Percent(1.0).count(1000), 10);
        assert_eq!(Sample::Percent(0.1).count(1001), 2);
        assert_eq!(Sample::Percent(1e-300).count(5), 1);
        assert_eq!(Sample::Percent(100.0).count(u64::MAX), u64::MAX);
        assert_eq!(Sample::Keys(7).count(5), 5);
        assert_eq!(Sample::Keys(7).count(50), 7);
        assert_eq!(Sample::All.count(50), 50);
    }

    #[test]
    fn another_seed_looks_at_other_keys() {
        let places = |seed| -> Vec<u64> {
            (0..10)
                .map(|number| place(number, 10, 1_000_000, seed))
                .collect()
        };
        assert_eq!(places(1), places(1));
        assert_ne!(places(1), places(2));
    }
}
