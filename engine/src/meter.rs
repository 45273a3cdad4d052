//! How busy a server is while it is filled: adds up what its own readings and the scheduler of this
//! machine say. Asks nobody over the network.

use std::time::Instant;

use crate::bottleneck::Effort;
use crate::scheduling::Scheduling;
use crate::statistics::Snapshot;

/// A process of this machine is taken for the server where its main thread has run as long as the
/// server says, give or take so many seconds and so large a part: another one of the same number
/// may be meant where the server has numbers of its own (containers).
const LIKE_SECONDS: f64 = 0.25;
const LIKE_PART: f64 = 0.1;

/// A server at one moment, in seconds.
#[derive(Clone, Debug)]
struct Moment {
    at: Instant,
    run_id: String,
    main_thread: f64,
    process: f64,
    /// How long its main thread waited for a core, where it runs on this machine.
    waited: Option<f64>,
}

impl Moment {
    fn of(now: &Snapshot, is_local: bool) -> Self {
        let main_thread = now.main_thread_seconds();
        let scheduling = now.process_id().filter(|_| is_local);
        let scheduling = scheduling.and_then(Scheduling::of_process);
        let is_it = |scheduling: &Scheduling| {
            let difference = (scheduling.running.as_secs_f64() - main_thread).abs();
            difference <= LIKE_SECONDS + main_thread * LIKE_PART
        };
        Self {
            at: now.at(),
            run_id: now.run_id().to_owned(),
            main_thread,
            process: now.process_seconds(),
            waited: scheduling
                .filter(is_it)
                .map(|scheduling| scheduling.waiting.as_secs_f64()),
        }
    }
}

/// How busy a server was while it was filled, in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Load {
    seconds: f64,
    main_thread: f64,
    process: f64,
    waited: Option<f64>,
}

impl Load {
    /// What its main thread did.
    pub(crate) fn effort(&self) -> Effort {
        Effort::of(self.main_thread, self.waited, self.seconds)
    }

    /// CPU of the whole process, in percent of one core.
    pub(crate) fn process_percent(&self) -> f64 {
        Effort::of(self.process, None, self.seconds).cpu
    }

    fn add(&mut self, from: &Moment, to: &Moment) {
        self.seconds += to.at.saturating_duration_since(from.at).as_secs_f64();
        self.main_thread += (to.main_thread - from.main_thread).max(0.0);
        self.process += (to.process - from.process).max(0.0);
        if let Some((from, to)) = from.waited.zip(to.waited) {
            *self.waited.get_or_insert_default() += (to - from).max(0.0);
        }
    }
}

/// Adds up what readings say while the fill sends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    load: Load,
    /// The fill began to send, or ended; the next reading is the first, or the last.
    wanted: Option<bool>,
    /// The last reading while the fill sent.
    last: Option<Moment>,
}

impl Meter {
    /// The fill sends from now on, or does not any more.
    pub(crate) fn want(&mut self, is_filling: bool) {
        self.wanted = Some(is_filling);
    }

    /// Whether the first or last reading is still to come.
    pub(crate) fn is_behind(&self) -> bool {
        self.wanted.is_some()
    }

    /// Takes in a reading.
    pub(crate) fn read(&mut self, now: &Snapshot, is_local: bool) {
        self.take_in(Moment::of(now, is_local));
    }

    fn take_in(&mut self, now: Moment) {
        let is_filling = self.wanted.take();
        if let Some(last) = self.last.take() {
            // Another process starts from nothing.
            if last.run_id == now.run_id {
                self.load.add(&last, &now);
            }
            self.last = (is_filling != Some(false)).then_some(now);
        } else if is_filling == Some(true) {
            self.last = Some(now);
        }
    }

    /// What was read so far; `None` where that is nothing.
    pub(crate) fn load(&self) -> Option<Load> {
        (self.load.seconds > 0.0).then(|| self.load.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A server that has worked for half of the time, in moments after `begin`.
    fn moment(begin: Instant, millis: u64, run_id: &str) -> Moment {
        let seconds = millis as f64 / 1e3;
        Moment {
            at: begin + Duration::from_millis(millis),
            run_id: run_id.into(),
            main_thread: seconds / 2.0,
            process: seconds * 3.0,
            waited: Some(seconds / 4.0),
        }
    }

    #[test]
    fn only_what_happens_while_the_fill_sends_counts() {
        let begin = Instant::now();
        let mut meter = Meter::default();
        meter.take_in(moment(begin, 100, "a"));
        meter.want(true);
        assert!(meter.is_behind() && meter.load().is_none());
        meter.take_in(moment(begin, 200, "a"));
        meter.take_in(moment(begin, 450, "a"));
        meter.want(false);
        meter.take_in(moment(begin, 600, "a"));
        assert!(!meter.is_behind());
        meter.take_in(moment(begin, 900, "a"));
        let load = meter.load().unwrap();
        assert!((load.seconds - 0.4).abs() < 1e-9, "{load:?}");
        let effort = load.effort();
        assert!((effort.cpu - 50.0).abs() < 1e-6 && (effort.busy() - 75.0).abs() < 1e-6);
        assert!((load.process_percent() - 300.0).abs() < 1e-6);
    }

    #[test]
    fn what_another_process_did_before_is_left_out() {
        let begin = Instant::now();
        let mut meter = Meter::default();
        meter.want(true);
        for (millis, run_id) in [(0, "a"), (200, "a"), (700, "b"), (800, "b")] {
            meter.take_in(moment(begin, millis, run_id));
        }
        assert!((meter.load().unwrap().seconds - 0.3).abs() < 1e-9);
    }

    #[test]
    fn a_process_of_the_same_number_is_not_taken_for_the_server() {
        let mut statistics = crate::control::Info::parse(&format!(
            "run_id:a\nprocess_id:{}\nused_cpu_sys:5000\nused_cpu_user:0\n",
            std::process::id()
        ));
        let none = crate::control::Info::default();
        let snapshot = |info: &crate::control::Info| {
            let reading = crate::memory::Reading::default();
            Snapshot::of(&none, &none, &none, info, info, reading)
        };
        assert_eq!(Moment::of(&snapshot(&statistics), true).waited, None);
        statistics = crate::control::Info::parse(&format!(
            "run_id:a\nprocess_id:{}\nused_cpu_sys:0\nused_cpu_user:0\n",
            std::process::id()
        ));
        if Scheduling::of_this_thread().is_some() {
            assert!(Moment::of(&snapshot(&statistics), true).waited.is_some());
        }
        assert_eq!(Moment::of(&snapshot(&statistics), false).waited, None);
    }
}
