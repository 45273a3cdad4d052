//! Runs a matrix: all cells once, then all again, each pass beginning with another cell, so that
//! slow minutes of the machine do not fall on one cell. Goes on where an earlier run of the same
//! program ended, and ends when its time is used up.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::cell::{Cell, Mode};
use super::choice::Matrix;
use super::line::{self, Line, Outcome, Program, SCHEMA};
use super::link::Link;
use super::measure;
use crate::keep;
use crate::rig::Rig;
use crate::{Result, machine};

/// After so many errors in a row there is no point in going on.
const ERRORS_MAX: u32 = 3;
/// MiB into the sink per round, in the short form and otherwise.
const LINK_MIB: (u64, u64) = (16, 1024);

/// What to run.
#[derive(Clone, Debug)]
pub struct Order {
    /// The matrix.
    pub matrix: Matrix,
    /// Where lines are appended.
    pub results: PathBuf,
    /// Where flame graphs go, if they are to be drawn.
    pub profiles: Option<PathBuf>,
    /// What this state of the program is called.
    pub label: Option<String>,
    /// Runs per cell.
    pub repeats: u64,
    /// MiB on the wire per run.
    pub mib: u64,
    /// No run begins after this time.
    pub budget: Option<Duration>,
    /// Forget what was measured before.
    pub is_fresh: bool,
    /// Two cells alone, and little in them.
    pub is_short: bool,
}

/// A run to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Turn {
    cell: Cell,
    repeat: u64,
}

/// Runs what is not done yet. Whether every run was exact.
///
/// # Errors
/// There is no server or no program, the results cannot be written, or nothing works.
pub fn run(order: &Order) -> Result<bool> {
    let rig = Rig::find()?;
    let program = measure::identify(rig.program())?;
    if order.is_fresh && order.results.exists() {
        fs::remove_file(&order.results)?;
    }
    let known = line::read(&order.results)?;
    let cells = match order.is_short {
        true => short_cells(),
        false => order.matrix.cells(),
    };
    let all = turns(&cells, order.repeats);
    let left = not_done(&all, &known, &program, order.mib);
    eprintln!(
        "{}: {} cells, {} runs each, {} of {} runs done before by {} ({})",
        order.matrix.name(),
        cells.len(),
        order.repeats,
        all.len() - left.len(),
        all.len(),
        program.version,
        program.git_describe.as_deref().unwrap_or(&program.sha256),
    );
    if left.is_empty() {
        return Ok(true);
    }
    let link_mib = if order.is_short {
        LINK_MIB.0
    } else {
        LINK_MIB.1
    };
    let link = Link::measure(rig.cores, link_mib)?;
    eprintln!(
        "{}: {:.0} MiB/s by a plain loop",
        link.name, link.mib_per_second
    );
    Runner {
        order,
        rig,
        program,
        link,
    }
    .go(&left)
}

struct Runner<'a> {
    order: &'a Order,
    rig: Rig,
    program: Program,
    link: Link,
}

impl Runner<'_> {
    fn go(&self, left: &[Turn]) -> Result<bool> {
        let started_at = Instant::now();
        let (mut is_exact, mut errors_in_a_row) = (true, 0);
        for (number, turn) in left.iter().enumerate() {
            let elapsed = started_at.elapsed();
            if self.order.budget.is_some_and(|budget| elapsed >= budget) {
                self.tell_left(&left[number..]);
                break;
            }
            let line = self.line(turn);
            keep::append(&self.order.results, &line)?;
            let rest = (left.len() - number - 1) as u32;
            let eta = started_at.elapsed() / (number as u32 + 1) * rest;
            eprintln!(
                "[{} of {}] {}, run {}: {}; {} left",
                number + 1,
                left.len(),
                turn.cell,
                turn.repeat + 1,
                in_words(&line.outcome),
                rounded(eta)
            );
            match line.outcome {
                Outcome::Figures(_) => errors_in_a_row = 0,
                Outcome::Error(_) => {
                    is_exact = false;
                    errors_in_a_row += 1;
                }
            }
            if errors_in_a_row == ERRORS_MAX {
                return Err(format!("{ERRORS_MAX} runs in a row were not exact").into());
            }
            self.profile(turn)?;
        }
        Ok(is_exact)
    }

    fn line(&self, turn: &Turn) -> Line {
        let keys = turn.cell.keys(self.order.mib);
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Line {
            schema: SCHEMA,
            matrix: self.order.matrix.name().to_owned(),
            label: self.order.label.clone(),
            cell: turn.cell,
            repeat: turn.repeat,
            keys_asked: keys,
            flags: turn.cell.flags(keys),
            program: self.program.clone(),
            server: self.rig.installation.version.clone(),
            machine: machine::describe(None),
            started_at_unix_seconds: since.unwrap_or_default().as_secs(),
            outcome: measure::measure(&self.rig, &self.link, &turn.cell, keys),
        }
    }

    /// Draws the flame graph of a cell that has none yet.
    fn profile(&self, turn: &Turn) -> Result<()> {
        let Some(folder) = &self.order.profiles else {
            return Ok(());
        };
        if turn.repeat > 0 && measure::flame_graph(folder, &turn.cell).exists() {
            return Ok(());
        }
        let keys = turn.cell.keys(self.order.mib);
        let spots = measure::profile(&self.rig, &turn.cell, keys, folder)?;
        for (symbol, share) in spots {
            eprintln!("    {:5.1} % {symbol}", share * 100.0);
        }
        Ok(())
    }

    fn tell_left(&self, left: &[Turn]) {
        let cells: HashSet<String> = left.iter().map(|turn| turn.cell.to_string()).collect();
        eprintln!(
            "the time is used up: {} runs of {} cells are left, beginning with {}; the same \
             command goes on with them",
            left.len(),
            cells.len(),
            left[0].cell
        );
    }
}

/// All runs in their order.
fn turns(cells: &[Cell], repeats: u64) -> Vec<Turn> {
    let mut turns = Vec::new();
    for repeat in 0..repeats {
        let first = repeat as usize * cells.len() / repeats as usize;
        let rotated = cells[first..].iter().chain(&cells[..first]);
        turns.extend(rotated.map(|cell| Turn {
            cell: *cell,
            repeat,
        }));
    }
    turns
}

/// Those that `program` has not done with as many keys.
fn not_done(all: &[Turn], known: &[Line], program: &Program, mib: u64) -> Vec<Turn> {
    let is_done = |turn: &Turn| {
        known.iter().any(|line| {
            line.program.sha256 == program.sha256
                && (line.cell, line.repeat) == (turn.cell, turn.repeat)
                && line.keys_asked == turn.cell.keys(mib)
                && line.figures().is_some()
        })
    };
    all.iter().filter(|turn| !is_done(turn)).copied().collect()
}

/// The two cells of the short form: a server, and a cluster with the same settings.
fn short_cells() -> Vec<Cell> {
    let cell = Cell::standalone(64, 256, 2).deep(100);
    vec![cell, cell.on(Mode::Cluster3)]
}

fn in_words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Figures(figures) => format!(
            "{:.0} MiB/s, {:.0} keys/s",
            figures.payload_mib_per_second, figures.keys_per_second
        ),
        Outcome::Error(error) => format!("not used: {error}"),
    }
}

fn rounded(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::recorded;

    #[test]
    fn each_pass_has_every_cell_and_begins_with_another() {
        let cells = Matrix::Baseline.cells();
        let turns = turns(&cells, 3);
        let firsts: HashSet<String> = (0..3)
            .map(|pass| turns[pass * cells.len()].cell.to_string())
            .collect();
        assert_eq!(firsts.len(), 3);
        for pass in turns.chunks(cells.len()) {
            assert!(
                cells
                    .iter()
                    .all(|cell| pass.iter().any(|turn| turn.cell == *cell))
            );
        }
    }

    #[test]
    fn only_exact_runs_of_the_same_program_and_amount_count_as_done() {
        let cell = Cell::standalone(64, 256, 2);
        let all = turns(&[cell], 2);
        let mut line = recorded::line(cell, 0, 100.0);
        line.keys_asked = cell.keys(1);
        let left = |line: &Line, mib| {
            not_done(&all, std::slice::from_ref(line), &recorded::program(), mib).len()
        };
        assert_eq!((left(&line, 1), left(&line, 2)), (1, 2));
        line.outcome = Outcome::Error("not exact".to_owned());
        assert_eq!(left(&line, 1), 2);
        let mut line = recorded::line(cell, 0, 100.0);
        line.keys_asked = cell.keys(1);
        line.program.sha256 = "other".to_owned();
        assert_eq!(left(&line, 1), 2);
    }
}
