//! A set of hash slots: who owns what, and which keys a sequence is restricted to.

use super::slot::SLOTS;

/// Slots per word.
const WORD: u16 = 64;

/// A set of hash slots, 2 KiB whatever it holds.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotSet([u64; (SLOTS / WORD) as usize]);

impl SlotSet {
    /// Adds a slot; slots from [`SLOTS`] on do not exist and are left out.
    pub fn insert(&mut self, slot: u16) {
        if slot < SLOTS {
            self.0[usize::from(slot / WORD)] |= 1 << (slot % WORD);
        }
    }

    /// Whether a slot is in it.
    #[must_use]
    pub fn contains(&self, slot: u16) -> bool {
        slot < SLOTS && self.0[usize::from(slot / WORD)] >> (slot % WORD) & 1 == 1
    }

    /// How many slots are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether no slot is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Its slots in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (0..).zip(self.0).flat_map(|(number, word)| {
            let rest = |word: &u64| Some(word & (word - 1)).filter(|rest| *rest != 0);
            std::iter::successors(Some(word).filter(|word| *word != 0), rest)
                .map(move |rest| number * WORD + rest.trailing_zeros() as u16)
        })
    }

    /// Its consecutive slots as ranges, such as `0-5460, 9000`; at most `most` of them, then dots.
    #[must_use]
    pub fn in_words(&self, most: usize) -> String {
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for slot in self.iter() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == slot => *last = slot,
                _ => ranges.push((slot, slot)),
            }
        }
        let mut words: Vec<String> = ranges
            .iter()
            .take(most)
            .map(|(first, last)| match first == last {
                true => first.to_string(),
                false => format!("{first}-{last}"),
            })
            .collect();
        if ranges.len() > most {
            words.push("...".into());
        }
        words.join(", ")
    }
}

impl Default for SlotSet {
    fn default() -> Self {
        Self([0; (SLOTS / WORD) as usize])
    }
}

impl FromIterator<u16> for SlotSet {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> Self {
        let mut set = Self::default();
        slots.into_iter().for_each(|slot| set.insert(slot));
        set
    }
}

impl std::fmt::Debug for SlotSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SlotSet({})", self.in_words(16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_told_as_ranges() {
        let set: SlotSet = [5, 0, 1, 2, 16_383, 9, 20_000].into_iter().collect();
        assert_eq!(
            (set.len(), set.contains(9), set.contains(10)),
            (6, true, false)
        );
        assert_eq!(set.in_words(9), "0-2, 5, 9, 16383");
        assert_eq!(set.in_words(2), "0-2, 5, ...");
        assert!(SlotSet::default().is_empty() && !set.is_empty());
    }
}
