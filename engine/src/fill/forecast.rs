//! Reckons, once some keys are there, whether all of them will fit into each server's memory, and
//! ends a fill that will not.

use crate::event::Event;
use crate::fill::Fill;
use crate::fill::crew::Order;
use crate::memory::{PerKey, Reading, Tables};
use crate::monitor::Monitor;
use crate::stop::{Halt, HaltCause};

/// A forecast needs so large a part of the planned keys, in percent,
const PERCENT_MIN: u64 = 1;
/// and so many bytes of key plus value, so that buffers that come and go do not matter.
const PAYLOAD_BYTES_MIN: u64 = 4 << 20;

/// So many keys are enough for an estimate of one, and a key takes at most so many times that.
const ESTIMATED_KEYS: u64 = 1_000_000;
const PLAUSIBLE_MAX: f64 = 2.0;

impl Fill<'_> {
    /// Looks what each server's memory will be like when it has got what is ordered for it.
    pub(crate) fn look_ahead(&mut self, orders: &[Order], halt: &Halt) {
        let readings: Vec<_> = self
            .monitors
            .iter()
            .map(|monitor| monitor.as_ref().and_then(Monitor::take_reading))
            .collect();
        // Keys that come from other nodes, or go there, are not reckoned with.
        if self.changes > 0 {
            return;
        }
        self.forecast_readings.resize(readings.len(), None);
        for order in orders {
            let Some(Some(now)) = readings.get(order.node) else {
                continue;
            };
            let Some(forecast) = self.forecast(order, now) else {
                continue;
            };
            if self.plan.is_forced {
                continue;
            }
            let is_end = !forecast.evicts && forecast.is_sure;
            let text = forecast.in_words(&self.name_of(order.node));
            if is_end {
                let cure =
                    "raise maxmemory, fill less (-d, --keys), or go on all the same with --force";
                // Where the pass is to end already, that reason stands.
                let _ = halt.set(HaltCause::Pointless(format!("{text}: {cure}")));
            } else if !std::mem::replace(&mut self.is_warned_of_memory, true) {
                let outlook = match forecast.evicts {
                    true => {
                        "it will evict keys, those of others perhaps, and the fill may end incomplete (see --allow-eviction)"
                    }
                    false => "it may run out of memory",
                };
                (self.observe)(Event::Warning(format!("{text}: {outlook}")));
            }
        }
    }

    /// What a server's memory will be like, if that is more than it may use.
    fn forecast(&mut self, order: &Order, now: &Reading) -> Option<Forecast> {
        let last = self.forecast_readings[order.node].replace(now.clone())?;
        let before = self.before.get(order.node)?;
        let first = &before.snapshot.as_ref()?.reading;
        let (limit, limit_name) = now.limit()?;
        let work = self.passes.nodes.get(order.node);
        let sent_before = work.map_or(0, |work| work.sent.keys);
        let ordered = sent_before + order.keys.count();
        let added = now.keys.checked_sub(first.keys)?;
        let is_telling = added >= ordered.div_ceil(100 / PERCENT_MIN)
            && self.plan.payload_bytes_of(added) >= PAYLOAD_BYTES_MIN;
        if !is_telling {
            return None;
        }
        let node = self.nodes.node(order.node);
        let tables = Tables::of(node.facts(), node.slots.len() as u64);
        let keys = first.keys.saturating_add(ordered);
        // Others may need memory, too: what is less counts, since the start or since the last look.
        let per_key = PerKey::measure(&tables, first, now)?;
        let of_late = PerKey::measure(&tables, &last, now).filter(|_| last.keys > first.keys);
        let per_key = per_key.lesser(of_late?);
        let estimate = self.plan.footprint_bytes_of(ESTIMATED_KEYS) as f64 / ESTIMATED_KEYS as f64;
        let needed = per_key.forecast_min(&tables, now, keys);
        (needed > limit).then_some(Forecast {
            per_key: per_key.bytes.0 as u64,
            added,
            keys,
            needed,
            limit,
            limit_name,
            evicts: now.evicts(),
            // Where planned keys may be there already, not each of them is a new one.
            // Nor is a key that takes far more than it should the reason.
            is_sure: (first.keys == 0 || self.plan.resumes || self.plan.appends)
                && per_key.bytes.0 <= estimate * PLAUSIBLE_MAX,
        })
    }
}

/// More memory than a server may use.
struct Forecast {
    per_key: u64,
    added: u64,
    keys: u64,
    needed: u64,
    limit: u64,
    limit_name: &'static str,
    evicts: bool,
    is_sure: bool,
}

impl Forecast {
    fn in_words(&self, server: &str) -> String {
        let Self {
            per_key,
            added,
            keys,
            needed,
            limit,
            limit_name,
            ..
        } = self;
        format!(
            "{server} has no room for all of its keys: at {per_key} bytes per key, as measured after {added}, its {keys} keys need about {needed} bytes, and {limit_name} is {limit} bytes"
        )
    }
}
