//! Every check that a server has to pass before it is filled. Changes nothing on it: commands
//! are tried in forms that are refused only after the checks in question.

use std::collections::BTreeMap;
use std::net::IpAddr;

use redis::{Cmd, Value, cmd};

use crate::control::{Control, ServerFacts};
use crate::error::Result;
use crate::handshake::error_text;
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::reply::error_class;

/// From this payload on, in bytes, a snapshot in the middle of a fill is worth a warning.
const SNAPSHOT_MATTERS_BYTES: u64 = 256 << 20;

/// What the checks before a fill found.
#[derive(Clone, Debug, Default)]
pub struct Preflight {
    /// The first and the last planned key exist already.
    pub already_present: bool,
    /// Why the plan does not fit into the server, in a sentence.
    pub does_not_fit: Option<String>,
    /// What the user should know beforehand.
    pub warnings: Vec<String>,
}

/// The keys of a plan that one server shall get.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    /// The whole plan.
    pub plan: &'a Plan,
    /// Its keys for this server.
    pub keys: &'a KeySequence,
}

impl Preflight {
    /// The same, with the node named in each sentence.
    pub(crate) fn of_node(self, node: &str) -> Self {
        let named = |sentence: String| format!("{node}: {sentence}");
        Self {
            already_present: self.already_present,
            does_not_fit: self.does_not_fit.map(named),
            warnings: self.warnings.into_iter().map(named).collect(),
        }
    }

    /// What was found on several nodes, as one.
    pub(crate) fn of_all(found: Vec<Self>) -> Self {
        let mut all = Self {
            already_present: !found.is_empty(),
            ..Self::default()
        };
        for one in found {
            all.already_present &= one.already_present;
            all.does_not_fit = all.does_not_fit.or(one.does_not_fit);
            all.warnings.extend(one.warnings);
        }
        all
    }
}

impl Preflight {
    /// Masters without maxmemory that run on one machine have to share its memory: compares what
    /// the plan adds to them all, so many keys to each, with what that machine has.
    pub(crate) fn check_machines(
        &mut self,
        plan: &Plan,
        masters: &[(&ServerFacts, u64)],
        flush: bool,
    ) {
        if self.already_present {
            return;
        }
        let mut machines: BTreeMap<IpAddr, (u64, u64, u64)> = BTreeMap::new();
        for (facts, keys) in masters {
            let used = match flush {
                true => facts.used_memory_at_start,
                false => facts.used_memory,
            };
            let limits = (facts.maxmemory, facts.total_system_memory, used);
            let (Some(0), Some(total), Some(used)) = limits else {
                continue;
            };
            let machine = machines.entry(facts.address.ip()).or_default();
            machine.0 += 1;
            machine.1 = machine
                .1
                .saturating_add(used)
                .saturating_add(plan.payload_bytes_of(*keys));
            machine.2 = total;
        }
        let full = machines
            .iter()
            .find(|(_, (_, needed, total))| needed > total);
        if let Some((ip, (masters, needed, total))) = full {
            self.does_not_fit.get_or_insert(format!(
                "{needed} bytes of keys and values, those already in use included, exceed the memory of the machine that {masters} masters share ({ip}, {total} bytes)"
            ));
        }
    }
}

impl Control {
    /// Every check that changes nothing: SET and FLUSHDB allowed, memory enough for those keys of
    /// the plan that this server shall get.
    ///
    /// # Errors
    /// A command that the fill needs is not permitted, or the server refuses every write.
    pub fn preflight(&mut self, share: Option<Share<'_>>, flush: bool) -> Result<Preflight> {
        let mut preflight = Preflight::default();
        if flush {
            // An unknown option is refused after the permission, before anything happens.
            let answer = self.ask("FLUSHDB", cmd("FLUSHDB").arg("CHECK-PERMISSION-ONLY"))?;
            self.check_probe("FLUSHDB", &answer, flush, &mut preflight)?;
        }
        let Some(share) = share else {
            return Ok(preflight);
        };
        if share.keys.count() == 0 {
            preflight.already_present = !flush;
            return Ok(preflight);
        }
        let plan = share.plan;
        let ends = [share.keys.at(0), share.keys.at(share.keys.count() - 1)];
        let keys = ends.map(|index| {
            let mut key = vec![0; plan.keyspace().key_size()];
            plan.keyspace().render(index, &mut key);
            key
        });
        for key in &keys {
            // NX and XX exclude each other: refused after all other checks, before the write.
            let mut probe = cmd("SET");
            probe.arg(key).arg("").arg("NX").arg("XX");
            let answer = self.ask("SET", &probe)?;
            self.check_probe("SET", &answer, flush, &mut preflight)?;
        }
        let mut existing = 0;
        for key in &keys {
            // A slot that is just moving is waited for by the fill.
            if let Value::Int(found) = self.permitted("EXISTS", cmd("EXISTS").arg(key))? {
                existing = i64::saturating_add(existing, found);
            }
        }
        preflight.already_present = existing == 2 && !flush;
        let replaced = if self.facts().keys > 0 && !flush {
            self.value_length(&keys[0])?
        } else {
            0
        };
        let replaced = if preflight.already_present {
            replaced
        } else {
            0
        };
        self.check_memory(share, flush, replaced, &mut preflight);
        self.check_snapshots(share, &mut preflight);
        Ok(preflight)
    }

    /// Judges the answer to a command that was made to fail harmlessly, or to succeed.
    fn check_probe(
        &self,
        command: &'static str,
        answer: &Value,
        flush: bool,
        preflight: &mut Preflight,
    ) -> Result<()> {
        let Value::ServerError(error) = answer else {
            return Ok(());
        };
        let message = error_text(error);
        match error_class(&message) {
            "ERR" => Ok(()),
            // The fill waits for slots that are just moving.
            "MOVED" | "ASK" | "TRYAGAIN" if self.is_in_cluster() => Ok(()),
            // A flush makes room; without one the memory check below says more.
            "OOM" if flush => Ok(()),
            "OOM" => {
                preflight.does_not_fit = Some(
                    "the server's memory has reached maxmemory, it refuses every write".into(),
                );
                Ok(())
            }
            _ => Err(self.refusal(command, &message)),
        }
    }

    /// Length of the value of `key`, asked with the commands that the audit needs where keys were
    /// there before.
    fn value_length(&mut self, key: &[u8]) -> Result<u64> {
        let mut start = cmd("GETRANGE");
        self.permitted("GETRANGE", start.arg(key).arg(0).arg(0))?;
        match self.permitted("STRLEN", cmd("STRLEN").arg(key))? {
            Value::Int(length) => Ok(length.unsigned_abs()),
            _ => Ok(0),
        }
    }

    /// The answer to a harmless command, unless the user may not run it. Other errors (a key of
    /// another type) are answers.
    fn permitted(&mut self, name: &'static str, command: &Cmd) -> Result<Value> {
        match self.ask(name, command)? {
            Value::ServerError(error) if error_text(&error).starts_with("NOPERM") => {
                Err(self.refusal(name, &error_text(&error)))
            }
            answer => Ok(answer),
        }
    }

    /// Compares what the plan adds with what the server has room for, planned keys already having
    /// values of `replaced` bytes.
    fn check_memory(
        &self,
        share: Share<'_>,
        flush: bool,
        replaced: u64,
        preflight: &mut Preflight,
    ) {
        let (plan, keys) = (share.plan, share.keys.count());
        let facts = self.facts();
        let (Some(used), Some(maxmemory)) = (facts.used_memory, facts.maxmemory) else {
            return;
        };
        // A flush gives back what the keys of this database take, as far as their number tells.
        let base = facts.used_memory_at_start.unwrap_or(0).min(used);
        let elsewhere =
            facts.keys_elsewhere as f64 / (facts.keys + facts.keys_elsewhere).max(1) as f64;
        let used = if flush {
            base + ((used - base) as f64 * elsewhere) as u64
        } else {
            used
        };
        let (bytes, footprint) = if replaced > 0 {
            let growth = (plan.values().value_size() as u64).saturating_sub(replaced);
            let bytes = keys.saturating_mul(growth);
            (bytes, bytes)
        } else {
            (plan.payload_bytes_of(keys), plan.footprint_bytes_of(keys))
        };
        let evicts = facts
            .maxmemory_policy
            .as_deref()
            .is_some_and(|policy| policy != "noeviction");
        let (limit, name) = match (maxmemory, facts.total_system_memory) {
            (0, Some(total)) => (total, "the memory of the server's machine"),
            (0, None) => return,
            (maxmemory, _) => (maxmemory, "maxmemory"),
        };
        let sum = |extra: u64| used.saturating_add(extra);
        if sum(bytes) > limit && !(evicts && maxmemory > 0) {
            preflight.does_not_fit.get_or_insert(format!(
                "{bytes} bytes of keys and values plus {used} bytes already in use exceed {name} ({limit} bytes)"
            ));
        } else if sum(footprint) > limit {
            let what = if evicts && maxmemory > 0 {
                "the server will evict keys, and the fill will end incomplete"
            } else {
                "the server may run out of memory"
            };
            preflight.warnings.push(format!(
                "about {footprint} bytes expected plus {used} bytes in use exceed {name} ({limit} bytes): {what}"
            ));
        }
    }

    /// Warns of snapshots, which fork the server in the middle of a large fill.
    fn check_snapshots(&mut self, share: Share<'_>, preflight: &mut Preflight) {
        if share.plan.payload_bytes_of(share.keys.count()) < SNAPSHOT_MATTERS_BYTES {
            return;
        }
        // CONFIG may well be forbidden; then there is nothing to warn of.
        let Ok(Value::Array(save)) = self.ask("CONFIG", cmd("CONFIG").arg("GET").arg("save"))
        else {
            return;
        };
        if let [_, Value::BulkString(rules)] = &save[..]
            && !rules.is_empty()
        {
            preflight.warnings.push(format!(
                "the server will start snapshots during the fill (save {}): each forks it and slows it down; `CONFIG SET save ''` switches them off",
                String::from_utf8_lossy(rules)
            ));
        }
    }
}
