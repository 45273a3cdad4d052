//! `fill(plan) -> Report`: starts reactors, watches them, joins them, audits.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

/// Asks a running fill to stop. Cloned freely; set once.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicI32>);

impl Stop {
    /// Asks to stop because of `signal` (a number of signal(7)).
    pub fn request(&self, signal: i32) {
        self.0.store(signal, Ordering::Relaxed);
    }

    /// The signal, once one was given.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }
}

/// What a running fill tells.
#[derive(Clone, Debug)]
pub enum Event {
    /// How far it is; several times a second.
    Progress(Progress),
    /// Something the user should know, in one line.
    Notice(String),
}

/// How far a fill is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Time since the first byte.
    pub elapsed: Duration,
    /// Keys acknowledged so far.
    pub keys_acked: u64,
    /// Keys planned.
    pub keys_planned: u64,
    /// Bytes of key plus value acknowledged so far.
    pub payload_bytes_acked: u64,
    /// Bytes of key plus value planned.
    pub payload_bytes_planned: u64,
    /// The server's CPU of late, in percent of one core.
    pub server_cpu_percent: Option<f64>,
    /// The server's memory, in bytes.
    pub used_memory: Option<u64>,
}
