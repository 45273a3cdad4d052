//! From what was seen to the report and its verdict.

use std::collections::BTreeMap;
use std::time::Duration;

use super::interview::Seen;
use crate::error::{Error, Result};
use crate::fill::summary::peak_rss_bytes;
use crate::nodes::Nodes;
use crate::plan::Plan;
use crate::report::{
    ClientCosts, Examples, SCHEMA, Verification, VerifyNode, VerifyPlan, VerifyRates, VerifyReport,
    VerifyVerdict, WrongKey,
};
use crate::target::Target;

const MIB: f64 = (1 << 20) as f64;
const GIB: f64 = (1 << 30) as f64;

/// Why not every key was looked at.
#[derive(Debug)]
pub(crate) enum Cause {
    /// This signal.
    Interrupted(i32),
    /// Asking on is pointless.
    Failed(Error),
    /// No key could be looked at for so long.
    Stalled {
        /// Keys that are left, of those that were asked for at last.
        keys: u64,
        /// What the node said.
        why: String,
        /// So long.
        patience: Duration,
    },
}

/// Everything a report is made from.
pub(crate) struct Facts<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) target: &'a Target,
    /// Whether no sample was asked for.
    pub(crate) is_all: bool,
    /// Keys to look at, of those for which there was a node.
    pub(crate) to_check: u64,
    /// The same of all planned keys.
    pub(crate) wanted: u64,
    /// By node.
    pub(crate) seen: Vec<Seen>,
    pub(crate) cause: Option<Cause>,
    pub(crate) elapsed: Duration,
    /// User and system time.
    pub(crate) cpu: (Duration, Duration),
    pub(crate) reconnects: u64,
    pub(crate) changes: u64,
}

impl Facts<'_> {
    /// The report; asks the nodes how many keys they have.
    pub(crate) fn report(mut self, nodes: &mut Nodes) -> Result<VerifyReport> {
        let mut all = Seen::default();
        for seen in &self.seen {
            all.add(seen.clone());
        }
        if let Some(Cause::Failed(error)) = self
            .cause
            .take_if(|cause| all.checked() == 0 && matches!(cause, Cause::Failed(_)))
        {
            return Err(error);
        }
        let plan = VerifyPlan {
            target: self.target.to_string(),
            cluster: nodes.is_cluster(),
            keys: self.plan.keys(),
            key_size: self.plan.keyspace().key_size(),
            value_size: self.plan.values().value_size(),
            sources: BTreeMap::new(),
        };
        Ok(VerifyReport {
            schema: SCHEMA,
            plan,
            verification: self.verification(&all, nodes),
        })
    }

    fn verification(&self, all: &Seen, nodes: &mut Nodes) -> Verification {
        let checked = all.checked();
        let payload = self.plan.payload_bytes_of(checked);
        let seconds = self.elapsed.as_secs_f64();
        let per_second = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        let is_right = all.missing + all.wrong == 0;
        let is_all_seen = checked == self.wanted;
        let (user, system) = (self.cpu.0.as_secs_f64(), self.cpu.1.as_secs_f64());
        Verification {
            to_check: self.wanted,
            checked,
            present: all.right,
            missing: all.missing,
            wrong: all.wrong,
            examples: self.examples(all),
            beyond_plan: (self.is_all && is_all_seen)
                .then(|| keys_in(nodes))
                .flatten()
                .map(|keys| keys.saturating_sub(all.right + all.wrong)),
            nodes: self.nodes(nodes),
            seconds,
            rates: VerifyRates {
                keys_per_second: per_second(checked as f64),
                payload_mib_per_second: per_second(payload as f64 / MIB),
            },
            client: ClientCosts {
                cpu_user_seconds: user,
                cpu_system_seconds: system,
                cpu_seconds_per_gib: (payload > 0)
                    .then(|| (user + system) / (payload as f64 / GIB)),
                peak_rss_bytes: peak_rss_bytes(),
            },
            reconnects: self.reconnects,
            topology_changes: self.changes,
            verdict: match (is_right, is_all_seen) {
                (false, _) => VerifyVerdict::Mismatch,
                (true, false) => VerifyVerdict::Incomplete,
                (true, true) => VerifyVerdict::Verified,
            },
            reason: (!is_right || !is_all_seen).then(|| self.reason(all, nodes)),
            interrupted_by: match self.cause {
                Some(Cause::Interrupted(signal)) => Some(signal),
                _ => None,
            },
            is_as_asked: is_right && checked == self.to_check,
        }
    }

    fn examples(&self, all: &Seen) -> Examples {
        let key = |index: u64| {
            let mut key = vec![0; self.plan.keyspace().key_size()];
            self.plan.keyspace().render(index, &mut key);
            printable(&key)
        };
        Examples {
            missing: all.missing_examples.iter().map(|at| key(*at)).collect(),
            wrong: all
                .wrong_examples
                .iter()
                .map(|(index, what)| WrongKey {
                    key: key(*index),
                    what: what.clone(),
                })
                .collect(),
        }
    }

    fn nodes(&self, nodes: &Nodes) -> Vec<VerifyNode> {
        let is_cluster = nodes.is_cluster();
        let address = |number: usize| match is_cluster {
            true => nodes.node(number).endpoint.to_string(),
            false => nodes.node(number).facts().address.to_string(),
        };
        let nodes = self
            .seen
            .iter()
            .enumerate()
            .map(|(number, seen)| VerifyNode {
                address: address(number),
                checked: seen.checked(),
                missing: seen.missing,
                wrong: seen.wrong,
            });
        nodes.collect()
    }

    /// What is not as planned, and why not everything was looked at.
    fn reason(&self, all: &Seen, nodes: &Nodes) -> String {
        let (checked, wanted) = (all.checked(), self.wanted);
        let mut parts = Vec::new();
        if all.missing + all.wrong > 0 {
            let (missing, wrong) = (all.missing, all.wrong);
            parts.push(format!(
                "of {checked} keys {missing} are missing and {wrong} hold something else"
            ));
        }
        if checked < wanted {
            let left = wanted - checked;
            let why = match &self.cause {
                Some(Cause::Interrupted(signal)) => {
                    let signal = nix::sys::signal::Signal::try_from(*signal);
                    let name = signal.map_or("a signal", |signal| signal.as_str());
                    format!("interrupted by {name}")
                }
                Some(Cause::Failed(error)) => error.to_string(),
                Some(Cause::Stalled {
                    keys,
                    why,
                    patience,
                }) => format!(
                    "no key could be looked at for {} s (--stall-timeout) while {keys} were asked for: {}",
                    patience.as_secs(),
                    nodes.problem.as_ref().unwrap_or(why)
                ),
                None => format!(
                    "{} of 16384 slots have no master that can be reached, as --allow-partial permits",
                    nodes.uncovered().len()
                ),
            };
            parts.push(format!("{left} of {wanted} keys were not looked at: {why}"));
        }
        parts.join("; ")
    }
}

/// Keys in the databases of the nodes that own something; unknown where one does not say.
fn keys_in(nodes: &mut Nodes) -> Option<u64> {
    let is_cluster = nodes.is_cluster();
    let counts = nodes.ask_each(|_, node| match is_cluster && node.slots.is_empty() {
        true => Some(0),
        false => node.control.key_count().ok(),
    });
    counts.into_iter().sum()
}

/// A key as text, escaped where it cannot be printed.
fn printable(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => key.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_escaped_only_where_they_have_to_be() {
        assert_eq!(printable(b"key:1"), "key:1");
        assert_eq!(printable("ключ".as_bytes()), "ключ");
        assert_eq!(printable(b"\0\x01"), r"\x00\x01");
        assert_eq!(printable(b"\xff"), r"\xff");
    }
}
