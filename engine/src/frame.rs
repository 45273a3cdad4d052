//! One SET command as it stands on the wire, and where its patches go.

use crate::plan::keyspace::Keyspace;
use crate::plan::values::ValueLayout;

/// The frame of every key of a plan: `*3 $3 SET $<key size> <key> $<value size> <value>`, or the
/// same with `NX`, all of the same length, differing only in a few patched bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    keyspace: Keyspace,
    values: ValueLayout,
    head: Vec<u8>,
    middle: Vec<u8>,
    tail: &'static [u8],
}

impl Frame {
    /// The frame that sets keys of `keyspace` to values of `values`; those alone that do not exist
    /// where `keeps_existing`.
    #[must_use]
    pub fn new(keyspace: Keyspace, values: ValueLayout, keeps_existing: bool) -> Self {
        let (arguments, tail) = match keeps_existing {
            true => (4, b"\r\n$2\r\nNX\r\n" as &[u8]),
            false => (3, b"\r\n" as &[u8]),
        };
        let key_size = keyspace.key_size();
        let head = format!("*{arguments}\r\n$3\r\nSET\r\n${key_size}\r\n").into_bytes();
        let middle = format!("\r\n${}\r\n", values.value_size()).into_bytes();
        Self {
            keyspace,
            values,
            head,
            middle,
            tail,
        }
    }

    /// Bytes of every frame.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.value_at() + self.values.value_size() + self.tail.len()
    }

    /// Writes the whole frame of `index`, with body number `body` in the value.
    pub fn render(&self, index: u64, body: u32, frame: &mut [u8]) {
        let (head, rest) = frame.split_at_mut(self.head.len());
        let (key, rest) = rest.split_at_mut(self.keyspace.key_size());
        let (middle, rest) = rest.split_at_mut(self.middle.len());
        let (value, tail) = rest.split_at_mut(self.values.value_size());
        head.copy_from_slice(&self.head);
        self.keyspace.render(index, key);
        middle.copy_from_slice(&self.middle);
        self.values.render(index, body, value);
        tail.copy_from_slice(self.tail);
    }

    /// Turns a rendered frame into that of `index`, keeping its body: the counter in the key, the
    /// fix-up of the slotted layout, the counter in the stamp. Costs the same for all sizes.
    #[inline]
    pub fn patch(&self, index: u64, frame: &mut [u8]) {
        let (key_at, value_at) = (self.head.len(), self.value_at());
        self.keyspace
            .patch(index, &mut frame[key_at..key_at + self.keyspace.key_size()]);
        self.values.patch(index, &mut frame[value_at..]);
    }

    fn value_at(&self) -> usize {
        self.head.len() + self.keyspace.key_size() + self.middle.len()
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
        ) {
            let layout = if slotted { KeyLayout::Slotted } else { KeyLayout::Plain };
            let keyspace = Keyspace::new(key_size, None, layout).unwrap();
            let (before, after) = (before % keyspace.capacity(), after % keyspace.capacity());
            let frame = Frame::new(keyspace, ValueLayout::new(value_size, key_size, seed), keeps_existing);
            let (mut patched, mut rendered) = (vec![0; frame.bytes()], vec![0; frame.bytes()]);
            frame.render(before, body, &mut patched);
            frame.patch(after, &mut patched);
            frame.render(after, body, &mut rendered);
            prop_assert_eq!(patched, rendered);
        }
    }
}
