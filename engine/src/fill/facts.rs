//! Everything that a report is made from.

use std::time::Duration;

use crate::audit::Finding;
use crate::audit::count::Before;
use crate::fill::passes::Passes;
use crate::lane::Replies;
use crate::meter::Load;
use crate::nodes::Nodes;
use crate::plan::Plan;
use crate::report::MemoryEnd;
use crate::statistics::Change;
use crate::target::Target;
use crate::tuning::Tuned;

/// Everything a report is made from.
pub(crate) struct Facts<'a> {
    pub(crate) plan: &'a Plan,
    /// Planned keys for which there was a node.
    pub(crate) planned: u64,
    pub(crate) target: &'a Target,
    pub(crate) nodes: &'a Nodes,
    /// By node.
    pub(crate) before: &'a [Before],
    pub(crate) finding: &'a Finding,
    /// Why the audit could not look.
    pub(crate) audit_error: Option<&'a str>,
    pub(crate) passes: &'a Passes,
    pub(crate) audit: Duration,
    /// Why sending on was pointless.
    pub(crate) halt: Option<&'a str>,
    /// How often owners of slots have changed.
    pub(crate) changes: u64,
    /// Nothing changed for so long.
    pub(crate) gave_up: Option<Duration>,
    /// What became of memory targets, by node.
    pub(crate) ends: &'a [MemoryEnd],
    /// What `--tune` found.
    pub(crate) tuned: Option<&'a Tuned>,
    /// How busy each node was while it was filled, where it tells.
    pub(crate) loads: &'a [Option<Load>],
    pub(crate) signal: Option<i32>,
}

impl Facts<'_> {
    /// What happened on each node, as far as that is known.
    pub(crate) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.finding
            .nodes
            .iter()
            .filter_map(|node| node.change.as_ref())
    }

    /// How the servers acknowledged, whatever was planned.
    pub(crate) fn replies(&self) -> Replies {
        self.passes.replies.unwrap_or(self.plan.replies)
    }
}
