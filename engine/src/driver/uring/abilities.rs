//! What rings can do here: flags, zero-copy sends, how much memory may be registered. Finds it out
//! by trying, on a ring that goes away again; sends nothing.

use super::ring::Ring;
use super::{ENTRIES, arena, ring};

/// Memory is registered in blocks of this size, as a fill does.
const BLOCK_BYTES: usize = 128 << 10;

/// What a ring can do here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// The flags that the kernel took, in words.
    pub flags: &'static str,
    /// Whether it knows zero-copy sends (Linux 6.0).
    pub has_send_zc: bool,
    /// Whether sockets can be registered.
    pub has_fixed_files: bool,
    /// Bytes that could be registered, of those that were tried.
    pub registered_bytes: usize,
    /// Bytes that were tried.
    pub tried_bytes: usize,
}

/// Tries a ring and registers `bytes` with it, then half of them and so on, as a fill would; `None`
/// where there can be no ring. Takes a ring down, which may interrupt the calling thread: to be
/// called in a thread of its own.
#[must_use]
pub fn abilities(bytes: usize) -> Option<Abilities> {
    let (mut io, flags) = ring::climb_down(ENTRIES.0).ok()?;
    let count = (bytes / BLOCK_BYTES).max(1);
    let blocks = arena::carve(std::iter::repeat_n(BLOCK_BYTES, count));
    let ring = Ring::new(&mut io, 1, count);
    let mut registered = count;
    while registered > 0 && ring.register(&blocks[..registered]).is_err() {
        registered /= 2;
    }
    Some(Abilities {
        flags,
        has_send_zc: ring.has_send_zc(),
        has_fixed_files: ring.has_fixed_files(),
        registered_bytes: registered * BLOCK_BYTES,
        tried_bytes: count * BLOCK_BYTES,
    })
}
