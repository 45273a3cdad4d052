//! What a file of lines says of each cell. Lines of programs other than that of the last line, of
//! other amounts, and of runs that were not exact do not count.

use std::collections::BTreeMap;

use super::cell::{Cell, Mode};
use super::choice::Matrix;
use super::line::{Figures, Line};
use crate::statistics::Spread;

/// A figure of a run; `None` where the run does not know it.
pub type Figure = fn(&Figures) -> Option<f64>;

/// MiB of keys and values per second.
pub const SPEED: Figure = |figures| Some(figures.payload_mib_per_second);

/// Runs by cell.
#[derive(Clone, Debug)]
pub struct Results {
    /// Which cells were to be run.
    pub matrix: Matrix,
    /// The last line that counts: machine, server and program are those of all.
    pub last: Line,
    cells: BTreeMap<Cell, Vec<Line>>,
    /// Runs of this program that were not exact.
    pub errors: usize,
}

impl Results {
    /// Sorts lines; `None` where none counts.
    #[must_use]
    pub fn of(matrix: Matrix, lines: &[Line]) -> Option<Self> {
        let last = lines.iter().rev().find(|line| line.figures().is_some())?;
        let is_ours = |line: &&Line| line.program.sha256 == last.program.sha256;
        let mut cells: BTreeMap<Cell, Vec<Line>> = BTreeMap::new();
        for line in lines.iter().filter(is_ours) {
            if line.figures().is_none() {
                continue;
            }
            let runs = cells.entry(line.cell).or_default();
            // A run that was done again counts once; other amounts are other measurements.
            runs.retain(|run| run.keys_asked == line.keys_asked && run.repeat != line.repeat);
            runs.push(line.clone());
        }
        let errors = lines.iter().filter(is_ours);
        Some(Self {
            matrix,
            last: last.clone(),
            cells,
            errors: errors.filter(|line| line.figures().is_none()).count(),
        })
    }

    /// Every cell that has run.
    pub fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.cells.keys()
    }

    /// How many runs count.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.cells.values().map(Vec::len).sum()
    }

    /// Most runs of one cell.
    #[must_use]
    pub fn repeats(&self) -> usize {
        self.cells.values().map(Vec::len).max().unwrap_or(0)
    }

    /// The runs of a cell; none if it has not run.
    pub fn figures(&self, cell: &Cell) -> impl Iterator<Item = &Figures> {
        self.cells
            .get(cell)
            .into_iter()
            .flatten()
            .filter_map(Line::figures)
    }

    /// The spread of a figure over the runs of a cell; `None` where no run knows it.
    #[must_use]
    pub fn spread(&self, cell: &Cell, figure: Figure) -> Option<Spread> {
        let known: Vec<f64> = self.figures(cell).filter_map(figure).collect();
        (!known.is_empty()).then(|| Spread::of(&known))
    }

    /// What limited most runs of a cell.
    #[must_use]
    pub fn bottleneck(&self, cell: &Cell) -> Option<&str> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for figures in self.figures(cell) {
            *counts.entry(&figures.bottleneck).or_default() += 1;
        }
        counts
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .map(|(name, _)| name)
    }

    /// Time of a cluster over that of one server with the same settings, whole programs. The bounds
    /// are those that the runs of both allow. `None` where either has not run.
    #[must_use]
    pub fn overhead(&self, cell: &Cell) -> Option<Spread> {
        if cell.mode == Mode::Standalone {
            return None;
        }
        let seconds = |cell: &Cell| self.spread(cell, |figures| Some(figures.seconds_total));
        Some(ratio(seconds(cell)?, seconds(&cell.on(Mode::Standalone))?))
    }

    /// How far runs of one cell lie apart, as a share of their median: nine of ten cells lie below
    /// it. `None` where no cell has run twice.
    #[must_use]
    pub fn noise(&self) -> Option<f64> {
        let again = self.cells.iter().filter(|(_, runs)| runs.len() > 1);
        let mut shares: Vec<f64> = again
            .filter_map(|(cell, _)| self.spread(cell, SPEED))
            .map(|spread| (spread.max - spread.min) / spread.median)
            .collect();
        shares.sort_by(f64::total_cmp);
        let last = shares.len().checked_sub(1)?;
        Some(shares[(last as f64 * 0.9).ceil() as usize])
    }
}

/// The ratio of two medians, and the bounds that single runs allow.
#[must_use]
pub fn ratio(ours: Spread, theirs: Spread) -> Spread {
    Spread {
        median: ours.median / theirs.median,
        min: ours.min / theirs.max,
        max: ours.max / theirs.min,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::line::Outcome;
    use crate::matrix::recorded;

    #[test]
    fn errors_and_other_programs_do_not_count() {
        let cell = Cell::standalone(64, 256, 2);
        let mut other = recorded::line(cell, 0, 900.0);
        other.program.sha256 = "other".to_owned();
        let mut failed = recorded::line(cell, 1, 700.0);
        failed.outcome = Outcome::Error("not exact".to_owned());
        let lines = [
            other,
            recorded::line(cell, 0, 100.0),
            recorded::line(cell, 2, 110.0),
            failed,
        ];
        let results = Results::of(Matrix::Sweep, &lines).unwrap();
        let spread = results.spread(&cell, SPEED).unwrap();
        assert_eq!(
            (spread.min, spread.median, spread.max),
            (100.0, 105.0, 110.0)
        );
        assert_eq!((results.runs(), results.errors), (2, 1));
        assert!((results.noise().unwrap() - 10.0 / 105.0).abs() < 1e-12);
        assert!(Results::of(Matrix::Sweep, &lines[3..]).is_none());
    }

    #[test]
    fn a_cluster_is_compared_with_one_server_of_the_same_settings() {
        let cell = Cell::standalone(64, 256, 2);
        let cluster = cell.on(Mode::Cluster3);
        let mut lines = vec![
            recorded::line(cell, 0, 100.0),
            recorded::line(cluster, 0, 50.0),
        ];
        let results = Results::of(Matrix::Sweep, &lines).unwrap();
        assert!((results.overhead(&cluster).unwrap().median - 2.1 / 1.1).abs() < 1e-12);
        assert_eq!(results.overhead(&cell), None);
        lines.remove(0);
        let results = Results::of(Matrix::Sweep, &lines).unwrap();
        assert_eq!(results.overhead(&cluster), None);
    }
}
