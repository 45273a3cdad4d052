//! How a server's memory grows with its keys: readings of it, the size of its hash tables, and a
//! forecast from two readings. Reckons; decides nothing.

use redis::{Value, cmd};

use crate::control::{Control, Info};
use crate::error::Result;
use crate::info::ServerFacts;

/// What a server says of its memory and of the keys in the selected database, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Memory in use, in bytes.
    pub used: u64,
    /// The part of it that connections take, in bytes; 0 where that is not told.
    pub clients: u64,
    /// Keys in the selected database.
    pub keys: u64,
    /// Limit of its memory, in bytes; 0 for none.
    pub maxmemory: u64,
    /// What it does at the limit.
    pub policy: String,
    /// Memory of its machine, in bytes; 0 where that is not told.
    pub total_system: u64,
}

impl Reading {
    /// Asks the server, memory and keys in one go.
    ///
    /// # Errors
    /// INFO or DBSIZE is not permitted, or the server is gone.
    pub fn take(control: &mut Control) -> Result<Self> {
        let mut packed = cmd("INFO").arg("memory").get_packed_command();
        cmd("DBSIZE").write_packed_command(&mut packed);
        let answers = control.pipeline("INFO", &packed, 2)?;
        let [memory, keys] = &answers[..] else {
            return Ok(Self::parse(&Info::default(), 0));
        };
        let memory = control.read_info(memory)?;
        let keys = match keys {
            Value::Int(keys) => u64::try_from(*keys).unwrap_or(0),
            // Says why, where it is not permitted.
            _ => control.key_count()?,
        };
        Ok(Self::parse(&memory, keys))
    }

    /// Reads INFO memory of a server with so many keys.
    #[must_use]
    pub fn parse(memory: &Info, keys: u64) -> Self {
        let bytes = |field| memory.number(field).unwrap_or(0);
        Self {
            used: bytes("used_memory"),
            clients: bytes("mem_clients_normal"),
            keys,
            maxmemory: bytes("maxmemory"),
            policy: memory
                .text("maxmemory_policy")
                .unwrap_or_default()
                .to_owned(),
            total_system: bytes("total_system_memory"),
        }
    }

    /// Memory that does not come and go with connections.
    fn lasting(&self) -> u64 {
        self.used.saturating_sub(self.clients)
    }

    /// What the server may use, and what says so; `None` where nothing does.
    #[must_use]
    pub fn limit(&self) -> Option<(u64, &'static str)> {
        match (self.maxmemory, self.total_system) {
            (0, 0) => None,
            (0, total) => Some((total, "the memory of its machine")),
            (maxmemory, _) => Some((maxmemory, "maxmemory")),
        }
    }

    /// Whether it throws keys away at its limit instead of refusing writes.
    #[must_use]
    pub fn evicts(&self) -> bool {
        self.maxmemory > 0 && self.policy != "noeviction"
    }
}

/// The hash tables in which a server keeps the keys of a database: they grow by doubling, and
/// until the old half is emptied both are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// One, or one per slot (Redis 7.4 and Valkey 8.0 on, in a cluster).
    count: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A pointer per bucket, doubled when there are as many keys as buckets (`dict.c`).
    Chained,
    /// Buckets of 64 bytes for seven keys each, doubled when they are full (`hashtable.c`, Valkey
    /// 8.1 on).
    Bucketed,
}

impl Tables {
    /// Those of a server that owns so many slots (0: no cluster).
    #[must_use]
    pub fn of(facts: &ServerFacts, slots: u64) -> Self {
        let (name, version) = facts.software.split_once(' ').unwrap_or_default();
        let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0_u64));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        let (per_slot, bucketed) = match name {
            "Valkey" => (version >= (8, 0), version >= (8, 1)),
            _ => (version >= (7, 4), false),
        };
        Self {
            count: if per_slot { slots.max(1) } else { 1 },
            kind: if bucketed {
                Kind::Bucketed
            } else {
                Kind::Chained
            },
        }
    }

    /// So many keys are the most before a table has to grow that holds `keys` of them now.
    #[must_use]
    pub fn room(&self, keys: u64) -> u64 {
        let each = keys.div_ceil(self.count);
        let room = match self.kind {
            Kind::Chained => each.max(4).next_power_of_two(),
            Kind::Bucketed => 7 * each.div_ceil(7).max(1).next_power_of_two(),
        };
        room.saturating_mul(self.count)
    }

    /// Their bytes when they hold `keys` keys and have finished growing.
    #[must_use]
    pub fn bytes(&self, keys: u64) -> u64 {
        match self.kind {
            Kind::Chained => self.room(keys).saturating_mul(8),
            Kind::Bucketed => (self.room(keys) / 7).saturating_mul(64),
        }
    }

    /// The most bytes they take on the way to `keys` keys from `keys_now`: the old half of a table
    /// that grows stays until it is emptied.
    #[must_use]
    pub fn bytes_on_the_way(&self, keys_now: u64, keys: u64) -> u64 {
        let bytes = self.bytes(keys);
        match self.room(keys) > self.room(keys_now) {
            true => bytes.saturating_add(bytes / 2),
            false => bytes,
        }
    }

    /// What the old half of a table that grew of late may still take.
    fn leftover(&self, keys: u64) -> u64 {
        let room = self.room(keys);
        // Each new key moves a bucket or more.
        match keys < room / 4 * 3 {
            true => self.bytes(keys) / 2,
            false => 0,
        }
    }
}

/// What one key takes, as measured between two readings.
#[derive(Clone, Copy, Debug)]
pub struct PerKey {
    /// Bytes, hash tables excluded: at least, and at most.
    pub bytes: (f64, f64),
}

impl PerKey {
    /// Measures what the keys that were added take; `None` where none were.
    #[must_use]
    pub fn measure(tables: &Tables, first: &Reading, now: &Reading) -> Option<Self> {
        let added = now
            .keys
            .checked_sub(first.keys)
            .filter(|added| *added > 0)?;
        let growth = now.lasting() as f64 - first.lasting() as f64;
        let growth = growth - (tables.bytes(now.keys) as f64 - tables.bytes(first.keys) as f64);
        let at_least = growth - tables.leftover(now.keys) as f64;
        let per_key = |growth: f64| growth.max(0.0) / added as f64;
        Some(Self {
            bytes: (per_key(at_least), per_key(growth)),
        })
    }

    /// The lesser of two measurements.
    #[must_use]
    pub fn lesser(self, other: Self) -> Self {
        match other.bytes.0 < self.bytes.0 {
            true => other,
            false => self,
        }
    }

    /// The memory in use when there are `keys` keys, as little as it may be.
    #[must_use]
    pub fn forecast_min(&self, tables: &Tables, now: &Reading, keys: u64) -> u64 {
        let more = keys.saturating_sub(now.keys) as f64 * self.bytes.0;
        let tables_now = tables
            .bytes(now.keys)
            .saturating_add(tables.leftover(now.keys));
        (now.lasting().saturating_add(more as u64))
            .saturating_sub(tables_now)
            .saturating_add(tables.bytes(keys))
    }

    /// The most memory that is in use on the way to `keys` keys.
    #[must_use]
    pub fn forecast_max(&self, tables: &Tables, now: &Reading, keys: u64) -> u64 {
        let more = keys.saturating_sub(now.keys) as f64 * self.bytes.1;
        (now.used.saturating_add(more as u64))
            .saturating_sub(tables.bytes(now.keys))
            .saturating_add(tables.bytes_on_the_way(now.keys, keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(software: &str, slots: u64) -> Tables {
        let mut facts = ServerFacts::of(([127, 0, 0, 1], 6379).into());
        facts.software = software.into();
        Tables::of(&facts, slots)
    }

    fn reading(used: u64, keys: u64) -> Reading {
        Reading {
            used,
            clients: 0,
            keys,
            maxmemory: 0,
            policy: "noeviction".into(),
            total_system: 0,
        }
    }

    #[test]
    fn tables_follow_the_version() {
        let one = tables("Redis 7.0.15", 5461);
        assert_eq!(
            (one.room(1000), one.room(1024), one.room(1025)),
            (1024, 1024, 2048)
        );
        assert_eq!((one.bytes(1024), one.bytes(1025)), (8192, 16384));
        assert_eq!(one.bytes_on_the_way(1024, 1025), 16384 + 8192);
        assert_eq!(one.bytes_on_the_way(1025, 1026), 16384);
        assert_eq!(tables("Redis 7.4.0", 16).room(16 * 8), 16 * 8);
        assert_eq!(tables("Redis 7.4.0", 0).room(100), 128);
        let valkey = tables("Valkey 8.1.3", 0);
        assert_eq!(
            (valkey.room(7), valkey.room(8), valkey.room(15)),
            (7, 14, 28)
        );
        assert_eq!(valkey.bytes(15), 4 * 64);
        assert_eq!(tables("Redis or Valkey", 9), tables("Redis 6.0.1", 0));
    }

    #[test]
    fn what_a_key_takes_is_measured_without_the_tables() {
        let tables = tables("Redis 7.0.15", 0);
        let used = |keys: u64| 1_000_000 + 100 * keys + tables.bytes(keys);
        let (first, now) = (reading(used(0), 0), reading(used(900), 900));
        let per_key = PerKey::measure(&tables, &first, &now).unwrap();
        assert!((per_key.bytes.1 - 100.0).abs() < 0.1, "{per_key:?}");
        for keys in [1_000, 5_000, 1_000_000] {
            let exact = used(keys);
            let (least, most) = (
                per_key.forecast_min(&tables, &now, keys),
                per_key.forecast_max(&tables, &now, keys),
            );
            assert!(
                least.abs_diff(exact) < 200 && most >= exact - 200,
                "{keys}: {least} {exact} {most}"
            );
        }
        assert!(PerKey::measure(&tables, &now, &now).is_none());
    }
}
