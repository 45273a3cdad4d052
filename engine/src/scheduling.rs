//! How long threads of this machine ran on a core, and how long they waited for one although they
//! had something to do. Asks the kernel; knows nothing of fills.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// What the scheduler gave a thread since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// Time on a core.
    pub running: Duration,
    /// Time in line for one: others ran there, or a quota was used up.
    pub waiting: Duration,
}

impl Scheduling {
    /// That of the calling thread; `None` where the kernel does not tell.
    #[must_use]
    pub fn of_this_thread() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/thread-self/schedstat").ok()?)
    }

    /// That of the main thread of a process of this machine; `None` where there is none that can be
    /// seen.
    #[must_use]
    pub fn of_process(id: u32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{id}/schedstat")).ok()?)
    }

    /// `<ns on a core> <ns in line> <turns>`, as in the kernel's sched-stats.rst.
    fn parse(text: &str) -> Option<Self> {
        let mut figures = text.split_ascii_whitespace();
        let mut next = || Some(Duration::from_nanos(figures.next()?.parse().ok()?));
        Some(Self {
            running: next()?,
            waiting: next()?,
        })
    }
}

/// User and system CPU time so far.
#[must_use]
pub fn cpu_time(who: UsageWho) -> Option<(Duration, Duration)> {
    let usage = getrusage(who).ok()?;
    let duration = |time: nix::sys::time::TimeVal| {
        Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0))
    };
    Some((duration(usage.user_time()), duration(usage.system_time())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_nanoseconds() {
        assert_eq!(
            Scheduling::parse("1500000000 2000 7\n"),
            Some(Scheduling {
                running: Duration::from_millis(1500),
                waiting: Duration::from_micros(2),
            })
        );
        assert_eq!(Scheduling::parse("1500"), None);
        assert_eq!(Scheduling::parse("x y z"), None);
    }

    #[test]
    fn a_thread_that_works_has_run() {
        let Some(before) = Scheduling::of_this_thread() else {
            return;
        };
        let begun_at = std::time::Instant::now();
        while begun_at.elapsed() < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        let after = Scheduling::of_this_thread().unwrap();
        let told = after.running + after.waiting - before.running - before.waiting;
        // The kernel brings them up to date at its own ticks.
        assert!(told >= Duration::from_millis(10), "{told:?}");
        assert!(Scheduling::of_process(std::process::id()).is_some());
    }
}
