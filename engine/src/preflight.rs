//! Every check that a server has to pass before it is filled. Changes nothing on it: commands
//! are tried in forms that are refused only after the checks in question.

use redis::{Cmd, Value, cmd};

use crate::control::Control;
use crate::error::Result;
use crate::handshake::error_text;
use crate::plan::Plan;
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

impl Control {
    /// Every check that changes nothing: SET and FLUSHDB allowed, memory enough.
    ///
    /// # Errors
    /// A command that the fill needs is not permitted, or the server refuses every write.
    pub fn preflight(&mut self, plan: Option<&Plan>, flush: bool) -> Result<Preflight> {
        let mut preflight = Preflight::default();
        if flush {
            // An unknown option is refused after the permission, before anything happens.
            let answer = self.ask("FLUSHDB", cmd("FLUSHDB").arg("CHECK-PERMISSION-ONLY"))?;
            self.check_probe("FLUSHDB", &answer, flush, &mut preflight)?;
        }
        let Some(plan) = plan else {
            return Ok(preflight);
        };
        if plan.keys() == 0 {
            return Ok(preflight);
        }
        let ends = [plan.sequence().at(0), plan.sequence().at(plan.keys() - 1)];
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
            existing += self.number("EXISTS", cmd("EXISTS").arg(key))?;
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
        self.check_memory(plan, flush, replaced, &mut preflight);
        self.check_snapshots(plan, &mut preflight);
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
    fn check_memory(&self, plan: &Plan, flush: bool, replaced: u64, preflight: &mut Preflight) {
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
            let bytes = plan.keys().saturating_mul(growth);
            (bytes, bytes)
        } else {
            (plan.payload_bytes(), plan.footprint_bytes())
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
    fn check_snapshots(&mut self, plan: &Plan, preflight: &mut Preflight) {
        if plan.payload_bytes() < SNAPSHOT_MATTERS_BYTES {
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
