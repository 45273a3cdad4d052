//! The parts of the bench `safety`, one file each: what monitor, fences and stamps cost in CPU time
//! and in instructions, how soon a fill goes on after a lost connection, and what it costs a server
//! to be asked for every key.

pub mod audit;
pub mod cost;
pub mod counter;
pub mod filler;
pub mod instructions;
pub mod reconnect;

/// Sizes of keys and values of the fills with and without the safety net.
const SIZES: [(usize, usize); 2] = [(512, 512), (64, 256)];
