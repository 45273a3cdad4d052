//! One pass over keys, watched: each goes to its present owner, until all are sent or going on
//! makes no sense. What to do next is decided in `converge.rs`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::resource::UsageWho;

use crate::error::Result;
use crate::event::{Event, NodeProgress, Progress};
use crate::fill::Fill;
use crate::fill::crew::{self, Crew, Order};
use crate::fill::passes::Pass;
use crate::monitor::{Monitor, Trouble};
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::reply::{error_class, is_final};
use crate::scheduling::cpu_time;
use crate::stop::{Halt, HaltCause};

/// A pass lasts so long before a change of owners ends it, so that a resharding of many slots does
/// not cost a new start for each of them.
const PASS_MIN: Duration = Duration::from_secs(1);
/// Time between two looks at the topology while something is wrong.
const TOPOLOGY_POLL: Duration = Duration::from_millis(250);

/// How long a node may take to say whether it takes writes.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

impl Fill<'_> {
    /// One pass over `keys`, a SET for each, at its present owner. Why it ended early, if it did.
    ///
    /// # Errors
    /// A driver cannot be set up.
    pub(crate) fn pass(
        &mut self,
        keys: &KeySequence,
        is_mending: bool,
    ) -> Result<Option<HaltCause>> {
        let plan = Arc::new(self.plan.in_sets());
        self.pass_by(&plan, keys, is_mending)
    }

    /// As [`pass`](Self::pass), in the commands of `plan`, which the keys fill.
    pub(crate) fn pass_by(
        &mut self,
        plan: &Arc<Plan>,
        keys: &KeySequence,
        is_mending: bool,
    ) -> Result<Option<HaltCause>> {
        let halt = Halt::default();
        let unowned = self.nodes.unowned(keys);
        let orders = crew::orders(plan, self.nodes, keys, &self.replies());
        let cpu_before = cpu_time(UsageWho::RUSAGE_SELF).unwrap_or_default();
        let started_at = Instant::now();
        self.note_filling(true);
        let crew = Crew::start(plan, &orders, is_mending, self.stop, &halt);
        let mut looked_at = started_at;
        let mut is_suspicious = false;
        crew.watch(|crew| {
            if !is_mending {
                self.tell_progress(crew, &orders);
                self.look_ahead(&orders, &halt);
            }
            self.look_for_trouble(crew, &halt, &mut is_suspicious, &mut looked_at);
        });
        let elapsed = started_at.elapsed();
        self.note_filling(false);
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

    fn note_filling(&self, is_filling: bool) {
        let monitors = self.monitors.iter().flatten();
        monitors.for_each(|monitor| monitor.note_filling(is_filling));
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
        let take = |(number, monitor): (usize, &Option<Monitor>)| {
            Some((number, monitor.as_ref()?.take_trouble()?))
        };
        let troubles: Vec<_> = self.monitors.iter().enumerate().filter_map(take).collect();
        for (number, trouble) in troubles {
            match trouble {
                Trouble::RefusesAll(_) | Trouble::Refuses => {
                    if let Some(message) = self.is_refused(number, &trouble) {
                        let _ = halt.set(HaltCause::Pointless(message));
                    }
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

    /// A node refuses writes: whether it would refuse one of ours, and how. Errors may be those of
    /// other clients, or not be told apart, so what it says to a write of ours counts.
    fn is_refused(&mut self, number: usize, trouble: &Trouble) -> Option<String> {
        let share = self.nodes.shares(&self.planned).swap_remove(number);
        let mut key = vec![0; self.plan.keyspace().key_size()];
        let index = if share.count() > 0 { share.at(0) } else { 0 };
        self.plan.keyspace().render(index, &mut key);
        let control = &mut self.nodes.nodes[number].control;
        let said = control.with_patience(PROBE_PATIENCE, |control| control.write_refusal(&key));
        self.passes
            .nodes
            .resize_with(self.nodes.iter().len(), Default::default);
        self.passes.nodes[number].sent.probes += 1;
        if let Some(monitor) = &self.monitors[number] {
            monitor.expect_refusal();
        }
        let said = said.ok().flatten();
        let is_final =
            |class: &str| is_final(class) && !(self.nodes.is_cluster() && class == "READONLY");
        match (trouble, said) {
            (_, Some(said)) if is_final(error_class(&said)) => Some(said),
            // At its limit a server may take one write and refuse the next.
            (Trouble::RefusesAll(class), _) => Some(class.clone()),
            _ => None,
        }
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
            payload_bytes_planned: self.plan.payload_bytes_of(self.expected),
            nodes,
        }));
    }
}
