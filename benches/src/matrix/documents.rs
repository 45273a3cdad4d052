//! Puts results into the documents: between two markers of PERFORMANCE.md, into docs/RESULTS.md and
//! into docs/charts. What stands outside the markers is never touched.

use std::fs;
use std::path::Path;

use super::choice::Matrix;
use super::results::Results;
use super::{advice, charts, series, tables};
use crate::Result;
use crate::keep::between;

/// Writes everything that the results of both matrices have to say. `folder` is that of the project.
///
/// # Errors
/// A document lacks its markers, or cannot be written.
pub fn write(folder: &Path, all: &[Results]) -> Result<()> {
    let performance = folder.join("PERFORMANCE.md");
    let mut text = fs::read_to_string(&performance)
        .map_err(|error| format!("{}: {error}", performance.display()))?;
    let mut full = "# Results of the matrices\n\nWritten by `make charts`; what they are: \
                    [PERFORMANCE.md](../PERFORMANCE.md).\n"
        .to_owned();
    let folder = folder.join("docs");
    fs::create_dir_all(folder.join("charts"))?;
    let noise = all.iter().filter_map(Results::noise).reduce(f64::max);
    for results in all {
        let charts = charts::draw(results)?;
        for (name, svg) in &charts {
            fs::write(folder.join("charts").join(name), svg)?;
        }
        let name = results.matrix.name();
        text = between(&text, name, &section(results, noise, &charts))?;
        full += &format!(
            "\n## {name}\n\n{}\n\n{}",
            tables::head(results),
            tables::full(results)
        );
    }
    fs::write(folder.join("RESULTS.md"), full)?;
    fs::write(&performance, text)?;
    Ok(())
}

/// The section of one matrix.
fn section(results: &Results, noise: Option<f64>, charts: &[(String, String)]) -> String {
    let mut parts = vec![tables::head(results)];
    match results.matrix {
        Matrix::Baseline => parts.push(tables::compact(results)),
        Matrix::Sweep => {
            parts.extend(advice::advise(results, noise));
            for series in [
                series::by_value_size(results),
                series::by_depth(results),
                series::by_connections(results),
                series::by_connections_and_servers(results),
            ] {
                if !series.lines.is_empty() && series.is_worth_showing() {
                    let table = tables::of_series(&series, 0);
                    parts.push(format!("{}, {}:\n\n{table}", series.title, series.measure));
                }
            }
        }
    }
    let overhead = series::cluster_overhead(results);
    if !overhead.lines.is_empty() {
        let table = tables::of_series(&overhead, 2);
        parts.push(format!(
            "{}, {}:\n\n{table}",
            overhead.title, overhead.measure
        ));
    }
    if !charts.is_empty() {
        let links = charts.iter().map(|(name, _)| {
            let shown = name.trim_end_matches(".svg");
            format!("[{shown}](docs/charts/{name})")
        });
        parts.push(format!("Charts: {}.", links.collect::<Vec<_>>().join(", ")));
    }
    parts.push("Every figure of every cell: [docs/RESULTS.md](docs/RESULTS.md).".to_owned());
    parts
        .iter()
        .map(|part| part.trim_end())
        .collect::<Vec<_>>()
        .join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::recorded;

    const EMPTY: &str = "# P\n\n<!-- baseline:begin -->\nold\n<!-- baseline:end -->\n\nkept\n\n\
                         <!-- sweep:begin -->\n<!-- sweep:end -->\n";

    #[test]
    fn documents_hold_both_matrices_and_link_to_charts_that_exist() {
        let folder = tempfile::tempdir().unwrap();
        let performance = folder.path().join("PERFORMANCE.md");
        fs::write(&performance, EMPTY).unwrap();
        let all = [(Matrix::Baseline, 3), (Matrix::Sweep, 1)].map(|(matrix, repeats)| {
            Results::of(matrix, &recorded::lines(matrix, repeats)).unwrap()
        });
        write(folder.path(), &all).unwrap();
        let text = fs::read_to_string(&performance).unwrap();
        assert!(text.contains("**Session cache (64/256)**") && text.contains("\nkept\n"));
        // The sweep ran once: what noise is, the baseline says.
        assert!(text.contains("Differences below 4 %"), "{text}");
        let mut links = 0;
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            assert!(folder.path().join(link).is_file(), "{link}");
            links += 1;
        }
        assert!(links > 8);
        let full = fs::read_to_string(folder.path().join("docs/RESULTS.md")).unwrap();
        assert!(full.lines().count() > Matrix::Sweep.cells().len());
        assert!(text.lines().count() < 150);
    }
}
