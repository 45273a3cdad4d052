//! One run of an experiment: a fill into fresh servers, whether it was complete and exact, and what
//! it cost.

use serde_json::Value;

use crate::Result;
use crate::experiment::Comparison;
use crate::experiment::options::{Cell, Measure, Setting};
use crate::process;
use crate::safety::counter::{Count, Counter, Instructions};

/// The figures of one run; those that were not measured are missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Keys that were planned, and found on the servers.
    pub keys: u64,
    /// From the start of the client's process to its end, in seconds.
    pub wall: Option<f64>,
    /// From the first key sent to the last one acknowledged, as the report has it, in seconds.
    pub fill: Option<f64>,
    /// CPU seconds of the client's process.
    pub client_cpu: Option<f64>,
    /// CPU seconds of all servers during the fill.
    pub server_cpu: Option<f64>,
    /// Largest resident set of the client, in bytes.
    pub client_rss: Option<f64>,
    /// Of the client, per key.
    pub client_instructions: Option<Instructions>,
    /// Of all servers: in a timed run from their start to their end, else per key.
    pub server_instructions: Option<Instructions>,
}

/// What a run needs to know.
struct Run<'a> {
    with: &'a Comparison<'a>,
    setting: &'a Setting,
    cell: Cell,
}

/// Whose instructions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Servers,
}

impl Figures {
    /// Runs `setting` once.
    ///
    /// # Errors
    /// The fill fails, is not complete, or leaves another number of keys than was planned.
    pub fn of(with: &Comparison<'_>, setting: &Setting, cell: Cell) -> Result<Self> {
        let run = Run {
            with,
            setting,
            cell,
        };
        let amount = format!("-d {}mb", with.effort.mib);
        match (with.settings.measure, with.counter) {
            (Measure::Instructions, Some(counter)) => run.counted(&amount, counter),
            (Measure::Time, counter) => run.timed(&amount, counter),
            (Measure::Instructions, None) => Err("nothing counts instructions here".into()),
        }
    }
}

impl Run<'_> {
    /// Times, and the servers' instructions where `counter` does not slow them down.
    fn timed(&self, amount: &str, counter: Option<Counter>) -> Result<Figures> {
        let amount = (!self.setting.names_amount()).then_some(amount);
        self.once(amount, counter.map(|counter| (counter, Side::Servers)))
    }

    /// Instructions per key beyond those of a fill of a single key.
    fn counted(&self, amount: &str, counter: Counter) -> Result<Figures> {
        let mut figures = Figures::default();
        for side in [Side::Client, Side::Servers] {
            let around = self.once(Some("--keys 1"), Some((counter, side)))?;
            let all = self.once(Some(amount), Some((counter, side)))?;
            figures.keys = all.keys;
            let beyond = |all: Option<Instructions>, around: Option<Instructions>| {
                all.zip(around)
                    .map(|(all, around)| all.beyond(&around, figures.keys - 1))
            };
            match side {
                Side::Client => {
                    figures.client_instructions =
                        beyond(all.client_instructions, around.client_instructions);
                }
                Side::Servers => {
                    figures.server_instructions =
                        beyond(all.server_instructions, around.server_instructions);
                }
            }
        }
        Ok(figures)
    }

    /// Flags for sizes and, where the setting names none, amount.
    fn load(&self, amount: Option<&str>) -> Vec<String> {
        let Cell { key, value } = self.cell;
        let load = format!(
            "--key-size {key} --value-size {value} {}",
            amount.unwrap_or("")
        );
        load.split_whitespace().map(str::to_owned).collect()
    }

    /// One fill into fresh servers.
    fn once(&self, amount: Option<&str>, counted: Option<(Counter, Side)>) -> Result<Figures> {
        let counts = |of: Side, count: usize| -> Result<Vec<Count>> {
            match counted {
                Some((counter, side)) if side == of => {
                    (0..count).map(|_| counter.begin()).collect()
                }
                _ => Ok(Vec::new()),
            }
        };
        let of_servers = counts(Side::Servers, self.with.stage.server_count())?;
        let of_client = counts(Side::Client, 1)?;
        let wrappers: Vec<_> = of_servers.iter().map(Count::wrapper).collect();
        let Comparison { rig, stage, .. } = self.with;
        let fleet = stage.servers(rig, self.setting, &wrappers)?;
        let wrapper = of_client.first().map_or_else(Vec::new, Count::wrapper);
        let load = self.load(amount);
        let mut fill = stage.fill(rig, self.setting, &load, fleet.ports()[0], &wrapper);
        let cpu_before = fleet.cpu_seconds()?;
        let (cost, json) = process::run(&mut fill)?;
        let server_cpu = fleet.cpu_seconds()? - cpu_before;
        let report: Value = serde_json::from_str(&json)?;
        let keys = checked(&report, fleet.key_count()?)?;
        if !of_servers.is_empty() {
            fleet.stop()?;
        }
        let number = |pointer: &str| report.pointer(pointer).and_then(Value::as_f64);
        Ok(Figures {
            keys,
            wall: Some(cost.wall.as_secs_f64()),
            fill: number("/seconds/fill"),
            client_cpu: Some(cost.cpu.as_secs_f64()),
            server_cpu: Some(server_cpu),
            client_rss: number("/client/peak_rss_bytes"),
            client_instructions: sum(of_client)?,
            server_instructions: sum(of_servers)?,
        })
    }
}

/// How many keys were planned, all of which are there.
fn checked(report: &Value, found: u64) -> Result<u64> {
    let planned = report.pointer("/keys/planned").and_then(Value::as_u64);
    let planned = planned.ok_or("the report does not say how many keys were planned")?;
    let verdict = report.pointer("/verdict").and_then(Value::as_str);
    if verdict != Some("complete") || found != planned || planned == 0 {
        let verdict = verdict.unwrap_or("missing");
        return Err(format!(
            "a run counts for nothing: the verdict is {verdict}, the servers hold {found} of \
             {planned} keys"
        )
        .into());
    }
    Ok(planned)
}

/// What all of them counted; `None` where there are none.
fn sum(counts: Vec<Count>) -> Result<Option<Instructions>> {
    let mut all: Option<Instructions> = None;
    for count in counts {
        let counted = count.read()?;
        all = Some(match all {
            None => counted,
            Some(all) => Instructions {
                user: all.user + counted.user,
                kernel: all.kernel.zip(counted.kernel).map(|(a, b)| a + b),
            },
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_counts_only_when_all_keys_are_there() {
        let report = |verdict: &str| json!({"keys": {"planned": 7}, "verdict": verdict});
        assert_eq!(checked(&report("complete"), 7).unwrap(), 7);
        assert!(checked(&report("complete"), 6).is_err());
        assert!(checked(&report("complete"), 8).is_err());
        assert!(checked(&report("incomplete"), 7).is_err());
        assert!(checked(&json!({"verdict": "complete"}), 0).is_err());
    }
}
