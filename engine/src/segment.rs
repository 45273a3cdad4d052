//! Whole frames back to back in one block of memory, with room for a fence behind the last.
//!
//! Every block of a plan is rendered alike, so that a chunk partly sent from one block can go on
//! from another: the frame at a given place always carries the same body.

use std::ops::Range;

use crate::frame::Frame;
use crate::plan::sequence::KeySequence;

const FENCE_HEAD: &[u8] =
    b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n*2\r\n$4\r\nECHO\r\n$16\r\n";
const FENCE_TAIL: &[u8] = b"\r\n*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n";
/// Hexadecimal digits of a fence's number.
pub(crate) const FENCE_DIGITS: usize = 16;
/// Bytes of a fence: `CLIENT REPLY ON`, `ECHO <number>`, `CLIENT REPLY OFF`.
pub const FENCE_BYTES: usize = FENCE_HEAD.len() + FENCE_DIGITS + FENCE_TAIL.len();

/// A fence's number as it is echoed.
#[must_use]
pub(crate) fn fence_digits(number: u64) -> [u8; FENCE_DIGITS] {
    std::array::from_fn(|digit| b"0123456789abcdef"[(number >> (60 - 4 * digit)) as usize & 0xF])
}

/// A run of frames that is sent from one block: elements of a sequence, and the fence behind
/// them where the run ends a batch. It stands at the end of the segment, so that a short run
/// needs no copy and no second write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Number of the first frame among those of the lane's sequence.
    pub(crate) first: u64,
    /// Number of frames, at most as many as the segment has.
    pub(crate) frames: usize,
    /// Number of the fence behind the frames, if there is one.
    pub(crate) fence: Option<u64>,
}

/// Geometry of a block of frames.
#[derive(Clone, Debug)]
pub struct Segment {
    frame: Frame,
    frames: usize,
}

impl Segment {
    /// `frames` frames (at least one) and room for a fence.
    #[must_use]
    pub fn new(frame: Frame, frames: usize) -> Self {
        assert!(frames > 0, "a segment holds at least one frame");
        Self { frame, frames }
    }

    /// Frames per segment.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// The frame all of them are made from.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Bytes a block must have to hold a segment.
    #[must_use]
    pub fn block_bytes(&self) -> usize {
        self.frames * self.frame.bytes() + FENCE_BYTES
    }

    /// Renders everything that patches leave alone into a fresh block.
    pub fn render(&self, block: &mut [u8]) {
        let (frames, rest) = block.split_at_mut(self.frames * self.frame.bytes());
        for (body, frame) in frames.chunks_exact_mut(self.frame.bytes()).enumerate() {
            self.frame
                .render(0, (body * self.frame.keys()) as u32, frame);
        }
        let fence = &mut rest[..FENCE_BYTES];
        fence[..FENCE_HEAD.len()].copy_from_slice(FENCE_HEAD);
        fence[FENCE_HEAD.len() + FENCE_DIGITS..].copy_from_slice(FENCE_TAIL);
    }

    /// Bytes of `chunk` on the wire.
    #[must_use]
    pub(crate) fn chunk_bytes(&self, chunk: &Chunk) -> usize {
        chunk.frames * self.frame.bytes()
            + if chunk.fence.is_some() {
                FENCE_BYTES
            } else {
                0
            }
    }

    /// Patches `block` so that it holds `chunk` from its byte `offset` on, and says where.
    pub(crate) fn patch(
        &self,
        block: &mut [u8],
        sequence: &KeySequence,
        chunk: &Chunk,
        offset: usize,
    ) -> Range<usize> {
        debug_assert!(chunk.frames <= self.frames && offset < self.chunk_bytes(chunk));
        let frame_bytes = self.frame.bytes();
        let begin = (self.frames - chunk.frames) * frame_bytes;
        let frames_end = self.frames * frame_bytes;
        let whole_frames_sent = (offset / frame_bytes).min(chunk.frames);
        let unsent = &mut block[begin + whole_frames_sent * frame_bytes..frames_end];
        let first = chunk.first + whole_frames_sent as u64;
        let keys = self.frame.keys() as u64;
        for (position, frame) in (first..).zip(unsent.chunks_exact_mut(frame_bytes)) {
            let begin = position * keys;
            self.frame
                .patch_each(|key| sequence.at(begin + key as u64), frame);
        }
        if let Some(number) = chunk.fence {
            let digits_at = frames_end + FENCE_HEAD.len();
            block[digits_at..digits_at + FENCE_DIGITS].copy_from_slice(&fence_digits(number));
        }
        begin + offset..begin + self.chunk_bytes(chunk)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::keyspace::{KeyLayout, Keyspace};
    use crate::plan::values::ValueLayout;

    /// The naive twin of patching: every command written out by itself.
    fn rendered(segment: &Segment, sequence: &KeySequence, chunk: &Chunk) -> Vec<u8> {
        let mut bytes = Vec::new();
        for n in 0..chunk.frames {
            let mut frame = vec![0; segment.frame.bytes()];
            let keys = segment.frame.keys();
            let body = (segment.frames - chunk.frames + n) * keys;
            let first = (chunk.first + n as u64) * keys as u64;
            let index_of = |key: usize| sequence.at(first + key as u64);
            segment.frame.render_each(index_of, body as u32, &mut frame);
            bytes.extend(frame);
        }
        if let Some(number) = chunk.fence {
            bytes.extend(b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n");
            bytes.extend(format!("*2\r\n$4\r\nECHO\r\n$16\r\n{number:016x}\r\n").into_bytes());
            bytes.extend(b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n");
        }
        bytes
    }

    proptest! {
        #[test]
        fn a_patched_chunk_equals_a_rendered_one_from_any_byte_on(
            sizes in (5_usize..60, 1_usize..60),
            slotted: bool,
            frames in 1_usize..20,
            keys in 1_usize..6,
            run in 1_usize..20,
            first in 0_u64..1_000,
            fence in any::<Option<u64>>(),
            before in 0_u64..1_000,
            cut in 0.0..1.0_f64,
        ) {
            let layout = if slotted { KeyLayout::Slotted } else { KeyLayout::Plain };
            let keyspace = Keyspace::new(sizes.0, None, layout).unwrap();
            prop_assume!(keyspace.capacity() > 2_000);
            prop_assume!(keyspace.capacity() > 8_000);
            let values = ValueLayout::new(sizes.1, sizes.0, 9);
            let frame = match keys {
                1 => Frame::new(keyspace, values, false),
                keys => Frame::of_many(keyspace, values, keys),
            };
            let segment = Segment::new(frame, frames);
            let sequence = KeySequence::new(17, 1_100 * keys as u64);
            let mut block = vec![0; segment.block_bytes()];
            segment.render(&mut block);
            segment.patch(&mut block, &sequence, &Chunk { first: before, frames, fence: Some(before) }, 0);
            let chunk = Chunk { first, frames: run.min(frames), fence };
            let expected = rendered(&segment, &sequence, &chunk);
            prop_assert_eq!(expected.len(), segment.chunk_bytes(&chunk));
            let offset = (cut * expected.len() as f64) as usize;
            let range = segment.patch(&mut block, &sequence, &chunk, offset);
            prop_assert_eq!(&block[range], &expected[offset..]);
        }
    }
}
