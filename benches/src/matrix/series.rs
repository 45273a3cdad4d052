//! Lines through the results: one setting along the axis, another from line to line, everything
//! else fixed. Owns which lines there are; tables and charts show them.

use super::cell::{Cell, Mode};
use super::choice::{CENTRES, CONNECTIONS_USUAL};
use super::results::{Results, SPEED};
use crate::statistics::Spread;

/// Some lines over one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Names its chart: a word without spaces.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// What is along the axis, with its unit.
    pub axis: &'static str,
    /// What is measured, with its unit.
    pub measure: &'static str,
    /// The places along the axis.
    pub places: Vec<String>,
    /// Each line: its name, and what was measured at each place.
    pub lines: Vec<(String, Vec<Option<Spread>>)>,
}

impl Series {
    /// Whether there is anything to see: two places or two lines.
    #[must_use]
    pub fn is_worth_showing(&self) -> bool {
        self.places.len() + self.lines.len() > 2
    }

    /// The largest figure.
    #[must_use]
    pub fn max(&self) -> f64 {
        let all = self.lines.iter().flat_map(|(_, figures)| figures).flatten();
        all.map(|spread| spread.max).fold(0.0, f64::max)
    }
}

/// What the four dimensions of a line are called.
struct Frame {
    name: &'static str,
    title: String,
    axis: &'static str,
}

/// Lays the cells that `place` knows out: it says at which place of the axis (in order) a cell lies,
/// and on which line.
fn lay_out(
    results: &Results,
    frame: Frame,
    place: impl Fn(&Cell) -> Option<(u64, (usize, String))>,
) -> Series {
    let placed: Vec<(u64, (usize, String), Cell)> = results
        .cells()
        .filter_map(|cell| place(cell).map(|(at, line)| (at, line, *cell)))
        .collect();
    let mut places: Vec<u64> = placed.iter().map(|(at, ..)| *at).collect();
    places.sort_unstable();
    places.dedup();
    let mut lines: Vec<&(usize, String)> = placed.iter().map(|(_, line, _)| line).collect();
    lines.sort_unstable();
    lines.dedup();
    let figures = |line: &(usize, String)| {
        let at = |place: &u64| {
            let here = placed.iter().find(|(at, on, _)| at == place && on == line);
            here.and_then(|(.., cell)| results.spread(cell, SPEED))
        };
        places.iter().map(at).collect::<Vec<_>>()
    };
    // A line of one figure shows nothing that its axis is about.
    let lines = lines
        .into_iter()
        .map(|line| (line.1.clone(), figures(line)));
    let is_line =
        |(_, figures): &(String, Vec<Option<Spread>>)| figures.iter().flatten().count() > 1;
    Series {
        name: frame.name,
        title: frame.title,
        axis: frame.axis,
        measure: "MiB/s of keys and values",
        places: places.iter().map(u64::to_string).collect(),
        lines: lines.filter(is_line).collect(),
    }
}

fn depth_in_words(results: &Results) -> String {
    results.matrix.usual_depth().map_or_else(
        || "default depth".to_owned(),
        |depth| format!("depth {depth}"),
    )
}

/// By value size, a line per key size; one server.
#[must_use]
pub fn by_value_size(results: &Results) -> Series {
    let title = format!(
        "One server, {}, {CONNECTIONS_USUAL} connections",
        depth_in_words(results)
    );
    let frame = Frame {
        name: "value-size",
        title,
        axis: "value size (bytes)",
    };
    lay_out(results, frame, |cell| {
        let is_here = cell.mode == Mode::Standalone
            && cell.pipeline_depth_asked == results.matrix.usual_depth()
            && cell.connections_per_node == CONNECTIONS_USUAL;
        let line = (cell.key_bytes, format!("{}-byte keys", cell.key_bytes));
        is_here.then_some((cell.value_bytes as u64, line))
    })
}

/// A line for cells of one of the centres.
fn centre(cell: &Cell) -> Option<(usize, String)> {
    let sizes = (cell.key_bytes, cell.value_bytes);
    let number = CENTRES.iter().position(|centre| *centre == sizes)?;
    Some((number, cell.sizes()))
}

/// By depth, a line per key and value size; one server.
#[must_use]
pub fn by_depth(results: &Results) -> Series {
    let title = format!("One server, {CONNECTIONS_USUAL} connections");
    let frame = Frame {
        name: "depth",
        title,
        axis: "pipeline depth (commands)",
    };
    lay_out(results, frame, |cell| {
        let is_here =
            cell.mode == Mode::Standalone && cell.connections_per_node == CONNECTIONS_USUAL;
        Some((
            cell.pipeline_depth_asked.filter(|_| is_here)?,
            centre(cell)?,
        ))
    })
}

/// By connections, a line per key and value size; one server.
#[must_use]
pub fn by_connections(results: &Results) -> Series {
    let title = format!("One server, {}", depth_in_words(results));
    let frame = Frame {
        name: "connections",
        title,
        axis: "connections per server",
    };
    lay_out(results, frame, |cell| {
        let is_here = cell.mode == Mode::Standalone
            && cell.pipeline_depth_asked == results.matrix.usual_depth();
        let line = centre(cell).filter(|_| is_here)?;
        Some((cell.connections_per_node as u64, line))
    })
}

/// By connections, a line per kind of servers; 512-byte keys and values.
#[must_use]
pub fn by_connections_and_servers(results: &Results) -> Series {
    let title = format!("512-byte keys and values, {}", depth_in_words(results));
    let frame = Frame {
        name: "connections-cluster",
        title,
        axis: "connections per server",
    };
    lay_out(results, frame, |cell| {
        let is_here = (cell.key_bytes, cell.value_bytes) == (512, 512)
            && cell.pipeline_depth_asked == results.matrix.usual_depth();
        let line = (
            usize::from(cell.mode.masters()),
            cell.mode.name().to_owned(),
        );
        is_here.then_some((cell.connections_per_node as u64, line))
    })
}

/// What a cluster takes over one server with the same settings, by key and value size.
#[must_use]
pub fn cluster_overhead(results: &Results) -> Series {
    let is_usual = |cell: &&Cell| {
        cell.pipeline_depth_asked == results.matrix.usual_depth()
            && cell.connections_per_node == CONNECTIONS_USUAL
    };
    let clusters = || {
        results
            .cells()
            .filter(|cell| results.overhead(cell).is_some())
    };
    // Where nothing usual has run, what has is better than nothing.
    let is_any = clusters().any(|cell| is_usual(&cell));
    let chosen: Vec<&Cell> = clusters()
        .filter(|cell| !is_any || is_usual(cell))
        .collect();
    let mut places: Vec<(usize, usize)> = chosen
        .iter()
        .map(|cell| (cell.key_bytes, cell.value_bytes))
        .collect();
    places.sort_unstable();
    places.dedup();
    let mut lines = Vec::new();
    for mode in [Mode::Cluster3, Mode::Cluster5] {
        let at = |place: &(usize, usize)| {
            let here =
                |cell: &&&Cell| cell.mode == mode && (cell.key_bytes, cell.value_bytes) == *place;
            chosen
                .iter()
                .find(here)
                .and_then(|cell| results.overhead(cell))
        };
        let figures: Vec<_> = places.iter().map(at).collect();
        if figures.iter().any(Option::is_some) {
            lines.push((mode.name().to_owned(), figures));
        }
    }
    Series {
        name: "cluster-overhead",
        title: "What clusters take: all servers on one core, the same settings".to_owned(),
        axis: "key size/value size (bytes)",
        measure: "time of the cluster / time of one server",
        places: places
            .iter()
            .map(|(key, value)| format!("{key}/{value}"))
            .collect(),
        lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::choice::Matrix;
    use crate::matrix::recorded;

    #[test]
    fn a_sweep_has_full_lines() {
        let results = Results::of(Matrix::Sweep, &recorded::lines(Matrix::Sweep, 1)).unwrap();
        let shape = |series: Series| {
            let figures = series.lines.iter().flat_map(|(_, figures)| figures);
            assert!(figures.clone().all(Option::is_some), "{series:?}");
            (series.lines.len(), series.places.len())
        };
        assert_eq!(shape(by_value_size(&results)), (6, 7));
        assert_eq!(shape(by_depth(&results)), (7, 6));
        assert_eq!(shape(by_connections(&results)), (7, 5));
        assert_eq!(shape(by_connections_and_servers(&results)), (3, 5));
        assert_eq!(shape(cluster_overhead(&results)), (2, 7));
    }

    #[test]
    fn places_are_in_the_order_of_their_numbers() {
        let results = Results::of(Matrix::Sweep, &recorded::lines(Matrix::Sweep, 1)).unwrap();
        let series = by_depth(&results);
        assert_eq!(
            series.places,
            ["100", "500", "1000", "2000", "5000", "10000"]
        );
        let (name, figures) = &series.lines[0];
        assert_eq!(name, "64/256");
        assert!(figures[0].unwrap().median < figures[2].unwrap().median);
    }
}
