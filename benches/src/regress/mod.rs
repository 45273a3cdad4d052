//! Instructions of the hot paths, held against a committed baseline. Valgrind counts them, so the
//! figures are the same on an idle machine and on a busy one; it sees nothing of caches, of the
//! kernel, and of how long an instruction takes: those are the other benches'.
//!
//! What a compiler makes of the same source differs between versions and targets, and what copies
//! memory differs between C libraries. A baseline names all three, and holds for no others.

pub mod baseline;
pub mod count;
pub mod paths;

pub use baseline::{Baseline, Build, Judgement};
