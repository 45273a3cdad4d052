//! A fill under way: its nodes, what was known of them before, and what became of its keys so
//! far. How one pass goes is in `pass.rs`, and how passes follow each other in `converge.rs`.

mod converge;
mod crew;
pub(crate) mod facts;
mod forecast;
mod gauge;
mod in_commands;
mod pass;
pub(crate) mod passes;
mod reason;
pub(crate) mod summary;
mod tune;
pub mod until;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::audit::Audit;
use crate::audit::count::Before;
use crate::error::Error;
use crate::event::Event;
use crate::fill::passes::Passes;
use crate::lane::Replies;
use crate::memory::Reading;
use crate::meter::Load;
use crate::monitor::Monitor;
use crate::nodes::Nodes;
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::report::MemoryEnd;
use crate::statistics::Snapshot;
use crate::stop::Stop;
use crate::tuning::Tuned;

/// How long the last look of all monitors may take.
const LAST_LOOK: Duration = Duration::from_millis(100);

/// A fill under way.
pub(crate) struct Fill<'a> {
    pub(crate) plan: Arc<Plan>,
    /// The planned keys for which there is a node.
    pub(crate) planned: KeySequence,
    /// Those among them that have to be sent.
    pub(crate) due: KeySequence,
    /// How many keys will have been sent in the end, as far as that can be told.
    pub(crate) expected: u64,
    pub(crate) nodes: &'a mut Nodes,
    /// By node; `None` where it does not let itself be watched.
    pub(crate) monitors: Vec<Option<Monitor>>,
    pub(crate) stop: &'a Stop,
    pub(crate) observe: &'a mut dyn FnMut(Event),
    /// By node.
    pub(crate) before: Vec<Before>,
    pub(crate) passes: Passes,
    pub(crate) audit: Audit,
    /// Why sending on is pointless, once it is.
    pub(crate) halt: Option<String>,
    /// How often owners of slots have changed.
    pub(crate) changes: u64,
    /// What became of memory targets, by node.
    pub(crate) ends: Vec<MemoryEnd>,
    /// By node, its memory and keys at the last forecast.
    pub(crate) forecast_readings: Vec<Option<Reading>>,
    /// It was told that keys may not fit into memory.
    pub(crate) is_warned_of_memory: bool,
    /// What `--tune` found.
    pub(crate) tuned: Option<Tuned>,
    /// Nothing has moved for `--stall-timeout`.
    pub(crate) gave_up: Option<Duration>,
}

impl Fill<'_> {
    /// Starts a monitor for every node that has none yet and lets itself be watched.
    pub(crate) fn watch_nodes(&mut self) {
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

    /// How busy each node was while it was filled, where it tells.
    pub(crate) fn loads(&self) -> Vec<Option<Load>> {
        let deadline = Instant::now() + LAST_LOOK;
        let monitors = self.monitors.iter();
        monitors
            .map(|monitor| monitor.as_ref()?.load(deadline))
            .collect()
    }

    /// How each node shall acknowledge: where it would keep to itself what it refuses, each reply
    /// is read, unless the user wants it otherwise.
    pub(crate) fn replies(&self) -> Vec<Replies> {
        let of_node = |before: &Before| {
            let is_told = before
                .snapshot
                .as_ref()
                .is_some_and(Snapshot::counts_refusals);
            match is_told || !self.plan.replies_are_free {
                true => self.plan.replies,
                false => Replies::Each,
            }
        };
        self.before.iter().map(of_node).collect()
    }

    /// Says where each reply is read because a server does not count what it refuses.
    pub(crate) fn tell_replies(&mut self) {
        let replies = self.replies();
        let silent = replies.iter().position(|one| *one != self.plan.replies);
        if let Some(number) = silent {
            let name = self.name_of(number);
            (self.observe)(Event::Notice(format!(
                "{name} does not say how many writes it refuses (INFO commandstats: not permitted, or older than 6.2): each reply is read"
            )));
        }
    }

    /// How a node is called in messages.
    pub(crate) fn name_of(&self, node: usize) -> String {
        match self.nodes.is_cluster() {
            true => self.nodes.node(node).endpoint.to_string(),
            false => "the server".into(),
        }
    }

    /// Reads the topology again. Whether owners have changed.
    pub(crate) fn refresh(&mut self) -> bool {
        let has_changed = self.nodes.refresh();
        self.note_owners(has_changed);
        has_changed
    }

    /// Takes note of new owners, which nothing is known of from before the fill.
    pub(crate) fn note_owners(&mut self, has_changed: bool) {
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
}
