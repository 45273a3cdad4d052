//! How fast one lane from one pinned core goes when nothing stands in its way: into a sink on
//! another core that discards, every driver and kind of send against a plain loop of blocking
//! `write_all` over the same patched segments. On loopback the kernel's copy is the ceiling, and
//! what is measured is how little a driver adds to it.
//!
//! `drivers`: all of them, each sending as much. `length`: the default one, sending little and eight
//! times as much, in turns: a long fill goes as fast as a short one.

use std::process::ExitCode;
use std::sync::Arc;

use benches::Result;
use benches::arguments::Arguments;
use benches::drive::{self, Run, SIZES};
use benches::machine::{self, Cores};
use benches::process::in_thread;
use benches::sink::{self, Sink, SinkRole, Stream};
use benches::statistics::{Ratio, Spread};
use benches::table::Table;
use benches::verdict::{self, Target};
use clap::Parser;
use engine::Plan;
use engine::plan::keyspace::KeyLayout;
use engine::plan::{DriverChoice, PlanOptions, SendChoice};

const ROUNDS: u64 = 15;
/// MiB per run, in the short form and otherwise: a quarter of a second, in which the millisecond
/// that it takes to connect and to set up a ring is lost.
const MIB: (u64, u64) = (32, 2048);
/// MiB of the shorter run of `length`, likewise.
const LENGTH_MIB: (u64, u64) = (4, 1024);
/// How much longer the longer one is.
const LENGTH_FACTOR: u64 = 8;
/// Rate of the longer over that of the shorter.
const LENGTH: Target = Target::AtLeast(0.97);

#[derive(Debug, Parser)]
struct Ceiling {
    #[command(flatten)]
    arguments: Arguments,
    #[command(flatten)]
    sink: SinkRole,
}

/// Something that sends.
struct Candidate {
    name: &'static str,
    sends: Way,
    target: Option<f64>,
    /// What would be better still.
    aim: Option<f64>,
}

#[derive(Clone, Copy)]
enum Way {
    Plain,
    Engine(DriverChoice, SendChoice),
}

const CANDIDATES: [Candidate; 7] = {
    use DriverChoice::{Socket, TokioUring, Uring};
    use SendChoice::{Auto, Copy, Fixed, Zc};
    const fn engine(
        name: &'static str,
        driver: DriverChoice,
        send: SendChoice,
        target: Option<f64>,
    ) -> Candidate {
        Candidate {
            name,
            sends: Way::Engine(driver, send),
            target,
            aim: None,
        }
    }
    [
        Candidate {
            name: "plain write_all loop",
            sends: Way::Plain,
            target: None,
            aim: None,
        },
        Candidate {
            aim: Some(1.00),
            ..engine("uring, send auto", Uring, Auto, Some(0.95))
        },
        engine("uring, send fixed", Uring, Fixed, None),
        engine("uring, send copy", Uring, Copy, None),
        engine("uring, send zc", Uring, Zc, None),
        engine("tokio-uring", TokioUring, Auto, Some(0.70)),
        engine("socket", Socket, Auto, None),
    ]
};

fn main() -> ExitCode {
    let Ceiling { arguments, sink } = Ceiling::parse();
    let outcome = match sink.play() {
        Some(served) => served.map(|()| true),
        None => parts(&arguments),
    };
    arguments.exit_code(outcome)
}

/// Runs the parts that are asked for. Whether all targets are met.
fn parts(arguments: &Arguments) -> Result<bool> {
    let mut all_met = true;
    if arguments.runs("ceiling/drivers") {
        all_met &= drivers(arguments)?;
    }
    if arguments.runs("ceiling/length") {
        all_met &= length(arguments)?;
    }
    Ok(all_met)
}

/// Runs the matrix and prints it. Whether all targets are met.
fn drivers(arguments: &Arguments) -> Result<bool> {
    let cores = Cores::observe();
    let mib = arguments.mib(MIB.0, MIB.1);
    let rounds = arguments.rounds(ROUNDS) as usize;
    let baseline = plan(mib, cores, Way::Plain)?;
    let stream = Stream::of(&baseline, baseline.keys());
    let mut sink = Sink::start(cores.server, &[stream])?;
    let mut runs: Vec<Vec<Run>> = CANDIDATES
        .iter()
        .map(|_| Vec::with_capacity(rounds))
        .collect();
    for round in 0..rounds {
        // Each round begins with another candidate, so that none always follows the same one.
        for turn in 0..CANDIDATES.len() {
            let number = (round + turn) % CANDIDATES.len();
            let candidate = &CANDIDATES[number];
            let plan = Arc::new(plan(mib, cores, candidate.sends)?);
            let run = run(&plan, candidate.sends, &mut sink, 0, stream.bytes());
            runs[number].push(run.map_err(|error| format!("{}: {error}", candidate.name))?);
        }
    }
    if arguments.is_short() {
        println!(
            "ceiling/drivers: {} candidates sent {mib} MiB each, to the byte",
            CANDIDATES.len()
        );
        return Ok(true);
    }
    println!(
        "{}\nLoopback ceiling, {}/{}, one lane, {mib} MiB per run, {rounds} rounds, medians (min..max)\n",
        machine::describe(None),
        SIZES.0,
        SIZES.1
    );
    Ok(tell(&runs))
}

/// Runs the default driver for little and for much, and prints how the rates compare. Whether the
/// target is met.
fn length(arguments: &Arguments) -> Result<bool> {
    let cores = Cores::observe();
    let mib = arguments.mib(LENGTH_MIB.0, LENGTH_MIB.1);
    let rounds = arguments.rounds(ROUNDS);
    let auto = Way::Engine(DriverChoice::Auto, SendChoice::Auto);
    let of = |mib| plan(mib, cores, auto).map(Arc::new);
    let plans = [of(mib)?, of(mib * LENGTH_FACTOR)?];
    let streams = [&plans[0], &plans[1]].map(|plan| Stream::of(plan, plan.keys()));
    let mut sink = Sink::start(cores.server, &streams)?;
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        // Each goes first in every other round.
        for number in [usize::from(round % 2 == 0), usize::from(round % 2 != 0)] {
            let bytes = streams[number].bytes();
            let run = run(&plans[number], auto, &mut sink, number, bytes)?;
            rates[number].push(run.gigabytes_per_second);
        }
    }
    let (short, long) = (format!("{mib} MiB"), format!("{} MiB", mib * LENGTH_FACTOR));
    if arguments.is_short() {
        println!("ceiling/length: {short} and {long} were sent, to the byte");
        return Ok(true);
    }
    let [few, many] = &rates;
    println!(
        "\n{}\nOne lane of the default driver, little and much, {rounds} rounds, medians (min..max)\n",
        machine::describe(None)
    );
    let mut table = Table::new(["sent", "GB/s"]);
    for (sent, rates) in [(&short, few), (&long, many)] {
        let Spread { median, min, max } = Spread::of(rates);
        table.row([sent.clone(), format!("{median:.2} ({min:.2}..{max:.2})")]);
    }
    let ratio = Ratio::paired(many, few);
    let what = format!("rate at {long} / rate at {short}");
    println!("{table}\n{}", verdict::line(&what, LENGTH, &ratio));
    Ok(LENGTH.is_met_by(ratio.of_medians))
}

/// A plan of one lane on the client's core.
fn plan(mib: u64, cores: Cores, sends: Way) -> Result<Plan> {
    let (driver, send) = match sends {
        Way::Plain => (DriverChoice::Socket, SendChoice::Auto),
        Way::Engine(driver, send) => (driver, send),
    };
    let keys = (mib << 20) / (SIZES.0 + SIZES.1) as u64;
    let options = PlanOptions {
        driver,
        send,
        ..drive::options(keys, KeyLayout::Plain, cores.client)
    };
    Ok(Plan::new(&options, &drive::machine())?)
}

/// One run on a fresh connection to the sink of stream number `stream`.
fn run(plan: &Arc<Plan>, sends: Way, sink: &mut Sink, stream: usize, bytes: u64) -> Result<Run> {
    let address = sink::address(sink.ports()[stream]);
    let cost = in_thread(|| match sends {
        Way::Plain => drive::write_all(plan, &drive::greeting(plan, address)),
        // The engine's own way, from dialing to the last acknowledgement.
        Way::Engine(..) => {
            let lanes = drive::lanes(plan, &[(plan.sequence().clone(), address)]);
            drive::drive(plan, lanes)
        }
    })?;
    Run::of(cost, sink.swallowed(1)?, bytes)
}

/// Prints the table and the targets. Whether all are met.
fn tell(runs: &[Vec<Run>]) -> bool {
    let figures = |number: usize, figure: fn(&Run) -> f64| -> Vec<f64> {
        runs[number].iter().map(figure).collect()
    };
    let speeds = |number| figures(number, |run| run.gigabytes_per_second);
    let mut table = Table::new([
        "driver",
        "GB/s",
        "of plain",
        "paired interval",
        "CPU s/GiB",
        "CPU of plain",
        "sink busy",
    ]);
    let mut lines = Vec::new();
    let mut all_met = true;
    for (number, candidate) in CANDIDATES.iter().enumerate() {
        let speed = Spread::of(&speeds(number));
        let ratio = Ratio::paired(&speeds(number), &speeds(0));
        let costs = |number| figures(number, |run| run.cpu_seconds_per_gib);
        let cpu = Spread::of(&costs(number));
        let cpu_ratio = Ratio::paired(&costs(number), &costs(0));
        let sink = Spread::of(&figures(number, |run| run.sink_busy_percent));
        table.row([
            candidate.name.to_owned(),
            format!("{:.2} ({:.2}..{:.2})", speed.median, speed.min, speed.max),
            format!("{:.3}", ratio.of_medians),
            format!("{:.3}..{:.3}", ratio.low, ratio.high),
            format!("{:.3} ({:.3}..{:.3})", cpu.median, cpu.min, cpu.max),
            format!("{:.3}", cpu_ratio.of_medians),
            format!("{:.0} %", sink.median),
        ]);
        if let Some(least) = candidate.target {
            let target = Target::AtLeast(least);
            all_met &= target.is_met_by(ratio.of_medians);
            let line = verdict::line(&format!("{} / plain", candidate.name), target, &ratio);
            let aim = candidate.aim.map(Target::AtLeast);
            let aim = aim.map(|aim| format!("; aim {aim}: {}", aim.judge_ratio(&ratio)));
            lines.push(line + &aim.unwrap_or_default());
        }
    }
    println!("{table}\n{}", lines.join("\n"));
    all_met
}
