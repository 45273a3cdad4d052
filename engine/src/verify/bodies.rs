//! Compares values with what the plan says they are, byte for byte, without allocating: bodies
//! are rendered once and kept. The naive twin is [`ValueLayout::is_value`]. Also says in words
//! what is wrong with one.

use crate::plan::values::{STAMP_BYTES, ValueLayout};

/// Most bytes of bodies that are kept.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// Most bodies that are kept. A fill has fewer, unless frames are tiny.
const KEPT_MAX: usize = 8_192;

/// The bodies of a plan's values. Those with low numbers, which are all that a fill writes, are
/// kept; others are rendered whenever a value claims to have one.
pub(crate) struct Bodies {
    values: ValueLayout,
    body_bytes: usize,
    /// Bodies back to back, by number.
    kept: Vec<u8>,
    is_rendered: Vec<bool>,
    /// The last body that is not kept.
    other: Vec<u8>,
}

impl Bodies {
    /// Of values of this layout.
    pub(crate) fn new(values: &ValueLayout) -> Self {
        let (body_bytes, most) = if values.is_stamped() {
            (values.value_size() - STAMP_BYTES, KEPT_MAX)
        } else {
            (values.value_size(), 1)
        };
        let count = (KEPT_BYTES_MAX / body_bytes.max(1)).clamp(1, most);
        Self {
            values: values.clone(),
            body_bytes,
            kept: vec![0; count * body_bytes],
            is_rendered: vec![false; count],
            other: Vec::new(),
        }
    }

    /// Whether `value` is, byte for byte, a value of `index`.
    #[inline]
    pub(crate) fn is_value(&mut self, index: u64, value: &[u8]) -> bool {
        if value.len() != self.values.value_size() {
            return false;
        }
        let Some((stamp, bytes)) = self.split(value) else {
            return value == self.body(0);
        };
        let number = u32::from_le_bytes([stamp[12], stamp[13], stamp[14], stamp[15]]);
        *stamp == self.values.stamp(index, number) && bytes == self.body(number)
    }

    /// What is wrong with `value`, which has the right length.
    pub(crate) fn difference(&mut self, index: u64, value: &[u8]) -> String {
        let Some((stamp, bytes)) = self.split(value) else {
            return "other bytes than this seed gives".into();
        };
        let right = self.values.stamp(index, 0);
        if stamp[8..12] != right[8..12] {
            return "no value of this seed and these sizes".into();
        }
        if stamp[..8] != right[..8] {
            return "the value of another key".into();
        }
        let number = u32::from_le_bytes([stamp[12], stamp[13], stamp[14], stamp[15]]);
        let body = self.body(number);
        let at = bytes.iter().zip(body).position(|(one, other)| one != other);
        format!("damaged from byte {} on", STAMP_BYTES + at.unwrap_or(0))
    }

    fn split<'v>(&self, value: &'v [u8]) -> Option<(&'v [u8; STAMP_BYTES], &'v [u8])> {
        value
            .split_first_chunk()
            .filter(|_| self.values.is_stamped())
    }

    #[inline]
    fn body(&mut self, number: u32) -> &[u8] {
        let at = number as usize;
        if at >= self.is_rendered.len() {
            self.other.resize(self.body_bytes, 0);
            self.values.fill_body(number, &mut self.other);
            return &self.other;
        }
        let body = &mut self.kept[at * self.body_bytes..(at + 1) * self.body_bytes];
        if !self.is_rendered[at] {
            self.is_rendered[at] = true;
            self.values.fill_body(number, body);
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_comparison_says_what_its_naive_twin_says(
            size in 1_usize..600, index: u64, seed: u64,
            body in prop_oneof![0_u32..5_000, any::<u32>()],
            damage in proptest::option::of((any::<usize>(), 1_u8..)),
            cut in 0_usize..2,
        ) {
            let layout = ValueLayout::new(size, 99, seed);
            let mut bodies = Bodies::new(&layout);
            let mut value = vec![0; size];
            layout.render(index, body, &mut value);
            if let Some((at, flip)) = damage {
                value[at % size] ^= flip;
            }
            let value = &value[..size - cut.min(size)];
            // A kept body is compared like one that has just been rendered.
            for _ in 0..2 {
                prop_assert_eq!(bodies.is_value(index, value), layout.is_value(index, value));
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        let layout = ValueLayout::new(40, 8, 1);
        let mut bodies = Bodies::new(&layout);
        let render = |layout: &ValueLayout, index| {
            let mut value = vec![0; 40];
            layout.render(index, 3, &mut value);
            value
        };
        let mut damaged = render(&layout, 5);
        damaged[20] ^= 1;
        assert_eq!(bodies.difference(5, &damaged), "damaged from byte 20 on");
        let other = render(&layout, 6);
        assert_eq!(bodies.difference(5, &other), "the value of another key");
        let seeded = render(&ValueLayout::new(40, 8, 2), 5);
        assert!(bodies.difference(5, &seeded).contains("of this seed"));
        let mut short = Bodies::new(&ValueLayout::new(3, 8, 1));
        assert!(short.difference(5, b"abc").contains("other bytes"));
    }
}
