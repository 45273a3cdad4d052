//! Which planned keys are on the nodes that own them. The only source of the verdict: an
//! acknowledgement is not proof.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use crate::cluster::slot::SLOTS;
use crate::cluster::slot_set::SlotSet;
use crate::count::Count;
pub use crate::count::{Before, NodeFinding, Sent};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::look::{How, Look, Seen};
use crate::nodes::{Node, Nodes};
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::stop::Stop;

/// Time between two reports of progress.
const TELL: Duration = Duration::from_millis(100);

/// What the audit found.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    /// By node.
    pub nodes: Vec<NodeFinding>,
    /// Keys that were not seen and should be sent again.
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

    /// Whether a server has evicted or expired keys, which sending again would not mend.
    #[must_use]
    pub fn removed_by_server(&self) -> bool {
        let changes = self.nodes.iter().filter_map(|node| node.change.as_ref());
        changes.map(|change| change.removed_by_server).sum::<u64>() > 0
    }

    /// Keys that are not known to be there.
    #[must_use]
    pub fn open(&self) -> u64 {
        let missing = self.missing.iter().map(KeySequence::count).sum::<u64>();
        missing + self.unsettled.values().sum::<u64>()
    }
}

/// What is to be found.
pub(crate) struct Task<'a> {
    pub(crate) plan: &'a Plan,
    /// The planned keys for which there is a node.
    pub(crate) planned: &'a KeySequence,
    /// By node; `None` for nodes that joined later.
    pub(crate) before: &'a [Option<Before>],
    /// By node.
    pub(crate) sent: &'a [Sent],
    /// Whether owners have changed since the fill began, so that growth proves nothing.
    pub(crate) is_disturbed: bool,
    pub(crate) stop: &'a Stop,
}

impl Task<'_> {
    /// Whether everything planned was sent at least once.
    fn is_all_sent(&self) -> bool {
        let heads = self.sent.iter().flat_map(|sent| &sent.heads);
        heads.map(KeySequence::count).sum::<u64>() >= self.planned.count()
    }

    /// Values need to be compared only where planned keys may have been there before.
    fn how(&self) -> How {
        let before = self.before.iter().flatten();
        if before.map(|before| before.keys).sum::<u64>() == 0 {
            How::Exists
        } else {
            How::Stamp
        }
    }

    /// Why counting is not enough, for the user.
    fn explain(&self, counts: &[Count]) -> String {
        let planned = self.planned.count();
        let after: u64 = counts.iter().map(|count| count.keys).sum();
        let before = self.before.iter().flatten();
        let before: u64 = before.map(|before| before.keys).sum();
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

/// What earlier rounds have proved, so that each key is looked for once.
#[derive(Debug)]
pub(crate) struct Audit {
    /// By slot, the node on which all planned keys of the slot were seen.
    proved: Vec<Option<usize>>,
    /// By node, the process they were seen in.
    run_ids: Vec<Option<String>>,
    rounds: u64,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            proved: vec![None; usize::from(SLOTS)],
            run_ids: Vec::new(),
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
            let (before, sent) = (task.before[number].as_ref(), &task.sent[number]);
            let planned = shares[number].count();
            Count::take(&mut node.control, before, sent, planned, task.is_disturbed)
        });
        let mut finding = Finding::default();
        let counts = taken(counts, is_cluster, &shares, &mut finding)?;
        self.judge(nodes, &counts);
        let is_interrupted = task.stop.signal().is_some();
        let is_proved = counts.iter().all(|count| count.is_proof);
        if !is_proved && !is_interrupted && self.rounds == 0 && task.is_all_sent() {
            observe(Event::Notice(task.explain(&counts)));
        }
        self.rounds += 1;
        if is_interrupted {
            finding.nodes = counts.into_iter().map(Count::without_a_look).collect();
            return Ok(finding);
        }
        let groups = self.open_groups(nodes, &counts, task, &shares);
        let planned = groups
            .iter()
            .flatten()
            .map(|group| group.keys.count())
            .sum();
        let looked = AtomicU64::new(0);
        let look = Look {
            plan: task.plan,
            how: task.how(),
            stop: task.stop,
            looked: &looked,
        };
        let seen = tell_while(&looked, planned, observe, || {
            nodes.ask_each(|number, node| {
                let keys: Vec<_> = groups[number]
                    .iter()
                    .map(|group| group.keys.clone())
                    .collect();
                let seen = look.at(&mut node.control, &keys)?;
                // A full server may evict keys in the middle of the look.
                let keys_now = match seen.is_some() && !keys.is_empty() {
                    true => node.control.key_count()?,
                    false => u64::MAX,
                };
                Ok(seen.map(|seen| (seen, keys_now)))
            })
        });
        for (number, (count, seen)) in counts.into_iter().zip(seen).enumerate() {
            let mut node = count.finding;
            let proved = shares[number]
                .within(&self.proved_on(number, nodes))
                .count();
            let proved = if is_cluster { proved } else { 0 };
            node.present = match seen {
                _ if count.is_proof => Some(shares[number].count()),
                Ok(None) => None,
                Ok(Some((seen, keys_now))) => {
                    let partly = self.take_in(number, &groups[number], seen, &mut finding);
                    Some((proved + partly).min(keys_now))
                }
                Err(error) if is_cluster && is_gone(&error) => {
                    let open = groups[number]
                        .iter()
                        .map(|group| group.keys.count())
                        .sum::<u64>();
                    *finding.unsettled.entry(error.to_string()).or_default() += open;
                    Some(proved)
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

    /// Keeps what counting proves, and forgets what was seen in processes that are gone.
    fn judge(&mut self, nodes: &Nodes, counts: &[Count]) {
        self.run_ids.resize(counts.len(), None);
        for (number, (count, node)) in counts.iter().zip(nodes.iter()).enumerate() {
            if self.run_ids[number] != count.run_id {
                self.proved
                    .iter_mut()
                    .filter(|proof| **proof == Some(number))
                    .for_each(|proof| *proof = None);
                self.run_ids[number].clone_from(&count.run_id);
            }
            if count.is_proof {
                let slots = node.slots.iter().map(usize::from);
                slots.for_each(|slot| self.proved[slot] = Some(number));
            }
        }
    }

    /// The slots of a node whose keys were all seen there.
    fn proved_on(&self, number: usize, nodes: &Nodes) -> SlotSet {
        let slots = nodes.iter().nth(number).map(|node| &node.slots);
        let slots = slots.into_iter().flat_map(SlotSet::iter);
        slots
            .filter(|slot| self.proved[usize::from(*slot)] == Some(number))
            .collect()
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
            let slots = node.slots.iter();
            slots
                .filter(|slot| self.proved[usize::from(*slot)] != Some(number))
                .map(|slot| Group {
                    slot,
                    keys: shares[number].within(&std::iter::once(slot).collect()),
                })
                .filter(|group| group.keys.count() > 0)
                .collect()
        };
        nodes.iter().enumerate().map(of_node).collect()
    }

    /// Keeps what was seen on a node; how many keys are there in groups that are not complete,
    /// and in those that now are.
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
            if seen.present == group.keys.count() {
                self.proved[usize::from(group.slot)] = Some(number);
            }
            match seen.unsettled {
                Some(class) => {
                    let open = group.keys.count() - seen.present;
                    *finding.unsettled.entry(class).or_default() += open;
                }
                None => finding.missing.extend(seen.missing),
            }
        }
        present
    }
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

/// Whether an error means that a node is gone, at least for now.
fn is_gone(error: &Error) -> bool {
    matches!(
        error,
        Error::ConnectionLost { .. } | Error::Stuck { .. } | Error::Silent { .. }
    )
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
