//! Which kind of send to use to another machine: from what a few isolated zero-copy sends showed,
//! and what each kind cost over a few rounds of real data, to a choice and the sentence that says
//! why. No I/O and no clock: a driver measures and tells.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Send;

/// So many isolated zero-copy sends are looked at.
pub const PROBES: u32 = 4;
/// Rounds of each kind that is compared, in turn.
pub const ROUNDS: usize = 5;
/// A round ends after so many bytes,
pub const ROUND_BYTES: u64 = 8 << 20;
/// or after so long.
pub const ROUND_TIME_MAX: Duration = Duration::from_millis(100);
/// Smaller fills are over before a comparison pays.
pub const TRIAL_BYTES_MIN: u64 = 256 << 20;
/// Registered writes are taken where they cost at most this much of the cheapest kind; closer
/// figures are no difference.
const NEARLY: f64 = 1.03;
const GIB: f64 = (1 << 30) as f64;

/// What was found, for all reactors and passes of a fill. One reactor measures; until it is done
/// the others send plain copies.
#[derive(Debug, Default)]
pub struct Trial {
    is_taken: AtomicBool,
    found: OnceLock<Found>,
}

impl Trial {
    /// Whether the caller is the one to measure. It may [`leave`](Self::leave) again.
    pub fn take(&self) -> bool {
        self.found.get().is_none() && !self.is_taken.swap(true, Ordering::Relaxed)
    }

    /// The caller measures no longer; another reactor, or a later pass, may.
    pub fn leave(&self) {
        self.is_taken.store(false, Ordering::Relaxed);
    }

    /// What was found; the first finding stands.
    pub fn settle(&self, found: Found) {
        let _ = self.found.set(found);
    }

    /// What was found, once it is.
    #[must_use]
    pub fn found(&self) -> Option<&Found> {
        self.found.get()
    }
}

/// The kind of send to use, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The kind.
    pub send: Send,
    /// Why, in words.
    pub reason: String,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// One zero-copy send, and nothing else on its connection until the kernel is done with it.
    Probe,
    /// A round of this kind.
    Round(Send),
    /// Nothing: it is found.
    Found(Found),
}

/// What a round of one kind took.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// The kind.
    pub send: Send,
    /// Bytes that the kernel took.
    pub bytes: u64,
    /// CPU time of the reactor's thread.
    pub cpu: Duration,
    /// Time on the clock.
    pub elapsed: Duration,
}

impl Round {
    fn cpu_seconds_per_gib(&self) -> f64 {
        self.cpu.as_secs_f64() / (self.bytes as f64 / GIB)
    }

    fn gigabytes_per_second(&self) -> f64 {
        self.bytes as f64 / 1e9 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Everything seen so far.
#[derive(Clone, Debug)]
pub struct Chooser {
    probes: u32,
    copied: u32,
    /// Why zero-copy is no candidate.
    without_zc: Option<String>,
    /// Kinds that are compared, in the order of their rounds.
    candidates: Vec<Send>,
    rounds: Vec<Round>,
}

impl Chooser {
    /// Nothing was seen yet. `without_zc` says why zero-copy cannot be used at all, `without_fixed`
    /// that no memory is registered, which both other kinds need.
    #[must_use]
    pub fn new(without_zc: Option<String>, without_fixed: bool) -> Self {
        let mut chooser = Self {
            probes: 0,
            copied: 0,
            without_zc: None,
            candidates: vec![Send::Zc, Send::Fixed, Send::Copy],
            rounds: Vec::new(),
        };
        if let Some(why) = without_zc {
            chooser.rule_zc_out(why);
        }
        if without_fixed {
            chooser.candidates = vec![Send::Copy];
        }
        chooser
    }

    /// What to do next.
    #[must_use]
    pub fn step(&self) -> Step {
        if self.candidates.len() == 1 || self.rounds.len() == self.candidates.len() * ROUNDS {
            return Step::Found(self.choose());
        }
        if self.candidates.contains(&Send::Zc) && self.probes < PROBES {
            return Step::Probe;
        }
        Step::Round(self.candidates[self.rounds.len() % self.candidates.len()])
    }

    /// An isolated zero-copy send is over: whether the kernel copied all the same.
    pub fn probed(&mut self, is_copied: bool) {
        self.probes += 1;
        self.copied += u32::from(is_copied);
        if self.probes == PROBES && self.copied > 0 {
            self.rule_zc_out(format!(
                "the kernel copied {} of {PROBES} zero-copy sends",
                self.copied
            ));
        }
    }

    /// A round is over.
    pub fn took(&mut self, round: Round) {
        self.rounds.push(round);
    }

    /// The kernel does not take this kind of send on these connections.
    pub fn refused(&mut self, send: Send) {
        if send == Send::Zc {
            self.rule_zc_out("the kernel refused zero-copy sends".to_owned());
        } else {
            self.drop_candidate(send);
        }
    }

    fn rule_zc_out(&mut self, why: String) {
        self.without_zc.get_or_insert(why);
        self.drop_candidate(Send::Zc);
    }

    /// The comparison starts anew among those that are left.
    fn drop_candidate(&mut self, send: Send) {
        if self.candidates.len() > 1 && self.candidates.contains(&send) {
            self.candidates.retain(|candidate| *candidate != send);
            self.rounds.clear();
        }
    }

    /// The kind that is no slower than any other and costs the least CPU time; registered writes
    /// where they cost nearly as little.
    fn choose(&self) -> Found {
        let mut reason = match &self.without_zc {
            Some(why) => format!("{why}; "),
            None => format!("the kernel copied none of {PROBES} zero-copy sends; "),
        };
        let figures: Vec<Figures> = self
            .candidates
            .iter()
            .filter_map(|send| Figures::of(*send, &self.rounds))
            .collect();
        let keeps_up = |one: &&Figures| !figures.iter().any(|other| other.is_faster_than(one));
        let cheapest = figures
            .iter()
            .filter(keeps_up)
            .min_by(|one, other| one.cpu.total_cmp(&other.cpu));
        let Some(cheapest) = cheapest else {
            reason += "plain copies are what is left";
            return Found {
                send: Send::Copy,
                reason,
            };
        };
        let nearly = |one: &&Figures| one.send == Send::Fixed && one.cpu <= cheapest.cpu * NEARLY;
        let chosen = figures.iter().filter(keeps_up).find(nearly);
        let chosen = chosen.unwrap_or(cheapest);
        let of_all: Vec<String> = figures.iter().map(Figures::in_words).collect();
        reason += &of_all.join(", ");
        reason += match chosen.send == cheapest.send {
            true => ": the least CPU time of those that are no slower",
            false => ": nearly the least CPU time, from registered memory",
        };
        Found {
            send: chosen.send,
            reason,
        }
    }
}

/// What one kind of send took over all its rounds.
struct Figures {
    send: Send,
    /// Median, in seconds per GiB.
    cpu: f64,
    /// Slowest, median and fastest, in GB/s.
    rate: [f64; 3],
}

impl Figures {
    fn of(send: Send, rounds: &[Round]) -> Option<Self> {
        let rounds = rounds.iter().filter(|round| round.send == send);
        let sorted = |figure: fn(&Round) -> f64| {
            let mut figures: Vec<f64> = rounds.clone().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            figures
        };
        let rates = sorted(Round::gigabytes_per_second);
        let cpu = sorted(Round::cpu_seconds_per_gib);
        Some(Self {
            send,
            cpu: *cpu.get(cpu.len() / 2)?,
            rate: [
                *rates.first()?,
                *rates.get(rates.len() / 2)?,
                *rates.last()?,
            ],
        })
    }

    /// In every round, and by more than nearly nothing.
    fn is_faster_than(&self, other: &Self) -> bool {
        self.rate[0] > other.rate[2] && self.rate[1] > other.rate[1] * NEARLY
    }

    fn in_words(&self) -> String {
        format!(
            "{} took {:.2} CPU seconds per GiB at {:.2} GB/s",
            self.send.name(),
            self.cpu,
            self.rate[1]
        )
    }
}

#[cfg(test)]
#[path = "send_choice_tests.rs"]
mod tests;
