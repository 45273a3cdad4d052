//! Wishes to stop: the user's, and those of whoever watches.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};

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

/// Why a pass ends before everything is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HaltCause {
    /// Sending on is pointless: the class of the server's refusals, or what failed.
    Pointless(String),
    /// Keys belong elsewhere by now, or nowhere for a while: the cluster has changed.
    ClusterChanged,
}

/// Set once in a pass, by whoever finds that it should end.
pub type Halt = Arc<OnceLock<HaltCause>>;
