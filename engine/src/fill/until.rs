//! Fills until each server uses so much memory: step by step, each a pass over the next keys, as
//! large as what was measured so far allows, so that no server ever has much more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cluster::slot::SLOTS;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::fill::Fill;
use crate::fill::gauge::{End, FIRST_KEYS_MIN, Gauge, Next};
use crate::memory::{Reading, Tables};
use crate::nodes::Nodes;
use crate::plan::Plan;
use crate::plan::memory_target::MemoryTarget;
use crate::plan::sequence::KeySequence;
use crate::stop::HaltCause;

/// A server needs a little of its maxmemory for itself: a target may be so large a part, in percent.
const PERCENT_MAX: u64 = 98;
/// How long memory may take to come to rest (connections that were closed, tables that are
/// emptied), and the time between two looks at it.
const REST: (Duration, Duration) = (Duration::from_secs(20), Duration::from_millis(100));

/// Why a fill ends before its targets when keys go to other nodes.
const MOVED: &str = "slots got other owners, so that what single nodes use says nothing any more: run the same command again";

impl Nodes {
    /// Looks whether a memory target makes sense on every node, before anything is touched.
    ///
    /// # Errors
    /// It is a part of a maxmemory that is not set, or more than a node may use; every node uses
    /// so much already; INFO is not permitted.
    pub fn check_target(&self, target: MemoryTarget, flush: bool) -> Result<()> {
        let (mut is_any_below, mut least_used) = (false, u64::MAX);
        for node in self.iter() {
            let facts = node.facts();
            let refuse = |what: String, cure: &str| {
                Err(Error::Options {
                    what: format!("--until-memory: {what}"),
                    cure: cure.into(),
                })
            };
            let name = &node.endpoint;
            let (Some(used), Some(maxmemory)) = (facts.used_memory, facts.maxmemory) else {
                return refuse(
                    format!("{name} does not tell its memory (INFO is not permitted)"),
                    "permit it (ACL SETUSER ... +info), or give -d or --keys instead",
                );
            };
            let Some(bytes) = target.bytes(maxmemory) else {
                return refuse(
                    format!("{name} has no maxmemory of which a part could be meant"),
                    "give a size, as in --until-memory 2gb, or set its maxmemory",
                );
            };
            let total = facts.total_system_memory.unwrap_or(u64::MAX);
            if maxmemory == 0 && bytes > total {
                return refuse(
                    format!(
                        "{bytes} bytes are more than the machine of {name} has ({total} bytes)"
                    ),
                    "give less",
                );
            }
            if maxmemory > 0 && bytes > maxmemory / 100 * PERCENT_MAX {
                return refuse(
                    format!(
                        "{bytes} bytes are more than {PERCENT_MAX} % of the maxmemory of {name} ({maxmemory} bytes), of which it needs a little for itself"
                    ),
                    "give less, or raise its maxmemory",
                );
            }
            let used = match flush {
                true => facts.used_memory_at_start.unwrap_or(0),
                false => used,
            };
            is_any_below |= used < bytes;
            least_used = least_used.min(used);
        }
        if is_any_below {
            return Ok(());
        }
        Err(Error::Options {
            what: format!(
                "--until-memory: every server uses so much memory already ({least_used} bytes or more)"
            ),
            cure: "there is nothing to do, or give more".into(),
        })
    }
}

impl Nodes {
    /// The most keys that can be needed until every node uses as much memory as `target` says: each
    /// key takes as many bytes as it has.
    fn keys_until(&self, plan: &Plan, target: MemoryTarget) -> u64 {
        let needed = self.iter().map(|node| {
            let maxmemory = node.facts().maxmemory.unwrap_or(0);
            let bytes = target.bytes(maxmemory).unwrap_or(0);
            let keys = bytes / plan.payload_bytes_of(1) + 1;
            let slots = node.slots.len() as u64;
            match self.is_cluster() {
                // Its slots are so small a part of all, and hold only such a part of all keys.
                true if slots > 0 => (keys / slots + 1).saturating_mul(u64::from(SLOTS)),
                true => 0,
                false => keys,
            }
        });
        needed.max().unwrap_or(0)
    }
}

impl Fill<'_> {
    /// Sends keys until every node uses as much memory as `target` says, as far as they reach.
    /// What was sent is what was planned, after that.
    ///
    /// # Errors
    /// A node does not tell its memory any more; a driver cannot be set up.
    pub(crate) fn send_until(&mut self, target: MemoryTarget) -> Result<()> {
        let mut gauges = self.gauges(target)?;
        loop {
            let keys = match self.next_keys(&mut gauges) {
                Ok(Some(keys)) => keys,
                Ok(None) => break,
                Err(error) => {
                    self.halt = Some(error.to_string());
                    break;
                }
            };
            let cause = self.pass(&keys, false)?;
            if self.changes > 0 || matches!(cause, Some(HaltCause::ClusterChanged)) {
                self.halt.get_or_insert(MOVED.into());
            }
            let is_over = cause.is_some() || self.halt.is_some() || self.stop.signal().is_some();
            if is_over || self.passes.unsent.count() > 0 {
                break;
            }
        }
        let sent: Vec<KeySequence> = gauges.iter().map(Gauge::keys).collect();
        self.planned = KeySequence::join(sent);
        self.due = self.planned.clone();
        self.plan = Arc::new(self.plan.with_keys(self.planned.clone()));
        self.tell_ends(&gauges);
        self.ends = gauges.iter().map(Gauge::in_report).collect();
        self.tell_outcome();
        Ok(())
    }

    /// Where every node starts.
    fn gauges(&mut self, target: MemoryTarget) -> Result<Vec<Gauge>> {
        let shares = self.nodes.shares(&self.planned);
        let readings = self.readings()?;
        let plan = Arc::clone(&self.plan);
        let gauge = |(number, (share, first)): (usize, (KeySequence, Reading))| {
            let node = self.nodes.node(number);
            let keys = FIRST_KEYS_MIN;
            Gauge {
                target: target.bytes(first.maxmemory).unwrap_or(0),
                tables: Tables::of(node.facts(), node.slots.len() as u64),
                estimate: plan.footprint_bytes_of(keys) as f64 / keys as f64,
                last: first.clone(),
                first,
                share,
                step: 0,
                sent: 0,
                end: None,
            }
        };
        let starts = shares.into_iter().zip(readings);
        Ok(starts.enumerate().map(gauge).collect())
    }

    /// The keys of the next step, `None` when no node gets any more.
    fn next_keys(&mut self, gauges: &mut [Gauge]) -> Result<Option<KeySequence>> {
        let mut is_rested = false;
        loop {
            let readings = self.readings()?;
            let mut parts = Vec::new();
            let mut expected = 0;
            for (gauge, now) in gauges.iter_mut().zip(&readings) {
                match gauge.next(now) {
                    _ if gauge.end.is_some() => {}
                    Next::Keys(count) => {
                        parts.push(gauge.share.part(gauge.sent, count));
                        gauge.sent += count;
                        gauge.last = now.clone();
                        gauge.step = count;
                        let missing = gauge.target.saturating_sub(now.used);
                        expected += (missing as f64 / gauge.estimate) as u64;
                    }
                    Next::Nothing(end) if is_rested || !gauge.is_restless(now) => {
                        gauge.end = Some(end);
                    }
                    // It has to come to rest before that is certain.
                    Next::Nothing(_) => {}
                }
            }
            if !parts.is_empty() {
                self.expected = self.passes.sent + expected;
                return Ok(Some(KeySequence::join(parts)));
            }
            if is_rested || gauges.iter().all(|gauge| gauge.end.is_some()) {
                return Ok(None);
            }
            self.let_rest()?;
            is_rested = true;
        }
    }

    /// Memory and keys of every node.
    fn readings(&mut self) -> Result<Vec<Reading>> {
        let readings = self
            .nodes
            .ask_each(|_, node| Reading::take(&mut node.control));
        readings.into_iter().collect()
    }

    /// Waits until no node's memory falls any more.
    fn let_rest(&mut self) -> Result<()> {
        let deadline = Instant::now() + REST.0;
        let used = |readings: &[Reading]| readings.iter().map(|now| now.used).sum::<u64>();
        let mut last = used(&self.readings()?);
        let mut calm = 0;
        while calm < 3 && Instant::now() < deadline && self.stop.signal().is_none() {
            std::thread::sleep(REST.1);
            let now = used(&self.readings()?);
            calm = if now < last { 0 } else { calm + 1 };
            last = now;
        }
        Ok(())
    }

    /// Says of each node that ends short of its target why.
    fn tell_ends(&mut self, gauges: &[Gauge]) {
        for (number, gauge) in gauges.iter().enumerate() {
            let why = match &gauge.end {
                Some(End::Table(bytes)) => format!(
                    "with its next key a hash table would double, by {bytes} bytes, and cross the {} bytes of --until-memory",
                    gauge.target
                ),
                Some(End::Lost) => "it has fewer new keys than it was sent: some are gone (and are sent again) or were there before; the same command goes on".into(),
                Some(End::Keys) => "it has every key that -d, --keys or the keyspace allows".into(),
                Some(End::Target) | None => continue,
            };
            let name = self.name_of(number);
            (self.observe)(Event::Notice(format!("{name} stops short: {why}")));
        }
    }
}

/// The plan as it is for these nodes: where keys are to be added, they go behind those that exist,
/// and where memory is the target, they are the most that can be needed to get there.
///
/// # Errors
/// As [`Nodes::check_target`]; no key is left to add; a node is gone, or its slots are just moving.
pub fn settle(nodes: &mut Nodes, plan: &Plan, flush: bool) -> Result<Plan> {
    let Some(target) = plan.until else {
        return match plan.appends {
            true => nodes.behind_existing(plan),
            false => Ok(plan.clone()),
        };
    };
    nodes.check_target(target, flush)?;
    let plan = match flush {
        true => plan.clone(),
        false => {
            let end = nodes.end_of_run(plan, plan.start_key)?;
            plan.behind(end)?
        }
    };
    let keys = plan.keys().min(nodes.keys_until(&plan, target));
    if keys > 0 {
        return Ok(plan.with_keys(plan.sequence().head(keys)));
    }
    Err(Error::Options {
        what: "every key that -d, --keys or the keyspace allows exists already".into(),
        cure: "allow more: --until-memory alone ends the fill, too".into(),
    })
}
