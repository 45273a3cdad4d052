//! Memory that the kernel reads from and writes to: page-aligned pieces of one bumpalo arena.
//!
//! A [`Block`] is a move-only value. Whoever has it may read and write its bytes; giving it to
//! the ring consumes it, and it comes back exactly once, with the completion after which the
//! kernel no longer touches it. The arena lives until the last of its blocks is gone.

use std::alloc::Layout;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::rc::Rc;

use bumpalo::Bump;

/// Alignment of blocks, so that each is registered as whole pages of its own.
const PAGE_BYTES: usize = 4096;

/// One piece of an arena.
pub(super) struct Block {
    bytes: NonNull<[u8]>,
    number: u16,
    /// Keeps the memory behind `bytes`.
    arena: Rc<Bump>,
}

impl Block {
    /// Which block of its arena this is.
    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// Where the block lies, for the kernel.
    pub(super) fn address(&self) -> *mut u8 {
        self.bytes.cast().as_ptr()
    }

    /// Leaves the arena's memory to the kernel for good.
    pub(super) fn forget(self) {
        std::mem::forget(self.arena);
    }
}

impl Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `bytes` is an initialised piece of `arena`, which `self` keeps alive; pieces do
        // not overlap and each belongs to one `Block`, so `&self` guards against writers.
        unsafe { self.bytes.as_ref() }
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; `&mut self` is the only way to this piece, since the kernel has
        // it only while the ring holds the `Block`.
        unsafe { self.bytes.as_mut() }
    }
}

/// Carves one block per element of `sizes` (in bytes, rounded up to whole pages) out of a fresh
/// arena. All bytes are zero.
pub(super) fn carve(sizes: impl IntoIterator<Item = usize>) -> Vec<Block> {
    let arena = Rc::new(Bump::new());
    let carve = |(number, bytes): (usize, usize)| {
        let bytes = bytes.next_multiple_of(PAGE_BYTES);
        let layout = Layout::from_size_align(bytes, PAGE_BYTES)
            .expect("a block is smaller than half the address space");
        let begin = arena.alloc_layout(layout);
        // SAFETY: `alloc_layout` returned `bytes` writable bytes that nothing else refers to.
        unsafe { begin.write_bytes(0, bytes) };
        Block {
            bytes: NonNull::slice_from_raw_parts(begin, bytes),
            number: u16::try_from(number).expect("there are fewer than 65536 blocks"),
            arena: Rc::clone(&arena),
        }
    };
    sizes.into_iter().enumerate().map(carve).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_apart_page_aligned_and_outlive_each_other() {
        let mut blocks = carve([1, 5000, 4096]);
        let lengths: Vec<usize> = blocks.iter().map(|block| block.len()).collect();
        assert_eq!(lengths, [4096, 8192, 4096]);
        for (fill, block) in (1..).zip(&mut blocks) {
            assert_eq!(block.address() as usize % PAGE_BYTES, 0);
            assert!(block.iter().all(|byte| *byte == 0));
            block.fill(fill);
        }
        let last = blocks.pop().unwrap();
        assert!(blocks[0].iter().all(|byte| *byte == 1) && blocks[1].iter().all(|byte| *byte == 2));
        drop(blocks);
        assert!(last.iter().all(|byte| *byte == 3));
    }
}
