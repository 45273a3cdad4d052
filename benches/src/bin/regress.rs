//! Counts the instructions of the hot paths and compares them with a baseline, or makes one.
//! `make regress` and `make regress-baseline` call it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use benches::Result;
use benches::regress::paths::{HotPath, PATHS};
use benches::regress::{Baseline, Build, Judgement, count};
use benches::table::Table;
use clap::{Parser, Subcommand};

/// The committed figures.
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/regress.json");

#[derive(Debug, Parser)]
#[command(about, arg_required_else_help = true)]
struct Program {
    /// The file with the figures [default: benches/regress.json]
    #[arg(long, global = true, value_name = "FILE", default_value = BASELINE, hide_default_value = true)]
    baseline: PathBuf,
    /// This path alone; may be given several times
    #[arg(long = "path", global = true, value_name = "NAME", value_parser = named)]
    paths: Vec<&'static HotPath>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Fail where a path takes more than 3 % more instructions than in the baseline
    Compare,
    /// Make a baseline
    Record,
    /// Run a path so many times, to be counted, and print how many frames or replies that was
    #[command(hide = true)]
    Count {
        #[arg(value_parser = named)]
        path: &'static HotPath,
        times: u64,
    },
}

fn named(name: &str) -> std::result::Result<&'static HotPath, String> {
    HotPath::named(name).ok_or_else(|| {
        let names: Vec<_> = PATHS.iter().map(|path| path.name).collect();
        format!("the paths are: {}", names.join("; "))
    })
}

fn main() -> ExitCode {
    let program = Program::parse();
    let paths = if program.paths.is_empty() {
        const { &PATHS }.iter().collect()
    } else {
        program.paths
    };
    let outcome = match program.task {
        Task::Compare => compare(&program.baseline, &paths),
        Task::Record => record(&program.baseline, &paths).map(|()| true),
        Task::Count { path, times } => {
            println!("{}", path.run(times));
            Ok(true)
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether no path is worse.
fn compare(file: &Path, paths: &[&HotPath]) -> Result<bool> {
    let (baseline, build) = (Baseline::read(file)?, Build::observe()?);
    let differences = build.differences(&baseline.build);
    if !differences.is_empty() {
        return Err(format!(
            "instructions of two builds do not compare: {differences}. Take the baseline's \
             (rustup run VERSION make regress), or make a baseline of the commit before yours with \
             this one: make regress-baseline"
        )
        .into());
    }
    if let Some(gone) = baseline
        .instructions
        .keys()
        .find(|name| named(name).is_err())
    {
        return Err(format!("the baseline names {gone:?}, which is no hot path (any more)").into());
    }
    let program = std::env::current_exe()?;
    let mut table = Table::new(["path", "baseline", "now", "change", ""]);
    let (mut worse, mut better) = (Vec::new(), false);
    for path in paths {
        let now = count::instructions(&program, path)?;
        let judgement = baseline.judge(path.name, now)?;
        let before = baseline.instructions[path.name];
        table.row([
            path.name.to_owned(),
            format!("{before:.2}"),
            format!("{now:.2}"),
            format!("{:+.1} %", percent(now / before)),
            match judgement {
                Judgement::Same => "",
                Judgement::Better => "better",
                Judgement::Worse => "WORSE",
            }
            .to_owned(),
        ]);
        better |= judgement == Judgement::Better;
        if judgement == Judgement::Worse {
            worse.push(path.name);
        }
    }
    println!("instructions per frame or reply ({build})\n\n{table}");
    if better {
        println!("Some are better: make regress-baseline holds on to that.");
    }
    if !worse.is_empty() {
        eprintln!(
            "error: more than 3 % more instructions than in the baseline: {}. Where that is worth \
             it, say why in the commit, with the new figures of make regress-baseline",
            worse.join("; ")
        );
    }
    Ok(worse.is_empty())
}

/// How much more than all, in percent, to one digit; never less than nothing by a rounded zero.
fn percent(ratio: f64) -> f64 {
    ((ratio - 1.0) * 1000.0).round() / 10.0 + 0.0
}

fn record(file: &Path, paths: &[&HotPath]) -> Result<()> {
    let build = Build::observe()?;
    let program = std::env::current_exe()?;
    let mut baseline = Baseline {
        build,
        instructions: Default::default(),
    };
    for path in paths {
        let counted = count::instructions(&program, path)?;
        println!("{}: {counted:.2} instructions", path.name);
        let figure = (counted * 1000.0).round() / 1000.0;
        baseline.instructions.insert(path.name.to_owned(), figure);
    }
    baseline.write(file)?;
    println!("written to {} ({})", file.display(), baseline.build);
    Ok(())
}
