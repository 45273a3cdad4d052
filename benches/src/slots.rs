//! Who owns which hash slot in the clusters that benches make up. Random ones have a fixed seed, so
//! that every run sees the same.

use std::str::FromStr;

use engine::cluster::slot::SLOTS;
use engine::cluster::slot_set::SlotSet;

/// Seed of everything random here.
const SEED: u64 = 0x5EED;

/// How slots are dealt out to owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deal {
    /// One range each, all equally long plus or minus one: a cluster that was just created.
    Even,
    /// One range each, cut at random places: a cluster that has grown.
    Uneven,
    /// Slot by slot at random, as many each plus or minus one: a cluster that was rebalanced for
    /// years. Every slot is a range of its own, even where the next one has the same owner.
    Scattered,
}

impl Deal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Even, Self::Uneven, Self::Scattered];

    /// The name, as it is parsed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::Uneven => "uneven",
            Self::Scattered => "scattered",
        }
    }

    /// The ranges of slots, first and last, each with the number of its owner; all of `owners`
    /// get some.
    #[must_use]
    pub fn ranges(self, owners: u16) -> Vec<(u16, u16, u16)> {
        assert!((1..=SLOTS).contains(&owners), "every owner gets a slot");
        let even = |owner: u16| (u32::from(SLOTS) * u32::from(owner) / u32::from(owners)) as u16;
        match self {
            Self::Even => contiguous(&(0..=owners).map(even).collect::<Vec<_>>()),
            Self::Uneven => {
                let mut inner = shuffled(1..SLOTS);
                inner.truncate(usize::from(owners) - 1);
                inner.extend([0, SLOTS]);
                inner.sort_unstable();
                contiguous(&inner)
            }
            Self::Scattered => {
                let owners = shuffled((0..SLOTS).map(|slot| slot % owners));
                let owned = (0..).zip(owners);
                owned.map(|(slot, owner)| (slot, slot, owner)).collect()
            }
        }
    }

    /// The slots of one of `owners`.
    #[must_use]
    pub fn slots_of(self, owner: u16, owners: u16) -> SlotSet {
        let ranges = self.ranges(owners).into_iter();
        let own = ranges.filter(|(_, _, other)| *other == owner);
        own.flat_map(|(first, last, _)| first..=last).collect()
    }
}

impl FromStr for Deal {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let deal = Self::ALL.into_iter().find(|deal| deal.name() == name);
        deal.ok_or_else(|| format!("'{name}' is no way to deal slots out"))
    }
}

/// One range per owner between two cuts each.
fn contiguous(cuts: &[u16]) -> Vec<(u16, u16, u16)> {
    let ranges = cuts.windows(2).zip(0..);
    ranges
        .map(|(cuts, owner)| (cuts[0], cuts[1] - 1, owner))
        .collect()
}

/// In random order (Fisher and Yates).
fn shuffled(items: impl Iterator<Item = u16>) -> Vec<u16> {
    let mut items: Vec<u16> = items.collect();
    let mut state = SEED;
    for end in (1..items.len()).rev() {
        items.swap(end, (split_mix(&mut state) % (end as u64 + 1)) as usize);
    }
    items
}

/// The next random number (SplitMix64, public domain).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_one_owner_and_every_owner_a_slot() {
        for deal in Deal::ALL {
            for owners in [1, 3, 5, 1_000, SLOTS] {
                let mut slots_of_owner = vec![0; usize::from(owners)];
                let mut next = 0;
                for (first, last, owner) in deal.ranges(owners) {
                    assert_eq!(first, next, "{} {owners}", deal.name());
                    next = last + 1;
                    slots_of_owner[usize::from(owner)] += last + 1 - first;
                }
                assert_eq!(next, SLOTS);
                assert!(slots_of_owner.iter().all(|slots| *slots > 0));
                let most = slots_of_owner.iter().max();
                if deal != Deal::Uneven {
                    assert_eq!(most, Some(&SLOTS.div_ceil(owners)));
                }
            }
        }
    }
}
