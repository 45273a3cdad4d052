//! One run on fresh servers: what the program reports, what its process cost, and what the servers
//! say of themselves.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::cell::{Cell, Mode};
use super::line::{Figures, Outcome, Program};
use super::link::Link;
use crate::fleet::Fleet;
use crate::process::{self, Cost};
use crate::rig::Rig;
use crate::{Result, flame, recording};

/// What a run of `keys` keys in `cell` came to.
#[must_use]
pub fn measure(rig: &Rig, link: &Link, cell: &Cell, keys: u64) -> Outcome {
    match try_measure(rig, link, cell, keys) {
        Ok(figures) => Outcome::Figures(Box::new(figures)),
        Err(error) => Outcome::Error(error.to_string()),
    }
}

fn try_measure(rig: &Rig, link: &Link, cell: &Cell, keys: u64) -> Result<Figures> {
    let fleet = start(rig, cell.mode)?;
    let mut program = rig.fill(fleet.ports()[0], &cell.flags(keys));
    let cpu_before = fleet.cpu_seconds()?;
    let (cost, report) = process::run(&mut program)?;
    let server_cpu_seconds = fleet.cpu_seconds()? - cpu_before;
    let found = fleet.key_count()?;
    let report: Value = serde_json::from_str(&report)?;
    figures(&report, cost, server_cpu_seconds, keys, found, link)
}

/// The figures of a run.
///
/// # Errors
/// The fill is not exact, or the report lacks something.
pub fn figures(
    report: &Value,
    cost: Cost,
    server_cpu_seconds: f64,
    asked: u64,
    found: u64,
    link: &Link,
) -> Result<Figures> {
    let report = Fields(report);
    let verdict = report.word("/verdict")?;
    let (planned, present) = (
        report.count("/keys/planned")?,
        report.count("/keys/present")?,
    );
    if verdict != "complete" || [planned, present, found] != [asked; 3] {
        return Err(format!(
            "not exact: {asked} keys asked for, {planned} planned, {present} present by the \
             report ({verdict}), {found} by DBSIZE"
        )
        .into());
    }
    let payload_bytes = report.number("/bytes/payload")?;
    let wire_mib_per_second = report.number("/rates/wire_mib_per_second")?;
    let (cpu, wall) = (cost.cpu.as_secs_f64(), cost.wall.as_secs_f64());
    let before = report.sum_over_nodes("used_memory_before");
    let after = report.sum_over_nodes("used_memory_after");
    let added = before
        .zip(after)
        .map(|(before, after)| after as f64 - before as f64);
    Ok(Figures {
        seconds_total: wall,
        seconds_fill: report.number("/seconds/fill")?,
        seconds_audit: report.number("/seconds/audit")?,
        payload_mib_per_second: report.number("/rates/payload_mib_per_second")?,
        wire_mib_per_second,
        keys_per_second: report.number("/rates/keys_per_second")?,
        commands_per_second: report.number("/rates/commands_per_second")?,
        pipeline_depth: report.count("/plan/pipeline_depth")?,
        client_peak_rss_bytes: report.count("/client/peak_rss_bytes")?,
        client_cpu_seconds: cpu,
        client_cpu_percent: cpu / wall * 100.0,
        link: link.name.to_owned(),
        link_mib_per_second: link.mib_per_second,
        link_use_percent: wire_mib_per_second / link.mib_per_second * 100.0,
        ack_latency_us_mean: report.number("/ack_latency_us/mean").ok(),
        ack_latency_us_p50: report.count("/ack_latency_us/p50").ok(),
        ack_latency_us_p95: report.count("/ack_latency_us/p95").ok(),
        ack_latency_us_p99: report.count("/ack_latency_us/p99").ok(),
        command_latency_us_mean: report.number("/command_latency_us/mean").ok(),
        bottleneck: report.word("/bottleneck")?.to_owned(),
        server_cpu_seconds,
        server_cpu_percent: report.busiest_node(),
        server_memory_bytes_before: before,
        server_memory_bytes_after: after,
        server_memory_bytes_per_key: added.map(|bytes| bytes / found as f64),
        server_memory_bytes_per_payload_byte: added.map(|bytes| bytes / payload_bytes),
        keys_planned: planned,
        keys_present: found,
    })
}

/// A report, field by field.
struct Fields<'a>(&'a Value);

impl<'a> Fields<'a> {
    fn field<T>(&self, pointer: &str, read: impl Fn(&'a Value) -> Option<T>) -> Result<T> {
        let field = self.0.pointer(pointer).and_then(read);
        field.ok_or_else(|| format!("the report has no usable {pointer}").into())
    }

    fn number(&self, pointer: &str) -> Result<f64> {
        self.field(pointer, Value::as_f64)
    }

    fn count(&self, pointer: &str) -> Result<u64> {
        self.field(pointer, Value::as_u64)
    }

    fn word(&self, pointer: &str) -> Result<&'a str> {
        self.field(pointer, Value::as_str)
    }

    fn nodes(&self) -> &'a [Value] {
        self.0["nodes"].as_array().map_or(&[], Vec::as_slice)
    }

    /// `None` where one of them does not say.
    fn sum_over_nodes(&self, name: &str) -> Option<u64> {
        self.nodes().iter().map(|node| node[name].as_u64()).sum()
    }

    fn busiest_node(&self) -> Option<f64> {
        let percents = self.nodes().iter();
        percents
            .filter_map(|node| node["server_cpu_percent"].as_f64())
            .reduce(f64::max)
    }
}

/// Runs the cell once more under `perf`, which costs some speed: nothing else is kept of this run.
/// Draws a flame graph of the client into `folder`; the hottest functions and their shares.
///
/// # Errors
/// `perf` is missing or may not record.
pub fn profile(rig: &Rig, cell: &Cell, keys: u64, folder: &Path) -> Result<Vec<(String, f64)>> {
    std::fs::create_dir_all(folder)?;
    let fleet = start(rig, cell.mode)?;
    let program = rig.fill(fleet.ports()[0], &cell.flags(keys));
    let scratch = tempfile::tempdir()?;
    let recording = scratch.path().join("perf.data");
    recording::of_program(&program, &recording)?;
    let title = format!("redis-client fill, {cell}");
    flame::draw(&recording, &title, &flame_graph(folder, cell))
}

/// Where the flame graph of a cell lies.
#[must_use]
pub fn flame_graph(folder: &Path, cell: &Cell) -> PathBuf {
    folder.join(cell.file_stem()).with_extension("svg")
}

fn start(rig: &Rig, mode: Mode) -> Result<Fleet> {
    let (installation, core) = (&rig.installation, rig.cores.server);
    match mode {
        Mode::Standalone => Fleet::apart(installation, core, 1),
        Mode::Cluster3 | Mode::Cluster5 => Fleet::cluster(installation, core, mode.masters()),
    }
}

/// Asks the program for its version, and git for the state of its source.
///
/// # Errors
/// The program cannot be run.
pub fn identify(program: &Path) -> Result<Program> {
    let said = |command: &mut Command| -> Result<String> {
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        match output.status.success() {
            true => Ok(text),
            false => Err(format!("{command:?} ended with {}", output.status).into()),
        }
    };
    let sum = said(Command::new("sha256sum").arg(program))?;
    let is_named = std::env::var_os("REDIS_CLIENT_BIN").is_some();
    let git = || {
        let mut command = Command::new("git");
        command
            .arg("-C")
            .arg(env!("CARGO_MANIFEST_DIR"))
            .arg("-C")
            .arg("..");
        command
    };
    let git_describe = || -> Result<String> {
        let commit = said(git().args(["describe", "--always", "--tags"]))?;
        let source = ["HEAD", "--", "engine", "cli", "Cargo.toml", "Cargo.lock"];
        let is_clean = said(git().args(["diff", "--quiet"]).args(source)).is_ok();
        Ok(if is_clean { commit } else { commit + "-dirty" })
    };
    Ok(Program {
        version: said(Command::new(program).arg("--version"))?,
        // A tarball has no history, and another build another one.
        git_describe: (!is_named).then(git_describe).and_then(Result::ok),
        sha256: sum.chars().take(32).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(present: u64) -> Value {
        json!({
            "verdict": "complete", "bottleneck": "server",
            "keys": {"planned": 10, "present": present}, "bytes": {"payload": 1000},
            "seconds": {"fill": 0.5, "audit": 0.1}, "plan": {"pipeline_depth": 5},
            "rates": {"keys_per_second": 20.0, "commands_per_second": 21.0,
                "payload_mib_per_second": 2.0, "wire_mib_per_second": 3.0},
            "client": {"peak_rss_bytes": 4096}, "ack_latency_us": null,
            "nodes": [
                {"server_cpu_percent": 40.0, "used_memory_before": 100, "used_memory_after": 900},
                {"server_cpu_percent": 60.0, "used_memory_before": 100, "used_memory_after": 800},
            ],
        })
    }

    fn of(present: u64, found: u64) -> Result<Figures> {
        let link = Link {
            name: "loopback",
            mib_per_second: 30.0,
        };
        let seconds = std::time::Duration::from_secs;
        let cost = Cost {
            wall: seconds(2),
            cpu: seconds(1),
        };
        figures(&report(present), cost, 1.5, 10, found, &link)
    }

    #[test]
    fn memory_and_cpu_are_those_of_all_nodes_and_of_the_busiest() {
        let figures = of(10, 10).unwrap();
        assert_eq!(figures.server_memory_bytes_per_key, Some(150.0));
        assert_eq!(figures.server_memory_bytes_per_payload_byte, Some(1.5));
        assert_eq!(figures.server_cpu_percent, Some(60.0));
        assert_eq!(figures.client_cpu_percent, 50.0);
        assert!((figures.link_use_percent - 10.0).abs() < 1e-9);
        assert_eq!(figures.ack_latency_us_p99, None);
    }

    #[test]
    fn a_run_that_is_not_exact_has_no_figures() {
        for (present, found) in [(9, 10), (10, 9), (10, 11)] {
            let error = of(present, found).unwrap_err().to_string();
            assert!(error.starts_with("not exact: 10 keys asked for"), "{error}");
        }
    }
}
