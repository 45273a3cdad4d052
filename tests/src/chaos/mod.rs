//! The chaos test. A seed is a run: a fill of a real server or cluster through a network that can
//! be bad, with a fault at every tenth of its way, or with one that must stop it. At the end the
//! program's verdict is held against a look at every planned key that is written without the
//! engine. What must never happen is a lie: a `complete` fill with a key missing or wrong, another
//! number of keys than there are, an exit status that does not fit, no end at all.
//!
//! `CHAOS_SEEDS` (5) runs from `CHAOS_FIRST` (1) on, `CHAOS_JOBS` (3) at a time; with
//! `CHAOS_RECORD` their sum goes into that file (`make chaos`).

mod run;
mod script;
mod stage;
mod tally;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use run::{Run, Verdict};
use tally::Tally;

/// A number from the environment.
fn asked(variable: &str, default: u64) -> u64 {
    let number = |text: String| text.parse().expect("a whole number");
    std::env::var(variable).map_or(default, number)
}

/// Runs as many seeds as asked for and tells of each; none may be a lie.
#[track_caller]
fn none_lies(test: &'static str, run: fn(u64) -> Run) {
    let (first, seeds) = (asked("CHAOS_FIRST", 1), asked("CHAOS_SEEDS", 5));
    let next = AtomicU64::new(first);
    let tally = Mutex::new(Tally::new(test));
    let work = || {
        let seed = || Some(next.fetch_add(1, Ordering::Relaxed));
        while let Some(seed) = seed().filter(|seed| *seed < first + seeds) {
            let result = catch_unwind(AssertUnwindSafe(|| run(seed)));
            let result = result.unwrap_or_else(|panic| Run::broken(seed, &*panic));
            tally.lock().expect("it is only added to").add(&result);
        }
    };
    std::thread::scope(|scope| {
        (0..asked("CHAOS_JOBS", 3)).for_each(|_| drop(scope.spawn(work)));
    });
    let tally = tally.into_inner().expect("it was only added to");
    println!("{}", tally.summary());
    if let Some(path) = std::env::var_os("CHAOS_RECORD") {
        tally.record(path.as_ref());
    }
    assert_eq!(tally.runs(), seeds, "every seed was run");
    assert!(tally.is_clean(), "{}", tally.failures());
}

impl Run {
    /// A run that did not come to its end.
    fn broken(seed: u64, panic: &(dyn std::any::Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Self {
            seed,
            is_cluster: seed.is_multiple_of(2),
            happened: Default::default(),
            verdict: Verdict::Broken(text.unwrap_or("a panic").to_owned()),
            took: Default::default(),
        }
    }
}

#[test]
fn seeds() {
    none_lies("seeds", run::survive);
}

#[test]
fn policy_seeds() {
    none_lies("policy_seeds", run::be_refused);
}
