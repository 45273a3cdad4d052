//! Wishes to stop: the user's, and the monitor's.

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

/// Set once, by whoever finds that sending on is pointless: the reason.
pub type Halt = Arc<OnceLock<String>>;
