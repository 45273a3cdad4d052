//! How many commands go between two fences: as many as were asked for, but no more bytes than
//! serve a fill well.
//!
//! What was sent and not yet read waits in the socket's buffers. On this machine that is memory which
//! the client writes and the server reads a moment later: the less there is of it, the more of it is
//! still in the processor's caches by then. Where values are large, moving bytes is most of the
//! server's work, and that shows; where they are small, it does not pay for more fences
//! (docs/experiments/bytes-in-flight.md). On the way to another machine it takes many bytes under way
//! to keep a line busy that answers late.

use super::options::PlanOptions;
use crate::frame::Frame;
use crate::machine::Whereabouts;

/// Most bytes between fences.
const BYTES_MAX: u64 = 8 << 20;
/// Most bytes between fences where what waits shall stay in caches. Twice that is under way: more
/// than a server reads at a time, so that it has work while its echo travels.
const CACHED_BYTES_MAX: u64 = 1 << 20;
/// From so many bytes per key on it shall.
const CACHED_KEY_BYTES_MIN: usize = 2 << 10;

/// Most bytes between fences on the way to these servers, where a command is no longer.
pub(super) fn bytes_max(servers: Whereabouts, frame: &Frame) -> u64 {
    let is_large = frame.bytes() / frame.keys() >= CACHED_KEY_BYTES_MIN;
    match servers {
        Whereabouts::Here if is_large => CACHED_BYTES_MAX,
        _ => BYTES_MAX,
    }
}

/// Commands that so many bytes hold, at least one.
pub(super) fn frames_max(bytes_max: u64, frame: &Frame) -> u64 {
    (bytes_max / frame.bytes() as u64).max(1)
}

/// Most bytes between fences on the way to these servers, and commands: as many as carry the keys
/// of a batch, or what so many bytes hold.
pub(super) fn limits(options: &PlanOptions, servers: Whereabouts, frame: &Frame) -> (u64, u64) {
    let asked = options
        .pipeline_depth
        .div_ceil(options.command.keys() as u64);
    let bytes_max = bytes_max(servers, frame);
    (bytes_max, asked.min(frames_max(bytes_max, frame)))
}
