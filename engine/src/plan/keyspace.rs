//! From key index to key: prefix, counter, padding and, in the slotted layout, the fix-up that
//! steers the key into its slot. Alphabet and width follow from key size, prefix and layout
//! alone, so that the same flags name the same keys whatever the amount.

use super::alphabet::{Alphabet, URL_SAFE};
use crate::cluster::slot::{self, FIX_BYTES, Steering};
use crate::error::{Error, Result};

/// The prefix of keys that have room for it.
pub const DEFAULT_PREFIX: &str = "key:";
/// Counter characters in all keys that have room for them.
const COUNTER_WIDTH: usize = 12;
/// With fewer counter characters than this, and no fix-up, a counter uses all byte values.
const NARROWEST_TEXT: usize = 6;
/// What stands between counter and fix-up.
const PADDING: u8 = b'x';
/// Two digits for each number below 100.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n as usize] = [b'0' + n / 10, b'0' + n % 10];
        n += 1;
    }
    pairs
};
/// Where keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyLayout {
    /// Prefix, counter, padding: the default for a standalone server.
    Plain,
    /// With a fix-up at the end that gives every hash slot the same number of keys, without
    /// hash tags.
    Slotted,
}

/// The layout of all keys of a plan. Indices up to [`capacity`](Self::capacity) (exclusive) map
/// to distinct keys of exactly [`key_size`](Self::key_size) bytes.
#[derive(Clone, Debug)]
pub struct Keyspace {
    prefix: Vec<u8>,
    alphabet: Alphabet,
    width: usize,
    key_size: usize,
    steering: Option<Steering>,
}

impl Keyspace {
    /// Lays out keys of `key_size` bytes.
    ///
    /// # Errors
    /// A prefix that the user gave and that leaves no room for a counter, or that holds a hash
    /// tag in the slotted layout; a key too short for the slotted layout.
    pub fn new(key_size: usize, prefix: Option<&str>, layout: KeyLayout) -> Result<Self> {
        let fix = if layout == KeyLayout::Slotted {
            FIX_BYTES
        } else {
            0
        };
        if key_size <= fix {
            return Err(Error::Options {
                what: format!(
                    "--key-size {key_size} leaves no room for a counter before the {fix} bytes that --key-layout slotted needs"
                ),
                cure: format!("use --key-size {} or more", fix + 1),
            });
        }
        let prefix = choose_prefix(key_size, prefix, fix)?;
        if fix > 0 && slot::has_hash_tag(prefix) {
            return Err(Error::Options {
                what: format!(
                    "--key-prefix '{}' contains a hash tag, which would put every key into one slot",
                    prefix.escape_ascii()
                ),
                cure: "remove the braces, or use --key-layout plain on a standalone server".into(),
            });
        }
        let room = key_size - fix - prefix.len();
        let alphabet = match room {
            COUNTER_WIDTH.. => Alphabet::Decimal,
            NARROWEST_TEXT.. => Alphabet::UrlSafe,
            _ if fix > 0 => Alphabet::UrlSafe,
            _ => Alphabet::Bytes,
        };
        let width = room.min(COUNTER_WIDTH);
        let mut keyspace = Self {
            prefix: prefix.to_vec(),
            alphabet,
            width,
            key_size,
            steering: None,
        };
        if fix > 0 {
            let mut zero = vec![0; key_size];
            keyspace.render(0, &mut zero);
            keyspace.steering = Some(Steering::new(zero, keyspace.prefix.len(), width, alphabet));
        }
        Ok(keyspace)
    }

    /// Bytes of every key.
    #[must_use]
    pub fn key_size(&self) -> usize {
        self.key_size
    }

    /// How many distinct keys this layout can name (`u64::MAX` where it is more).
    #[must_use]
    pub fn capacity(&self) -> u64 {
        u32::try_from(self.width)
            .ok()
            .and_then(|width| self.alphabet.size().checked_pow(width))
            .unwrap_or(u64::MAX)
    }

    /// Writes the whole key of `index` into `key`, which has [`key_size`](Self::key_size) bytes.
    pub fn render(&self, index: u64, key: &mut [u8]) {
        let (prefix, rest) = key.split_at_mut(self.prefix.len());
        prefix.copy_from_slice(&self.prefix);
        rest.fill(PADDING);
        self.patch(index, key);
    }

    /// Writes only what differs between the keys of a plan into `key`, which holds some rendered
    /// key. Costs the same for every key size.
    #[inline]
    pub fn patch(&self, index: u64, key: &mut [u8]) {
        debug_assert_eq!(key.len(), self.key_size);
        let counter = &mut key[self.prefix.len()..self.prefix.len() + self.width];
        match self.alphabet {
            Alphabet::Decimal => write_decimal(index, counter),
            Alphabet::UrlSafe => write_url_safe(index, counter),
            Alphabet::Bytes => {
                let bytes = index.to_be_bytes();
                counter.copy_from_slice(&bytes[bytes.len() - counter.len()..]);
            }
        }
        if let Some(steering) = &self.steering {
            steering.steer(index, key);
        }
    }
}

/// The user's prefix if it fits, else the default where that fits, else none.
fn choose_prefix(key_size: usize, given: Option<&str>, fix: usize) -> Result<&[u8]> {
    match given {
        Some(prefix) if prefix.len() + fix >= key_size => Err(Error::Options {
            what: format!(
                "--key-prefix '{}' ({} bytes) leaves no room for a counter in --key-size {key_size}",
                prefix.escape_debug(),
                prefix.len()
            ),
            cure: format!(
                "shorten the prefix, or use --key-size {} or more",
                prefix.len() + fix + COUNTER_WIDTH
            ),
        }),
        Some(prefix) => Ok(prefix.as_bytes()),
        None if key_size >= DEFAULT_PREFIX.len() + COUNTER_WIDTH + fix => {
            Ok(DEFAULT_PREFIX.as_bytes())
        }
        None => Ok(b""),
    }
}

/// Twelve digits, as two independent halves so that the divisions overlap.
#[inline]
fn write_decimal(index: u64, counter: &mut [u8]) {
    let counter: &mut [u8; COUNTER_WIDTH] = counter
        .try_into()
        .expect("a decimal counter has twelve characters");
    let (high, low) = ((index / 1_000_000) % 1_000_000, index % 1_000_000);
    for (half, at) in [(high, 0), (low, 6)] {
        let (a, bc) = (half / 10_000, half % 10_000);
        counter[at..at + 2].copy_from_slice(&PAIRS[a as usize]);
        counter[at + 2..at + 4].copy_from_slice(&PAIRS[(bc / 100) as usize]);
        counter[at + 4..at + 6].copy_from_slice(&PAIRS[(bc % 100) as usize]);
    }
}

#[inline]
fn write_url_safe(index: u64, counter: &mut [u8]) {
    let mut rest = index;
    for character in counter.iter_mut().rev() {
        *character = URL_SAFE[(rest & 63) as usize];
        rest >>= 6;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn key(keyspace: &Keyspace, index: u64) -> Vec<u8> {
        let mut key = vec![0; keyspace.key_size()];
        keyspace.render(index, &mut key);
        key
    }

    #[test]
    fn keys_read_as_documented() {
        let text = |size, prefix, index| {
            key(
                &Keyspace::new(size, prefix, KeyLayout::Plain).unwrap(),
                index,
            )
        };
        assert_eq!(text(16, None, 42), b"key:000000000042");
        assert_eq!(text(20, None, 42), b"key:000000000042xxxx");
        assert_eq!(text(15, None, 42), b"000000000042xxx");
        assert_eq!(text(12, None, 42), b"000000000042");
        assert_eq!(text(11, None, 64), b"AAAAAAAAABA");
        assert_eq!(text(6, None, 63), b"AAAAA_");
        assert_eq!(text(5, None, 258), [0, 0, 0, 1, 2]);
        assert_eq!(text(1, None, 255), [255]);
        assert_eq!(text(18, Some("user:1"), 7), b"user:1000000000007");
    }

    #[test]
    fn capacity_follows_from_alphabet_and_width() {
        let capacity = |size, layout| Keyspace::new(size, None, layout).unwrap().capacity();
        assert_eq!(capacity(512, KeyLayout::Plain), 1_000_000_000_000);
        assert_eq!(capacity(11, KeyLayout::Plain), u64::MAX);
        assert_eq!(capacity(6, KeyLayout::Plain), 1 << 36);
        assert_eq!(capacity(1, KeyLayout::Plain), 256);
        assert_eq!(capacity(5, KeyLayout::Slotted), 64);
        assert_eq!(capacity(16, KeyLayout::Slotted), 1_000_000_000_000);
    }

    #[test]
    fn every_small_key_size_names_distinct_keys_of_that_size() {
        for layout in [KeyLayout::Plain, KeyLayout::Slotted] {
            for size in 1..=64 {
                let Ok(keyspace) = Keyspace::new(size, None, layout) else {
                    assert!(size <= FIX_BYTES && layout == KeyLayout::Slotted);
                    continue;
                };
                let sample = keyspace.capacity().min(5_000);
                let first = (keyspace.capacity() - sample) / 2;
                let keys: HashSet<_> = (first..first + sample)
                    .map(|index| key(&keyspace, index))
                    .collect();
                assert_eq!(keys.len() as u64, sample, "{layout:?} {size}");
                assert!(keys.iter().all(|key| key.len() == size));
            }
        }
    }

    #[test]
    fn prefixes_that_cannot_work_are_refused() {
        let error = |size, prefix, layout| {
            Keyspace::new(size, Some(prefix), layout)
                .unwrap_err()
                .to_string()
        };
        assert!(error(4, "abcd", KeyLayout::Plain).contains("--key-size 16 or more"));
        assert!(error(64, "{user}", KeyLayout::Slotted).contains("hash tag"));
        assert!(Keyspace::new(64, Some("{user}"), KeyLayout::Plain).is_ok());
        assert!(Keyspace::new(64, Some("a}b{}"), KeyLayout::Slotted).is_ok());
    }

    proptest! {
        #[test]
        fn patching_equals_rendering(
            size in prop_oneof![1_usize..80, 65_000_usize..=65_536],
            slotted: bool,
            before: u64,
            after: u64,
        ) {
            let layout = if slotted { KeyLayout::Slotted } else { KeyLayout::Plain };
            prop_assume!(!slotted || size > FIX_BYTES);
            let keyspace = Keyspace::new(size, None, layout).unwrap();
            let (before, after) = (before % keyspace.capacity(), after % keyspace.capacity());
            let mut patched = key(&keyspace, before);
            keyspace.patch(after, &mut patched);
            prop_assert_eq!(patched, key(&keyspace, after));
        }
    }
}
