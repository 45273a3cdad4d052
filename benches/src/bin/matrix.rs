//! Runs a matrix of settings against real servers, and makes tables, charts and advice of what
//! came out. `make baseline`, `make sweep`, `make charts` and `make compare` call it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use benches::Result;
use benches::matrix::choice::Matrix;
use benches::matrix::results::Results;
use benches::matrix::run::{self, Order};
use benches::matrix::{compare, documents, line};
use benches::sink::SinkRole;
use clap::{Args, Parser, Subcommand};

/// The project, whose documents and results these are.
const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// MiB per run, in the short form and otherwise.
const MIB: (u64, u64) = (1, 256);

#[derive(Debug, Parser)]
#[command(about, arg_required_else_help = true)]
struct Program {
    #[command(flatten)]
    sink: SinkRole,
    /// The folder of PERFORMANCE.md, docs and benches/results [default: this project]
    #[arg(long, global = true, value_name = "PATH", default_value = PROJECT, hide_default_value = true)]
    folder: PathBuf,
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run what is not done yet
    Run(Run),
    /// Write tables, charts and advice into the documents
    Report {
        /// Of the results with this label
        #[arg(long, value_parser = label)]
        label: Option<String>,
    },
    /// Print how two labelled results compare
    Compare {
        /// The earlier state
        #[arg(value_parser = label)]
        before: String,
        /// The later state
        #[arg(value_parser = label)]
        after: String,
        /// Of this matrix
        #[arg(long, value_enum, default_value_t = Matrix::Baseline)]
        matrix: Matrix,
    },
}

#[derive(Debug, Args)]
struct Run {
    /// Which matrix
    #[arg(value_enum)]
    matrix: Matrix,
    /// Begin no run after this time, as in 90s, 30m, 1h; the same command goes on later
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    budget: Option<Duration>,
    /// Forget what was measured before
    #[arg(long)]
    fresh: bool,
    /// What this state of the program is called, in results and file name
    #[arg(long, value_parser = label)]
    label: Option<String>,
    /// Runs per cell [default: 3, sweep 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    repeats: Option<u64>,
    /// MiB on the wire per run, at most 600,000 keys [default: 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    mib: Option<u64>,
    /// Run each cell once more under perf, and draw a flame graph of the client
    #[arg(long)]
    profile: bool,
    /// Two small cells alone
    #[arg(long)]
    test: bool,
}

fn main() -> ExitCode {
    let program = Program::parse();
    let outcome = match (program.sink.play(), program.command) {
        (Some(played), _) => played.map(|()| true),
        (None, Some(task)) => task.perform(&program.folder),
        (None, None) => Ok(true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("error: runs were not exact; the results say which, and why");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Task {
    /// Does it. Whether every run was exact.
    fn perform(self, folder: &Path) -> Result<bool> {
        match self {
            Self::Run(run) => run::run(&run.order(folder)),
            Self::Report { label } => report(folder, label.as_deref()).map(|()| true),
            Self::Compare {
                before,
                after,
                matrix,
            } => {
                let read = |label: &str| -> Result<Results> {
                    let path = results(folder, matrix, Some(label));
                    let found = Results::of(matrix, &line::read(&path)?);
                    found.ok_or_else(|| format!("{} has no exact run", path.display()).into())
                };
                let (one, other) = (read(&before)?, read(&after)?);
                print!("{}", compare::compare((&before, &one), (&after, &other)));
                Ok(true)
            }
        }
    }
}

impl Run {
    fn order(self, folder: &Path) -> Order {
        let (short, usual) = MIB;
        let profiles = folder.join("benches/results/profiles");
        Order {
            matrix: self.matrix,
            results: results(folder, self.matrix, self.label.as_deref()),
            profiles: self.profile.then_some(profiles),
            label: self.label,
            repeats: self
                .repeats
                .unwrap_or(if self.test { 1 } else { self.matrix.repeats() }),
            mib: self.mib.unwrap_or(if self.test { short } else { usual }),
            budget: self.budget,
            is_fresh: self.fresh,
            is_short: self.test,
        }
    }
}

fn report(folder: &Path, label: Option<&str>) -> Result<()> {
    let mut all = Vec::new();
    for matrix in [Matrix::Baseline, Matrix::Sweep] {
        let path = results(folder, matrix, label);
        match Results::of(matrix, &line::read(&path)?) {
            Some(results) => all.push(results),
            None => eprintln!("{} has no exact run: nothing is told of it", path.display()),
        }
    }
    if all.is_empty() {
        return Err("there are no results: make baseline or make sweep first".into());
    }
    documents::write(folder, &all)
}

/// The file of a matrix.
fn results(folder: &Path, matrix: Matrix, label: Option<&str>) -> PathBuf {
    let label = label.map_or(String::new(), |label| format!("-{label}"));
    folder.join(format!("benches/results/{}{label}.jsonl", matrix.name()))
}

/// A label that can be part of a file name.
fn label(text: &str) -> std::result::Result<String, String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("a label consists of letters, digits, '.', '_' and '-'".to_owned()),
    }
}
