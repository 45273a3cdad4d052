//! A lane: one connection's share of a fill, as counters. It says which bytes to send next and
//! what a reply means; it never touches a socket and never asks for the time.
//!
//! The stream of a lane is cut into chunks, each of which fits into one block. With fenced
//! replies a fence ends each batch, and only its echo acknowledges. With each reply read, the
//! k-th reply names the k-th key.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use crate::latency::Latencies;
use crate::plan::sequence::KeySequence;
use crate::reply::{Reply, ReplyScanner, error_class};
use crate::segment::{Chunk, Segment, fence_digits};

/// At most so many batches are sent before the oldest is acknowledged.
const FENCES_OUTSTANDING_MAX: usize = 2;

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

/// A chunk, sent or being sent, whose acknowledgement is outstanding.
#[derive(Clone, Copy, Debug)]
struct Outstanding {
    /// Position behind the last frame that it acknowledges.
    end: u64,
    fence: Option<u64>,
    /// When its last byte was handed to the kernel; replies can be quicker than that news.
    sent_at: Option<Instant>,
}

impl Outstanding {
    /// Microseconds since the last byte was sent, at least one.
    fn latency_us(&self, now: Instant) -> Option<u64> {
        let latency = now.saturating_duration_since(self.sent_at?);
        Some((latency.as_micros() as u64).max(1))
    }
}

/// Counters over one sequence of keys, and the rules by which they move.
///
/// Invariants: `acked <= sent <= count`; at most two fences are outstanding; with each reply at
/// most `batch_frames` frames await theirs. A reply that comes before the driver reports its
/// command as sent counts as such a report. A lane goes back to
/// `acked` only when its connection is gone, so a late acknowledgement cannot be taken for a new
/// one.
#[derive(Debug)]
pub struct Lane {
    shape: LaneShape,
    sequence: KeySequence,
    /// Frames whose reply or fence has arrived, refused ones included.
    acked: u64,
    /// Frames wholly handed to the kernel.
    sent: u64,
    /// The chunk under way and how many of its bytes are sent.
    next: Option<(Chunk, usize)>,
    batch_end: u64,
    fence_number: u64,
    outstanding: VecDeque<Outstanding>,
    scanner: ReplyScanner,
    refused: BTreeMap<String, u64>,
}

impl Lane {
    /// A lane that sends `sequence`, its connection being ready for the first frame.
    #[must_use]
    pub fn new(shape: LaneShape, sequence: KeySequence) -> Self {
        assert!(shape.batch_frames > 0, "a batch holds at least one frame");
        Self {
            shape,
            sequence,
            acked: 0,
            sent: 0,
            next: None,
            batch_end: 0,
            fence_number: 0,
            outstanding: VecDeque::with_capacity(FENCES_OUTSTANDING_MAX + 1),
            scanner: ReplyScanner::default(),
            refused: BTreeMap::new(),
        }
    }

    /// Whether every frame is sent and acknowledged.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.acked == self.sequence.count() && self.next.is_none()
    }

    /// Whether acknowledgements are outstanding.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.outstanding.is_empty()
    }

    /// Whether there is something to send now.
    #[must_use]
    pub fn wants_to_send(&self) -> bool {
        self.next.is_some() || self.peek_chunk().is_some()
    }

    /// Geometry of the blocks this lane sends from.
    #[must_use]
    pub fn segment(&self) -> &Segment {
        &self.shape.segment
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
            if self.batch_end == chunk.first {
                self.batch_end = self.batch_end_after(chunk.first);
            }
            if chunk.fence.is_some() || self.shape.replies == Replies::Each {
                let end = chunk.first + chunk.frames as u64;
                self.outstanding.push_back(Outstanding {
                    end,
                    fence: chunk.fence,
                    sent_at: None,
                });
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
        if offset == self.shape.segment.chunk_bytes(&chunk) {
            self.next = None;
            if chunk.fence.is_some() {
                self.fence_number += 1;
            }
            if let Some(last) = self
                .outstanding
                .back_mut()
                .filter(|last| last.end == self.sent)
            {
                last.sent_at = Some(now);
            }
        }
        self.invariants();
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
        scanner.scan(bytes, |reply| {
            if outcome.is_ok() {
                outcome = self.reply(reply, now, latencies);
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
        self.batch_end = self.acked;
        self.outstanding.clear();
        self.scanner = ReplyScanner::default();
        self.invariants();
    }

    /// Takes note that the handshake sent the next frame by itself and saw it acknowledged, and
    /// how the new connection acknowledges from here on.
    pub fn connected(&mut self, replies: Replies) {
        debug_assert!(self.next.is_none() && self.sent == self.acked);
        self.shape.replies = replies;
        self.acked = (self.acked + 1).min(self.sequence.count());
        self.sent = self.acked;
        self.batch_end = self.acked;
        self.invariants();
    }

    /// The key index of the first frame that is not acknowledged.
    #[must_use]
    pub fn first_unacknowledged(&self) -> Option<u64> {
        (!self.is_done()).then(|| self.sequence.at(self.acked))
    }

    /// The chunk that would follow, if the window has room for it.
    fn peek_chunk(&self) -> Option<Chunk> {
        let remaining = self.sequence.count() - self.sent;
        if remaining == 0 {
            return None;
        }
        let segment_frames = self.shape.segment.frames() as u64;
        let (frames, fence) = match self.shape.replies {
            Replies::Fenced => {
                let starts_batch = self.sent == self.batch_end;
                if starts_batch && self.outstanding.len() >= FENCES_OUTSTANDING_MAX {
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
        (first + self.shape.batch_frames).min(self.sequence.count())
    }

    fn reply(
        &mut self,
        reply: Reply,
        now: Instant,
        latencies: &mut Latencies,
    ) -> Result<(), LaneError> {
        match (self.shape.replies, reply) {
            // The `+OK` of CLIENT REPLY ON is anonymous and may be missing: it says nothing.
            (Replies::Fenced, Reply::Ok(_)) => Ok(()),
            (Replies::Fenced, Reply::Echo(digits)) => {
                let fence = self.outstanding.front().and_then(|fence| fence.fence);
                match fence.filter(|number| fence_digits(*number) == digits) {
                    Some(_) => {
                        self.acknowledge_oldest(now, latencies);
                        Ok(())
                    }
                    None => Err(LaneError::Protocol(format!(
                        "fence {} was echoed out of turn",
                        digits.escape_ascii()
                    ))),
                }
            }
            (Replies::Fenced, Reply::Error(error)) => Err(LaneError::Refused(error)),
            (Replies::Each, Reply::Ok(count)) => self.replied(count, now, latencies),
            (Replies::Each, Reply::Error(error)) => {
                self.replied(1, now, latencies)?;
                let class = error_class(&error);
                *self.refused.entry(class.to_owned()).or_default() += 1;
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
            (_, Reply::Unexpected(text)) => Err(LaneError::Protocol(format!(
                "unexpected reply '{}'",
                text.escape_debug()
            ))),
        }
    }

    fn acknowledge_oldest(&mut self, now: Instant, latencies: &mut Latencies) {
        if let Some(oldest) = self.outstanding.pop_front() {
            self.acked = oldest.end;
            self.sent = self.sent.max(self.acked);
            if let Some(latency_us) = oldest.latency_us(now) {
                latencies.ack_us.saturating_record(latency_us);
            }
        }
    }

    /// With each reply: `count` more replies arrived.
    fn replied(
        &mut self,
        count: u64,
        now: Instant,
        latencies: &mut Latencies,
    ) -> Result<(), LaneError> {
        let mut begin = self.acked;
        self.acked += count;
        if self
            .outstanding
            .back()
            .is_none_or(|last| self.acked > last.end)
        {
            self.acked = begin;
            return Err(LaneError::Protocol("more replies than commands".into()));
        }
        self.sent = self.sent.max(self.acked);
        while let Some(oldest) = self.outstanding.front().copied() {
            let latency_us = oldest.latency_us(now);
            if let Some(latency_us) = latency_us {
                let replied = self.acked.min(oldest.end) - begin;
                latencies
                    .command_us
                    .saturating_record_n(latency_us, replied);
            }
            if self.acked < oldest.end {
                break;
            }
            begin = oldest.end;
            if let Some(latency_us) = latency_us {
                latencies.ack_us.saturating_record(latency_us);
            }
            self.outstanding.pop_front();
        }
        Ok(())
    }

    fn invariants(&self) {
        debug_assert!(self.acked <= self.sent && self.sent <= self.sequence.count());
        if let Some((chunk, offset)) = &self.next {
            debug_assert!(chunk.first + chunk.frames as u64 <= self.sequence.count());
            debug_assert!(*offset < self.shape.segment.chunk_bytes(chunk));
        }
        debug_assert!(match self.shape.replies {
            Replies::Fenced => self.outstanding.len() <= FENCES_OUTSTANDING_MAX,
            Replies::Each => self.sent - self.acked <= self.shape.batch_frames,
        });
    }
}

/// Whether a refusal of this class will meet every further write too, until somebody changes
/// something on the server.
#[must_use]
pub fn is_final(class: &str) -> bool {
    matches!(
        class,
        "OOM" | "NOAUTH" | "NOPERM" | "MISCONF" | "NOREPLICAS" | "READONLY"
    )
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
