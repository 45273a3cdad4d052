//! `fill(plan) -> Report`: pass after pass until everything is sent, then look, and send again
//! what is missing, until nothing is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::UsageWho;

use crate::audit::{Audit, Finding, Task};
use crate::count::Before;
use crate::crew::{self, Crew, Order};
use crate::driver::contract::LaneEnd;
use crate::error::{Error, Result};
pub use crate::event::{Event, NodeProgress, Progress};
use crate::lane::Replies;
use crate::monitor::{Monitor, Trouble};
use crate::nodes::Nodes;
use crate::passes::{Pass, Passes};
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::reactor::cpu_time;
use crate::report::Report;
pub use crate::stop::Stop;
use crate::stop::{Halt, HaltCause};
use crate::target::Target;
use crate::{open_files, summary};

/// How long an interrupted fill waits for one answer of a server.
const INTERRUPTED_PATIENCE: Duration = Duration::from_secs(1);
/// Control connections per node: one asks, one watches.
const CONTROLS_PER_NODE: u64 = 2;
/// A pass lasts so long before a change of owners ends it, so that a resharding of many slots does
/// not cost a new start for each of them.
const PASS_MIN: Duration = Duration::from_secs(1);
/// Time between two looks at the topology while something is wrong.
const TOPOLOGY_POLL: Duration = Duration::from_millis(250);
/// Pause before keys that could not be looked for are looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Fills `nodes` and looks whether everything arrived.
///
/// # Errors
/// A server is gone before the start, or the driver cannot be set up. Refusals, losses and
/// interruptions are no errors: the report tells of them.
pub fn fill(
    plan: &Plan,
    target: &Target,
    nodes: &mut Nodes,
    stop: &Stop,
    observe: &mut dyn FnMut(Event),
) -> Result<Report> {
    let connections = plan.lanes() as u64 + CONTROLS_PER_NODE * nodes.iter().len() as u64;
    if let Some(warning) = open_files::raise_for(connections) {
        observe(Event::Warning(warning));
    }
    let is_cluster = nodes.is_cluster();
    let before = nodes.ask_each(|_, node| {
        // A master that has been replaced since it was found may not even answer.
        match is_cluster && node.slots.is_empty() {
            true => Ok(Before::of_newcomer(&mut node.control)),
            false => Before::take(&mut node.control),
        }
    });
    let before = before.into_iter().collect::<Result<_>>()?;
    let mut fill = Fill {
        planned: nodes.covered(plan.sequence()),
        plan: Arc::new(plan.clone()),
        monitors: Vec::new(),
        nodes,
        stop,
        observe,
        before,
        passes: Passes::default(),
        halt: None,
        changes: 0,
        gave_up: None,
    };
    fill.watch_nodes();
    let started_at = Instant::now();
    fill.send_all()?;
    // What was waited between passes is time of the fill.
    fill.passes.elapsed = started_at.elapsed();
    let audit_at = Instant::now();
    let sending = fill.passes.elapsed;
    let (finding, audit_error) = match fill.converge() {
        Ok(finding) => (finding, None),
        Err(error) => (Finding::default(), Some(error.to_string())),
    };
    let mending = fill.passes.elapsed - sending;
    let Fill {
        planned,
        before,
        passes,
        halt,
        changes,
        gave_up,
        ..
    } = fill;
    Ok(summary::report(&summary::Facts {
        plan,
        planned: planned.count(),
        target,
        nodes,
        before: &before,
        finding: &finding,
        audit_error: audit_error.as_deref(),
        passes: &passes,
        audit: audit_at.elapsed().saturating_sub(mending),
        halt: halt.as_deref(),
        changes,
        gave_up,
        signal: stop.signal(),
    }))
}

/// A fill under way.
struct Fill<'a> {
    plan: Arc<Plan>,
    /// The planned keys for which there is a node.
    planned: KeySequence,
    nodes: &'a mut Nodes,
    /// By node; `None` where it does not let itself be watched.
    monitors: Vec<Option<Monitor>>,
    stop: &'a Stop,
    observe: &'a mut dyn FnMut(Event),
    /// By node.
    before: Vec<Before>,
    passes: Passes,
    /// Why sending on is pointless, once it is.
    halt: Option<String>,
    /// How often owners of slots have changed.
    changes: u64,
    /// Nothing has moved for `--stall-timeout`.
    gave_up: Option<Duration>,
}

impl Fill<'_> {
    /// Starts a monitor for every node that has none yet and lets itself be watched.
    fn watch_nodes(&mut self) {
        let known = self.monitors.len();
        let monitors = self.nodes.ask_each(|number, node| {
            (number >= known).then(|| node.control.reconnect().and_then(Monitor::start))
        });
        let newcomers = self.nodes.iter().skip(known);
        for (node, monitor) in newcomers.zip(monitors.into_iter().flatten()) {
            let error = match monitor {
                Ok(monitor) => {
                    self.monitors.push(Some(monitor));
                    continue;
                }
                Err(error) => error,
            };
            let why = match error {
                Error::NotPermitted { .. } => "INFO is not permitted".to_owned(),
                error => error.to_string(),
            };
            self.monitors.push(None);
            (self.observe)(Event::Warning(format!(
                "{} is not watched during the fill: {why}",
                if self.nodes.is_cluster() {
                    node.endpoint.to_string()
                } else {
                    "the server".into()
                }
            )));
        }
    }

    /// Sends every planned key once: what one pass does not get round to, because owners have
    /// changed, is left to the next one.
    fn send_all(&mut self) -> Result<()> {
        let mut keys = self.planned.clone();
        let mut moved_at = Instant::now();
        loop {
            let sent_before = self.passes.sent;
            let cause = self.pass(&keys, false)?;
            if self.passes.sent > sent_before {
                moved_at = Instant::now();
            }
            keys = std::mem::take(&mut self.passes.unsent);
            let is_pointless = matches!(cause, Some(HaltCause::Pointless(_)));
            if keys.count() == 0 || is_pointless || self.stop.signal().is_some() {
                break;
            }
            if !self.nodes.is_cluster() {
                break;
            }
            // Lanes that gave up have waited long enough, unless there is somebody else to ask.
            let has_changed = self.refresh();
            if self.passes.failure.is_some() && cause.is_none() && !has_changed {
                break;
            }
            if moved_at.elapsed() > self.plan.stall_timeout || !self.wait_until_up() {
                self.gave_up = Some(self.plan.stall_timeout);
                break;
            }
        }
        self.passes.unsent = keys;
        self.tell_outcome();
        Ok(())
    }

    /// One pass over `keys`, each at its present owner. Why it ended early, if it did.
    fn pass(&mut self, keys: &KeySequence, is_mending: bool) -> Result<Option<HaltCause>> {
        let halt = Halt::default();
        let unowned = self.nodes.unowned(keys);
        let orders = crew::orders(self.nodes, keys, self.plan.replies);
        let cpu_before = cpu_time(UsageWho::RUSAGE_SELF).unwrap_or_default();
        let started_at = Instant::now();
        let crew = Crew::start(&self.plan, &orders, is_mending, self.stop, &halt);
        let mut looked_at = started_at;
        let mut is_suspicious = false;
        crew.watch(|crew| {
            if !is_mending {
                self.tell_progress(crew, &orders);
            }
            self.look_for_trouble(crew, &halt, &mut is_suspicious, &mut looked_at);
        });
        let elapsed = started_at.elapsed();
        let cpu_after = cpu_time(UsageWho::RUSAGE_SELF).unwrap_or_default();
        let reconnects = crew.reconnects();
        let reactors = crew.join()?;
        let pass = Pass {
            reactors,
            started_at,
            elapsed,
            cpu: (cpu_after.0 - cpu_before.0, cpu_after.1 - cpu_before.1),
            reconnects,
            is_mending,
            keeps_heads: !self.nodes.is_cluster(),
        };
        self.passes.take_in(pass, self.nodes.iter().len());
        if !is_mending {
            self.passes.leave(unowned);
        }
        let cause = halt.get().cloned();
        if let Some(HaltCause::Pointless(class)) = &cause {
            self.halt = Some(class.clone());
        }
        Ok(cause)
    }

    /// Ends a pass that cannot go on as it is: a server takes no more writes, the cluster is
    /// down, or slots have other owners by now.
    fn look_for_trouble(
        &mut self,
        crew: &Crew,
        halt: &Halt,
        is_suspicious: &mut bool,
        looked_at: &mut Instant,
    ) {
        let monitors = self.monitors.iter().flatten();
        for trouble in monitors.filter_map(Monitor::take_trouble) {
            match trouble {
                Trouble::RefusesAll(class) => {
                    let _ = halt.set(HaltCause::Pointless(class));
                }
                Trouble::ClusterDown if !self.nodes.may_be_partial() => {
                    let _ = halt.set(HaltCause::ClusterChanged);
                }
                Trouble::ClusterDown | Trouble::Unknown => *is_suspicious = true,
            }
        }
        *is_suspicious |= crew.is_disconnected();
        let is_due = looked_at.elapsed() >= TOPOLOGY_POLL && crew.elapsed() >= PASS_MIN;
        if !self.nodes.is_cluster() || !*is_suspicious || !is_due || halt.get().is_some() {
            return;
        }
        *looked_at = Instant::now();
        *is_suspicious = false;
        if self.refresh() {
            let _ = halt.set(HaltCause::ClusterChanged);
        }
    }

    /// Reads the topology again. Whether owners have changed.
    fn refresh(&mut self) -> bool {
        let has_changed = self.nodes.refresh();
        self.note_owners(has_changed);
        has_changed
    }

    /// Waits until the cluster takes writes; `false` where it does not in time.
    fn wait_until_up(&mut self) -> bool {
        let deadline = Instant::now() + self.plan.stall_timeout;
        let mut is_told = false;
        loop {
            self.refresh();
            let is_up = self.nodes.is_up() && self.nodes.unowned(&self.planned).count() == 0;
            if is_up || self.stop.signal().is_some() {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            if !std::mem::replace(&mut is_told, true) {
                (self.observe)(Event::Notice(format!(
                    "the cluster takes no writes at the moment: waiting, at most {} s",
                    self.plan.stall_timeout.as_secs()
                )));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Takes note of new owners, which nothing is known of from before the fill.
    fn note_owners(&mut self, has_changed: bool) {
        self.changes += u64::from(has_changed);
        let nodes = self.nodes.iter().len();
        if self.before.len() < nodes {
            let known = self.before.len();
            let newcomers = self.nodes.ask_each(|number, node| {
                (number >= known).then(|| Before::of_newcomer(&mut node.control))
            });
            self.before.extend(newcomers.into_iter().flatten());
            self.watch_nodes();
        }
        self.passes.nodes.resize_with(nodes, Default::default);
    }

    /// Looks for the planned keys and, in a cluster, sends again what is missing, until nothing
    /// is, or nothing changes for `--stall-timeout`.
    fn converge(&mut self) -> Result<Finding> {
        let mut audit = Audit::default();
        let (mut open_min, mut moved_at) = (u64::MAX, Instant::now());
        let mut changes_seen = self.changes;
        let mut is_told = false;
        if self.stop.signal().is_some() {
            self.nodes.set_patience(INTERRUPTED_PATIENCE);
        }
        loop {
            let sent: Vec<_> = self
                .passes
                .nodes
                .iter()
                .map(|node| node.sent.clone())
                .collect();
            let task = Task {
                plan: &self.plan,
                planned: &self.planned,
                before: &self.before,
                sent: &sent,
                is_disturbed: self.changes > 0,
                stop: self.stop,
            };
            audit.forget_others(self.nodes);
            let finding = audit.round(self.nodes, &task, self.observe)?;
            let open = finding.open();
            let is_all_seen = self.nodes.is_cluster() && open == 0 && self.stop.signal().is_none();
            if is_all_seen && self.nodes.is_settled() {
                return Ok(finding);
            }
            if !self.can_mend() && !is_all_seen {
                return Ok(finding);
            }
            // Other owners mean other keys to find.
            if std::mem::replace(&mut changes_seen, self.changes) != self.changes {
                open_min = u64::MAX;
            }
            // Where owners have changed too, not everything that is missing was evicted.
            if finding.evicted() > 0 && self.changes == 0 {
                return Ok(finding);
            }
            if open < open_min {
                (open_min, moved_at) = (open, Instant::now());
            } else if finding.evicted() > 0 {
                return Ok(finding);
            } else if moved_at.elapsed() > self.plan.stall_timeout {
                self.gave_up = Some(self.plan.stall_timeout);
                return Ok(finding);
            }
            self.wait_until_up();
            if finding.missing.is_empty() {
                if let Some((class, keys)) = finding.unsettled.iter().next().filter(|_| !is_told) {
                    is_told = true;
                    (self.observe)(Event::Notice(format!(
                        "{keys} planned keys cannot be looked for at the moment ({class}): waiting, at most {} s",
                        self.plan.stall_timeout.as_secs()
                    )));
                }
                std::thread::sleep(LOOK_AGAIN);
                continue;
            }
            (self.observe)(Event::Notice(format!(
                "{} planned keys are not there (yet): sending them again",
                finding.missing_count
            )));
            let missing = KeySequence::join(finding.missing);
            self.pass(&missing, true)?;
        }
    }

    /// Whether sending again can mend what was found.
    fn can_mend(&self) -> bool {
        let is_refused = matches!(self.passes.failure, Some((_, LaneEnd::Refused(_))));
        self.nodes.is_cluster()
            && self.halt.is_none()
            && self.gave_up.is_none()
            && self.passes.unsent.count() == 0
            && !is_refused
            && self.stop.signal().is_none()
    }

    fn tell_progress(&mut self, crew: &Crew, orders: &[Order]) {
        let nodes = self.nodes.iter().len();
        let now = crew.keys_acked(nodes);
        let earlier = self.passes.nodes.iter().map(|node| node.acked);
        let earlier: Vec<u64> = earlier.chain(std::iter::repeat(0)).take(nodes).collect();
        let planned = |number: usize| orders.get(number).map_or(0, |order| order.keys.count());
        let nodes: Vec<NodeProgress> = self
            .nodes
            .iter()
            .enumerate()
            .map(|(number, node)| NodeProgress {
                address: node.endpoint.to_string(),
                keys_acked: earlier[number] + now[number],
                keys_planned: earlier[number] + planned(number),
                cpu_percent: self.monitors[number]
                    .as_ref()
                    .and_then(Monitor::cpu_percent),
            })
            .collect();
        let keys_acked = nodes.iter().map(|node| node.keys_acked).sum();
        (self.observe)(Event::Progress(Progress {
            elapsed: self.passes.elapsed + crew.elapsed(),
            keys_acked,
            payload_bytes_acked: self.plan.payload_bytes_of(keys_acked),
            payload_bytes_planned: self.plan.payload_bytes_of(self.planned.count()),
            nodes,
        }));
    }

    /// Tells what the drivers had to do otherwise than planned, each thing once.
    fn tell_outcome(&mut self) {
        for notice in &self.passes.notices {
            (self.observe)(Event::Notice(notice.clone()));
        }
        if self.plan.replies == Replies::Fenced && self.passes.replies == Some(Replies::Each) {
            (self.observe)(Event::Notice(
                "CLIENT REPLY is refused here: each reply was read".into(),
            ));
        }
    }
}
