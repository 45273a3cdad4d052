//! `make experiment`: two settings of `redis-client fill` in turns on fresh servers, and how they
//! compare: time, CPU of client and server, instructions. The short form compares two settings once
//! and small, so that it cannot rot.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use benches::Result;
use benches::arguments::Arguments;
use benches::experiment::options::Options;
use benches::experiment::stage::Stage;
use benches::experiment::wire::Wire;
use benches::experiment::{self, Effort};
use benches::machine::Cores;
use benches::rig::Rig;
use clap::Parser;

/// Rounds: of times, and of instructions, which hardly vary.
const ROUNDS: (u64, u64) = (11, 3);
/// MiB per run: in the short form, of times, and of instructions, since valgrind is slow.
const MIB: (u64, u64, u64) = (2, 256, 16);
/// What the short form compares.
const SHORT: [&str; 3] = ["experiment", "--a=-n 1", "--b=--replies each"];

#[derive(Debug, Parser)]
struct Experiment {
    #[command(flatten)]
    arguments: Arguments,
    #[command(flatten)]
    options: Options,
}

fn main() -> ExitCode {
    let Experiment { arguments, options } = Experiment::parse();
    let outcome = run(&arguments, &options).map(|()| true);
    arguments.exit_code(outcome)
}

fn run(arguments: &Arguments, options: &Options) -> Result<()> {
    if !arguments.runs("experiment") {
        return Ok(());
    }
    let asked = options.settings()?;
    let settings = match asked {
        Some(settings) => settings,
        None if arguments.is_short() => {
            let short = Experiment::parse_from(SHORT).options.settings()?;
            short.ok_or("the short form compares nothing")?
        }
        None => {
            println!("experiment: compares two settings, see make experiment A='flags' B='flags'");
            return Ok(());
        }
    };
    let stage = Stage {
        mode: options.mode,
        cores: (!options.free).then(Cores::observe),
        wire: options.netns.then(Wire::lay).transpose()?,
    };
    let (rounds, mib) = match options.count {
        true => (ROUNDS.1, MIB.2),
        false => (ROUNDS.0, MIB.1),
    };
    let effort = Effort {
        rounds: arguments.rounds(rounds),
        mib: arguments.mib(MIB.0, mib),
        cells: options.sizes.clone(),
    };
    let results = results(arguments, options);
    let (rig, is_short) = (Rig::find()?, arguments.is_short());
    let tell: fn(&str) = match is_short {
        true => |_| {},
        false => |text| println!("{text}"),
    };
    experiment::compare(&rig, &settings, &effort, &stage, results.as_deref(), tell)?;
    if is_short {
        println!("experiment: two settings compared, as DBSIZE confirms");
    }
    Ok(())
}

/// Where lines go: as asked, else into the project, but nowhere in the short form.
fn results(arguments: &Arguments, options: &Options) -> Option<PathBuf> {
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("results/experiments.jsonl");
    let usual = (!arguments.is_short()).then_some(usual);
    options.results.clone().or(usual)
}
