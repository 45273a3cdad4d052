//! What a connection sends before its keys, so that the server reads more of them at a time.
//!
//! A server reads as much as its buffer for a client has room for: 16 to 20 KiB at first. One large
//! argument makes it grow, and it stays as it is while it is used
//! (docs/experiments/read-buffer-primer.md). Under `CLIENT REPLY OFF` an `ECHO` of that size does so
//! and leaves nothing behind.

use super::Plan;

/// Larger ones gain nothing.
const PRIMER_BYTES_MAX: u64 = 1 << 20;
/// Smaller ones gain nothing.
const PRIMER_BYTES_MIN: u64 = 64 << 10;
/// The server's buffer, and what is sent to make it grow, is no more than this part of what a
/// connection sends.
const PART_MAX: u64 = 64;
/// A server serves nobody else while it carries out what it has read at once: so many commands,
/// a few milliseconds.
const COMMANDS_MAX: u64 = 2048;
/// Values from this size on get a buffer of their own in the server, whatever is sent before them
/// (`PROTO_MBULK_BIG_ARG` of its sources).
const VALUE_BYTES_MAX: usize = 32 << 10;

impl Plan {
    /// Bytes of the primer for a connection that sends so many keys; 0 for none.
    #[must_use]
    pub(crate) fn primer_bytes(&self, keys: u64) -> usize {
        // Buffers are memory in use, too: a target in memory would be reached with too few keys.
        if self.until.is_some() || self.values.value_size() >= VALUE_BYTES_MAX {
            return 0;
        }
        let frame = self.segment.frame();
        let commands = COMMANDS_MAX / frame.keys() as u64 * frame.bytes() as u64;
        let part = self.payload_bytes_of(keys) / PART_MAX;
        match part.min(commands).min(PRIMER_BYTES_MAX) {
            bytes if bytes < PRIMER_BYTES_MIN => 0,
            bytes => bytes as usize,
        }
    }
}
