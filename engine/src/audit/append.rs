//! Where the keys end that are there already, so that others can be added behind them. Reads only.

use std::sync::atomic::AtomicU64;

use crate::audit::look::{How, Look, Seen};
use crate::error::{Error, Result};
use crate::nodes::Nodes;
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::stop::Stop;

/// So many places are tried between two powers of two, and between two places at each later step:
/// a run of keys that begins at index `i` is found if it has `i / PROBES` keys or more.
const PROBES: u64 = 64;

impl Nodes {
    /// The same plan with keys behind all those of its keyspace that exist from its first one on.
    /// The end is looked for by trying places in ever finer steps; then all of the new keys are
    /// looked for, so that none of them exists.
    ///
    /// # Errors
    /// The keyspace has too few keys behind the end; a node is gone, or its slots are just moving.
    pub fn behind_existing(&mut self, plan: &Plan) -> Result<Plan> {
        let first = plan.start_key;
        let mut end = self.end_of_run(plan, first)?;
        loop {
            let moved = plan.behind(end)?;
            match self.last_existing(plan, moved.sequence())? {
                None => return Ok(moved),
                Some(last) => end = last + 1,
            }
        }
    }

    /// The index behind the last existing key, as far as trying places finds it.
    ///
    /// # Errors
    /// As [`behind_existing`](Self::behind_existing), capacity apart.
    pub fn end_of_run(&mut self, plan: &Plan, first: u64) -> Result<u64> {
        let capacity = plan.keyspace().capacity();
        let mut places = vec![first];
        for power in 0..64 {
            let begin = 1_u64 << power;
            let step = (begin / PROBES).max(1);
            places.extend((0..PROBES.min(begin)).map_while(|n| {
                let place = first.checked_add(begin)?.checked_add(n * step)?;
                (place < capacity).then_some(place)
            }));
        }
        places.push(capacity - 1);
        places.sort_unstable();
        places.dedup();
        let Some((mut last, mut beyond)) = self.last_of(plan, &places, capacity)? else {
            return Ok(first);
        };
        while beyond - last > 1 {
            let step = (beyond - last).div_ceil(PROBES).max(1);
            let between = (1..PROBES).map(|n| last + n * step);
            let places: Vec<u64> = between.take_while(|place| *place < beyond).collect();
            match self.last_of(plan, &places, beyond)? {
                Some((place, next)) => (last, beyond) = (place, next),
                None => beyond = places.first().copied().unwrap_or(last + 1),
            }
        }
        Ok(last + 1)
    }

    /// The last of these indices whose key exists, and the one after it (`end` behind the last).
    fn last_of(&mut self, plan: &Plan, places: &[u64], end: u64) -> Result<Option<(u64, u64)>> {
        let single = places.iter().map(|place| KeySequence::new(*place, 1));
        let shares = self.shares(&KeySequence::join(single));
        let found = self.look_on_each(plan, |number| {
            let share = &shares[number];
            (0..share.count()).map(|n| share.part(n, 1)).collect()
        })?;
        let mut last = None;
        for (share, seen) in shares.iter().zip(&found) {
            let existing = (0..).zip(seen).filter(|(_, seen)| seen.present > 0);
            last = last.max(existing.map(|(n, _)| share.at(n)).max());
        }
        Ok(last.map(|last| {
            let next = places.partition_point(|place| *place <= last);
            (last, places.get(next).copied().unwrap_or(end))
        }))
    }

    /// The last index of a sequence whose key exists.
    fn last_existing(&mut self, plan: &Plan, keys: &KeySequence) -> Result<Option<u64>> {
        let mut rest = keys.clone();
        if self.count_existing(plan, &rest)? == 0 {
            return Ok(None);
        }
        // Some of `rest` exist; the last one is in the upper half, or else in the lower one.
        while rest.count() > 1 {
            let middle = rest.count() / 2;
            let upper = rest.tail(middle);
            rest = match self.count_existing(plan, &upper)? {
                0 => rest.head(middle),
                _ => upper,
            };
        }
        Ok(Some(rest.at(0)))
    }

    /// How many keys of a sequence exist.
    fn count_existing(&mut self, plan: &Plan, keys: &KeySequence) -> Result<u64> {
        let shares = self.shares(keys);
        let slots: Vec<Vec<u16>> = self
            .iter()
            .map(|node| node.slots.iter().collect())
            .collect();
        let found = self.look_on_each(plan, |number| match slots[number].is_empty() {
            true => vec![shares[number].clone()],
            false => {
                let slots = slots[number].iter();
                slots.map(|slot| shares[number].of_slot(*slot)).collect()
            }
        })?;
        Ok(found.iter().flatten().map(|seen| seen.present).sum())
    }

    /// Looks on every node for groups of keys.
    fn look_on_each(
        &mut self,
        plan: &Plan,
        groups: impl Fn(usize) -> Vec<KeySequence> + Sync,
    ) -> Result<Vec<Vec<Seen>>> {
        let (stop, looked) = (Stop::default(), AtomicU64::new(0));
        let look = Look {
            plan,
            how: How::Exists,
            stop: &stop,
            looked: &looked,
            runs_max: 0,
        };
        let found = self.ask_each(|number, node| {
            let seen = look.at(&mut node.control, &groups(number))?.unwrap_or_default();
            match seen.iter().find_map(|seen| seen.unsettled.as_ref()) {
                None => Ok(seen),
                Some(_) => Err(Error::NotNow {
                    address: node.control.address(),
                    what: "cannot say which keys it has while its slots are moving",
                    cure: "run the same command again when they have stopped (`redis-cli --cluster check`)",
                }),
            }
        });
        found.into_iter().collect()
    }
}
