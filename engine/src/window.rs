//! What a lane has sent, or is sending, that awaits an acknowledgement, and how long each took.

use std::collections::VecDeque;
use std::time::Instant;

use crate::latency::Latencies;
use crate::segment::{FENCE_DIGITS, fence_digits};

/// A chunk whose acknowledgement is outstanding.
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

/// The chunks under way on one connection, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Window {
    chunks: VecDeque<Outstanding>,
    /// `+OK` since the last echo.
    oks: u64,
}

impl Window {
    /// Number of chunks that await an acknowledgement of their own.
    pub(crate) fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Whether nothing is awaited.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Position behind the last frame for which an acknowledgement is awaited, if there is one.
    pub(crate) fn end(&self) -> Option<u64> {
        self.chunks.back().map(|last| last.end)
    }

    /// The connection is gone.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// A chunk is about to be sent whose acknowledgement covers all frames before `end`.
    pub(crate) fn begin(&mut self, end: u64, fence: Option<u64>) {
        self.chunks.push_back(Outstanding {
            end,
            fence,
            sent_at: None,
        });
    }

    /// The last byte before `end` was handed to the kernel.
    pub(crate) fn sent(&mut self, end: u64, now: Instant) {
        if let Some(last) = self.chunks.back_mut().filter(|last| last.end == end) {
            last.sent_at = Some(now);
        }
    }

    /// `count` times CLIENT REPLY ON was answered. `false` where there are fewer fences.
    pub(crate) fn switched(&mut self, count: u64) -> bool {
        self.oks = self.oks.saturating_add(count);
        self.oks <= self.chunks.len() as u64
    }

    /// A fence was echoed. Returns the position behind the last frame that this acknowledges, or
    /// `None` for a fence that is not outstanding. Earlier fences whose echo is lost (it would
    /// have come before) are acknowledged with it.
    pub(crate) fn echoed(
        &mut self,
        digits: [u8; FENCE_DIGITS],
        now: Instant,
        latencies: &mut Latencies,
    ) -> Option<u64> {
        let is_echoed = |chunk: &Outstanding| {
            chunk
                .fence
                .is_some_and(|number| fence_digits(number) == digits)
        };
        let position = self.chunks.iter().position(is_echoed)?;
        let mut end = 0;
        self.oks = 0;
        for chunk in self.chunks.drain(..=position) {
            end = chunk.end;
            if let Some(latency_us) = chunk.latency_us(now) {
                latencies.ack_us.saturating_record(latency_us);
            }
        }
        Some(end)
    }

    /// Replies to the frames from `begin` to `end` arrived. `false` where fewer were sent.
    pub(crate) fn replied(
        &mut self,
        mut begin: u64,
        end: u64,
        now: Instant,
        latencies: &mut Latencies,
    ) -> bool {
        if self.chunks.back().is_none_or(|last| end > last.end) {
            return false;
        }
        while let Some(oldest) = self.chunks.front().copied() {
            let latency_us = oldest.latency_us(now);
            if let Some(latency_us) = latency_us {
                let replied = end.min(oldest.end) - begin;
                latencies
                    .command_us
                    .saturating_record_n(latency_us, replied);
            }
            if end < oldest.end {
                break;
            }
            begin = oldest.end;
            if let Some(latency_us) = latency_us {
                latencies.ack_us.saturating_record(latency_us);
            }
            self.chunks.pop_front();
        }
        true
    }
}
