//! Flame graphs of what `perf record -g` has recorded. Owns nothing but the way from a recording
//! to a picture and the hottest functions.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use inferno::collapse::Collapse;
use inferno::collapse::perf::{Folder, Options};
use inferno::flamegraph;

use crate::Result;

/// So many functions are named.
const HOT_SPOTS: usize = 5;

/// Draws `recording` to `svg` under `title`. Returns the five functions that most samples were
/// taken in, each with its share of all samples, the hottest first.
///
/// # Errors
/// `perf` cannot read the recording, there is no sample in it, or `svg` cannot be written.
pub fn draw(recording: &Path, title: &str, svg: &Path) -> Result<Vec<(String, f64)>> {
    let output = Command::new("perf")
        .args(["script", "--input"])
        .arg(recording)
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("perf script ended with {}:\n{said}", output.status).into());
    }
    let mut folded = Vec::new();
    Folder::from(Options::default()).collapse(&output.stdout[..], &mut folded)?;
    let folded = String::from_utf8(folded)?;
    let mut options = flamegraph::Options::default();
    options.title = title.to_owned();
    flamegraph::from_lines(&mut options, folded.lines(), File::create(svg)?)?;
    Ok(hot_spots(&folded))
}

/// The functions at the end of most folded stacks.
fn hot_spots(folded: &str) -> Vec<(String, f64)> {
    let mut samples: HashMap<&str, u64> = HashMap::new();
    let stacks = folded.lines().filter_map(|line| line.rsplit_once(' '));
    for (stack, count) in stacks {
        let leaf = stack.rsplit(';').next().unwrap_or(stack);
        *samples.entry(leaf).or_default() += count.parse().unwrap_or(0);
    }
    let all: u64 = samples.values().sum();
    let mut sorted: Vec<(&str, u64)> = samples.into_iter().collect();
    sorted.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(other.0)));
    let share = |(symbol, count): (&str, u64)| (symbol.to_owned(), count as f64 / all as f64);
    sorted.into_iter().take(HOT_SPOTS).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hot_is_where_stacks_end() {
        let spots = hot_spots("main;send;copy 6\nmain;copy 2\nmain;send 1\nmain 1\n");
        assert_eq!(spots[0], ("copy".to_owned(), 0.8));
        assert_eq!(spots.len(), 3);
    }
}
