//! `verify(plan) -> VerifyReport`: reads every planned key, or a sample, from the node that owns
//! it, and compares the value with the plan, byte for byte. One connection per node; keys that a
//! node does not answer for just now are asked for again, at their owner of the moment. Never
//! writes to a server. What is asked and what answers mean is in `interview.rs`, without I/O.

mod bodies;
mod findings;
mod interview;
mod question;
mod reader;
mod sample;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::resource::UsageWho;

use self::findings::{Cause, Facts};
use self::interview::{Interview, Seen};
use self::reader::{Circumstances, Reader};
pub use self::sample::Sample;
use crate::error::{Error, Result};
use crate::event::{Event, NodeProgress, Progress, tell_while};
use crate::nodes::Nodes;
use crate::open_files;
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::report::VerifyReport;
use crate::scheduling::cpu_time;
use crate::stop::Stop;
use crate::target::Target;

/// Pause before keys that could not be looked at are asked for again.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// Connections per node: one for control, one that reads.
const CONNECTIONS_PER_NODE: u64 = 2;

/// Compares what `nodes` hold with the plan.
///
/// # Errors
/// A server refuses to answer, or answers nonsense, before anything was seen. What goes wrong
/// later, losses and interruptions are no errors: the report tells of them.
pub fn verify(
    plan: &Plan,
    target: &Target,
    nodes: &mut Nodes,
    sample: Sample,
    stop: &Stop,
    observe: &mut dyn FnMut(Event),
) -> Result<VerifyReport> {
    let connections = CONNECTIONS_PER_NODE * nodes.iter().len() as u64;
    if let Some(warning) = open_files::raise_for(connections) {
        observe(Event::Warning(warning));
    }
    let planned = nodes.covered(plan.sequence());
    let cpu_before = cpu_time(UsageWho::RUSAGE_SELF).unwrap_or_default();
    let mut verify = Verify {
        plan,
        nodes,
        stop,
        observe,
        to_check: sample.count(planned.count()),
        readers: Vec::new(),
        seen: Vec::new(),
        started_at: Instant::now(),
        changes: 0,
    };
    let mut cause = None;
    for part in sample.parts(plan, &planned) {
        cause = verify.look_at(part);
        if cause.is_some() {
            break;
        }
    }
    let elapsed = verify.started_at.elapsed();
    let cpu_after = cpu_time(UsageWho::RUSAGE_SELF).unwrap_or_default();
    let Verify {
        readers,
        seen,
        changes,
        to_check,
        ..
    } = verify;
    let facts = Facts {
        plan,
        target,
        is_all: sample.count(plan.keys()) == plan.keys(),
        to_check,
        wanted: sample.count(plan.keys()),
        seen,
        cause,
        elapsed,
        cpu: (cpu_after.0 - cpu_before.0, cpu_after.1 - cpu_before.1),
        reconnects: readers.iter().map(|reader| reader.reconnects).sum(),
        changes,
    };
    facts.report(nodes)
}

/// A look under way.
struct Verify<'a> {
    plan: &'a Plan,
    nodes: &'a mut Nodes,
    stop: &'a Stop,
    observe: &'a mut dyn FnMut(Event),
    to_check: u64,
    /// By node.
    readers: Vec<Reader>,
    /// By node.
    seen: Vec<Seen>,
    started_at: Instant,
    /// How often owners of slots have changed.
    changes: u64,
}

impl Verify<'_> {
    /// Looks at these keys, in rounds, until all are settled. Why not all are, if so.
    fn look_at(&mut self, keys: KeySequence) -> Option<Cause> {
        let mut open = keys;
        let mut moved_at = Instant::now();
        let mut is_told = false;
        loop {
            let before = open.count();
            let round = self.round(&open);
            open = round.left;
            if let Some(signal) = self.stop.signal().filter(|_| open.count() > 0) {
                return Some(Cause::Interrupted(signal));
            }
            if let Some(error) = round.fatal {
                return Some(Cause::Failed(error));
            }
            if open.count() == 0 {
                return None;
            }
            if open.count() < before {
                moved_at = Instant::now();
            }
            let why = round
                .passing
                .unwrap_or_else(|| "their slots have no master".into());
            if moved_at.elapsed() > self.plan.stall_timeout {
                return Some(Cause::Stalled {
                    keys: open.count(),
                    why,
                    patience: self.plan.stall_timeout,
                });
            }
            if !std::mem::replace(&mut is_told, true) {
                let patience = self.plan.stall_timeout.as_secs();
                (self.observe)(Event::Notice(format!(
                    "{} keys cannot be looked at for the moment ({why}): going on, at most {patience} s without progress",
                    open.count()
                )));
            }
            std::thread::sleep(ASK_AGAIN);
            if self.nodes.is_cluster() {
                self.changes += u64::from(self.nodes.refresh());
            }
        }
    }

    /// Asks each node for its share of these keys.
    fn round(&mut self, keys: &KeySequence) -> Round {
        let shares = self.nodes.shares(keys);
        let unowned = self.nodes.unowned(keys);
        let count = shares.len();
        self.readers.resize_with(count, Reader::default);
        self.seen.resize_with(count, Seen::default);
        let checked: Vec<AtomicU64> = self
            .seen
            .iter()
            .map(|seen| AtomicU64::new(seen.checked()))
            .collect();
        let mut told = Told {
            plan: self.plan,
            started_at: self.started_at,
            to_check: self.to_check,
            nodes: self
                .nodes
                .iter()
                .zip(&shares)
                .zip(&self.seen)
                .map(|((node, share), seen)| {
                    (node.endpoint.to_string(), seen.checked() + share.count())
                })
                .collect(),
            checked: &checked,
            observe: &mut *self.observe,
        };
        let readers: Vec<Mutex<&mut Reader>> = self.readers.iter_mut().map(Mutex::new).collect();
        let (plan, stop, nodes) = (self.plan, self.stop, &mut *self.nodes);
        let ends = tell_while(
            || told.tell(),
            || {
                nodes.ask_each(|number, node| {
                    let share = shares[number].clone();
                    let mut interview = Interview::new(plan.keyspace(), plan.values(), share);
                    let circumstances = Circumstances {
                        address: node.control.address(),
                        login: node.control.login(),
                        db: node.control.db(),
                        stop,
                        stall_timeout: plan.stall_timeout,
                        checked: &checked[number],
                    };
                    let mut reader = readers[number]
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner);
                    let outcome = match shares[number].count() {
                        0 => Ok(()),
                        _ => reader.ask(&mut interview, &circumstances),
                    };
                    (interview.end(), outcome.err())
                })
            },
        );
        let mut round = Round::default();
        let mut left = vec![unowned];
        for (number, ((seen, open, class), error)) in ends.into_iter().enumerate() {
            self.seen[number].add(seen);
            left.push(open);
            match error {
                Some(error) if is_passing(&error) => round.passing = Some(error.to_string()),
                Some(error) => round.fatal = Some(error),
                None => round.passing = class.or(round.passing),
            }
        }
        round.left = KeySequence::join(left);
        round
    }
}

/// How a round ended.
#[derive(Default)]
struct Round {
    /// Keys that are not settled.
    left: KeySequence,
    /// Why some are not, where that may pass.
    passing: Option<String>,
    /// Why asking on is pointless.
    fatal: Option<Error>,
}

/// Whether an error may be gone when the node is asked again.
fn is_passing(error: &Error) -> bool {
    matches!(
        error,
        Error::ConnectionLost { .. }
            | Error::Silent { .. }
            | Error::Stuck { .. }
            | Error::NotNow { .. }
            | Error::TooManyClients { .. }
    )
}

/// Tells how far a round is.
struct Told<'a> {
    plan: &'a Plan,
    started_at: Instant,
    to_check: u64,
    /// Address of each, and how many keys it will have been asked for.
    nodes: Vec<(String, u64)>,
    checked: &'a [AtomicU64],
    observe: &'a mut dyn FnMut(Event),
}

impl Told<'_> {
    fn tell(&mut self) {
        let nodes: Vec<NodeProgress> = self
            .nodes
            .iter()
            .zip(self.checked)
            .map(|((address, planned), checked)| NodeProgress {
                address: address.clone(),
                keys_acked: checked.load(Ordering::Relaxed),
                keys_planned: *planned,
                cpu_percent: None,
            })
            .collect();
        let checked = nodes.iter().map(|node| node.keys_acked).sum();
        (self.observe)(Event::Progress(Progress {
            elapsed: self.started_at.elapsed(),
            keys_acked: checked,
            payload_bytes_acked: self.plan.payload_bytes_of(checked),
            payload_bytes_planned: self.plan.payload_bytes_of(self.to_check),
            nodes,
        }));
    }
}
