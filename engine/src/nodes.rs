//! The nodes of a fill: one server, or the masters of a cluster. Knows which keys belong to which
//! of them, and asks all of them at once. How they are found is in `discovery.rs`.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cluster::slot::SLOTS;
use crate::cluster::slot_set::SlotSet;
use crate::cluster::topology::{Endpoint, HostMap, Topology};
use crate::control::{Control, ServerFacts};
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::preflight::{Preflight, Share};
use crate::target::Target;

/// How long a cluster that is not ready before a fill may take, and how often it is asked.
pub(crate) const UP_PATIENCE: Duration = Duration::from_secs(5);
pub(crate) const UP_POLL: Duration = Duration::from_millis(100);
/// So many nodes are asked at the same time.
pub(crate) const ASKED_AT_ONCE_MAX: usize = 16;

/// How to reach a cluster, and how much of it is enough.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// Announced addresses and what to use in their stead.
    pub host_map: HostMap,
    /// Fill what is covered although slots have no master that can be reached.
    pub allow_partial: bool,
}

/// One server.
pub struct Node {
    /// Where it is announced, mapped; what the user gave for a server by itself.
    pub endpoint: Endpoint,
    /// The control connection to it.
    pub control: Control,
    /// The slots it owns now; none for a server by itself.
    pub(crate) slots: SlotSet,
}

impl Node {
    /// What it said of itself.
    #[must_use]
    pub fn facts(&self) -> &ServerFacts {
        self.control.facts()
    }
}

/// The nodes of a fill, in the order in which they became known.
pub struct Nodes {
    pub(crate) target: Target,
    pub(crate) options: ClusterOptions,
    pub(crate) topology: Topology,
    pub(crate) nodes: Vec<Node>,
    /// Masters that could not be reached and are left out (`allow_partial`).
    pub(crate) left_out: Vec<String>,
    /// Why the present topology cannot be taken over.
    pub(crate) problem: Option<String>,
    /// Number of the node that is asked first for the topology.
    pub(crate) ask_first: usize,
}

impl Nodes {
    /// Whether they are the masters of a cluster.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.target.is_cluster
    }

    /// Every node.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.nodes.iter()
    }

    /// One of them.
    pub(crate) fn node(&self, number: usize) -> &Node {
        &self.nodes[number]
    }

    /// The address of every node.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes
            .iter()
            .map(|node| node.control.address())
            .collect()
    }

    /// Slots that no node here owns; none for a server by itself.
    #[must_use]
    pub fn uncovered(&self) -> SlotSet {
        if self.is_cluster() {
            self.topology.uncovered()
        } else {
            SlotSet::default()
        }
    }

    /// Masters that could not be reached and are left out.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Keys in the databases to be filled.
    #[must_use]
    pub fn keys(&self) -> u64 {
        let keys = self.nodes.iter().map(|node| node.facts().keys);
        keys.fold(0, u64::saturating_add)
    }

    /// Those keys of a sequence for which there is a node.
    #[must_use]
    pub fn covered(&self, keys: &KeySequence) -> KeySequence {
        if self.uncovered().is_empty() {
            return keys.clone();
        }
        keys.within(&self.topology.covered())
    }

    /// For each node its keys of a sequence.
    #[must_use]
    pub fn shares(&self, keys: &KeySequence) -> Vec<KeySequence> {
        if !self.is_cluster() {
            return vec![keys.clone(); self.nodes.len()];
        }
        let mut owners = vec![None; usize::from(SLOTS)];
        for (number, node) in self.nodes.iter().enumerate() {
            for slot in node.slots.iter() {
                owners[usize::from(slot)] = Some(number);
            }
        }
        keys.deal(|slot| owners[usize::from(slot)], self.nodes.len())
    }

    /// Those keys of a sequence for which there is no node at the moment.
    #[must_use]
    pub(crate) fn unowned(&self, keys: &KeySequence) -> KeySequence {
        let uncovered = self.uncovered();
        if uncovered.is_empty() {
            return KeySequence::default();
        }
        keys.within(&uncovered)
    }

    /// Every check that changes nothing, on every node.
    ///
    /// # Errors
    /// As [`Control::preflight`].
    pub fn preflight(&mut self, plan: Option<&Plan>, flush: bool) -> Result<Preflight> {
        let is_cluster = self.is_cluster();
        let deadline = Instant::now() + UP_PATIENCE;
        let (shares, mut found) = loop {
            let shares = plan.map(|plan| self.shares(plan.sequence()));
            let found = self.ask_owners(|number, node| {
                let keys = shares.as_ref().map(|shares| &shares[number]);
                let share = plan.zip(keys).map(|(plan, keys)| Share { plan, keys });
                let preflight = node.control.preflight(share, flush)?;
                Ok((node.endpoint.to_string(), preflight))
            });
            let found: Result<Vec<_>> = found.into_iter().collect();
            match found {
                Err(error) if self.is_passing(&error, deadline) => {}
                found => break (shares, found?),
            }
        };
        let mut found = match is_cluster {
            true => Preflight::of_nodes(found),
            false => found.pop().map(|(_, only)| only).unwrap_or_default(),
        };
        if let Some((plan, shares)) = plan
            .zip(shares)
            .filter(|_| is_cluster && self.options.host_map.is_empty())
        {
            let keys = shares.iter().map(KeySequence::count);
            let facts = self.nodes.iter().map(Node::facts).zip(keys);
            found.check_machines(plan, &facts.collect::<Vec<_>>(), flush);
        }
        Ok(found)
    }

    /// Empties the database of every node; how many keys went.
    ///
    /// # Errors
    /// As [`Control::flush`].
    pub fn flush(&mut self) -> Result<u64> {
        let deadline = Instant::now() + UP_PATIENCE;
        let mut flushed = 0_u64;
        if self.is_cluster() {
            // The user may have taken a while to say yes.
            self.refresh();
        }
        loop {
            let mut failure = None;
            for answer in self.ask_owners(|_, node| node.control.flush()) {
                match answer {
                    Ok(keys) => flushed = flushed.saturating_add(keys),
                    Err(error) => failure = Some(error),
                }
            }
            match failure {
                None => return Ok(flushed),
                Some(error) if self.is_passing(&error, deadline) => {}
                Some(error) if flushed == 0 => return Err(error),
                Some(error) => {
                    return Err(Error::FlushedInPart {
                        flushed,
                        cause: error.to_string(),
                    });
                }
            }
        }
    }

    /// Whether an error may be gone when the nodes are asked again, now that a moment has passed
    /// and the topology is read anew: a failover in the very moment.
    fn is_passing(&mut self, error: &Error, deadline: Instant) -> bool {
        let is_passing = self.is_cluster()
            && matches!(error, Error::NotNow { .. } | Error::ConnectionLost { .. })
            && Instant::now() < deadline;
        if is_passing {
            std::thread::sleep(UP_POLL);
            self.refresh();
        }
        is_passing
    }

    /// As [`ask_each`](Self::ask_each), without nodes of a cluster that own nothing.
    fn ask_owners<R: Send>(&mut self, ask: impl Fn(usize, &mut Node) -> R + Sync) -> Vec<R> {
        let is_cluster = self.is_cluster();
        let answers = self.ask_each(|number, node| {
            let is_owner = !is_cluster || !node.slots.is_empty();
            is_owner.then(|| ask(number, node))
        });
        answers.into_iter().flatten().collect()
    }

    /// Does something with every node, several at a time; the results in their order.
    pub(crate) fn ask_each<R: Send>(
        &mut self,
        ask: impl Fn(usize, &mut Node) -> R + Sync,
    ) -> Vec<R> {
        let count = self.nodes.len();
        if count == 1 {
            return vec![ask(0, &mut self.nodes[0])];
        }
        let mut answers: Vec<Option<R>> = (0..count).map(|_| None).collect();
        let work = Mutex::new(self.nodes.iter_mut().zip(&mut answers).enumerate());
        std::thread::scope(|scope| {
            for _ in 0..count.min(ASKED_AT_ONCE_MAX) {
                scope.spawn(|| {
                    loop {
                        let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((number, (node, answer))) = next else {
                            return;
                        };
                        *answer = Some(ask(number, node));
                    }
                });
            }
        });
        // Each was answered, or a thread panicked and the scope with it.
        answers.into_iter().flatten().collect()
    }

    /// Whether a part of the cluster is enough.
    pub(crate) fn may_be_partial(&self) -> bool {
        self.options.allow_partial
    }

    /// Changes how long nodes may take for one answer.
    pub(crate) fn set_patience(&mut self, patience: Duration) {
        for node in &mut self.nodes {
            node.control.set_patience(patience);
        }
    }
}
