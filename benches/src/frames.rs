//! Blocks of rendered frames, and what a fill does with them over and over: patching them for the
//! keys to come, sending batches of them by a lane, reading what comes back. Nothing is sent
//! anywhere; what is repeated here is what a client does per key.

use std::hint::black_box;
use std::time::Instant;

use engine::frame::Frame;
use engine::lane::{Lane, LaneShape, Replies};
use engine::latency::Latencies;
use engine::plan::keyspace::{KeyLayout, Keyspace};
use engine::plan::sequence::KeySequence;
use engine::plan::values::ValueLayout;
use engine::segment::Segment;

use crate::slots::Deal;

/// About the size of a block in a fill; a larger frame stands alone in its block.
const SEGMENT_BYTES: usize = 128 << 10;
/// Frames patched between two looks at the clock, at least.
const FRAMES_PER_TURN_MIN: usize = 256;
/// Key and value sizes of the targets.
pub const SIZES: [(usize, usize); 3] = [(64, 256), (512, 512), (65_536, 524_288)];
/// A value too short for a stamp.
const UNSTAMPED_VALUE: usize = 8;
/// About what a lane sends between two fences.
const BATCH_BYTES: usize = 8 << 20;
/// What is read from a connection at a time.
const READ_BYTES: usize = 16 << 10;
/// All keys that there are.
const KEYS: u64 = 1_000_000_000_000;
/// Nodes that share the slots.
const NODES: u16 = 3;

/// A kind of frame, and what patching one may take.
#[derive(Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// How keys are laid out.
    layout: KeyLayout,
    /// Whether values are long enough for a stamp.
    is_stamped: bool,
    /// How the nodes share the slots, where the keys are those of one node.
    deal: Option<Deal>,
    /// The target: what patching one may take, in nanoseconds.
    pub nanoseconds_max: f64,
}

/// All kinds, the simplest first.
pub const KINDS: [Kind; 5] = [
    Kind {
        name: "counter",
        layout: KeyLayout::Plain,
        is_stamped: false,
        deal: None,
        nanoseconds_max: 10.0,
    },
    Kind {
        name: "stamped",
        layout: KeyLayout::Plain,
        is_stamped: true,
        deal: None,
        nanoseconds_max: 20.0,
    },
    Kind {
        name: "slotted",
        layout: KeyLayout::Slotted,
        is_stamped: true,
        deal: None,
        nanoseconds_max: 25.0,
    },
    Kind {
        name: "node, contiguous slots",
        layout: KeyLayout::Slotted,
        is_stamped: true,
        deal: Some(Deal::Even),
        nanoseconds_max: 25.0,
    },
    Kind {
        name: "node, scattered slots",
        layout: KeyLayout::Slotted,
        is_stamped: true,
        deal: Some(Deal::Scattered),
        nanoseconds_max: 25.0,
    },
];

impl Kind {
    /// The size of its values where stamped ones have `stamped` bytes.
    fn value_size(&self, stamped: usize) -> usize {
        if self.is_stamped {
            stamped
        } else {
            UNSTAMPED_VALUE
        }
    }

    /// The keys of a node; `None` where keys follow one another.
    fn keys_of_node(&self) -> Option<KeySequence> {
        let slots = self.deal?.slots_of(1, NODES);
        Some(KeySequence::new(0, KEYS).within(&slots))
    }

    /// A pair of sizes as it is written.
    #[must_use]
    pub fn label(&self, (key_size, value_size): (usize, usize)) -> String {
        format!("{key_size}/{}", self.value_size(value_size))
    }
}

/// A block of rendered frames and the keys to come.
#[derive(Debug)]
pub struct Work {
    segment: Segment,
    block: Vec<u8>,
    passes: usize,
    next: u64,
    keys_of_node: Option<KeySequence>,
}

impl Work {
    /// Frames of this kind and of these key and value sizes.
    #[must_use]
    pub fn new(kind: &Kind, (key_size, value_size): (usize, usize)) -> Self {
        let value_size = kind.value_size(value_size);
        let keyspace = Keyspace::new(key_size, None, kind.layout).expect("the sizes are valid");
        let frame = Frame::new(keyspace, ValueLayout::new(value_size, key_size, 0), false);
        let frames = (SEGMENT_BYTES / frame.bytes()).max(1);
        let segment = Segment::new(frame, frames);
        let mut block = vec![0; segment.block_bytes()];
        segment.render(&mut block);
        Self {
            segment,
            block,
            passes: FRAMES_PER_TURN_MIN.div_ceil(frames),
            next: 0,
            keys_of_node: kind.keys_of_node(),
        }
    }

    /// Frames that [`patch`](Self::patch) patches.
    #[must_use]
    pub fn frames_per_turn(&self) -> u64 {
        (self.passes * self.segment.frames()) as u64
    }

    /// Frames that [`render`](Self::render) writes.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.segment.frames() as u64
    }

    /// Patches every frame of the block, a few times over where there are few.
    pub fn patch(&mut self) {
        match self.keys_of_node.take() {
            Some(keys) => {
                self.patch_with(|position| keys.at(position));
                self.keys_of_node = Some(keys);
            }
            None => self.patch_with(|position| position),
        }
    }

    /// The same, `index_at` telling the index of a key from its position.
    #[inline(always)]
    fn patch_with(&mut self, index_at: impl Fn(u64) -> u64) {
        let (frame, frame_bytes) = (self.segment.frame(), self.segment.frame().bytes());
        let end = self.segment.frames() * frame_bytes;
        // Nobody may know the keys beforehand.
        let mut position = black_box(self.next);
        for _ in 0..self.passes {
            for bytes in self.block[..end].chunks_exact_mut(frame_bytes) {
                frame.patch(index_at(position), bytes);
                position += 1;
            }
            black_box(&mut self.block);
        }
        self.next = position;
    }

    /// Writes every frame of the block anew.
    pub fn render(&mut self) {
        let (frame, frame_bytes) = (self.segment.frame(), self.segment.frame().bytes());
        let end = self.segment.frames() * frame_bytes;
        for bytes in self.block[..end].chunks_exact_mut(frame_bytes) {
            frame.render(black_box(self.next), 0, bytes);
            self.next += 1;
        }
        black_box(&mut self.block);
    }
}

/// A lane whose every byte is taken at once and whose every frame is acknowledged at once.
#[derive(Debug)]
pub struct Sender {
    lane: Lane,
    block: Vec<u8>,
    replies: Replies,
    batch_frames: u64,
    /// What a server answers to a batch; the number of the fence is written into it.
    answer: Vec<u8>,
    fence: u64,
    latencies: Latencies,
}

impl Sender {
    /// Batches of whole blocks, about 8 MiB, of 512/512 frames of this kind.
    #[must_use]
    pub fn new(kind: &Kind, replies: Replies) -> Self {
        let Work {
            segment,
            block,
            keys_of_node,
            ..
        } = Work::new(kind, SIZES[1]);
        let blocks = BATCH_BYTES / segment.block_bytes();
        let batch_frames = (blocks * segment.frames()) as u64;
        let shape = LaneShape {
            segment: segment.into(),
            batch_frames,
            replies,
        };
        let keys = keys_of_node.unwrap_or_else(|| KeySequence::new(0, KEYS));
        let answer = match replies {
            Replies::Fenced => Vec::new(),
            Replies::Each => b"+OK\r\n".repeat(batch_frames as usize),
        };
        Self {
            lane: Lane::new(shape, keys),
            block,
            replies,
            batch_frames,
            answer,
            fence: 0,
            latencies: Latencies::default(),
        }
    }

    /// Frames of a batch.
    #[must_use]
    pub fn batch_frames(&self) -> u64 {
        self.batch_frames
    }

    /// Sends a batch, and takes in its acknowledgement.
    pub fn batch(&mut self, now: Instant) {
        let end = self.lane.frames_sent() + self.batch_frames;
        while self.lane.frames_sent() < end {
            let part = self.lane.next(&mut self.block);
            let part = part.expect("the window is open");
            black_box(&mut self.block);
            self.lane.sent(part.len(), now);
        }
        if self.replies == Replies::Fenced {
            self.answer = format!("+OK\r\n$16\r\n{:016x}\r\n", self.fence).into_bytes();
            self.fence += 1;
        }
        for read in black_box(&self.answer[..]).chunks(READ_BYTES) {
            let taken = self.lane.received(read, now, &mut self.latencies);
            taken.expect("the answer is right");
        }
    }
}
