//! How fast `verify` reads, against the fill that wrote: each round fills a fresh server process
//! and then compares everything, each side on a core of its own. Both rates are bytes of keys and
//! values per second of the work itself, from the reports.

use std::process::{Command, ExitCode};

use benches::Result;
use benches::arguments::Arguments;
use benches::machine;
use benches::process;
use benches::rig::Rig;
use benches::server::Server;
use benches::statistics::{Ratio, Spread};
use benches::table::Table;
use benches::verdict::{self, Target};
use clap::Parser;
use serde_json::Value;

/// Key and value sizes.
const SIZES: [(usize, usize); 4] = [(512, 512), (64, 128), (256, 8192), (512, 65_536)];
const ROUNDS: u64 = 5;
const MIB: (u64, u64) = (4, 512);
/// What `verify` reads per second, by what the fill writes.
const TARGET: Target = Target::AtLeast(1.0);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    arguments.exit_code(benches(&arguments))
}

/// Runs every pair of sizes that is asked for. Whether all targets are met.
fn benches(arguments: &Arguments) -> Result<bool> {
    let names = SIZES.map(|(key, value)| (format!("verify/{key}-{value}"), (key, value)));
    let asked: Vec<_> = names
        .into_iter()
        .filter(|(name, _)| arguments.runs(name))
        .collect();
    if asked.is_empty() {
        return Ok(true);
    }
    let rig = Rig::find()?;
    println!("{}", machine::describe(Some(&rig.installation.version)));
    let mib = arguments.mib(MIB.0, MIB.1);
    let rounds = arguments.rounds(ROUNDS);
    let mut table = Table::new([
        "key/value",
        "fill MiB/s",
        "verify MiB/s",
        "verify CPU s/GiB",
    ]);
    let mut lines = Vec::new();
    let mut all_met = true;
    let mut runs = vec![Runs::default(); asked.len()];
    for _ in 0..rounds {
        for ((_, sizes), runs) in asked.iter().zip(&mut runs) {
            round(&rig, mib, *sizes, runs)?;
        }
    }
    for ((name, (key, value)), runs) in asked.iter().zip(&runs) {
        let [filled, verified, cpu] = [&runs.filled, &runs.verified, &runs.cpu].map(|figures| {
            let spread = Spread::of(figures);
            (spread.median, spread.min, spread.max)
        });
        let whole = |(median, min, max)| format!("{median:.0} ({min:.0}..{max:.0})");
        let (median, min, max) = cpu;
        table.row([
            format!("{key}/{value}"),
            whole(filled),
            whole(verified),
            format!("{median:.2} ({min:.2}..{max:.2})"),
        ]);
        let ratio = Ratio::paired(&runs.verified, &runs.filled);
        all_met &= TARGET.is_met_by(ratio.of_medians);
        lines.push(verdict::line(&format!("{name} / fill"), TARGET, &ratio));
    }
    if arguments.is_short() {
        println!("verify: {} sizes, every key verified", asked.len());
        return Ok(true);
    }
    println!(
        "\nFill of {mib} MiB, then verify, {rounds} rounds, fresh server each, medians (min..max)\n\n{table}"
    );
    lines.iter().for_each(|line| println!("{line}"));
    Ok(all_met)
}

/// What was measured, round by round.
#[derive(Clone, Default)]
struct Runs {
    /// MiB of keys and values per second.
    filled: Vec<f64>,
    /// The same.
    verified: Vec<f64>,
    /// CPU seconds of `verify` per GiB.
    cpu: Vec<f64>,
}

/// Fills a fresh server and compares.
fn round(rig: &Rig, mib: u64, (key, value): (usize, usize), runs: &mut Runs) -> Result<()> {
    let server = Server::start(&rig.installation, rig.cores.server)?;
    let flags = format!("-d {mib}mb --key-size {key} --value-size {value}");
    let filled = report(&mut rig.fill(server.port(), &flags))?;
    let verified = report(&mut rig.verify(server.port(), &flags))?;
    if verified["verdict"] != "verified" || verified["checked"] != filled["keys"]["planned"] {
        return Err(format!("{flags}: not everything was verified: {verified}").into());
    }
    let number = |report: &Value, pointer: &str| {
        let number = report.pointer(pointer).and_then(Value::as_f64);
        number.ok_or_else(|| format!("the report has no number {pointer}"))
    };
    let rate = "/rates/payload_mib_per_second";
    runs.filled.push(number(&filled, rate)?);
    runs.verified.push(number(&verified, rate)?);
    let cpu = number(&verified, "/client/cpu_seconds_per_gib")?;
    runs.cpu.push(cpu);
    Ok(())
}

/// Runs the program; its report.
fn report(command: &mut Command) -> Result<Value> {
    let (_, json) = process::run(command)?;
    Ok(serde_json::from_str(&json)?)
}
