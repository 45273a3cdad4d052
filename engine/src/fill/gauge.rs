//! One node on its way to a memory target: how many keys it gets next, and when it has enough.
//! Reckons; asks nobody.

use crate::memory::{PerKey, Reading, Tables};
use crate::plan::sequence::KeySequence;
use crate::report::{EndedBy, MemoryEnd};

/// The first step, by which the keys are measured, is this part of what the estimate allows.
const FIRST_PART: u64 = 50;
/// It has so many keys or more, so that buffers that come and go matter little.
pub(super) const FIRST_KEYS_MIN: u64 = 1_000;
/// While more than a quarter of the target is missing, a step goes so far, in percent.
const CAREFUL_PERCENT: u64 = 60;
/// A key takes at least this part of what is estimated.
const PLAUSIBLE_MIN: f64 = 0.8;
/// So close to the target is there, in parts of it.
const NEAR_PART: u64 = 1_000;

/// Why a node gets no more keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It uses as much memory as was asked for.
    Target,
    /// With the next key a hash table doubles, by so many bytes, which is too much.
    Table(u64),
    /// It has every key that it may get.
    Keys,
    /// It has fewer new keys than it was sent: some are gone, and will be sent again, or were there
    /// before.
    Lost,
}

/// What is to come on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Keys(u64),
    Nothing(End),
}

/// One node on its way to its target.
pub(super) struct Gauge {
    pub(super) target: u64,
    pub(super) tables: Tables,
    /// Before the first key.
    pub(super) first: Reading,
    /// Before the last step, and how many keys that had.
    pub(super) last: Reading,
    pub(super) step: u64,
    /// Bytes per key, estimated.
    pub(super) estimate: f64,
    /// Keys that it may get.
    pub(super) share: KeySequence,
    pub(super) sent: u64,
    pub(super) end: Option<End>,
}

impl Gauge {
    /// What comes next, things being as they are `now`.
    pub(super) fn next(&self, now: &Reading) -> Next {
        let Some(missing) = self.target.checked_sub(now.used) else {
            return Next::Nothing(End::Target);
        };
        let left = self.share.count() - self.sent;
        if left == 0 {
            return Next::Nothing(End::Keys);
        }
        // A few of a step may have been there before.
        if now.keys < self.last.keys.saturating_add(self.step - self.step / 10) {
            return Next::Nothing(End::Lost);
        }
        let is_measured = self.sent > 0;
        let per_key = self.per_key(now);
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

    /// What a key takes: as measured from the start and in the last step, whatever is more, since
    /// memory may have been freed meanwhile, and never much less than estimated.
    fn per_key(&self, now: &Reading) -> PerKey {
        let most =
            |first: &Reading| PerKey::measure(&self.tables, first, now).map(|key| key.bytes.1);
        let bytes = match (most(&self.first), most(&self.last)) {
            (None, None) => self.estimate,
            (start, step) => start.unwrap_or(0.0).max(step.unwrap_or(0.0)),
        };
        let bytes = bytes.max(self.estimate * PLAUSIBLE_MIN);
        PerKey {
            bytes: (bytes, bytes),
        }
    }

    /// Whether an old half of a table may still go away by itself.
    pub(super) fn is_restless(&self, now: &Reading) -> bool {
        self.tables.room(now.keys) > self.tables.room(self.first.keys)
    }

    /// Target and end, as reports have them.
    pub(super) fn in_report(&self) -> MemoryEnd {
        MemoryEnd {
            target: self.target,
            ended_by: self.end.as_ref().map(|end| match end {
                End::Target => EndedBy::Target,
                End::Table(_) => EndedBy::Table,
                End::Keys => EndedBy::Keys,
                End::Lost => EndedBy::Lost,
            }),
        }
    }

    /// The keys that it was sent.
    pub(super) fn keys(&self) -> KeySequence {
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
            last: server(&[], 0),
            estimate: 150.0,
            share: KeySequence::new(0, share),
            step: 0,
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
        gauge.last = gauge.first.clone();
        for _ in 0..100 {
            let now = server(&[gauge.tables], gauge.sent);
            assert!(now.used <= gauge.target + gauge.target / 100, "{now:?}");
            match gauge.next(&now) {
                Next::Keys(count) => {
                    gauge.sent += count;
                    gauge.last = now;
                    gauge.step = count;
                }
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
