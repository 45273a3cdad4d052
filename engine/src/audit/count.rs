//! What a node's own counts say: how many keys it has more than before, and whether only ours
//! can have made that difference.

use std::time::{Duration, Instant};

use crate::control::{Control, Info};
use crate::error::{Error, Result};
use crate::plan::sequence::KeySequence;
use crate::statistics::{Change, Snapshot};

/// How long a server may work on what it was sent before connections were closed.
const SETTLE_MAX: Duration = Duration::from_secs(2);
/// Time between two looks at it, and how many equal ones mean that it is done.
const SETTLE_POLL: Duration = Duration::from_millis(40);
const SETTLED_LOOKS: u32 = 10;

/// What was known of a node before the fill, or when it joined.
#[derive(Clone, Debug)]
pub struct Before {
    /// Keys in the database; `None` for a node that joined later.
    pub keys: Option<u64>,
    /// Statistics, where INFO is permitted.
    pub snapshot: Option<Snapshot>,
}

impl Before {
    /// Asks a node.
    ///
    /// # Errors
    /// The node is gone, or does not permit DBSIZE.
    pub fn take(control: &mut Control) -> Result<Self> {
        Ok(Self {
            keys: Some(control.key_count()?),
            snapshot: Snapshot::take(control).ok(),
        })
    }

    /// Asks a node that joined, whose keys may have come from others.
    #[must_use]
    pub fn of_newcomer(control: &mut Control) -> Self {
        Self {
            keys: None,
            snapshot: Snapshot::take(control).ok(),
        }
    }
}

/// What a node was sent, for the audit to look for.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// Keys that were handed to the kernel, each counted once.
    pub keys: u64,
    /// Which keys these are; not kept in a cluster, where every planned key is looked for.
    pub heads: Vec<KeySequence>,
    /// SET commands sent, those sent again included.
    pub sets: u64,
    /// MSET commands sent, those sent again included.
    pub msets: u64,
    /// Keys that were sent again.
    pub resent: u64,
    /// SETs with which the monitor tried whether the node takes writes.
    pub probes: u64,
    /// Whether a lane ended before all its keys were acknowledged, so that the server may still
    /// be working on what it was sent.
    pub is_cut_short: bool,
}

/// What the audit found on one node.
#[derive(Clone, Debug, Default)]
pub struct NodeFinding {
    /// Planned keys of this node that it holds; unknown when the look was cut short.
    pub present: Option<u64>,
    /// Keys by which the database grew; unknown where others changed it too.
    pub created: Option<u64>,
    /// What happened there since the fill began.
    pub change: Option<Change>,
    /// Its memory now, in bytes.
    pub used_memory: Option<u64>,
    /// The limit of that, which may have been changed during the fill; 0 where there is none.
    pub maxmemory: Option<u64>,
}

/// What a node's own counts say.
#[derive(Default)]
pub(crate) struct Count {
    pub(crate) finding: NodeFinding,
    /// The process that answered, and in a cluster the history of its data: another one where it
    /// was a replica in between.
    pub(crate) history: Option<String>,
    /// Keys in the database.
    pub(crate) keys: u64,
    /// Whether they prove that all planned keys are there, once that was asked for.
    pub(crate) is_proof: bool,
    /// Keys by which the database grew, where every SET and MSET on the server was one of ours and was
    /// carried out once: none of the new keys can stand for a planned one that is missing.
    pub(crate) accounted: Option<u64>,
    /// Whether the database was empty before the fill.
    pub(crate) was_empty: bool,
    /// Whether it should hold planned keys.
    pub(crate) is_owner: bool,
    /// The node did not answer.
    pub(crate) is_gone: bool,
}

impl Count {
    /// Counts on a node. `is_disturbed`: its keys may have come from other nodes, or gone there.
    pub(crate) fn take(
        control: &mut Control,
        before: &Before,
        sent: &Sent,
        is_disturbed: bool,
    ) -> Result<Self> {
        let is_settled = !sent.is_cut_short || (!is_disturbed && settle(control)?);
        let keys = control.key_count()?;
        let after = Snapshot::take(control).ok();
        let snapshot = before.snapshot.as_ref();
        let change = snapshot
            .zip(after.as_ref())
            .map(|(b, a)| Change::between(b, a).without_probes(sent.probes));
        // A server that does not come to rest works for others too.
        let is_undisturbed = is_settled
            && !is_disturbed
            && change
                .as_ref()
                .is_some_and(|change| change.is_ours_alone(sent.sets, sent.msets));
        let growth = before.keys.and_then(|before| keys.checked_sub(before));
        let is_accounted = sent.resent == 0
            && change.as_ref().is_some_and(|change| {
                change.refusals() == 0
                    && (change.sets_done, change.msets_done) == (sent.sets, sent.msets)
            });
        Ok(Self {
            is_proof: false,
            accounted: growth.filter(|_| is_undisturbed && is_accounted),
            was_empty: before.keys == Some(0),
            history: after.as_ref().map(|after| history(control, after.run_id())),
            keys,
            is_owner: true,
            is_gone: false,
            finding: NodeFinding {
                present: None,
                created: growth.filter(|_| is_undisturbed),
                used_memory: after.as_ref().map(|snapshot| snapshot.reading.used),
                maxmemory: after.map(|snapshot| snapshot.reading.maxmemory),
                change,
            },
        })
    }

    /// Whether all planned keys are there, `open` of which were not seen before.
    pub(crate) fn proves(&mut self, open: u64) -> bool {
        self.is_proof = self.accounted == Some(open);
        self.is_proof
    }

    /// After a look: whether the data is still that of the count, and what has happened by now.
    ///
    /// # Errors
    /// It is not, or the node is gone.
    pub(crate) fn again(
        &self,
        control: &mut Control,
        before: &Before,
        sent: &Sent,
    ) -> Result<Option<Change>> {
        let Some(then) = &self.history else {
            return Ok(None);
        };
        let now = Snapshot::take(control)?;
        if *then != history(control, now.run_id()) {
            return Err(Error::NotNow {
                address: control.address(),
                what: "was restarted or replaced in the middle of the look",
                cure: "it is looked at again",
            });
        }
        let snapshot = before.snapshot.as_ref();
        Ok(snapshot.map(|before| Change::between(before, &now).without_probes(sent.probes)))
    }

    /// What a node says that does not answer.
    pub(crate) fn of_nobody() -> Self {
        Self {
            is_gone: true,
            ..Self::default()
        }
    }

    /// What can be said without looking for single keys.
    pub(crate) fn without_a_look(self) -> NodeFinding {
        NodeFinding {
            present: self
                .finding
                .created
                .filter(|_| self.is_proof || self.was_empty),
            ..self.finding
        }
    }
}

/// The process and, in a cluster, the replication id of its data.
fn history(control: &mut Control, run_id: &str) -> String {
    let replication = match control.is_in_cluster() {
        true => control.info("replication").unwrap_or_default(),
        false => Info::default(),
    };
    let id = replication.text("master_replid").unwrap_or_default();
    format!("{run_id} {id}")
}

/// Waits until a server has carried out what it was sent before its connections were closed.
/// `false` where it has not after [`SETTLE_MAX`].
fn settle(control: &mut Control) -> Result<bool> {
    let deadline = Instant::now() + SETTLE_MAX;
    let (mut last, mut equal) = (None, 0);
    while Instant::now() < deadline {
        let sets = match Snapshot::take(control) {
            Ok(snapshot) => Some(snapshot.writes()),
            Err(Error::NotPermitted { .. } | Error::Server { .. }) => None,
            Err(error) => return Err(error),
        };
        let now = Some((control.key_count()?, sets));
        equal = if now == last { equal + 1 } else { 0 };
        if equal == SETTLED_LOOKS {
            return Ok(true);
        }
        last = now;
        std::thread::sleep(SETTLE_POLL);
    }
    Ok(false)
}
