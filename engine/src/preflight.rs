//! Every check that a server has to pass before it is filled: what is permitted, what its memory
//! has room for. Changes nothing on it: commands are tried in forms that are refused only after the
//! checks in question. What else may go wrong is looked for in `hazards.rs`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use redis::{Cmd, Value, cmd};

use crate::control::{Control, ServerFacts};
use crate::error::{Error, Result};
use crate::handshake::error_text;
use crate::hazards::{self, Load};
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::reply::error_class;

/// From this part of maxmemory on, in percent, the estimate is close enough to it for a warning.
const CLOSE_PERCENT: u64 = 90;

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

impl Load {
    /// What one server gets.
    pub(crate) fn of(share: Share<'_>) -> Self {
        let keys = share.keys.count();
        Self {
            keys,
            payload_bytes: share.plan.payload_bytes_of(keys),
            wire_bytes: share.plan.wire_bytes_of(keys),
        }
    }
}

impl Preflight {
    /// What was found on the nodes of a cluster, as one. Each sentence names its nodes; what is said
    /// of several, but for figures, is said once.
    pub(crate) fn of_nodes(found: Vec<(String, Self)>) -> Self {
        let mut all = Self {
            already_present: !found.is_empty(),
            ..Self::default()
        };
        let mut folded: Vec<Folded> = Vec::new();
        for (node, one) in found {
            all.already_present &= one.already_present;
            let why = one.does_not_fit.map(|why| format!("{node}: {why}"));
            all.does_not_fit = all.does_not_fit.or(why);
            for warning in one.warnings {
                let alike = folded.iter_mut().find(|folded| folded.is_like(&warning));
                match alike {
                    Some(folded) => folded.more += 1,
                    None => folded.push(Folded {
                        node: node.clone(),
                        more: 0,
                        warning,
                    }),
                }
            }
        }
        all.warnings = folded.into_iter().map(Folded::sentence).collect();
        all
    }
}

/// A warning about several nodes, with the figures of the first.
struct Folded {
    node: String,
    more: usize,
    warning: String,
}

impl Folded {
    /// Whether another one says the same, figures apart.
    fn is_like(&self, other: &str) -> bool {
        let words = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
        words(&self.warning) == words(other)
    }

    fn sentence(self) -> String {
        let Self {
            node,
            more,
            warning,
        } = self;
        match more {
            0 => format!("{node}: {warning}"),
            more => format!("{node} and {more} more: {warning}"),
        }
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
        let mut preflight = self.check(share, flush)?;
        if let Some(share) = share.filter(|share| share.keys.count() > 0) {
            preflight
                .warnings
                .extend(hazards::of(self, &Load::of(share)));
        }
        Ok(preflight)
    }

    /// As [`preflight`](Self::preflight), without a look at what may go wrong all the same.
    pub(crate) fn check(&mut self, share: Option<Share<'_>>, flush: bool) -> Result<Preflight> {
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
        if plan.command.keys() > 1 {
            self.check_mset(&keys[0], flush, &mut preflight)?;
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
        Ok(preflight)
    }

    /// Whether MSET is known and permitted: without a value for its last key it is refused after
    /// the permission, before the write.
    fn check_mset(&mut self, key: &[u8], flush: bool, preflight: &mut Preflight) -> Result<()> {
        let mut probe = cmd("MSET");
        probe.arg(key).arg("").arg(key);
        let answer = self.ask("MSET", &probe)?;
        let unknown = match &answer {
            Value::ServerError(error) => Some(error_text(error)),
            _ => None,
        };
        if unknown.is_some_and(|text| text.contains("unknown command")) {
            return Err(Error::Server {
                address: self.address(),
                what: "does not know MSET, which --command mset:N needs".into(),
                cure: "use --command set".into(),
            });
        }
        self.check_probe("MSET", &answer, flush, preflight)
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
        let facts = self.facts();
        let plan = share.plan;
        if plan.until.is_some() {
            return;
        }
        // Where keys that exist stay as they are, only the others take memory.
        let keys = match plan.resumes || plan.keeps_existing {
            true => share.keys.count().saturating_sub(facts.keys),
            false => share.keys.count(),
        };
        let (Some(used), Some(maxmemory)) = (facts.used_memory, facts.maxmemory) else {
            return;
        };
        // A flush gives back what the keys of this database take, as far as their number tells.
        let base = facts.used_memory_at_start.unwrap_or(0).min(used);
        let elsewhere = facts.keys_elsewhere as f64
            / facts.keys.saturating_add(facts.keys_elsewhere).max(1) as f64;
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
        let policy = facts.maxmemory_policy.as_deref().unwrap_or("noeviction");
        let evicts = maxmemory > 0 && policy != "noeviction";
        let (limit, name) = match (maxmemory, facts.total_system_memory) {
            (0, Some(total)) => (total, "the memory of the server's machine"),
            (0, None) => return,
            (maxmemory, _) => (maxmemory, "maxmemory"),
        };
        let needed = used.saturating_add(footprint);
        if used.saturating_add(bytes) > limit && !evicts {
            preflight.does_not_fit.get_or_insert(format!(
                "{bytes} bytes of keys and values plus {used} bytes already in use exceed {name} ({limit} bytes)"
            ));
            return;
        }
        let is_exceeded = needed > limit;
        let is_close = u128::from(needed) * 100 > u128::from(limit) * u128::from(CLOSE_PERCENT);
        let relation = match is_exceeded {
            true => "exceed",
            false if evicts && is_close => "come close to",
            false => return,
        };
        let consequence = match (evicts, is_exceeded) {
            (false, _) => "the server may run out of memory".to_owned(),
            (true, is_exceeded) => eviction(policy, is_exceeded),
        };
        preflight.warnings.push(format!(
            "about {footprint} bytes expected plus {used} bytes in use {relation} {name} ({limit} bytes): {consequence}"
        ));
    }
}

/// What a server that evicts does at its limit, which it will reach or may, and what would help.
fn eviction(policy: &str, is_certain: bool) -> String {
    let will = if is_certain { "will" } else { "may" };
    if policy.starts_with("volatile-") {
        // Planned keys never expire.
        return format!(
            "the server {will} evict the keys of others that expire (maxmemory-policy {policy}), and refuse the fill when none is left; raise maxmemory, or fill less"
        );
    }
    format!(
        "the server evicts keys rather than refuse new ones (maxmemory-policy {policy}), those of others perhaps: the fill {will} end incomplete; raise maxmemory, or fill less (see --allow-eviction)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(warnings: &[&str]) -> Preflight {
        Preflight {
            warnings: warnings.iter().map(|text| (*text).to_owned()).collect(),
            ..Preflight::default()
        }
    }

    #[test]
    fn what_is_said_of_several_nodes_is_said_once() {
        let found = Preflight::of_nodes(vec![
            ("a:1".into(), warned(&["full (12 bytes)", "forks"])),
            ("a:2".into(), warned(&["forks", "writes"])),
            ("a:3".into(), warned(&["full (345 bytes)", "forks"])),
        ]);
        let expected = [
            "a:1 and 1 more: full (12 bytes)",
            "a:1 and 2 more: forks",
            "a:2: writes",
        ];
        assert_eq!(found.warnings, expected);
    }

    #[test]
    fn a_cluster_is_as_its_nodes_are() {
        let node = |already_present, why: Option<&str>| Preflight {
            already_present,
            does_not_fit: why.map(str::to_owned),
            warnings: Vec::new(),
        };
        let found = Preflight::of_nodes(vec![
            ("a:1".into(), node(true, None)),
            ("a:2".into(), node(false, Some("too much"))),
            ("a:3".into(), node(true, Some("far too much"))),
        ]);
        assert!(!found.already_present);
        assert_eq!(found.does_not_fit.as_deref(), Some("a:2: too much"));
        assert!(!Preflight::of_nodes(Vec::new()).already_present);
    }
}
