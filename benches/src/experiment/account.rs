//! What is told of all runs of one cell: a table that can be pasted into an experiment's file, and
//! one line of JSON per run.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::Result;
use crate::experiment::Comparison;
use crate::experiment::options::{Cell, Measure, Setting, Settings};
use crate::experiment::run::Figures;
use crate::statistics::{Ratio, Spread};
use crate::table::Table;
use crate::{keep, machine};

/// A figure: what the table calls it, its part of a run's figures, what it is divided by there, and
/// digits behind the point.
type Figure = (&'static str, fn(&Figures) -> Option<f64>, f64, usize);

/// What the table shows of timed runs.
const TIMES: [Figure; 7] = [
    ("wall s", |run| run.wall, 1.0, 3),
    ("fill s", |run| run.fill, 1.0, 3),
    ("client CPU s", |run| run.client_cpu, 1.0, 3),
    ("server CPU s", |run| run.server_cpu, 1.0, 3),
    (
        "server instructions, user mode, 10^9",
        |run| run.server_instructions.map(|counted| counted.user),
        1e9,
        3,
    ),
    (
        "server instructions, kernel, 10^9",
        |run| run.server_instructions.and_then(|counted| counted.kernel),
        1e9,
        3,
    ),
    ("client peak RSS MiB", |run| run.client_rss, 1_048_576.0, 1),
];
/// What the table shows of counted runs.
const COUNTS: [Figure; 4] = [
    (
        "client instructions per key, user mode",
        |run| run.client_instructions.map(|counted| counted.user),
        1.0,
        1,
    ),
    (
        "client instructions per key, kernel",
        |run| run.client_instructions.and_then(|counted| counted.kernel),
        1.0,
        1,
    ),
    (
        "server instructions per key, user mode",
        |run| run.server_instructions.map(|counted| counted.user),
        1.0,
        1,
    ),
    (
        "server instructions per key, kernel",
        |run| run.server_instructions.and_then(|counted| counted.kernel),
        1.0,
        1,
    ),
];

/// All runs of one cell so far.
#[derive(Debug)]
pub struct Account<'a> {
    settings: &'a Settings,
    title: String,
    /// What all lines of JSON have alike.
    common: Value,
    runs: [Vec<Figures>; 2],
}

impl<'a> Account<'a> {
    /// Of no run yet.
    ///
    /// # Errors
    /// The clock stands before 1970.
    pub fn new(with: &Comparison<'a>, cell: Cell) -> Result<Self> {
        let Comparison {
            settings,
            stage,
            effort,
            counter,
            ..
        } = *with;
        let network = if stage.wire.is_some() {
            "veth"
        } else {
            "loopback"
        };
        let pinned = if stage.cores.is_some() {
            ""
        } else {
            ", not pinned"
        };
        let counted = match (settings.measure, counter) {
            (Measure::Instructions, Some(counter)) => format!(", by {}", counter.describe()),
            _ => String::new(),
        };
        let begun_at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        Ok(Self {
            settings,
            title: format!(
                "{cell}, {}, {network}{pinned}, {} rounds{counted}",
                stage.mode, effort.rounds
            ),
            common: json!({
                "begun_at": begun_at,
                "commit": commit(),
                "cell": cell.to_string(),
                "mode": stage.mode.to_string(),
                "network": network,
                "pinned": stage.cores.is_some(),
                "server": with.rig.installation.version,
                "machine": machine::describe(None),
            }),
            runs: [Vec::new(), Vec::new()],
        })
    }

    /// Takes a run of setting `number` (A is 0, B is 1) in.
    ///
    /// # Errors
    /// The two settings do not fill the same number of keys.
    pub fn take(&mut self, number: usize, figures: Figures) -> Result<()> {
        let others = self.runs.iter().flatten().map(|run| run.keys);
        if let Some(keys) = others.into_iter().find(|keys| *keys != figures.keys) {
            return Err(format!(
                "A and B must do the same work: one fills {keys} keys, the other {}",
                figures.keys
            )
            .into());
        }
        self.runs[number].push(figures);
        Ok(())
    }

    /// Adds the line of one run to a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append(
        &self,
        results: &Path,
        round: u64,
        number: usize,
        figures: &Figures,
    ) -> Result<()> {
        keep::append(results, &self.line(round, number, figures))
    }

    fn line(&self, round: u64, number: usize, figures: &Figures) -> Value {
        let Setting {
            flags, server, env, ..
        } = &self.settings.both[number];
        let instructions = |user: Option<f64>, kernel: Option<f64>| {
            user.map(|user| json!({"user": user, "kernel": kernel}))
        };
        let (client, server_side) = (figures.client_instructions, figures.server_instructions);
        let mut line = self.common.clone();
        let run = json!({
            "round": round,
            "setting": if number == 0 { "A" } else { "B" },
            "flags": flags,
            "program": self.settings.both[number].program_name(),
            "server_flags": server,
            "env": env.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
            "measure": match self.settings.measure {
                Measure::Time => "time",
                Measure::Instructions => "instructions per key",
            },
            "keys": figures.keys,
            "wall_seconds": figures.wall,
            "fill_seconds": figures.fill,
            "client_cpu_seconds": figures.client_cpu,
            "server_cpu_seconds": figures.server_cpu,
            "client_peak_rss_bytes": figures.client_rss,
            "client_instructions":
                instructions(client.map(|c| c.user), client.and_then(|c| c.kernel)),
            "server_instructions":
                instructions(server_side.map(|c| c.user), server_side.and_then(|c| c.kernel)),
        });
        if let (Value::Object(line), Value::Object(run)) = (&mut line, run) {
            line.extend(run);
        }
        line
    }
}

impl fmt::Display for Account<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.runs.iter().flatten().map(|run| run.keys).next();
        writeln!(
            formatter,
            "\n{}, {} keys each, medians (min..max):\n",
            self.title,
            keys.unwrap_or(0)
        )?;
        let mut table = Table::new(["figure", "A", "B", "B / A", "paired interval"]);
        let figures: &[Figure] = match self.settings.measure {
            Measure::Time => &TIMES,
            Measure::Instructions => &COUNTS,
        };
        for (name, part, divisor, digits) in figures {
            let column = |number: usize| -> Option<Vec<f64>> {
                let figures = self.runs[number]
                    .iter()
                    .map(|run| Some(part(run)? / divisor));
                figures
                    .collect::<Option<Vec<f64>>>()
                    .filter(|column| !column.is_empty())
            };
            let (Some(a), Some(b)) = (column(0), column(1)) else {
                continue;
            };
            let ratio = Ratio::paired(&b, &a);
            table.row([
                (*name).to_owned(),
                cell(&a, *digits),
                cell(&b, *digits),
                format!("{:.3}", ratio.of_medians),
                format!(
                    "{:.3} to {:.3} ({:.0} %)",
                    ratio.low,
                    ratio.high,
                    ratio.confidence * 100.0
                ),
            ]);
        }
        write!(formatter, "{table}")
    }
}

/// Median and spread.
fn cell(figures: &[f64], digits: usize) -> String {
    let Spread { median, min, max } = Spread::of(figures);
    format!("{median:.digits$} ({min:.digits$}..{max:.digits$})")
}

/// The commit that is checked out, with a `+` where something has been changed since.
fn commit() -> Option<String> {
    let words = ["describe", "--always", "--dirty=+", "--exclude=*"];
    let project = env!("CARGO_MANIFEST_DIR");
    let output = Command::new("git")
        .args(["-C", project])
        .args(words)
        .output()
        .ok()?;
    let name = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(flag: &str) -> Setting {
        Setting {
            flags: vec![flag.to_owned()],
            program: None,
            server: Vec::new(),
            env: vec![("X".to_owned(), "1".to_owned())],
        }
    }

    fn settings() -> Settings {
        Settings {
            both: [setting("-s"), setting("-q")],
            measure: Measure::Time,
        }
    }

    fn account(settings: &Settings) -> Account<'_> {
        Account {
            settings,
            title: "64/256, 2 rounds".to_owned(),
            common: json!({"cell": "64/256"}),
            runs: [Vec::new(), Vec::new()],
        }
    }

    fn figures(keys: u64, wall: f64) -> Figures {
        Figures {
            keys,
            wall: Some(wall),
            ..Figures::default()
        }
    }

    #[test]
    fn the_table_pairs_the_runs_of_a_round() {
        let settings = settings();
        let mut account = account(&settings);
        for (a, b) in [(1.0, 0.5), (2.0, 1.0)] {
            account.take(0, figures(7, a)).unwrap();
            account.take(1, figures(7, b)).unwrap();
        }
        let told = account.to_string();
        assert!(told.contains("64/256, 2 rounds, 7 keys each"), "{told}");
        assert!(told.contains("1.500 (1.000..2.000)"), "{told}");
        assert!(told.contains("0.500 to 0.500 (50 %)"), "{told}");
        assert!(!told.contains("instructions"), "{told}");
        assert!(account.take(1, figures(8, 1.0)).is_err(), "other work");
    }

    #[test]
    fn a_line_says_all_of_a_run() {
        let settings = settings();
        let line = account(&settings).line(3, 1, &figures(7, 0.25));
        for (name, value) in [
            ("round", json!(3)),
            ("setting", json!("B")),
            ("flags", json!(["-q"])),
            ("env", json!(["X=1"])),
            ("cell", json!("64/256")),
            ("keys", json!(7)),
            ("wall_seconds", json!(0.25)),
            ("server_instructions", Value::Null),
        ] {
            assert_eq!(line[name], value, "{name}");
        }
    }
}
