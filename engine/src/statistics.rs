//! A server's own statistics at one moment (INFO), and what happened between two moments.

use std::collections::BTreeMap;
use std::time::Instant;

use redis::cmd;

use crate::commands;
use crate::control::{Control, Info};
use crate::error::Result;
use crate::memory::Reading;

/// The server's statistics at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    at: Instant,
    run_id: String,
    set_calls: u64,
    set_refused: u64,
    mset_calls: u64,
    mset_refused: u64,
    /// Calls of commands that may change keys, SET and MSET excluded.
    foreign_writes: u64,
    evicted: u64,
    expired: u64,
    errors: BTreeMap<String, u64>,
    counts_refusals: bool,
    cpu_seconds: f64,
    /// CPU of its main thread, where it tells (Redis 7.0).
    main_thread_seconds: Option<f64>,
    process_id: Option<u32>,
    /// Its memory and keys.
    pub reading: Reading,
}

impl Snapshot {
    /// Asks the server, all sections of INFO in one go: a monitor does this several times a second,
    /// and every round trip costs both sides more than the answer.
    ///
    /// # Errors
    /// INFO is not permitted, or the server is gone.
    pub fn take(control: &mut Control) -> Result<Self> {
        let sections = ["commandstats", "errorstats", "stats", "cpu", "server"];
        let [commands, errors, stats, cpu, server] = sections_of(control, sections)?;
        let reading = Reading::take(control)?;
        Ok(Self::of(&commands, &errors, &stats, &cpu, &server, reading))
    }

    /// Reads the sections of INFO of these names.
    #[must_use]
    pub fn of(
        commands: &Info,
        errors: &Info,
        stats: &Info,
        cpu: &Info,
        server: &Info,
        reading: Reading,
    ) -> Self {
        let set = commands.text("cmdstat_set").unwrap_or_default();
        let mset = commands.text("cmdstat_mset").unwrap_or_default();
        let refused = |of| part(of, "rejected_calls").saturating_add(part(of, "failed_calls"));
        let cpu_seconds = |field| cpu.number(field).unwrap_or(0.0_f64);
        let removed = |field| stats.number(field).unwrap_or(0_u64);
        Self {
            at: Instant::now(),
            run_id: server.text("run_id").unwrap_or_default().to_owned(),
            set_calls: part(set, "calls"),
            set_refused: refused(set),
            mset_calls: part(mset, "calls"),
            mset_refused: refused(mset),
            foreign_writes: foreign_writes(commands),
            evicted: removed("evicted_keys"),
            expired: removed("expired_keys"),
            errors: errors
                .fields()
                .filter_map(|(name, value)| {
                    let class = name.strip_prefix("errorstat_")?;
                    Some((class.to_owned(), part(value, "count")))
                })
                .collect(),
            counts_refusals: counts_refusals(commands),
            cpu_seconds: cpu_seconds("used_cpu_sys") + cpu_seconds("used_cpu_user"),
            main_thread_seconds: cpu
                .number("used_cpu_sys_main_thread")
                .zip(cpu.number("used_cpu_user_main_thread"))
                .map(|(system, user): (f64, f64)| system + user),
            process_id: server.number("process_id"),
            reading,
        }
    }
}

impl Snapshot {
    /// When it was taken.
    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    /// CPU of the thread that carries out commands, else of the process, in seconds.
    pub(crate) fn main_thread_seconds(&self) -> f64 {
        self.main_thread_seconds.unwrap_or(self.cpu_seconds)
    }

    /// CPU of the whole process, in seconds.
    pub(crate) fn process_seconds(&self) -> f64 {
        self.cpu_seconds
    }

    /// The number of the process on its machine.
    pub(crate) fn process_id(&self) -> Option<u32> {
        self.process_id
    }

    /// The process it was taken of.
    pub(crate) fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Whether this server counts commands that it refuses, as those before 6.2 and some imitators
    /// do not.
    pub(crate) fn counts_refusals(&self) -> bool {
        self.counts_refusals
    }

    /// SETs and MSETs carried out or refused so far.
    pub(crate) fn writes(&self) -> u64 {
        let counts = [self.set_refused, self.mset_calls, self.mset_refused];
        counts.into_iter().fold(self.set_calls, u64::saturating_add)
    }
}

/// Sections of INFO, one per call (6.2 takes no more).
fn sections_of<const N: usize>(control: &mut Control, names: [&str; N]) -> Result<[Info; N]> {
    let mut packed = Vec::new();
    for name in names {
        cmd("INFO").arg(name).write_packed_command(&mut packed);
    }
    let answers = control.pipeline("INFO", &packed, N)?;
    let mut sections = [const { None }; N];
    for (section, answer) in sections.iter_mut().zip(&answers) {
        *section = Some(control.read_info(answer)?);
    }
    Ok(sections.map(Option::unwrap_or_default))
}

/// One figure of a value such as `calls=2,usec=7,rejected_calls=1`.
fn part(value: &str, name: &str) -> u64 {
    value
        .split(',')
        .filter_map(|part| part.split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, number)| number.parse().ok())
        .unwrap_or(0)
}

/// Whether any command has a count of refusals.
fn counts_refusals(commands: &Info) -> bool {
    let mut commands = commands.fields();
    commands.any(|(name, value)| name.starts_with("cmdstat_") && value.contains("rejected_calls="))
}

fn foreign_writes(calls: &Info) -> u64 {
    calls
        .fields()
        .filter_map(|(name, value)| {
            let command = name.strip_prefix("cmdstat_")?;
            let counts = !matches!(command, "set" | "mset") && commands::may_change_keys(command);
            counts.then(|| part(value, "calls"))
        })
        .fold(0, u64::saturating_add)
}

/// What happened on a server between two snapshots.
#[derive(Clone, Debug)]
pub struct Change {
    /// The process is the same and no counter went down.
    pub is_same_process: bool,
    /// SETs carried out.
    pub sets_done: u64,
    /// SETs refused.
    pub sets_refused: u64,
    /// MSETs carried out.
    pub msets_done: u64,
    /// MSETs refused.
    pub msets_refused: u64,
    /// Commands of others that may have changed keys.
    pub foreign_writes: u64,
    /// Keys evicted.
    pub evicted: u64,
    /// Keys expired.
    pub expired: u64,
    /// Errors by class; those of other clients too.
    pub errors: BTreeMap<String, u64>,
    /// CPU, in percent of one core.
    pub cpu_percent: f64,
}

impl Change {
    /// From `before` to `after`.
    #[must_use]
    pub fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let seconds = after.at.saturating_duration_since(before.at).as_secs_f64();
        let set_calls = after.set_calls.saturating_sub(before.set_calls);
        let failed_before = before.set_refused;
        Self {
            is_same_process: before.run_id == after.run_id
                && after.set_calls >= before.set_calls
                && after.set_refused >= before.set_refused
                && after.mset_calls >= before.mset_calls
                && after.mset_refused >= before.mset_refused,
            sets_done: set_calls,
            sets_refused: after.set_refused.saturating_sub(failed_before),
            msets_done: after.mset_calls.saturating_sub(before.mset_calls),
            msets_refused: after.mset_refused.saturating_sub(before.mset_refused),
            foreign_writes: after.foreign_writes.saturating_sub(before.foreign_writes),
            evicted: after.evicted.saturating_sub(before.evicted),
            expired: after.expired.saturating_sub(before.expired),
            errors: after
                .errors
                .iter()
                .map(|(class, count)| {
                    let before = before.errors.get(class).copied().unwrap_or(0);
                    (class.clone(), count.saturating_sub(before))
                })
                .filter(|(_, count)| *count > 0)
                .collect(),
            cpu_percent: if seconds > 0.0 {
                (after.cpu_seconds - before.cpu_seconds).max(0.0) / seconds * 100.0
            } else {
                0.0
            },
        }
    }

    /// The same without so many SETs that were tried and wrote nothing.
    #[must_use]
    pub fn without_probes(self, probes: u64) -> Self {
        Self {
            sets_refused: self.sets_refused.saturating_sub(probes),
            ..self
        }
    }

    /// Keys that the server threw away by itself.
    #[must_use]
    pub fn removed_by_server(&self) -> u64 {
        self.evicted.saturating_add(self.expired)
    }

    /// SETs and MSETs refused.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.sets_refused.saturating_add(self.msets_refused)
    }

    /// Whether nobody but us, who sent so many SETs and MSETs, can have changed the number of keys.
    #[must_use]
    pub fn is_ours_alone(&self, sets: u64, msets: u64) -> bool {
        self.is_same_process
            && self.foreign_writes == 0
            && self.removed_by_server() == 0
            && self.sets_done <= sets
            && self.msets_done <= msets
    }

    /// Refused SETs and MSETs by class. The statistics do not say which class refused which command, so
    /// with several classes at work each is named with its own count.
    #[must_use]
    pub fn refused(&self) -> BTreeMap<String, u64> {
        let refusals = self.refusals();
        if refusals == 0 {
            return BTreeMap::new();
        }
        let classes: Vec<_> = self
            .errors
            .iter()
            .filter(|(class, _)| *class != "ERR")
            .collect();
        match classes[..] {
            [] => BTreeMap::from([("ERR".to_owned(), refusals)]),
            [(class, _)] => BTreeMap::from([(class.clone(), refusals)]),
            _ => classes
                .into_iter()
                .map(|(class, count)| (class.clone(), *count))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(set_calls: u64, set_refused: u64, errors: &[(&str, u64)]) -> Snapshot {
        Snapshot {
            at: Instant::now(),
            run_id: "a".into(),
            set_calls,
            set_refused,
            mset_calls: 0,
            mset_refused: 0,
            foreign_writes: 0,
            evicted: 0,
            expired: 0,
            errors: errors
                .iter()
                .map(|(class, count)| ((*class).to_owned(), *count))
                .collect(),
            counts_refusals: true,
            cpu_seconds: 0.0,
            main_thread_seconds: None,
            process_id: None,
            reading: Reading::default(),
        }
    }

    #[test]
    fn figures_are_read_by_name() {
        let value = "calls=3160,usec=9,rejected_calls=16839,failed_calls=1";
        assert_eq!(
            (part(value, "calls"), part(value, "rejected_calls")),
            (3160, 16839)
        );
        assert_eq!((part(value, "alls"), part("", "calls")), (0, 0));
    }

    #[test]
    fn a_single_class_takes_all_refusals() {
        let change = Change::between(
            &snapshot(10, 0, &[("ERR", 2)]),
            &snapshot(20, 7, &[("ERR", 2), ("OOM", 9)]),
        );
        assert_eq!((change.sets_done, change.refused()["OOM"]), (10, 7));
    }

    #[test]
    fn a_counter_that_went_down_is_another_process() {
        let change = Change::between(&snapshot(10, 0, &[]), &snapshot(2, 0, &[]));
        assert!(!change.is_same_process);
    }
}
