//! Which planned keys are on the nodes that own them. The only source of the verdict: an
//! acknowledgement is not proof.

mod append;
pub mod count;
pub(crate) mod look;
pub(crate) mod proofs;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::audit::count::Count;
pub use crate::audit::count::{Before, NodeFinding, Sent};
use crate::audit::look::{How, Look, Seen};
use crate::audit::proofs::{Group, Proofs};
use crate::error::{Error, Result};
use crate::event::{Event, tell_while};
use crate::nodes::Nodes;
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::statistics::Change;
use crate::stop::Stop;

/// Runs of missing keys that one round tells apart; beyond, whole blocks count as missing.
const RUNS_MAX: usize = 8_192;
/// Why keys cannot be looked for whose slot nobody owns.
const NO_MASTER: &str = "their slots have no master";

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
    /// How many keys that were seen must have gone since: a node has too few by now.
    pub lost_meanwhile: u64,
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
        self.missing_count + self.lost_meanwhile + self.unsettled.values().sum::<u64>()
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
    /// How many of the planned keys had to be sent.
    pub(crate) due: u64,
    pub(crate) stop: &'a Stop,
}

impl Task<'_> {
    /// Whether everything that had to be sent was sent at least once.
    fn is_all_sent(&self) -> bool {
        let keys = self.sent.iter().map(|sent| sent.keys);
        keys.sum::<u64>() >= self.due
    }

    fn keys_before(&self) -> u64 {
        self.before.iter().filter_map(|before| before.keys).sum()
    }

    /// The keys to look for on a node, whose share is `share`. What was not sent to a server by
    /// itself was not there before either, unless keys were.
    fn wanted(&self, nodes: &Nodes, number: usize, share: &KeySequence) -> KeySequence {
        if nodes.is_cluster() || self.keys_before() > 0 {
            return share.clone();
        }
        KeySequence::join(self.sent[number].heads.iter().cloned())
    }

    /// Values need to be compared only where planned keys may have been there before, or have come
    /// back with a server that was restarted, and are replaced then.
    fn how(&self, counts: &[Count]) -> How {
        let is_new_process = |count: &Count| {
            let change = count.finding.change.as_ref();
            change.is_some_and(|change| !change.is_same_process)
        };
        let were_none = self.keys_before() == 0 && !counts.iter().any(is_new_process);
        if were_none || self.plan.keeps_existing {
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
        match self.how(counts) {
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

/// The rounds of looking of one fill.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    /// What earlier rounds have seen.
    proofs: Proofs,
    rounds: u64,
}

impl Audit {
    /// Looks which planned keys exist: by DBSIZE where its growth equals the plan on an
    /// undisturbed keyspace; by EXISTS where none of them can have been there before; by length
    /// and stamp else. The keys of a node that is gone count as unsettled.
    ///
    /// # Errors
    /// A node does not permit a command.
    pub(crate) fn round(
        &mut self,
        nodes: &mut Nodes,
        task: &Task<'_>,
        observe: &mut dyn FnMut(Event),
    ) -> Result<Finding> {
        self.proofs.forget_others(nodes);
        let shares = nodes.shares(task.planned);
        let wanted: Vec<_> = (0..)
            .zip(&shares)
            .map(|(n, share)| task.wanted(nodes, n, share))
            .collect();
        let mut finding = Finding::default();
        let mut counts = self.count(nodes, task, &shares, &mut finding)?;
        let unowned = nodes.unowned(task.planned).count();
        if unowned > 0 {
            finding.unsettled.insert(NO_MASTER.to_owned(), unowned);
        }
        for (number, count) in counts.iter_mut().enumerate() {
            let history = count.history.as_ref();
            self.proofs
                .judge(nodes, number, history, count.keys, &wanted[number]);
            let seen =
                wanted[number].count() - self.proofs.open_count(nodes, number, &wanted[number]);
            if count.proves(shares[number].count() - seen) {
                self.proofs.note_all(nodes, number);
            }
        }
        if task.stop.signal().is_some() {
            finding.nodes = counts.into_iter().map(Count::without_a_look).collect();
            return Ok(finding);
        }
        let is_proved = counts.iter().all(|count| count.is_proof);
        if !is_proved && self.rounds == 0 && task.is_all_sent() {
            observe(Event::Notice(task.explain(&counts)));
        }
        self.rounds += 1;
        let groups: Vec<Vec<Group>> = (0..)
            .zip(&counts)
            .map(|(number, count)| match count.is_gone {
                true => Vec::new(),
                false => self.proofs.groups(nodes, number, &wanted[number]).collect(),
            })
            .collect();
        let seen = look(nodes, &counts, &groups, task, observe);
        for (number, (count, seen)) in counts.into_iter().zip(seen).enumerate() {
            let (share, groups) = (shares[number].count(), &groups[number]);
            let asked: u64 = groups.iter().map(|group| group.keys.count()).sum();
            let share = Share {
                number,
                planned: share,
                // Keys that nobody had to look for any more.
                known: wanted[number].count() - asked,
                asked,
                groups,
                is_alone: !nodes.is_cluster(),
            };
            let node = self.conclude(&share, count, seen, &mut finding)?;
            finding.nodes.push(node);
        }
        Ok(finding)
    }

    /// What count and look say of one node.
    fn conclude(
        &mut self,
        share: &Share<'_>,
        count: Count,
        seen: NodeSeen,
        finding: &mut Finding,
    ) -> Result<NodeFinding> {
        let mut node = count.finding;
        node.present = match seen {
            _ if count.is_gone => Some(0).filter(|_| !share.is_alone),
            _ if count.is_proof => Some(share.planned),
            Ok(None) => None,
            Ok(Some(_)) if share.groups.is_empty() => Some(share.known),
            Ok(Some(looked)) => {
                let seen = self.take_in(share.number, share.groups, looked.seen, finding);
                let present = share.known + seen;
                finding.lost_meanwhile += present.saturating_sub(looked.keys_now);
                // How busy it was is told of the fill, not of the look.
                node.change = looked.change.zip(node.change).map(|(now, fill)| Change {
                    cpu_percent: fill.cpu_percent,
                    ..now
                });
                Some(present.min(looked.keys_now))
            }
            Err(error) if is_gone(&error) => {
                *finding.unsettled.entry(error.to_string()).or_default() += share.asked;
                Some(share.known).filter(|_| !share.is_alone)
            }
            Err(error) => return Err(error),
        };
        // More new keys than planned ones that are there: some are not ours.
        node.created = node
            .created
            .filter(|created| node.present.is_none_or(|present| *created <= present));
        Ok(node)
    }

    /// What the nodes' own counts say; nodes that are gone leave their keys unsettled.
    fn count(
        &self,
        nodes: &mut Nodes,
        task: &Task<'_>,
        shares: &[KeySequence],
        finding: &mut Finding,
    ) -> Result<Vec<Count>> {
        let is_cluster = nodes.is_cluster();
        let counts = nodes.ask_each(|number, node| {
            let (before, sent) = (&task.before[number], &task.sent[number]);
            let count = Count::take(&mut node.control, before, sent, task.is_disturbed);
            // Who owns nothing any more does not matter to the outcome.
            let is_owner = !is_cluster || !node.slots.is_empty();
            match count {
                Err(_) if !is_owner => Ok(Count::of_nobody()),
                count => count.map(|count| Count { is_owner, ..count }),
            }
        });
        let keep = |(number, count): (usize, Result<Count>)| match count {
            Err(error) if is_gone(&error) => {
                *finding.unsettled.entry(error.to_string()).or_default() += shares[number].count();
                Ok(Count::of_nobody())
            }
            count => count,
        };
        counts.into_iter().enumerate().map(keep).collect()
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
            self.proofs.note(group.slot, number, open);
            finding.missing.extend(seen.missing);
        }
        present
    }
}

/// One node's part in a round.
struct Share<'a> {
    number: usize,
    /// Planned keys that it should hold.
    planned: u64,
    /// Those among them that were seen earlier.
    known: u64,
    /// Those that were looked for now, and in which groups.
    asked: u64,
    groups: &'a [Group],
    /// It is a server by itself.
    is_alone: bool,
}

/// What was seen of a node's groups.
#[derive(Default)]
struct Looked {
    seen: Vec<Seen>,
    /// Keys that it had after that: a full server may evict some in the middle of the look.
    keys_now: u64,
    /// What had happened there by then, since the fill began.
    change: Option<Change>,
}

/// What was seen on a node. `None` once a stop is asked for.
type NodeSeen = Result<Option<Looked>>;

/// Looks on every node for its groups of keys.
fn look(
    nodes: &mut Nodes,
    counts: &[Count],
    groups: &[Vec<Group>],
    task: &Task<'_>,
    observe: &mut dyn FnMut(Event),
) -> Vec<NodeSeen> {
    let looked = AtomicU64::new(0);
    let look = Look {
        plan: task.plan,
        how: task.how(counts),
        stop: task.stop,
        looked: &looked,
        runs_max: RUNS_MAX / nodes.iter().len().max(1),
    };
    let planned = groups
        .iter()
        .flatten()
        .map(|group| group.keys.count())
        .sum();
    let tell = || observe(Event::Audit(looked.load(Ordering::Relaxed), planned));
    tell_while(tell, || {
        nodes.ask_each(|number, node| {
            let groups = &groups[number];
            if groups.is_empty() {
                return Ok(Some(Looked::default()));
            }
            let keys: Vec<_> = groups.iter().map(|group| group.keys.clone()).collect();
            let Some(seen) = look.at(&mut node.control, &keys)? else {
                return Ok(None);
            };
            let (before, sent) = (&task.before[number], &task.sent[number]);
            Ok(Some(Looked {
                seen,
                keys_now: node.control.key_count()?,
                change: counts[number].again(&mut node.control, before, sent)?,
            }))
        })
    })
}

/// Whether an error of a cluster's node may pass: all but a command that is not permitted.
fn is_gone(error: &Error) -> bool {
    !matches!(error, Error::NotPermitted { .. })
}
