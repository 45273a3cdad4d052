//! Finds out on the real data which kind of send is best: carries out the steps of a
//! [`Chooser`], with a clock. Sends nothing by itself and nothing twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::UsageWho;

use crate::plan::Send;
use crate::plan::send_choice::{Chooser, ROUND_BYTES, ROUND_TIME_MAX, Round, Step, Trial};
use crate::scheduling::cpu_time;

/// The isolated send that is under way.
struct Probe {
    lane: usize,
    block: u16,
    /// Its connection may go on, or is another one by now.
    is_free: bool,
}

/// A round under way.
struct Measured {
    send: Send,
    /// Sends that are left over from the round before, or that start this one.
    to_skip: usize,
    since: Option<(Instant, Duration)>,
    bytes: u64,
}

/// One reactor's part in a trial.
pub(super) struct Measurement {
    trial: Arc<Trial>,
    /// `None` where another reactor measures.
    chooser: Option<Chooser>,
    lanes: usize,
    probe: Option<Probe>,
    round: Option<Measured>,
}

impl Measurement {
    pub(super) fn new(trial: &Arc<Trial>, chooser: Chooser, lanes: usize) -> Self {
        Self {
            trial: Arc::clone(trial),
            chooser: trial.take().then_some(chooser),
            lanes,
            probe: None,
            round: None,
        }
    }

    /// The kind that was found, by whichever reactor.
    pub(super) fn found(&mut self) -> Option<Send> {
        if let Some(Step::Found(found)) = self.chooser.as_ref().map(Chooser::step) {
            self.trial.settle(found);
        }
        self.trial.found().map(|found| found.send)
    }

    /// Whether nothing may be sent on a connection yet.
    pub(super) fn holds(&self, lane: usize) -> bool {
        let probe = self.probe.as_ref();
        probe.is_some_and(|probe| probe.lane == lane && !probe.is_free)
    }

    /// How the next send of a lane is to be submitted, and whether the kernel shall tell if it
    /// copied.
    pub(super) fn next(&mut self, lane: usize, block: u16) -> (Send, bool) {
        match self.chooser.as_ref().map(Chooser::step) {
            Some(Step::Probe) if self.probe.is_none() => {
                self.probe = Some(Probe {
                    lane,
                    block,
                    is_free: false,
                });
                (Send::Zc, true)
            }
            Some(Step::Round(send)) => (send, false),
            _ => (Send::Copy, false),
        }
    }

    /// A send ended; `is_released` where no word about its block will follow.
    pub(super) fn sent(&mut self, lane: usize, send: Send, bytes: usize, is_released: bool) {
        if is_released && send == Send::Zc && self.holds(lane) {
            self.probe = None;
        }
        let Some(Step::Round(wanted)) = self.chooser.as_ref().map(Chooser::step) else {
            return;
        };
        if send != wanted {
            return;
        }
        let round = self.round.get_or_insert(Measured {
            send,
            to_skip: self.lanes,
            since: None,
            bytes: 0,
        });
        if round.to_skip > 0 {
            round.to_skip -= 1;
            return;
        }
        let (now, cpu) = (Instant::now(), thread_cpu());
        let Some((since, cpu_before)) = round.since else {
            round.since = Some((now, cpu));
            return;
        };
        round.bytes += bytes as u64;
        let elapsed = now - since;
        if round.bytes > 0 && (round.bytes >= ROUND_BYTES || elapsed >= ROUND_TIME_MAX) {
            let round = Round {
                send: round.send,
                bytes: round.bytes,
                cpu: cpu.saturating_sub(cpu_before),
                elapsed,
            };
            self.round = None;
            self.chooser
                .as_mut()
                .into_iter()
                .for_each(|chooser| chooser.took(round));
        }
    }

    /// The kernel is done with a block.
    pub(super) fn released(&mut self, block: u16, is_copied: bool) {
        if let Some(probe) = self.probe.take_if(|probe| probe.block == block)
            && let Some(chooser) = &mut self.chooser
            && !probe.is_free
        {
            chooser.probed(is_copied);
        }
    }

    /// A connection is gone; what becomes of its bytes says nothing about sends.
    pub(super) fn lost(&mut self, lane: usize) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.lane == lane) {
            probe.is_free = true;
        }
    }

    /// The kernel does not take this kind of send.
    pub(super) fn refused(&mut self, send: Send) {
        self.round = None;
        if let Some(chooser) = &mut self.chooser {
            chooser.refused(send);
        }
    }
}

impl Drop for Measurement {
    fn drop(&mut self) {
        if self.chooser.is_some() {
            self.trial.leave();
        }
    }
}

/// CPU time of the calling thread.
fn thread_cpu() -> Duration {
    cpu_time(UsageWho::RUSAGE_THREAD).map_or(Duration::ZERO, |(user, system)| user + system)
}
