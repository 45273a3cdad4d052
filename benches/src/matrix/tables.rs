//! Results as Markdown: a row per cell, or a series with a column per place.

use super::cell::Cell;
use super::results::{Figure, Results, SPEED};
use super::series::Series;
use crate::statistics::Spread;
use crate::table::Table;

/// What all runs have in common, in sentences.
#[must_use]
pub fn head(results: &Results) -> String {
    let line = &results.last;
    let label = line
        .label
        .as_ref()
        .map_or(String::new(), |label| format!(", \"{label}\""));
    let git = line
        .program
        .git_describe
        .as_deref()
        .unwrap_or("of another source tree");
    let mut text = format!(
        "{}{label} ({git}), {}. {}. {} cells, {} exact runs on fresh servers, in turns; medians (min..max).",
        line.program.version,
        line.server,
        line.machine,
        results.cells().count(),
        results.runs(),
    );
    if let Some(figures) = line.figures() {
        text += &format!(
            " Link: {}, {:.0} MiB/s by a plain loop into a sink.",
            figures.link, figures.link_mib_per_second
        );
    }
    text += &match results.noise() {
        Some(noise) => format!(
            " In nine of ten cells the runs lie at most {:.0} % of their median apart.",
            noise * 100.0
        ),
        None => " One run per cell: nothing is known of their spread.".to_owned(),
    };
    if results.errors > 0 {
        text += &format!(" {} runs were not exact and are not used.", results.errors);
    }
    text
}

/// A row per cell with what most people ask for.
#[must_use]
pub fn compact(results: &Results) -> String {
    let mut table = Table::new([
        "servers, key/value",
        "depth",
        "n",
        "MiB/s",
        "keys/s",
        "ack p50, p99 ms",
        "client CPU %",
        "RSS MiB",
        "server CPU %",
        "bytes/key",
        "/ one server",
        "limit",
    ]);
    for cell in results.cells() {
        let one = |figure: Figure, digits: usize| one(results, cell, figure, digits);
        table.row([
            format!("{}, {}", cell.mode.name(), cell.sizes()),
            cell.depth(),
            cell.connections_per_node.to_string(),
            spread(results.spread(cell, SPEED), 0),
            one(|figures| Some(figures.keys_per_second), 0),
            format!(
                "{}, {}",
                one(|figures| Some(figures.ack_latency_us_p50? as f64 / 1e3), 2),
                one(|figures| Some(figures.ack_latency_us_p99? as f64 / 1e3), 2)
            ),
            one(|figures| Some(figures.client_cpu_percent), 0),
            one(
                |figures| Some(figures.client_peak_rss_bytes as f64 / f64::from(1 << 20)),
                1,
            ),
            one(|figures| figures.server_cpu_percent, 0),
            one(|figures| figures.server_memory_bytes_per_key, 0),
            results
                .overhead(cell)
                .map_or_else(String::new, |ratio| format!("{:.2}", ratio.median)),
            results.bottleneck(cell).unwrap_or_default().to_owned(),
        ]);
    }
    table.to_string()
}

/// A row per cell with everything.
#[must_use]
pub fn full(results: &Results) -> String {
    const COLUMNS: [(&str, Figure, usize); 22] = [
        ("payload MiB/s", SPEED, 0),
        ("wire MiB/s", |figures| Some(figures.wire_mib_per_second), 0),
        ("keys/s", |figures| Some(figures.keys_per_second), 0),
        ("commands/s", |figures| Some(figures.commands_per_second), 0),
        ("total s", |figures| Some(figures.seconds_total), 2),
        ("fill s", |figures| Some(figures.seconds_fill), 2),
        ("audit s", |figures| Some(figures.seconds_audit), 2),
        (
            "depth in use",
            |figures| Some(figures.pipeline_depth as f64),
            0,
        ),
        (
            "client RSS MiB",
            |figures| Some(figures.client_peak_rss_bytes as f64 / 1_048_576.0),
            1,
        ),
        (
            "client CPU s",
            |figures| Some(figures.client_cpu_seconds),
            3,
        ),
        (
            "client CPU %",
            |figures| Some(figures.client_cpu_percent),
            1,
        ),
        ("% of link", |figures| Some(figures.link_use_percent), 1),
        ("ack mean us", |figures| figures.ack_latency_us_mean, 0),
        ("p50", |figures| Some(figures.ack_latency_us_p50? as f64), 0),
        ("p95", |figures| Some(figures.ack_latency_us_p95? as f64), 0),
        ("p99", |figures| Some(figures.ack_latency_us_p99? as f64), 0),
        (
            "command mean us",
            |figures| figures.command_latency_us_mean,
            0,
        ),
        (
            "servers CPU s",
            |figures| Some(figures.server_cpu_seconds),
            2,
        ),
        ("busiest server %", |figures| figures.server_cpu_percent, 0),
        (
            "server bytes/key",
            |figures| figures.server_memory_bytes_per_key,
            0,
        ),
        (
            "server bytes/payload byte",
            |figures| figures.server_memory_bytes_per_payload_byte,
            3,
        ),
        ("keys", |figures| Some(figures.keys_present as f64), 0),
    ];
    let mut names = vec!["cell".to_owned(), "runs".to_owned()];
    names.extend(COLUMNS.iter().map(|(name, ..)| (*name).to_owned()));
    names.extend(["/ one server".to_owned(), "limit".to_owned()]);
    let mut table = Table::with_head(names);
    for cell in results.cells() {
        let mut row = vec![cell.to_string(), results.figures(cell).count().to_string()];
        row.extend(
            COLUMNS
                .iter()
                .map(|(_, figure, digits)| spread(results.spread(cell, *figure), *digits)),
        );
        row.push(spread(results.overhead(cell), 2));
        row.push(results.bottleneck(cell).unwrap_or_default().to_owned());
        table.push(row);
    }
    table.to_string()
}

/// A row per line of a series, a column per place.
#[must_use]
pub fn of_series(series: &Series, digits: usize) -> String {
    let mut names = vec![series.axis.to_owned()];
    names.extend(series.places.iter().cloned());
    let mut table = Table::with_head(names);
    for (name, figures) in &series.lines {
        let mut row = vec![name.clone()];
        row.extend(figures.iter().map(|figure| spread(*figure, digits)));
        table.push(row);
    }
    table.to_string()
}

fn one(results: &Results, cell: &Cell, figure: Figure, digits: usize) -> String {
    let spread = results.spread(cell, figure);
    spread.map_or_else(
        || "?".to_owned(),
        |spread| format!("{:.digits$}", spread.median),
    )
}

fn spread(spread: Option<Spread>, digits: usize) -> String {
    match spread {
        None => String::new(),
        Some(Spread { median, min, max }) if min < max => {
            format!("{median:.digits$} ({min:.digits$}..{max:.digits$})")
        }
        Some(Spread { median, .. }) => format!("{median:.digits$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::choice::Matrix;
    use crate::matrix::{recorded, series};

    #[test]
    fn every_cell_has_a_row_and_its_spread() {
        let lines = recorded::lines(Matrix::Baseline, 3);
        let results = Results::of(Matrix::Baseline, &lines).unwrap();
        let compact = compact(&results);
        assert_eq!(compact.lines().count(), 2 + 24);
        assert!(compact.contains("135 (132..137)"), "{compact}");
        assert_eq!(full(&results).lines().count(), 2 + 24);
        assert!(head(&results).contains("72 exact runs"));
        assert!(head(&results).contains("at most 4 %"));
    }

    #[test]
    fn a_single_run_claims_no_spread() {
        let lines = recorded::lines(Matrix::Sweep, 1);
        let results = Results::of(Matrix::Sweep, &lines).unwrap();
        assert!(head(&results).contains("nothing is known of their spread"));
        let table = of_series(&series::by_depth(&results), 0);
        let places: Vec<&str> = table
            .lines()
            .next()
            .unwrap()
            .split('|')
            .map(str::trim)
            .collect();
        let depths = ["100", "500", "1000", "2000", "5000", "10000"];
        assert_eq!(places[2..8], depths);
        assert!(!table.contains(".."), "{table}");
    }
}
