//! Fills until each server uses so much memory: step by step, each a pass over the next keys, as
//! large as what was measured so far allows, so that no server ever has much more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cluster::slot::SLOTS;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::fill::Fill;
use crate::memory::{PerKey, Reading, Tables};
use crate::nodes::Nodes;
use crate::plan::Plan;
use crate::plan::memory_target::MemoryTarget;
use crate::plan::sequence::KeySequence;
use crate::stop::HaltCause;

/// The first step, by which the keys are measured, is this part of what the estimate allows.
const FIRST_PART: u64 = 50;
/// It has so many keys or more, so that buffers that come and go matter little.
const FIRST_KEYS_MIN: u64 = 1_000;
/// While more than a quarter of the target is missing, a step goes so far, in percent.
const CAREFUL_PERCENT: u64 = 60;
/// So close to the target is there, in parts of it.
const NEAR_PART: u64 = 1_000;
/// How long memory may take to come to rest (connections that were closed, tables that are
/// emptied), and the time between two looks at it.
const REST: (Duration, Duration) = (Duration::from_secs(20), Duration::from_millis(100));

/// Why a fill ends before its targets when keys go to other nodes.
const MOVED: &str = "slots got other owners, so that what single nodes use says nothing any more: run the same command again";

/// Why a node gets no more keys.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    /// It uses as much memory as was asked for.
    Target,
    /// With the next key a hash table doubles, by so many bytes, which is too much.
    Table(u64),
    /// It has every key that it may get.
    Keys,
}

/// What is to come on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    Keys(u64),
    Nothing(End),
}

/// One node on its way to its target.
struct Gauge {
    target: u64,
    tables: Tables,
    /// Before the first key.
    first: Reading,
    /// Bytes per key, estimated.
    estimate: f64,
    /// Keys that it may get.
    share: KeySequence,
    sent: u64,
    end: Option<End>,
}

impl Gauge {
    /// What comes next, things being as they are `now`.
    fn next(&self, now: &Reading) -> Next {
        let Some(missing) = self.target.checked_sub(now.used) else {
            return Next::Nothing(End::Target);
        };
        let left = self.share.count() - self.sent;
        if left == 0 {
            return Next::Nothing(End::Keys);
        }
        let measured = PerKey::measure(&self.tables, &self.first, now);
        let is_measured = measured.is_some();
        let per_key = measured.unwrap_or(PerKey {
            bytes: (self.estimate, self.estimate),
        });
        if is_measured && missing <= (self.target / NEAR_PART).max(per_key.bytes.1 as u64) {
            return Next::Nothing(End::Target);
        }
        let needs =
            |more: u64| per_key.forecast_max(&self.tables, now, now.keys.saturating_add(more));
        let most = last_that(left, |more| needs(more) <= self.target);
        if most == 0 {
            let table = self.tables.bytes_on_the_way(now.keys, now.keys + 1);
            let growth = table.saturating_sub(self.tables.bytes(now.keys));
            return Next::Nothing(match growth {
                0 => End::Target,
                growth => End::Table(growth),
            });
        }
        Next::Keys(match is_measured {
            false => (most / FIRST_PART).max(FIRST_KEYS_MIN).min(most),
            true if missing > self.target / 4 => (most * CAREFUL_PERCENT).div_ceil(100),
            true => most,
        })
    }

    /// Whether an old half of a table may still go away by itself.
    fn is_restless(&self, now: &Reading) -> bool {
        self.tables.room(now.keys) > self.tables.room(self.first.keys)
    }

    /// The keys that it was sent.
    fn keys(&self) -> KeySequence {
        self.share.head(self.sent)
    }
}

/// The last number up to `most` for which something holds that holds for all smaller ones too.
fn last_that(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

impl Nodes {
    /// Looks whether a memory target makes sense on every node, before anything is touched.
    ///
    /// # Errors
    /// It is a part of a maxmemory that is not set, or more than a node may use; every node uses
    /// so much already; INFO is not permitted.
    pub fn check_target(&self, target: MemoryTarget, flush: bool) -> Result<()> {
        let mut is_any_below = false;
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
            let (limit, limit_name) = match maxmemory {
                0 => (total, "the memory of its machine"),
                maxmemory => (maxmemory, "maxmemory"),
            };
            if bytes > limit {
                return refuse(
                    format!(
                        "{bytes} bytes are more than {name} may use: {limit_name} is {limit} bytes"
                    ),
                    "give less, or raise maxmemory",
                );
            }
            let used = match flush {
                true => facts.used_memory_at_start.unwrap_or(0),
                false => used,
            };
            is_any_below |= used < bytes;
        }
        if is_any_below {
            return Ok(());
        }
        Err(Error::Options {
            what: "--until-memory: every server uses so much memory already".into(),
            cure: "give more, or empty them first with -f".into(),
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
                first,
                share,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info::ServerFacts;

    fn gauge(target: u64, share: u64) -> Gauge {
        let mut facts = ServerFacts::of(([127, 0, 0, 1], 6379).into());
        facts.software = "Redis 7.0.15".into();
        Gauge {
            target,
            tables: Tables::of(&facts, 0),
            first: server(&[], 0),
            estimate: 150.0,
            share: KeySequence::new(0, share),
            sent: 0,
            end: None,
        }
    }

    /// A server whose keys take 160 bytes each.
    fn server(tables: &[Tables], keys: u64) -> Reading {
        let tables: u64 = tables.iter().map(|tables| tables.bytes(keys)).sum();
        Reading {
            used: 1_000_000 + 160 * keys + tables,
            keys,
            ..Reading::default()
        }
    }

    /// Goes on until it ends: how many keys, the memory then, and why.
    fn end_of(mut gauge: Gauge) -> (u64, u64, End) {
        gauge.first = server(&[gauge.tables], 0);
        for _ in 0..100 {
            let now = server(&[gauge.tables], gauge.sent);
            assert!(now.used <= gauge.target + gauge.target / 100, "{now:?}");
            match gauge.next(&now) {
                Next::Keys(count) => gauge.sent += count,
                Next::Nothing(end) => return (gauge.sent, now.used, end),
            }
        }
        panic!("it does not end");
    }

    #[test]
    fn a_target_is_reached_and_not_crossed() {
        for target in [5_000_000, 120_000_000, 1 << 30, 1 << 36] {
            let (_, used, end) = end_of(gauge(target, u64::MAX / 2));
            assert_eq!(end, End::Target, "{target}");
            assert!(used >= target - target / 500, "{target}: {used}");
        }
    }

    #[test]
    fn the_doubling_of_a_table_that_would_cross_the_target_is_not_begun() {
        // 2^20 keys take 168.8 MB and their table 8.4 MB; the next key's table 16.8 MB more.
        let target = 185_000_000;
        let (keys, used, end) = end_of(gauge(target, u64::MAX / 2));
        assert_eq!((keys, end), (1 << 20, End::Table(16 << 20)));
        assert!(used < target);
    }

    #[test]
    fn the_keys_that_are_allowed_are_a_bound() {
        assert_eq!(end_of(gauge(1 << 30, 12_345)).2, End::Keys);
    }

    #[test]
    fn the_last_number_that_fits_is_found() {
        for limit in [0, 1, 7, 99, 100] {
            assert_eq!(last_that(100, |n| n <= limit), limit);
        }
    }
}
