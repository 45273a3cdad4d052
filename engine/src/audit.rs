//! Which planned keys are on the nodes that own them. The only source of the verdict: an
//! acknowledgement is not proof.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::cluster::slot::SLOTS;
use crate::count::Count;
pub use crate::count::{Before, NodeFinding, Sent};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::look::{How, Look, Seen};
use crate::nodes::{Node, Nodes};
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::stop::Stop;

/// Runs of missing keys that one round tells apart; beyond, whole blocks count as missing.
const RUNS_MAX: usize = 8_192;
/// Why keys cannot be looked for whose slot nobody owns.
const NO_MASTER: &str = "their slots have no master";
/// Time between two reports of progress.
const TELL: Duration = Duration::from_millis(100);

/// What the audit found.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    /// By node.
    pub nodes: Vec<NodeFinding>,
    /// How many keys are not there.
    pub missing_count: u64,
    /// Which ones should be sent again: those, and at times some of their neighbours.
    pub missing: Vec<KeySequence>,
    /// Why some nodes cannot say at the moment what they hold, and how many keys that concerns.
    pub unsettled: BTreeMap<String, u64>,
}

impl Finding {
    /// Planned keys seen; `None` where a node was not looked at.
    #[must_use]
    pub fn present(&self) -> Option<u64> {
        let present: Option<u64> = self.nodes.iter().map(|node| node.present).sum();
        present.filter(|_| !self.nodes.is_empty())
    }

    /// Keys by which the databases grew; `None` where that is not known of one.
    #[must_use]
    pub fn created(&self) -> Option<u64> {
        let created: Option<u64> = self.nodes.iter().map(|node| node.created).sum();
        created.filter(|_| !self.nodes.is_empty())
    }

    /// Keys that servers have evicted: sending them again would drive others out.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        let changes = self.nodes.iter().filter_map(|node| node.change.as_ref());
        changes.map(|change| change.evicted).sum()
    }

    /// Keys that are not known to be there.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.missing_count + self.unsettled.values().sum::<u64>()
    }
}

/// What is to be found.
pub(crate) struct Task<'a> {
    pub(crate) plan: &'a Plan,
    /// The planned keys for which there is a node.
    pub(crate) planned: &'a KeySequence,
    /// By node.
    pub(crate) before: &'a [Before],
    /// By node.
    pub(crate) sent: &'a [Sent],
    /// Whether owners have changed since the fill began, so that growth proves nothing.
    pub(crate) is_disturbed: bool,
    pub(crate) stop: &'a Stop,
}

impl Task<'_> {
    /// Whether everything planned was sent at least once.
    fn is_all_sent(&self) -> bool {
        let keys = self.sent.iter().map(|sent| sent.keys);
        keys.sum::<u64>() >= self.planned.count()
    }

    fn keys_before(&self) -> u64 {
        self.before.iter().filter_map(|before| before.keys).sum()
    }

    /// Values need to be compared only where planned keys may have been there before.
    fn how(&self) -> How {
        if self.keys_before() == 0 {
            How::Exists
        } else {
            How::Stamp
        }
    }

    /// Why counting is not enough, for the user.
    fn explain(&self, counts: &[Count]) -> String {
        let planned = self.planned.count();
        let owners = counts.iter().filter(|count| count.is_owner);
        let after: u64 = owners.map(|count| count.keys).sum();
        let before = self.keys_before();
        match self.how() {
            How::Exists => format!(
                "DBSIZE ({after}) does not prove the {planned} planned keys: looking for each of them"
            ),
            How::Stamp => format!(
                "DBSIZE (which grew by {}) does not prove the {planned} planned keys: comparing each of them",
                i128::from(after) - i128::from(before)
            ),
        }
    }
}

/// What was seen of one slot's keys.
#[derive(Clone, Debug)]
struct Proof {
    /// Where.
    node: usize,
    /// Those that were not there.
    open: KeySequence,
}

/// What earlier rounds have seen, so that no key that was there is looked for again.
#[derive(Debug)]
pub(crate) struct Audit {
    /// By slot.
    proofs: Vec<Option<Proof>>,
    /// By node, the process and the history of its data in which it was seen.
    histories: Vec<Option<String>>,
    rounds: u64,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            proofs: vec![None; usize::from(SLOTS)],
            histories: Vec::new(),
            rounds: 0,
        }
    }
}

impl Audit {
    /// Looks which planned keys exist: by DBSIZE where its growth equals the plan on an
    /// undisturbed keyspace; by EXISTS where none of them can have been there before; by length
    /// and stamp else.
    ///
    /// # Errors
    /// A server by itself is gone, or one does not permit a command. In a cluster the keys of a
    /// node that is gone count as unsettled.
    pub(crate) fn round(
        &mut self,
        nodes: &mut Nodes,
        task: &Task<'_>,
        observe: &mut dyn FnMut(Event),
    ) -> Result<Finding> {
        let shares = nodes.shares(task.planned);
        let is_cluster = nodes.is_cluster();
        let counts = nodes.ask_each(|number, node| {
            let (before, sent) = (&task.before[number], &task.sent[number]);
            let planned = shares[number].count();
            let count = Count::take(&mut node.control, before, sent, planned, task.is_disturbed);
            // Who owns nothing any more does not matter to the outcome.
            let is_owner = !is_cluster || !node.slots.is_empty();
            match count {
                Err(_) if !is_owner => Ok(Count::of_nobody()),
                count => count.map(|count| Count { is_owner, ..count }),
            }
        });
        let mut finding = Finding::default();
        let counts = taken(counts, nodes.is_cluster(), &shares, &mut finding)?;
        let unowned = nodes.unowned(task.planned).count();
        if unowned > 0 {
            finding.unsettled.insert(NO_MASTER.to_owned(), unowned);
        }
        self.judge(nodes, &counts, &shares);
        if task.stop.signal().is_some() {
            finding.nodes = counts.into_iter().map(Count::without_a_look).collect();
            return Ok(finding);
        }
        let is_proved = counts.iter().all(|count| count.is_proof);
        if !is_proved && self.rounds == 0 && task.is_all_sent() {
            observe(Event::Notice(task.explain(&counts)));
        }
        self.rounds += 1;
        let groups = self.open_groups(nodes, &counts, task, &shares);
        let seen = look(nodes, &groups, task, observe);
        for (number, (count, seen)) in counts.into_iter().zip(seen).enumerate() {
            let mut node = count.finding;
            let asked: u64 = groups[number].iter().map(|group| group.keys.count()).sum();
            // Keys that nobody had to look for any more.
            let known = match nodes.is_cluster() {
                true if !count.is_gone => shares[number].count() - asked,
                _ => 0,
            };
            node.present = match seen {
                _ if count.is_proof => Some(shares[number].count()),
                Ok(None) => None,
                Ok(Some((seen, keys_now))) => {
                    let present = self.take_in(number, &groups[number], seen, &mut finding);
                    Some((known + present).min(keys_now))
                }
                Err(error) if nodes.is_cluster() && is_gone(&error) => {
                    *finding.unsettled.entry(error.to_string()).or_default() += asked;
                    Some(known)
                }
                Err(error) => return Err(error),
            };
            // More new keys than planned ones that are there: some are not ours.
            node.created = node
                .created
                .filter(|created| node.present.is_none_or(|present| *created <= present));
            finding.nodes.push(node);
        }
        Ok(finding)
    }

    /// Keeps what counting proves, and forgets what was seen in data that may have been replaced.
    fn judge(&mut self, nodes: &Nodes, counts: &[Count], shares: &[KeySequence]) {
        self.histories.resize(counts.len(), None);
        for (number, (count, node)) in counts.iter().zip(nodes.iter()).enumerate() {
            // What cannot be told apart, or has too few keys, may have lost some.
            let may_differ = count.history.is_none()
                || self.histories[number] != count.history
                || count.keys < self.seen_on(number, nodes, shares);
            if may_differ {
                for proof in &mut self.proofs {
                    proof.take_if(|proof| proof.node == number);
                }
                self.histories[number].clone_from(&count.history);
            }
            if count.is_proof {
                for slot in node.slots.iter() {
                    self.note(slot, number, KeySequence::new(0, 0));
                }
            }
        }
    }

    /// Keys that were seen on a node in earlier rounds.
    fn seen_on(&self, number: usize, nodes: &Nodes, shares: &[KeySequence]) -> u64 {
        let slots = nodes.node(number).slots.iter();
        let seen = slots.filter_map(|slot| {
            let proof = self.proofs[usize::from(slot)].as_ref()?;
            let keys = shares[number].of_slot(slot).count();
            (proof.node == number).then(|| keys.saturating_sub(proof.open.count()))
        });
        seen.sum()
    }

    /// Owners have changed: what was seen of slots that went elsewhere says nothing any more,
    /// even if they come back.
    pub(crate) fn forget_others(&mut self, nodes: &Nodes) {
        for (number, node) in nodes.iter().enumerate() {
            for slot in node.slots.iter() {
                self.proofs[usize::from(slot)].take_if(|proof| proof.node != number);
            }
        }
    }

    /// Takes note of what is open in a slot.
    fn note(&mut self, slot: u16, node: usize, open: KeySequence) {
        self.proofs[usize::from(slot)] = Some(Proof { node, open });
    }

    /// For each node the keys to look for, in a cluster slot by slot.
    fn open_groups(
        &self,
        nodes: &Nodes,
        counts: &[Count],
        task: &Task<'_>,
        shares: &[KeySequence],
    ) -> Vec<Vec<Group>> {
        let of_node = |(number, node): (usize, &Node)| {
            if counts[number].is_proof || counts[number].is_gone {
                return Vec::new();
            }
            if !nodes.is_cluster() {
                // What was not sent was not there before either, unless keys were.
                let keys = match task.how() {
                    How::Exists => task.sent[number].heads.clone(),
                    How::Stamp => vec![shares[number].clone()],
                };
                return keys
                    .into_iter()
                    .map(|keys| Group { slot: 0, keys })
                    .collect();
            }
            let of_slot = |slot| Group {
                slot,
                keys: match &self.proofs[usize::from(slot)] {
                    Some(proof) if proof.node == number => proof.open.clone(),
                    _ => shares[number].of_slot(slot),
                },
            };
            let groups = node.slots.iter().map(of_slot);
            groups.filter(|group| group.keys.count() > 0).collect()
        };
        nodes.iter().enumerate().map(of_node).collect()
    }

    /// Keeps what was seen on a node; how many of the keys asked for are there.
    fn take_in(
        &mut self,
        number: usize,
        groups: &[Group],
        seen: Vec<Seen>,
        finding: &mut Finding,
    ) -> u64 {
        let mut present = 0;
        for (group, seen) in groups.iter().zip(seen) {
            present += seen.present;
            if let Some(class) = seen.unsettled {
                let open = group.keys.count() - seen.present;
                *finding.unsettled.entry(class).or_default() += open;
                continue;
            }
            finding.missing_count += group.keys.count() - seen.present;
            let open = KeySequence::join(seen.missing.iter().cloned());
            self.note(group.slot, number, open);
            finding.missing.extend(seen.missing);
        }
        present
    }
}

/// What was seen of a node's groups, and how many keys the node has after that: a full server may
/// evict keys in the middle of the look. `None` once a stop is asked for.
type NodeSeen = Result<Option<(Vec<Seen>, u64)>>;

/// Looks on every node for its groups of keys.
fn look(
    nodes: &mut Nodes,
    groups: &[Vec<Group>],
    task: &Task<'_>,
    observe: &mut dyn FnMut(Event),
) -> Vec<NodeSeen> {
    let looked = AtomicU64::new(0);
    let look = Look {
        plan: task.plan,
        how: task.how(),
        stop: task.stop,
        looked: &looked,
        runs_max: RUNS_MAX / nodes.iter().len().max(1),
    };
    let planned = groups
        .iter()
        .flatten()
        .map(|group| group.keys.count())
        .sum();
    tell_while(&looked, planned, observe, || {
        nodes.ask_each(|number, node| {
            let groups = &groups[number];
            if groups.is_empty() {
                return Ok(Some((Vec::new(), u64::MAX)));
            }
            let keys: Vec<_> = groups.iter().map(|group| group.keys.clone()).collect();
            let Some(seen) = look.at(&mut node.control, &keys)? else {
                return Ok(None);
            };
            Ok(Some((seen, node.control.key_count()?)))
        })
    })
}

/// Keys to look for together: in a cluster those of one slot.
struct Group {
    slot: u16,
    keys: KeySequence,
}

/// The counts of all nodes; in a cluster, nodes that are gone leave their keys unsettled.
fn taken(
    counts: Vec<Result<Count>>,
    is_cluster: bool,
    shares: &[KeySequence],
    finding: &mut Finding,
) -> Result<Vec<Count>> {
    let keep = |(number, count): (usize, Result<Count>)| match count {
        Err(error) if is_cluster && is_gone(&error) => {
            *finding.unsettled.entry(error.to_string()).or_default() += shares[number].count();
            Ok(Count::of_nobody())
        }
        count => count,
    };
    counts.into_iter().enumerate().map(keep).collect()
}

/// Whether an error of a cluster's node may pass: all but a command that is not permitted.
fn is_gone(error: &Error) -> bool {
    !matches!(error, Error::NotPermitted { .. })
}

/// Tells how many keys were looked for while `work` goes on.
fn tell_while<R: Send>(
    looked: &AtomicU64,
    planned: u64,
    observe: &mut dyn FnMut(Event),
    work: impl FnOnce() -> R + Send,
) -> R {
    std::thread::scope(|scope| {
        let (working, is_done) = channel::<()>();
        let worker = scope.spawn(move || {
            let result = work();
            drop(working);
            result
        });
        while is_done.recv_timeout(TELL) == Err(RecvTimeoutError::Timeout) {
            observe(Event::Audit(looked.load(Ordering::Relaxed), planned));
        }
        worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
