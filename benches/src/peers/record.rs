//! Where the figures are kept: a section of PERFORMANCE.md between two markers, and one line of
//! JSON per run.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::measure::{Entry, Measured};
use crate::Result;

const BEGIN: &str = "<!-- peers:begin -->";
const END: &str = "<!-- peers:end -->";

/// Whether there is a place for the figures, so that nobody measures in vain.
///
/// # Errors
/// There is none.
pub(super) fn check() -> Result<()> {
    replaced(&fs::read_to_string(page())?, "").map(|_| ())
}

/// Keeps `section` and every run.
///
/// # Errors
/// The files cannot be written.
pub(super) fn write(section: &str, measured: &[Measured], server: &str) -> Result<()> {
    let page = page();
    let text = replaced(&fs::read_to_string(&page)?, section)?;
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

/// `page` with `section` between the markers.
fn replaced(page: &str, section: &str) -> Result<String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) =
        parts.ok_or_else(|| format!("PERFORMANCE.md has no place between {BEGIN} and {END}"))?;
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", section.trim()))
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
    fn only_what_stands_between_the_markers_changes() {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let once = replaced(&page, "new\n").unwrap();
        assert_eq!(once, format!("before\n{BEGIN}\nnew\n{END}\nafter\n"));
        assert_eq!(replaced(&once, "new").unwrap(), once);
    }

    #[test]
    fn a_page_without_markers_is_left_alone() {
        for page in ["", BEGIN, &format!("{END} {BEGIN}")] {
            assert!(replaced(page, "new").is_err(), "{page}");
        }
    }

    #[test]
    fn performance_md_has_a_place_for_the_figures() {
        check().unwrap();
    }
}
