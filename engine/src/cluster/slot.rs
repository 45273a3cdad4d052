//! Hash slots: which slot a key index belongs to, and the four characters that put its key there.
//!
//! CRC16/XMODEM with initial value 0 is linear over XOR for inputs of equal length, so the
//! checksum of any key of a plan is that of the key with counter 0, XORed with one constant per
//! counter character and one per fix-up character. The fix-up characters are `@` to `O` (0x40 to
//! 0x4F): four free bits each, sixteen in all, and at the very end of the key these sixteen reach
//! every one of the 16384 slots.

use std::sync::LazyLock;

use crate::plan::alphabet::{Alphabet, URL_SAFE};

/// Hash slots of a Redis or Valkey cluster.
pub const SLOTS: u16 = 16_384;
/// Bytes of the fix-up at the end of a steered key.
pub(crate) const FIX_BYTES: usize = 4;
/// The fix-up character with no bit set.
const FIX_ZERO: u8 = b'@';
/// Odd, so that multiplication permutes the slots; chosen so that the first few thousand indices
/// of a round are spread over the whole range.
const STRIDE: u64 = 10_125;

/// The inverse of [`STRIDE`] modulo the number of slots: `10125 * 13125 = 1` there.
const STRIDE_INVERSE: u32 = 13_125;

/// The slot of a key index: each run of 16384 indices visits every slot once, in an order that
/// spreads short runs over all nodes.
#[must_use]
#[inline]
pub fn slot_of_index(index: u64) -> u16 {
    ((index % u64::from(SLOTS)).wrapping_mul(STRIDE) % u64::from(SLOTS)) as u16
}

/// The one place in each run of 16384 indices whose index belongs to `slot`: the inverse of
/// [`slot_of_index`].
#[must_use]
pub fn place_of_slot(slot: u16) -> u16 {
    (u32::from(slot) * STRIDE_INVERSE % u32::from(SLOTS)) as u16
}

/// Whether a server would hash only a part of a key that starts with `prefix`
/// (cluster specification, "Hash tags").
pub(crate) fn has_hash_tag(prefix: &[u8]) -> bool {
    let Some(open) = prefix.iter().position(|byte| *byte == b'{') else {
        return false;
    };
    match prefix[open + 1..].iter().position(|byte| *byte == b'}') {
        Some(length) => length > 0,
        None => false,
    }
}

/// CRC16/XMODEM (polynomial 0x1021, initial value 0), continued from `crc`.
const fn crc16_byte(crc: u16, byte: u8) -> u16 {
    let mut crc = crc ^ ((byte as u16) << 8);
    let mut bit = 0;
    while bit < 8 {
        crc = if crc & 0x8000 != 0 {
            (crc << 1) ^ 0x1021
        } else {
            crc << 1
        };
        bit += 1;
    }
    crc
}

fn crc16(bytes: impl IntoIterator<Item = u8>) -> u16 {
    bytes.into_iter().fold(0, crc16_byte)
}

/// For each difference between two slots, the four nibbles whose fix-up makes it.
static FIX_OF_SLOT: LazyLock<Box<[u16]>> = LazyLock::new(|| {
    let mut fixes = vec![0; usize::from(SLOTS)].into_boxed_slice();
    for nibbles in (0..=u16::MAX).rev() {
        let difference = crc16(unpack(nibbles)) % SLOTS;
        fixes[usize::from(difference)] = nibbles;
    }
    fixes
});

/// Four nibbles as four bytes, the highest nibble first.
#[inline]
fn unpack(nibbles: u16) -> [u8; FIX_BYTES] {
    [12, 8, 4, 0].map(|shift| (nibbles >> shift & 0xF) as u8)
}

/// Steers the keys of one plan into their slots.
#[derive(Clone, Debug)]
pub(crate) struct Steering {
    /// Checksum of the key with counter 0 and an empty fix-up.
    base: u16,
    counter: CounterTable,
}

/// What each counter character adds to the checksum.
#[derive(Clone, Debug)]
enum CounterTable {
    /// Per pair of decimal digits, least significant first.
    Pairs(Vec<[u16; 100]>),
    /// Per URL-safe character, least significant first.
    Characters(Vec<[u16; 64]>),
}

impl Steering {
    /// Tables for keys like `zero`, the key of index 0, whose counter of `width` characters
    /// starts at `counter_at`.
    pub(crate) fn new(
        mut zero: Vec<u8>,
        counter_at: usize,
        width: usize,
        alphabet: Alphabet,
    ) -> Self {
        let end = zero.len();
        zero[end - FIX_BYTES..].fill(FIX_ZERO);
        // A character at position `at` is followed by zeros in the difference of two keys.
        let effect = |at: usize, difference: u8| {
            (at + 1..end).fold(crc16_byte(0, difference), |crc, _| crc16_byte(crc, 0))
        };
        let counter = match alphabet {
            Alphabet::Decimal => CounterTable::Pairs(
                (0..width / 2)
                    .map(|pair| {
                        let at = counter_at + width - 2 * (pair + 1);
                        let units: [u16; 10] = digit_effects(|digit| effect(at + 1, digit));
                        let tens: [u16; 10] = digit_effects(|digit| effect(at, digit));
                        std::array::from_fn(|n| tens[n / 10] ^ units[n % 10])
                    })
                    .collect(),
            ),
            Alphabet::UrlSafe => CounterTable::Characters(
                (0..width)
                    .map(|character| {
                        let at = counter_at + width - 1 - character;
                        std::array::from_fn(|n| effect(at, URL_SAFE[n] ^ URL_SAFE[0]))
                    })
                    .collect(),
            ),
            Alphabet::Bytes => unreachable!("the slotted layout has text counters only"),
        };
        Self {
            base: crc16(zero),
            counter,
        }
    }

    /// Writes the fix-up of `key`, whose counter already holds `index`.
    #[inline]
    pub(crate) fn steer(&self, index: u64, key: &mut [u8]) {
        let unsteered = self.base ^ self.counter_effect(index);
        let difference = (unsteered ^ slot_of_index(index)) % SLOTS;
        let nibbles = FIX_OF_SLOT[usize::from(difference)];
        let end = key.len();
        key[end - FIX_BYTES..].copy_from_slice(&unpack(nibbles).map(|nibble| FIX_ZERO | nibble));
    }

    #[inline]
    fn counter_effect(&self, index: u64) -> u16 {
        let mut rest = index;
        match &self.counter {
            CounterTable::Pairs(pairs) => pairs.iter().fold(0, |crc, pair| {
                let digits = (rest % 100) as usize;
                rest /= 100;
                crc ^ pair[digits]
            }),
            CounterTable::Characters(characters) => characters.iter().fold(0, |crc, character| {
                let value = (rest & 63) as usize;
                rest >>= 6;
                crc ^ character[value]
            }),
        }
    }
}

/// The effect of each decimal digit, as its difference from `0`.
fn digit_effects(effect: impl Fn(u8) -> u16) -> [u16; 10] {
    std::array::from_fn(|digit| effect(digit as u8))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::keyspace::{KeyLayout, Keyspace};

    #[test]
    fn a_round_visits_every_slot_once() {
        let mut seen = vec![false; usize::from(SLOTS)];
        for index in 5 * u64::from(SLOTS)..6 * u64::from(SLOTS) {
            let slot = usize::from(slot_of_index(index));
            assert!(!std::mem::replace(&mut seen[slot], true));
        }
    }

    #[test]
    fn every_slot_has_its_place_in_a_round() {
        for slot in 0..SLOTS {
            assert_eq!(slot_of_index(place_of_slot(slot).into()), slot);
        }
    }

    #[test]
    fn a_thousand_keys_spread_over_ten_equal_nodes() {
        let mut keys_of_node = [0; 10];
        for index in 0..1_000 {
            keys_of_node[usize::from(slot_of_index(index)) * 10 / usize::from(SLOTS)] += 1;
        }
        assert!(
            keys_of_node.iter().all(|keys| (90..=110).contains(keys)),
            "{keys_of_node:?}"
        );
    }

    #[test]
    fn hash_tags_are_those_of_the_cluster_specification() {
        for (prefix, tagged) in [
            ("{a}", true),
            ("x{a}y", true),
            ("{}", false),
            ("{", false),
            ("}a{", false),
            ("{}{a}", false),
        ] {
            assert_eq!(has_hash_tag(prefix.as_bytes()), tagged, "{prefix}");
        }
    }

    proptest! {
        #[test]
        fn a_steered_key_hashes_to_its_slot(
            size in prop_oneof![Just(5_usize), 5_usize..40, 5_usize..3_000, Just(65_536)],
            prefix in prop_oneof![Just(None), "[a-z:]{0,9}".prop_map(Some)],
            index: u64,
        ) {
            prop_assume!(prefix.as_ref().is_none_or(|prefix| prefix.len() + FIX_BYTES < size));
            let keyspace = Keyspace::new(size, prefix.as_deref(), KeyLayout::Slotted).unwrap();
            let index = index % keyspace.capacity();
            let mut key = vec![0; size];
            keyspace.render(index, &mut key);
            prop_assert_eq!(crc16::State::<crc16::XMODEM>::calculate(&key) % SLOTS, slot_of_index(index));
            let braces = key.iter().filter(|byte| b"{}".contains(byte)).count();
            prop_assert_eq!(braces, 0);
        }
    }
}
