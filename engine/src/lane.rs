//! A lane: one connection's share of a fill, as counters. It says which bytes to send next and
//! what a reply means; it never touches a socket and never asks for the time.
//!
//! The stream of a lane is cut into chunks, each of which fits into one block. With fenced
//! replies a fence ends each batch, and only its echo acknowledges. With each reply read, the
//! k-th reply names the k-th key.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crate::latency::Latencies;
use crate::plan::sequence::KeySequence;
use crate::reply::{Reply, ReplyScanner, count_class, error_class, is_final};
use crate::segment::{Chunk, Segment};
use crate::window::Window;

/// At most so many batches are sent before the oldest is acknowledged.
const FENCES_OUTSTANDING_MAX: usize = 2;
/// At most so many fences are outstanding when some were lost and others sent in their stead.
const NUDGES_MAX: usize = 16;

/// How a server acknowledges what it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Replies {
    /// `CLIENT REPLY OFF`, and one echo per batch.
    Fenced,
    /// A reply to every command.
    Each,
}

/// What a lane needs to know of the plan.
#[derive(Clone, Debug)]
pub struct LaneShape {
    /// Geometry of the blocks that the lane sends from.
    pub segment: Arc<Segment>,
    /// Fenced: frames between fences. Each: frames that may await their replies.
    pub batch_frames: u64,
    /// How the server acknowledges.
    pub replies: Replies,
}

/// Why a lane cannot go on, as the server put it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneError {
    /// The server refuses every further write: class and message.
    Refused(String),
    /// The replies do not fit what was sent.
    Protocol(String),
}

/// Counters over the frames of one sequence of keys, and the rules by which they move.
///
/// Invariants: `acked <= sent <= count`; two fences are outstanding, and a few more where some seem
/// to be lost; with each reply at most `batch_frames` frames await theirs. A reply that comes before
/// the driver reports its command as sent counts as such a report. A lane goes back to `acked` only
/// when its connection is gone, so a late acknowledgement cannot be taken for a new one.
#[derive(Debug)]
pub struct Lane {
    shape: LaneShape,
    sequence: KeySequence,
    /// Frames whose reply or fence has arrived, refused ones included.
    acked: u64,
    /// Frames of the sequence.
    count: u64,
    /// Frames wholly handed to the kernel.
    sent: u64,
    /// The most that `sent` has been: what the server may have seen.
    sent_max: u64,
    /// The chunk under way and how many of its bytes are sent.
    next: Option<(Chunk, usize)>,
    batch_end: u64,
    fence_number: u64,
    /// A fence by itself is wanted, because one seems to be lost.
    is_nudged: bool,
    /// No further frames are wanted.
    is_closing: bool,
    window: Window,
    scanner: ReplyScanner,
    refused: BTreeMap<String, u64>,
}

impl Lane {
    /// A lane that sends `sequence`, which fills whole frames, its connection being ready for the first frame.
    #[must_use]
    pub fn new(shape: LaneShape, sequence: KeySequence) -> Self {
        assert!(shape.batch_frames > 0, "a batch holds at least one frame");
        Self {
            count: sequence.count() / shape.segment.frame().keys() as u64,
            shape,
            sequence,
            acked: 0,
            sent: 0,
            sent_max: 0,
            next: None,
            batch_end: 0,
            fence_number: 0,
            is_nudged: false,
            is_closing: false,
            window: Window::default(),
            scanner: ReplyScanner::default(),
            refused: BTreeMap::new(),
        }
    }

    /// Whether every frame is sent and acknowledged.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.acked == self.count && self.next.is_none()
    }

    /// Whether acknowledgements are outstanding.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.window.is_empty()
    }

    /// Whether there is something to send now.
    #[must_use]
    pub fn wants_to_send(&self) -> bool {
        self.next.is_some() || self.peek_chunk().is_some()
    }

    /// Whether a chunk is partly sent.
    #[must_use]
    pub fn is_mid_chunk(&self) -> bool {
        self.next.is_some()
    }

    /// Geometry of the blocks this lane sends from.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        &self.shape.segment
    }

    /// The same, to be kept.
    #[must_use]
    pub(crate) fn shared_segment(&self) -> Arc<Segment> {
        Arc::clone(&self.shape.segment)
    }

    /// How this lane's connection acknowledges.
    #[must_use]
    pub fn replies(&self) -> Replies {
        self.shape.replies
    }

    /// The keys this lane sends.
    #[must_use]
    pub fn sequence(&self) -> &KeySequence {
        &self.sequence
    }

    /// Frames wholly handed to the kernel.
    #[must_use]
    pub fn frames_sent(&self) -> u64 {
        self.sent
    }

    /// Frames that the server may have seen: the most that were ever handed to the kernel.
    #[must_use]
    pub fn frames_seen_max(&self) -> u64 {
        self.sent_max
    }

    /// Frames whose reply or fence has arrived, refused ones included.
    #[must_use]
    pub fn frames_replied(&self) -> u64 {
        self.acked
    }

    /// Frames acknowledged and not refused.
    #[must_use]
    pub fn frames_acked(&self) -> u64 {
        self.acked - self.refused.values().sum::<u64>()
    }

    /// Refused frames by the class of the error; with fenced replies the server keeps them to
    /// itself.
    #[must_use]
    pub fn refused(&self) -> &BTreeMap<String, u64> {
        &self.refused
    }

    /// Patches the next bytes into `block`, any block rendered for this lane's segment, and says
    /// where they are; `None` when the window is full or everything is sent.
    pub fn next(&mut self, block: &mut [u8]) -> Option<Range<usize>> {
        if self.next.is_none() {
            let chunk = self.peek_chunk()?;
            self.is_nudged &= chunk.frames > 0;
            if chunk.frames > 0 && self.batch_end == chunk.first {
                self.batch_end = self.batch_end_after(chunk.first);
            }
            if chunk.fence.is_some() || self.shape.replies == Replies::Each {
                let end = chunk.first + chunk.frames as u64;
                self.window.begin(end, chunk.fence);
            }
            self.next = Some((chunk, 0));
        }
        let (chunk, offset) = self.next.as_ref()?;
        Some(
            self.shape
                .segment
                .patch(block, &self.sequence, chunk, *offset),
        )
    }

    /// Takes note that the kernel accepted `bytes` more of what [`next`](Self::next) named.
    pub fn sent(&mut self, bytes: usize, now: Instant) {
        let Some((chunk, offset)) = self.next.as_mut() else {
            debug_assert!(bytes == 0, "bytes were sent that no chunk asked for");
            return;
        };
        *offset += bytes;
        let (chunk, offset) = (*chunk, *offset);
        let whole = (offset / self.shape.segment.frame().bytes()).min(chunk.frames);
        self.sent = self.sent.max(chunk.first + whole as u64);
        self.sent_max = self.sent_max.max(self.sent);
        if offset == self.shape.segment.chunk_bytes(&chunk) {
            self.next = None;
            if chunk.fence.is_some() {
                self.fence_number += 1;
            }
            self.window.sent(self.sent, now);
        }
        self.invariants();
    }

    /// Asks for a fence by itself where one is outstanding and nothing else may be sent: a server
    /// that is busy with a script refuses fences silently. The echo of any later fence tells that
    /// everything before it was dealt with.
    pub fn nudge(&mut self) {
        self.is_nudged = self.is_waiting()
            && !self.wants_to_send()
            && self.shape.replies == Replies::Fenced
            && self.window.len() < FENCES_OUTSTANDING_MAX + NUDGES_MAX;
    }

    /// Nothing more is to be sent but the rest of the chunk under way and, with fenced replies, a
    /// fence behind it, so that it is known how far the server has come.
    pub fn close(&mut self) {
        self.is_closing = true;
    }

    /// Whether what is being sent is a fence by itself.
    #[must_use]
    pub fn is_nudging(&self) -> bool {
        self.next.is_some_and(|(chunk, _)| chunk.frames == 0)
    }

    /// Takes in what the connection received.
    ///
    /// # Errors
    /// A refusal after which sending on is pointless, or replies that do not fit what was sent.
    pub fn received(
        &mut self,
        bytes: &[u8],
        now: Instant,
        latencies: &mut Latencies,
    ) -> Result<(), LaneError> {
        let mut scanner = std::mem::take(&mut self.scanner);
        let mut outcome = Ok(());
        // What follows a refusal is counted all the same; the first one is told.
        scanner.scan(bytes, |reply| {
            let replied = self.reply(reply, now, latencies);
            if outcome.is_ok() {
                outcome = replied;
            }
        });
        self.scanner = scanner;
        self.invariants();
        outcome
    }

    /// The connection is gone, and with it everything that was not acknowledged.
    pub fn disconnected(&mut self) {
        self.sent = self.acked;
        self.next = None;
        self.is_nudged = false;
        self.batch_end = self.acked;
        self.window.clear();
        self.scanner = ReplyScanner::default();
        self.invariants();
    }

    /// Takes note that the handshake sent the next frame by itself and saw it acknowledged, and
    /// how the new connection acknowledges from here on.
    pub fn connected(&mut self, replies: Replies) {
        debug_assert!(self.next.is_none() && self.sent == self.acked);
        self.shape.replies = replies;
        self.acked = (self.acked + 1).min(self.count);
        self.sent = self.acked;
        self.sent_max = self.sent_max.max(self.sent);
        self.batch_end = self.acked;
        self.invariants();
    }

    /// As [`connected`](Self::connected), the frame being refused with an error of this class.
    pub fn connected_but_refused(&mut self, replies: Replies, class: &str) {
        self.connected(replies);
        count_class(&mut self.refused, class);
    }

    /// The keys of the first frame that is not acknowledged.
    #[must_use]
    pub fn first_unacknowledged(&self) -> Option<KeySequence> {
        let keys = self.shape.segment.frame().keys() as u64;
        (self.acked < self.count).then(|| self.sequence.part(self.acked * keys, keys))
    }

    /// The chunk that would follow, if the window has room for it.
    fn peek_chunk(&self) -> Option<Chunk> {
        let remaining = self.count - self.sent;
        let is_unfenced = self.shape.replies == Replies::Fenced
            && self.sent > self.window.end().unwrap_or(self.acked);
        if self.is_nudged || self.is_closing && is_unfenced {
            return Some(Chunk {
                first: self.sent,
                frames: 0,
                fence: Some(self.fence_number),
            });
        }
        if remaining == 0 || self.is_closing {
            return None;
        }
        let segment_frames = self.shape.segment.frames() as u64;
        let (frames, fence) = match self.shape.replies {
            Replies::Fenced => {
                let starts_batch = self.sent == self.batch_end;
                if starts_batch && self.window.len() >= FENCES_OUTSTANDING_MAX {
                    return None;
                }
                let batch_end = if starts_batch {
                    self.batch_end_after(self.sent)
                } else {
                    self.batch_end
                };
                let frames = segment_frames.min(batch_end - self.sent);
                (
                    frames,
                    (self.sent + frames == batch_end).then_some(self.fence_number),
                )
            }
            Replies::Each => {
                // Half a window at a time, so that the server has work while replies travel.
                let half = self.shape.batch_frames.div_ceil(2);
                let frames = segment_frames.min(half).min(remaining);
                if self.sent - self.acked + frames > self.shape.batch_frames {
                    return None;
                }
                (frames, None)
            }
        };
        Some(Chunk {
            first: self.sent,
            frames: frames as usize,
            fence,
        })
    }

    fn batch_end_after(&self, first: u64) -> u64 {
        (first + self.shape.batch_frames).min(self.count)
    }

    fn reply(
        &mut self,
        reply: Reply,
        now: Instant,
        latencies: &mut Latencies,
    ) -> Result<(), LaneError> {
        match (self.shape.replies, reply) {
            // The `+OK` of CLIENT REPLY ON is anonymous and may be missing: it says nothing. But
            // there is not more than one to a fence.
            (Replies::Fenced, Reply::Ok(count)) if self.window.switched(count) => Ok(()),
            (Replies::Fenced, Reply::Echo(digits)) => {
                let Some(end) = self.window.echoed(digits, now, latencies) else {
                    return Err(LaneError::Protocol(format!(
                        "fence {} was echoed out of turn",
                        digits.escape_ascii()
                    )));
                };
                self.acknowledge(end);
                Ok(())
            }
            (Replies::Fenced, Reply::Error(error)) => Err(LaneError::Refused(error)),
            (Replies::Each, Reply::Ok(count)) => self.replied(count, now, latencies),
            (Replies::Each, Reply::Kept) => self.replied(1, now, latencies),
            (Replies::Fenced, Reply::Ok(_) | Reply::Kept) => Err(LaneError::Protocol(
                "a reply came to a command that wants none".into(),
            )),
            (Replies::Each, Reply::Error(error)) => {
                self.replied(1, now, latencies)?;
                let class = error_class(&error);
                count_class(&mut self.refused, class);
                if is_final(class) {
                    Err(LaneError::Refused(error))
                } else {
                    Ok(())
                }
            }
            (Replies::Each, Reply::Echo(digits)) => Err(LaneError::Protocol(format!(
                "unexpected bulk reply {}",
                digits.escape_ascii()
            ))),
            (_, Reply::Unexpected(text)) => {
                Err(LaneError::Protocol(format!("unexpected reply '{text}'")))
            }
        }
    }

    /// Everything before `end` is acknowledged, and was therefore sent.
    fn acknowledge(&mut self, end: u64) {
        self.acked = end;
        self.sent = self.sent.max(end);
        self.sent_max = self.sent_max.max(self.sent);
    }

    /// With each reply: `count` more replies arrived.
    fn replied(
        &mut self,
        count: u64,
        now: Instant,
        latencies: &mut Latencies,
    ) -> Result<(), LaneError> {
        let end = self.acked + count;
        if !self.window.replied(self.acked, end, now, latencies) {
            return Err(LaneError::Protocol("more replies than commands".into()));
        }
        self.acknowledge(end);
        Ok(())
    }

    fn invariants(&self) {
        debug_assert!(self.acked <= self.sent && self.sent <= self.count);
        if let Some((chunk, offset)) = &self.next {
            debug_assert!(chunk.first + chunk.frames as u64 <= self.count);
            debug_assert!(*offset < self.shape.segment.chunk_bytes(chunk));
        }
        debug_assert!(match self.shape.replies {
            Replies::Fenced => self.window.len() <= FENCES_OUTSTANDING_MAX + NUDGES_MAX,
            Replies::Each => self.sent - self.acked <= self.shape.batch_frames,
        });
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
