//! SIGINT and SIGTERM. They are blocked in every thread and taken by one that waits for them, so
//! that no code runs in a signal handler. Owns what the first and the second one do; what a fill
//! does when it is asked to stop is the engine's affair.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;

use engine::run::Stop;
use nix::sys::signal::{SigSet, Signal};

use crate::console;
use crate::exit::{Failure, Status};

/// How far the program is, which decides what a signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing on the server was touched: a signal ends the program.
    Untouched,
    /// FLUSHDB is on its way: a signal ends the program, and says so.
    Flushing,
    /// The database is empty, the fill has not begun: a signal ends the program, and says so.
    Flushed,
    /// The fill runs: the first signal asks it to stop, the second ends the program.
    Filling,
}

/// The thread that takes the signals.
#[derive(Debug)]
pub(crate) struct Signals {
    stage: Arc<AtomicU8>,
    stop: Stop,
}

impl Signals {
    /// Starts to take the signals. To be called before any other thread is started: a thread
    /// inherits what its parent blocks.
    pub(crate) fn watch() -> Result<Self, Failure> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGINT);
        set.add(Signal::SIGTERM);
        set.thread_block()
            .map_err(|error| Failure::broken(format!("cannot block signals: {error}")))?;
        let signals = Self {
            stage: Arc::new(AtomicU8::new(Stage::Untouched as u8)),
            stop: Stop::default(),
        };
        let (stage, stop) = (Arc::clone(&signals.stage), signals.stop.clone());
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || wait(&set, &stage, &stop))
            .map_err(|error| {
                Failure::broken(format!("cannot start a thread for signals: {error}"))
            })?;
        Ok(signals)
    }

    /// Says how far the program is.
    pub(crate) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Relaxed);
    }

    /// What asks the fill to stop.
    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }
}

fn wait(set: &SigSet, stage: &AtomicU8, stop: &Stop) {
    loop {
        let Ok(signal) = set.wait() else { continue };
        if stage.load(Ordering::Relaxed) == Stage::Filling as u8 && stop.signal().is_none() {
            stop.request(signal as i32);
            continue;
        }
        console::fresh_line();
        console::error(&last_words(signal, stage.load(Ordering::Relaxed)));
        std::process::exit(Status::Interrupted(signal as i32).code().into());
    }
}

fn last_words(signal: Signal, stage: u8) -> String {
    let consequence = if stage == Stage::Untouched as u8 {
        "nothing was changed"
    } else if stage == Stage::Flushing as u8 {
        "the server may go on emptying the database"
    } else if stage == Stage::Flushed as u8 {
        "the database was emptied, nothing was filled"
    } else {
        "ended without a report"
    };
    format!("interrupted by {signal}: {consequence}")
}

/// The name of a signal, as in signal(7).
pub(crate) fn name(signal: i32) -> &'static str {
    Signal::try_from(signal).map_or("a signal", Signal::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_say_what_was_changed() {
        let words = |stage| last_words(Signal::SIGINT, stage as u8);
        assert_eq!(
            words(Stage::Untouched),
            "interrupted by SIGINT: nothing was changed"
        );
        assert!(words(Stage::Flushing).contains("emptying"));
        assert!(words(Stage::Flushed).contains("was emptied"));
        assert!(words(Stage::Filling).contains("without a report"));
        assert_eq!(name(15), "SIGTERM");
        assert_eq!(name(0), "a signal");
    }
}
