//! One SET command as it stands on the wire, and where its patches go.

use crate::plan::keyspace::Keyspace;
use crate::plan::values::ValueLayout;

/// The frame of every key of a plan: `*3 $3 SET $<key size> <key> $<value size> <value>`, all of
/// the same length, differing only in a few patched bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    keyspace: Keyspace,
    values: ValueLayout,
    head: Vec<u8>,
    middle: Vec<u8>,
}

const TAIL: &[u8] = b"\r\n";

impl Frame {
    /// The frame that sets keys of `keyspace` to values of `values`.
    #[must_use]
    pub fn new(keyspace: Keyspace, values: ValueLayout) -> Self {
        let head = format!("*3\r\n$3\r\nSET\r\n${}\r\n", keyspace.key_size()).into_bytes();
        let middle = format!("\r\n${}\r\n", values.value_size()).into_bytes();
        Self {
            keyspace,
            values,
            head,
            middle,
        }
    }

    /// Bytes of every frame.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.value_at() + self.values.value_size() + TAIL.len()
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
        tail.copy_from_slice(TAIL);
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
        let frame = Frame::new(keyspace, values);
        let mut bytes = vec![0; frame.bytes()];
        frame.render(7, 0, &mut bytes);
        let expected = [
            b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000007\r\n$3\r\n" as &[u8],
            &value,
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
        ) {
            let layout = if slotted { KeyLayout::Slotted } else { KeyLayout::Plain };
            let keyspace = Keyspace::new(key_size, None, layout).unwrap();
            let (before, after) = (before % keyspace.capacity(), after % keyspace.capacity());
            let frame = Frame::new(keyspace, ValueLayout::new(value_size, key_size, seed));
            let (mut patched, mut rendered) = (vec![0; frame.bytes()], vec![0; frame.bytes()]);
            frame.render(before, body, &mut patched);
            frame.patch(after, &mut patched);
            frame.render(after, body, &mut rendered);
            prop_assert_eq!(patched, rendered);
        }
    }
}
