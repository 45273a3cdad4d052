//! Why a fill is incomplete, in a sentence that names the cause and the setting to change.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::driver::contract::LaneEnd;
use crate::fill::facts::Facts;
use crate::refusal;
use crate::reply::error_class;
use crate::statistics::Change;

/// Why a fill is incomplete: the first cause that explains it.
pub(crate) fn reason(facts: &Facts<'_>, refused: &BTreeMap<String, u64>) -> String {
    let planned = facts.plan.keys();
    let place = if facts.nodes.is_cluster() {
        "cluster"
    } else {
        "server"
    };
    let unsettled: u64 = facts.finding.unsettled.values().sum();
    let cause = Cause { facts, refused }.in_words();
    let stored = match facts.finding.present() {
        Some(present) if unsettled > 0 => format!(
            "{present} of {planned} planned keys were seen on the {place}, {unsettled} could not be looked for"
        ),
        Some(present) => format!("{present} of {planned} planned keys are on the {place}"),
        None if self_explaining(facts, &cause) => {
            format!("how many of the {planned} planned keys are on the {place} is unknown")
        }
        None => {
            let gone = facts.finding.unsettled.keys().next().map(String::as_str);
            let why = facts.audit_error.or(gone).unwrap_or("it was not looked at");
            format!("how many of the {planned} planned keys are on the {place} is unknown: {why}")
        }
    };
    format!("{cause}: {stored}")
}

/// Whether the cause says already why the server could not be asked.
fn self_explaining(facts: &Facts<'_>, cause: &str) -> bool {
    let gone = facts.finding.unsettled.keys().next().map(String::as_str);
    let why = facts.audit_error.or(gone);
    why.is_some_and(|why| cause.contains(why))
}

/// The search for the cause.
struct Cause<'a> {
    facts: &'a Facts<'a>,
    refused: &'a BTreeMap<String, u64>,
}

impl Cause<'_> {
    fn in_words(&self) -> String {
        self.interrupted()
            .or_else(|| self.full())
            .or_else(|| self.halted())
            .or_else(|| self.failed())
            .or_else(|| Some(self.unsettled(self.facts.gave_up?)))
            .or_else(|| self.evicted())
            .or_else(|| self.partial())
            .or_else(|| self.refused_silently())
            .or_else(|| self.changed_by_others())
            .unwrap_or_else(|| "planned keys are missing".into())
    }

    fn interrupted(&self) -> Option<String> {
        let signal = self.facts.signal?;
        let name = nix::sys::signal::Signal::try_from(signal).map_or("a signal", |s| s.as_str());
        Some(format!("interrupted by {name}"))
    }

    /// Out of memory, with the arithmetic as far as it is known.
    fn full(&self) -> Option<String> {
        let is_full = self.halt_class() == Some("OOM")
            || self.refused.contains_key("OOM")
            || matches!(&self.facts.passes.failure, Some((_, LaneEnd::Refused(error))) if error_class(error) == "OOM");
        if !is_full {
            return None;
        }
        let number = self.node_with(|change| change.errors.contains_key("OOM"));
        let node = number.unwrap_or(0);
        let facts = self.facts.nodes.node(node).facts();
        let now = self.facts.finding.nodes.get(node);
        let limit = now.and_then(|node| node.maxmemory).or(facts.maxmemory);
        let limit = limit.unwrap_or(0);
        let policy = facts.maxmemory_policy.as_deref().unwrap_or("noeviction");
        let mut text = format!(
            "{} ran out of memory (OOM, maxmemory {limit} bytes, maxmemory-policy {policy}",
            self.server(number)
        );
        if let Some((per_key, needed)) = self.needed(node).filter(|(_, needed)| *needed > limit) {
            text += &format!(
                "; at {per_key} bytes per key all of its planned keys need about {needed} bytes"
            );
        }
        Some(text + "): raise maxmemory, or fill less (-d, --keys)")
    }

    /// Bytes per key as measured on a node, and for all of its planned keys, what was in use before
    /// included.
    fn needed(&self, node: usize) -> Option<(u64, u64)> {
        let before = self.facts.before.get(node)?.snapshot.as_ref()?.reading.used;
        let finding = self.facts.finding.nodes.get(node)?;
        let created = finding.created.filter(|created| *created > 0)?;
        let per_key = finding.used_memory?.checked_sub(before)? / created;
        let shares = self.facts.nodes.shares(self.facts.plan.sequence());
        let all = per_key.saturating_mul(shares.get(node)?.count());
        Some((per_key, all.saturating_add(before)))
    }

    fn halted(&self) -> Option<String> {
        let message = self.facts.halt?;
        let class = error_class(message);
        let number = self.node_with(|change| change.errors.contains_key(class));
        let server = self.server(number);
        Some(match refusal::explain(message) {
            Some((what, cure)) => format!("{server} {what}: {cure}"),
            // Not a refusal, but what a reactor or the forecast says.
            None => message.to_owned(),
        })
    }

    fn failed(&self) -> Option<String> {
        let (node, end) = self.facts.passes.failure.as_ref()?;
        let server = self.server(Some(*node));
        match end {
            LaneEnd::Refused(error) => Some(match refusal::explain(error) {
                Some((what, cure)) => format!("{server} {what}: {cure}"),
                None => format!("{server} refused a write: {error}"),
            }),
            LaneEnd::Failed(cause) => Some(format!("a connection to {server} failed: {cause}")),
            LaneEnd::Done | LaneEnd::Stopped => None,
        }
    }

    fn evicted(&self) -> Option<String> {
        let sum = |count: fn(&Change) -> u64| self.facts.changes().map(count).sum::<u64>();
        let (evicted, expired) = (sum(|change| change.evicted), sum(|change| change.expired));
        if evicted + expired == 0 {
            return None;
        }
        let removing = self.node_with(|change| change.removed_by_server() > 0);
        let policy = &self
            .facts
            .nodes
            .node(removing.unwrap_or(0))
            .facts()
            .maxmemory_policy;
        Some(format!(
            "{} evicted {evicted} keys and expired {expired} (maxmemory-policy {}; see --allow-eviction)",
            self.server(removing),
            policy.as_deref().unwrap_or("unknown")
        ))
    }

    fn partial(&self) -> Option<String> {
        let is_partial = self.facts.planned < self.facts.plan.keys();
        let uncovered = self.facts.nodes.uncovered();
        is_partial.then(|| {
            format!(
                "partial, as --allow-partial permits: {} of 16384 slots have no master that can be reached",
                uncovered.len()
            )
        })
    }

    fn refused_silently(&self) -> Option<String> {
        let (class, count) = self.refused.iter().next()?;
        Some(format!("the server refused {count} writes ({class})"))
    }

    fn changed_by_others(&self) -> Option<String> {
        let mut changes = self.facts.changes();
        let has_foreign = changes.any(|change| change.foreign_writes > 0);
        has_foreign.then(|| "other clients changed the database during the fill".into())
    }

    /// What nodes did not come to terms with for so long.
    fn unsettled(&self, patience: Duration) -> String {
        let seconds = patience.as_secs();
        if let Some(problem) = &self.facts.nodes.problem {
            return problem.clone();
        }
        let place = if self.facts.nodes.is_cluster() {
            "the cluster"
        } else {
            "the server"
        };
        match self
            .facts
            .finding
            .unsettled
            .keys()
            .next()
            .map(String::as_str)
        {
            Some(class @ ("ASK" | "TRYAGAIN")) => format!(
                "slots have been moving for {seconds} s without an end ({class}; see `redis-cli --cluster check`, finish it with `redis-cli --cluster fix`)"
            ),
            Some("CLUSTERDOWN") => format!(
                "the cluster has been down for {seconds} s (CLUSTERDOWN; see `redis-cli --cluster check`)"
            ),
            Some(class) => format!("{place} has not answered for {seconds} s ({class})"),
            None if self.facts.finding.open() == 0 => format!(
                "the nodes have not agreed on the owners of all slots for {seconds} s (see `redis-cli --cluster check`)"
            ),
            None => format!("nothing has changed for {seconds} s (--stall-timeout)"),
        }
    }

    fn halt_class(&self) -> Option<&str> {
        self.facts.halt.map(error_class)
    }

    /// The first node whose change is meant.
    fn node_with(&self, is_meant: impl Fn(&Change) -> bool) -> Option<usize> {
        let mut nodes = self.facts.finding.nodes.iter();
        nodes.position(|node| node.change.as_ref().is_some_and(&is_meant))
    }

    fn server(&self, number: Option<usize>) -> String {
        match number {
            Some(number) if self.facts.nodes.is_cluster() => {
                self.facts.nodes.node(number).endpoint.to_string()
            }
            _ => "the server".to_owned(),
        }
    }
}
