//! The results file: a line of JSON per run, appended as soon as the run has ended. A run that is
//! not exact is a line, too, but has no figures.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use crate::Result;

/// Version of the lines.
pub const SCHEMA: u32 = 1;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the matrix.
    pub matrix: String,
    /// What this state of the program is called.
    pub label: Option<String>,
    /// Servers and settings.
    #[serde(flatten)]
    pub cell: Cell,
    /// Number of the run of this cell, from 0.
    pub repeat: u64,
    /// Keys that were asked for.
    pub keys_asked: u64,
    /// The flags of the fill.
    pub flags: String,
    /// What was run.
    pub program: Program,
    /// Name and version of the server.
    pub server: String,
    /// Kernel, processor, cores and load.
    pub machine: String,
    /// When the run began, in seconds since 1970.
    pub started_at_unix_seconds: u64,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The program that was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// What `--version` says.
    pub version: String,
    /// Commit of the source tree, with `-dirty` where the program's source differs from it; `null`
    /// where another build is named.
    pub git_describe: Option<String>,
    /// The first half of the SHA-256 of the file: what tells two states of the program apart.
    pub sha256: String,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every planned key was found on the servers.
    Figures(Box<Figures>),
    /// Anything else: never used.
    Error(String),
}

/// What was measured. Rates are those of the program's report, over the time of the fill proper.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// From the start of the program to its end.
    pub seconds_total: f64,
    /// From the first connection to the last acknowledgement.
    pub seconds_fill: f64,
    /// The look afterwards.
    pub seconds_audit: f64,
    /// MiB of keys and values.
    pub payload_mib_per_second: f64,
    /// MiB with the protocol.
    pub wire_mib_per_second: f64,
    /// Keys.
    pub keys_per_second: f64,
    /// Commands, fences included.
    pub commands_per_second: f64,
    /// Commands per batch in use.
    pub pipeline_depth: u64,
    /// Largest resident set of the client.
    pub client_peak_rss_bytes: u64,
    /// CPU of the client, user and system, from its start to its end.
    pub client_cpu_seconds: f64,
    /// The same in percent of one core.
    pub client_cpu_percent: f64,
    /// What the bytes go through.
    pub link: String,
    /// How fast that is by itself.
    pub link_mib_per_second: f64,
    /// MiB on the wire per second, in percent of that.
    pub link_use_percent: f64,
    /// Until a batch is acknowledged.
    pub ack_latency_us_mean: Option<f64>,
    /// Median.
    pub ack_latency_us_p50: Option<u64>,
    /// 95th percentile.
    pub ack_latency_us_p95: Option<u64>,
    /// 99th percentile.
    pub ack_latency_us_p99: Option<u64>,
    /// Per command.
    pub command_latency_us_mean: Option<f64>,
    /// What limited the speed, in the word of the report.
    pub bottleneck: String,
    /// CPU of all servers, from the start of the program to its end.
    pub server_cpu_seconds: f64,
    /// CPU of the busiest server while it was filled, in percent of one core.
    pub server_cpu_percent: Option<f64>,
    /// `used_memory` of all servers before the fill.
    pub server_memory_bytes_before: Option<u64>,
    /// `used_memory` of all servers after it.
    pub server_memory_bytes_after: Option<u64>,
    /// What the fill added to it, per key.
    pub server_memory_bytes_per_key: Option<f64>,
    /// The same per byte of keys and values.
    pub server_memory_bytes_per_payload_byte: Option<f64>,
    /// Keys of the plan.
    pub keys_planned: u64,
    /// Keys on the servers, by DBSIZE.
    pub keys_present: u64,
}

impl Line {
    /// What was measured, if the run was exact.
    #[must_use]
    pub fn figures(&self) -> Option<&Figures> {
        match &self.outcome {
            Outcome::Figures(figures) => Some(figures),
            Outcome::Error(_) => None,
        }
    }
}

/// The lines of a file; none where there is no file.
///
/// # Errors
/// It cannot be read, or a line is none of ours: then with its number.
pub fn read(path: &Path) -> Result<Vec<Line>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}", path.display()).into()),
    };
    parse(&text).map_err(|error| format!("{}, {error}", path.display()).into())
}

/// The lines of a text.
///
/// # Errors
/// A line is none of ours: then with its number.
pub fn parse(text: &str) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line: Line =
            serde_json::from_str(line).map_err(|error| format!("line {number}: {error}"))?;
        if line.schema != SCHEMA {
            return Err(format!("line {number}: schema {} is not {SCHEMA}", line.schema).into());
        }
        lines.push(line);
    }
    Ok(lines)
}
