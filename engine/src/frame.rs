//! One command that sets keys, as it stands on the wire, and where its patches go.

use crate::plan::keyspace::Keyspace;
use crate::plan::values::ValueLayout;

/// The frame of every key of a plan: `*3 $3 SET $<key size> <key> $<value size> <value>`, or the
/// same with `NX`, or an MSET of several keys; all of the same length, differing only in a few
/// patched bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    keyspace: Keyspace,
    values: ValueLayout,
    keys: usize,
    head: Vec<u8>,
    /// Before each key, between it and its value, and behind that.
    key_head: Vec<u8>,
    middle: Vec<u8>,
    tail: &'static [u8],
}

/// What ends a key's value.
const END: &[u8] = b"\r\n";

impl Frame {
    /// The frame that sets keys of `keyspace` to values of `values`; those alone that do not exist
    /// where `keeps_existing`.
    #[must_use]
    pub fn new(keyspace: Keyspace, values: ValueLayout, keeps_existing: bool) -> Self {
        match keeps_existing {
            true => Self::of(keyspace, values, 1, b"*4\r\n$3\r\nSET\r\n", b"$2\r\nNX\r\n"),
            false => Self::of(keyspace, values, 1, b"*3\r\n$3\r\nSET\r\n", b""),
        }
    }

    /// The frame that sets `keys` keys at once (MSET).
    #[must_use]
    pub fn of_many(keyspace: Keyspace, values: ValueLayout, keys: usize) -> Self {
        let head = format!("*{}\r\n$4\r\nMSET\r\n", 1 + 2 * keys);
        Self::of(keyspace, values, keys, head.as_bytes(), b"")
    }

    fn of(
        keyspace: Keyspace,
        values: ValueLayout,
        keys: usize,
        head: &[u8],
        tail: &'static [u8],
    ) -> Self {
        assert!(keys > 0, "a command sets at least one key");
        Self {
            head: head.to_vec(),
            key_head: format!("${}\r\n", keyspace.key_size()).into_bytes(),
            middle: format!("\r\n${}\r\n", values.value_size()).into_bytes(),
            keyspace,
            values,
            keys,
            tail,
        }
    }

    /// Keys of every frame.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Bytes of every frame.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.head.len() + self.keys * self.pair_bytes() + self.tail.len()
    }

    /// Bytes of one key and its value, with what stands around them.
    fn pair_bytes(&self) -> usize {
        self.value_at() + self.values.value_size() + END.len()
    }

    /// Where, within such a pair, the value begins.
    fn value_at(&self) -> usize {
        self.key_head.len() + self.keyspace.key_size() + self.middle.len()
    }

    /// Writes the whole frame of `index`, and where it has several keys of those that follow, with
    /// body number `body` in the first value.
    pub fn render(&self, index: u64, body: u32, frame: &mut [u8]) {
        self.render_each(|key| index + key as u64, body, frame);
    }

    /// Writes the whole frame, its `key`-th key being that of `index_of(key)`, with bodies from
    /// number `body` on.
    pub fn render_each(&self, index_of: impl Fn(usize) -> u64, body: u32, frame: &mut [u8]) {
        let (head, rest) = frame.split_at_mut(self.head.len());
        let (pairs, tail) = rest.split_at_mut(self.keys * self.pair_bytes());
        head.copy_from_slice(&self.head);
        tail.copy_from_slice(self.tail);
        for (key, pair) in pairs.chunks_exact_mut(self.pair_bytes()).enumerate() {
            let (key_head, rest) = pair.split_at_mut(self.key_head.len());
            let (name, rest) = rest.split_at_mut(self.keyspace.key_size());
            let (middle, rest) = rest.split_at_mut(self.middle.len());
            let (value, end) = rest.split_at_mut(self.values.value_size());
            key_head.copy_from_slice(&self.key_head);
            self.keyspace.render(index_of(key), name);
            middle.copy_from_slice(&self.middle);
            self.values.render(index_of(key), body + key as u32, value);
            end.copy_from_slice(END);
        }
    }

    /// Turns a rendered frame into that of `index`, and where it has several keys of those that
    /// follow: see [`patch_each`](Self::patch_each).
    #[inline]
    pub fn patch(&self, index: u64, frame: &mut [u8]) {
        self.patch_each(|key| index + key as u64, frame);
    }

    /// Turns a rendered frame into that of these indices, keeping its bodies: the counter in each
    /// key, the fix-up of the slotted layout, the counter in the stamp. Costs the same for all sizes.
    #[inline]
    pub fn patch_each(&self, index_of: impl Fn(usize) -> u64, frame: &mut [u8]) {
        let (key_at, key_size) = (self.key_head.len(), self.keyspace.key_size());
        let value_at = self.value_at();
        let pairs = &mut frame[self.head.len()..];
        for (key, pair) in pairs
            .chunks_exact_mut(self.pair_bytes())
            .take(self.keys)
            .enumerate()
        {
            let index = index_of(key);
            self.keyspace
                .patch(index, &mut pair[key_at..key_at + key_size]);
            self.values.patch(index, &mut pair[value_at..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::keyspace::KeyLayout;

    #[test]
    fn a_frame_is_a_set_command() {
        let keyspace = Keyspace::new(16, None, KeyLayout::Plain).unwrap();
        let values = ValueLayout::new(3, 16, 1);
        let mut value = [0; 3];
        values.render(7, 0, &mut value);
        let frame = Frame::new(keyspace, values, false);
        let mut bytes = vec![0; frame.bytes()];
        frame.render(7, 0, &mut bytes);
        let expected = [
            b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000007\r\n$3\r\n" as &[u8],
            &value,
            b"\r\n",
        ];
        assert_eq!(bytes, expected.concat());
    }

    #[test]
    fn a_frame_that_keeps_what_exists_says_so() {
        let keyspace = Keyspace::new(16, None, KeyLayout::Plain).unwrap();
        let frame = Frame::new(keyspace, ValueLayout::new(3, 16, 1), true);
        let mut bytes = vec![0; frame.bytes()];
        frame.render(7, 0, &mut bytes);
        assert!(bytes.starts_with(b"*4\r\n$3\r\nSET\r\n$16\r\nkey:000000000007\r\n$3\r\n"));
        assert!(bytes.ends_with(b"\r\n$2\r\nNX\r\n"));
    }

    #[test]
    fn a_frame_of_many_is_an_mset_command() {
        let keyspace = Keyspace::new(16, None, KeyLayout::Plain).unwrap();
        let values = ValueLayout::new(16, 16, 1);
        let frame = Frame::of_many(keyspace, values.clone(), 2);
        let mut bytes = vec![0; frame.bytes()];
        frame.render_each(|key| [7, 99][key], 4, &mut bytes);
        let (mut one, mut two) = ([0; 16], [0; 16]);
        values.render(7, 4, &mut one);
        values.render(99, 5, &mut two);
        let expected = [
            b"*5\r\n$4\r\nMSET\r\n$16\r\nkey:000000000007\r\n$16\r\n" as &[u8],
            &one,
            b"\r\n$16\r\nkey:000000000099\r\n$16\r\n",
            &two,
            b"\r\n",
        ];
        assert_eq!(bytes, expected.concat());
    }

    proptest! {
        #[test]
        fn patching_equals_rendering(
            key_size in 5_usize..100,
            value_size in 1_usize..100,
            slotted: bool,
            seed: u64,
            before: u64,
            after: u64,
            body in 0_u32..100,
            keeps_existing: bool,
            keys in 1_usize..20,
        ) {
            let layout = if slotted { KeyLayout::Slotted } else { KeyLayout::Plain };
            let keyspace = Keyspace::new(key_size, None, layout).unwrap();
            let (before, after) = (before % keyspace.capacity(), after % keyspace.capacity());
            let values = ValueLayout::new(value_size, key_size, seed);
            let last = keyspace.capacity() - keys as u64;
            let (before, after) = (before.min(last), after.min(last));
            let frame = match keys {
                1 => Frame::new(keyspace, values, keeps_existing),
                keys => Frame::of_many(keyspace, values, keys),
            };
            let (mut patched, mut rendered) = (vec![0; frame.bytes()], vec![0; frame.bytes()]);
            frame.render(before, body, &mut patched);
            frame.patch(after, &mut patched);
            frame.render(after, body, &mut rendered);
            prop_assert_eq!(patched, rendered);
        }
    }
}
