//! What the benches share: their arguments, pinned processes and what they cost, fresh servers and
//! clusters per run, a sink that discards, statistics that admit noise, and tables that can be
//! pasted into PERFORMANCE.md. It measures; it never changes what is measured.
//!
//! Absolute figures move by a fifth from one minute to the next on a busy machine. So candidates
//! take turns within each round, and what is judged is the ratio of two candidates of one run.

#![deny(unsafe_code)]

pub mod arguments;
pub mod cluster;
pub mod drive;
pub mod experiment;
pub mod flame;
pub mod fleet;
pub mod frames;
pub mod keep;
pub mod machine;
pub mod matrix;
pub mod peers;
pub mod process;
pub mod recording;
pub mod regress;
pub mod rig;
pub mod safety;
pub mod server;
pub mod sink;
pub mod slots;
pub mod statistics;
pub mod table;
pub mod verdict;

/// What a bench function returns; the message is for a person.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
