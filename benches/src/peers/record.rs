//! Where the figures are kept: a section of PERFORMANCE.md between two markers, and one line of
//! JSON per run.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::measure::{Entry, Measured};
use crate::Result;
use crate::keep::between;

/// Name of the section.
const SECTION: &str = "peers";

/// Whether there is a place for the figures, so that nobody measures in vain.
///
/// # Errors
/// There is none.
pub(super) fn check() -> Result<()> {
    between(&fs::read_to_string(page())?, SECTION, "").map(|_| ())
}

/// Keeps `section` and every run.
///
/// # Errors
/// The files cannot be written.
pub(super) fn write(section: &str, measured: &[Measured], server: &str) -> Result<()> {
    let page = page();
    let text = between(&fs::read_to_string(&page)?, SECTION, section)?;
    let folder = root().join("benches/results");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("peers.jsonl"), lines(measured, server))?;
    Ok(fs::write(page, text)?)
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn page() -> PathBuf {
    root().join("PERFORMANCE.md")
}

/// One line per run.
fn lines(measured: &[Measured], server: &str) -> String {
    let mut lines = String::new();
    for measured in measured {
        for entry in &measured.entries {
            for round in 0..entry.runs.len() {
                lines += &line(measured, entry, round, server).to_string();
                lines.push('\n');
            }
        }
    }
    lines
}

fn line(measured: &Measured, entry: &Entry, round: usize, server: &str) -> serde_json::Value {
    let (cell, run) = (measured.cell, &entry.runs[round]);
    json!({
        "mode": cell.mode.name(),
        "key_size": cell.key_size,
        "value_size": cell.value_size,
        "client": entry.name,
        "depth": entry.setting.map(|setting| setting.depth),
        "connections": entry.setting.map(|setting| setting.connections),
        "server": server,
        "round": round + 1,
        "keys_asked": cell.keys,
        "keys_stored": run.keys_stored,
        "wall_seconds": run.wall_seconds,
        "client_cpu_seconds": run.client_cpu_seconds,
        "client_peak_rss_bytes": run.client_peak_rss_bytes,
        "server_cpu_seconds": run.server_cpu_seconds,
        "server_share_told": run.server_share_told,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn performance_md_has_a_place_for_the_figures() {
        check().unwrap();
    }
}
