//! The whole program against a real server, on fresh server processes, each of the two on a core
//! of its own.
//!
//! `speed`: 1 GiB at 512/512, in turns with the load generator that comes with the server,
//! writing as many commands of the same sizes to random keys (rounded up to its pipeline depth,
//! 0.04 % more; some of them meet the same key). Time and CPU are those of the whole client
//! process, its checks before and after included. `memory`: the largest resident set over
//! a table of amounts, connections and depths.

use std::process::{Command, ExitCode};

use benches::Result;
use benches::arguments::Arguments;
use benches::machine;
use benches::process::{self, Cost, pinned};
use benches::rig::Rig;
use benches::server::Server;
use benches::statistics::{Ratio, Spread};
use benches::table::Table;
use benches::verdict::{self, Target};
use clap::Parser;
use serde_json::Value;

/// Bytes of a default key, and of a default value.
const SIZE: usize = 512;
/// What the load generator's random keys start with; twelve digits follow.
const PEER_PREFIX: &str = "key:__rand_int__";
const PEER_PREFIX_BYTES: usize = "key:".len() + 12;
/// The widest range of random keys that it takes, so that few of them collide.
const PEER_KEYSPACE: &str = "2147483647";
/// Its pipeline depth and connections.
const PEER_DEPTH: (&str, &str) = ("1000", "2");
const ROUNDS: u64 = 5;
const MIB: (u64, u64) = (4, 1024);
/// Largest resident set in MiB: at default sizes, and with the largest keys and values.
const RSS_MIB_MAX: (f64, f64) = (20.0, 64.0);
/// What would be better still, at default sizes.
const RSS_MIB_AIM: f64 = 12.0;
/// Settings whose resident set is looked at, and what they may take.
const SETTINGS: [(&str, f64); 12] = [
    ("-d 64mb", RSS_MIB_MAX.0),
    ("-d 256mb", RSS_MIB_MAX.0),
    ("-d 1024mb", RSS_MIB_MAX.0),
    ("-d 64mb -n 1", RSS_MIB_MAX.0),
    ("-d 64mb -n 8", RSS_MIB_MAX.0),
    ("-d 64mb -n 64", RSS_MIB_MAX.0),
    ("-d 8mb --pipeline-depth 1", RSS_MIB_MAX.0),
    ("-d 64mb --pipeline-depth 1000", RSS_MIB_MAX.0),
    ("-d 256mb --pipeline-depth 100000", RSS_MIB_MAX.0),
    ("-d 16mb -n 64 --pipeline-depth 1", RSS_MIB_MAX.0),
    ("-d 256mb -n 64 --pipeline-depth 100000", RSS_MIB_MAX.0),
    (
        "-d 512mb -n 8 --key-size 65536 --value-size 524288",
        RSS_MIB_MAX.1,
    ),
];
/// The two of them that the short form looks at, with less to fill.
const SHORT_SETTINGS: [(&str, f64); 2] = [
    ("-d 4mb -n 64 --pipeline-depth 100000", RSS_MIB_MAX.0),
    (
        "-d 16mb -n 8 --key-size 65536 --value-size 524288",
        RSS_MIB_MAX.1,
    ),
];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    arguments.exit_code(benches(&arguments))
}

/// Runs the parts that are asked for. Whether all targets are met.
fn benches(arguments: &Arguments) -> Result<bool> {
    let (speed_runs, memory_runs) = (arguments.runs("fill/speed"), arguments.runs("fill/memory"));
    if !speed_runs && !memory_runs {
        return Ok(true);
    }
    let rig = Rig::find()?;
    println!("{}", machine::describe(Some(&rig.installation.version)));
    let mut all_met = true;
    if speed_runs {
        all_met &= speed(&rig, arguments)?;
    }
    if memory_runs {
        all_met &= memory(&rig, arguments)?;
    }
    Ok(all_met)
}

/// A client's runs, round by round.
#[derive(Default)]
struct Runs {
    costs: Vec<Cost>,
    /// Keys on the server afterwards.
    keys: Vec<u64>,
}

impl Runs {
    fn wall(&self) -> Vec<f64> {
        self.costs
            .iter()
            .map(|cost| cost.wall.as_secs_f64())
            .collect()
    }

    fn cpu(&self) -> Vec<f64> {
        self.costs
            .iter()
            .map(|cost| cost.cpu.as_secs_f64())
            .collect()
    }
}

fn speed(rig: &Rig, arguments: &Arguments) -> Result<bool> {
    let mib = arguments.mib(MIB.0, MIB.1);
    let rounds = arguments.rounds(ROUNDS);
    let keys = (mib << 20) / (2 * SIZE as u64);
    let (mut ours, mut theirs) = (Runs::default(), Runs::default());
    for round in 0..rounds {
        // Each goes first in every other round.
        for is_ours in [round % 2 == 0, round % 2 != 0] {
            let server = Server::start(&rig.installation, rig.cores.server)?;
            let (runs, mut command) = if is_ours {
                (&mut ours, rig.fill(server.port(), &format!("-d {mib}mb")))
            } else {
                (&mut theirs, peer_command(rig, &server, keys))
            };
            let (cost, _) = process::run(&mut command)?;
            runs.costs.push(cost);
            runs.keys.push(server.key_count()?);
        }
    }
    if let Some(found) = ours.keys.iter().find(|found| **found != keys) {
        return Err(format!("the server holds {found} keys after a fill of {keys}").into());
    }
    if arguments.is_short() {
        println!("fill/speed: {keys} keys, as DBSIZE confirms");
        return Ok(true);
    }
    println!(
        "\nFill of {mib} MiB, {SIZE}/{SIZE}, {keys} SETs, {rounds} rounds, fresh server each, medians (min..max)\n"
    );
    Ok(tell_speed(rig, keys, [&ours, &theirs]))
}

fn tell_speed(rig: &Rig, keys: u64, [ours, theirs]: [&Runs; 2]) -> bool {
    let peer = rig.installation.benchmark;
    let mut table = Table::new(["client", "wall s", "client CPU s", "distinct keys - asked"]);
    for (name, runs) in [("redis-client fill", ours), (peer, theirs)] {
        let (wall, cpu) = (Spread::of(&runs.wall()), Spread::of(&runs.cpu()));
        let surplus = runs.keys.iter().map(|found| *found as f64 - keys as f64);
        let surplus = Spread::of(&surplus.collect::<Vec<_>>());
        table.row([
            name.to_owned(),
            format!("{:.2} ({:.2}..{:.2})", wall.median, wall.min, wall.max),
            format!("{:.3} ({:.3}..{:.3})", cpu.median, cpu.min, cpu.max),
            format!(
                "{:+} ({:+}..{:+})",
                surplus.median, surplus.min, surplus.max
            ),
        ]);
    }
    println!("{table}");
    let mut all_met = true;
    let targets = [
        ("wall", ours.wall(), theirs.wall(), Target::AtMost(1.0)),
        ("client CPU", ours.cpu(), theirs.cpu(), Target::AtMost(0.4)),
    ];
    for (what, ours, theirs, target) in targets {
        let ratio = Ratio::paired(&ours, &theirs);
        all_met &= target.is_met_by(ratio.of_medians);
        println!(
            "{}",
            verdict::line(&format!("{what} / {peer}"), target, &ratio)
        );
    }
    all_met
}

/// Looks at the resident set of every setting. Whether all are small enough.
fn memory(rig: &Rig, arguments: &Arguments) -> Result<bool> {
    let settings: &[(&str, f64)] = if arguments.is_short() {
        &SHORT_SETTINGS
    } else {
        &SETTINGS
    };
    let mut table = Table::new(["fill", "keys", "peak RSS MiB", "target", "verdict"]);
    let mut all_met = true;
    let mut most_at_default_sizes = 0.0_f64;
    for (flags, mib_max) in settings {
        let server = Server::start(&rig.installation, rig.cores.server)?;
        let (_, json) = process::run(&mut rig.fill(server.port(), flags))?;
        let report: Value = serde_json::from_str(&json)?;
        let number = |pointer: &str| {
            let number = report.pointer(pointer).and_then(Value::as_u64);
            number.ok_or_else(|| format!("the report has no number {pointer}"))
        };
        let (planned, found) = (number("/keys/planned")?, server.key_count()?);
        if planned != found || planned == 0 {
            return Err(format!("{flags}: the server holds {found} of {planned} keys").into());
        }
        let mib = number("/client/peak_rss_bytes")? as f64 / f64::from(1 << 20);
        if *mib_max == RSS_MIB_MAX.0 {
            most_at_default_sizes = most_at_default_sizes.max(mib);
        }
        let target = Target::AtMost(*mib_max);
        all_met &= target.is_met_by(mib);
        table.row([
            (*flags).to_owned(),
            planned.to_string(),
            format!("{mib:.1}"),
            format!("<= {mib_max:.0}"),
            target.judge(mib).to_owned(),
        ]);
    }
    if arguments.is_short() {
        println!(
            "fill/memory: {} settings, as DBSIZE confirms",
            settings.len()
        );
        return Ok(true);
    }
    println!(
        "\nLargest resident set of the client (VmHWM of /proc/self/status, from its report)\n\n{table}"
    );
    let aim = Target::AtMost(RSS_MIB_AIM);
    println!(
        "at default sizes at most {most_at_default_sizes:.1} MiB; aim <= {RSS_MIB_AIM:.0}: {}",
        aim.judge(most_at_default_sizes)
    );
    Ok(all_met)
}

/// The load generator, writing `keys` SETs of default size to random keys.
fn peer_command(rig: &Rig, server: &Server, keys: u64) -> Command {
    let (depth, connections) = PEER_DEPTH;
    let mut command = pinned(rig.cores.client, rig.installation.benchmark);
    command
        .args(["-h", "127.0.0.1", "-p", &server.port().to_string(), "-q"])
        .args([
            "-n",
            &keys.to_string(),
            "-r",
            PEER_KEYSPACE,
            "-P",
            depth,
            "-c",
            connections,
        ])
        .arg("SET")
        .arg(format!(
            "{PEER_PREFIX}{}",
            "x".repeat(SIZE - PEER_PREFIX_BYTES)
        ))
        .arg("x".repeat(SIZE));
    command
}
