//! `audit`: what it costs a server to be asked for every planned key, because its own counts do
//! not prove that all of them are there: somebody else adds a key while the fill runs.

use std::process::Command;

use clap::Args;
use engine::nodes::{ClusterOptions, Nodes};
use engine::plan::PlanOptions;
use engine::plan::keyspace::KeyLayout;
use engine::run::{self, Event, Stop};
use engine::target::{Login, Target as Address};
use engine::{Amount, Plan};
use redis::Commands;

use crate::Result;
use crate::arguments::Arguments;
use crate::drive;
use crate::machine::Cores;
use crate::process::{self, pinned};
use crate::server::{Installation, Server};
use crate::statistics::Spread;
use crate::table::Table;
use crate::verdict::Target;

const ROUNDS: u64 = 7;
/// Keys to be looked for, in the short form and otherwise.
const KEYS: (u64, u64) = (20_000, 1_000_000);
/// Sizes of keys and values.
const SIZES: [(usize, usize); 2] = [(512, 512), (16, 16)];
/// Seconds of server CPU per million keys.
const SERVER_CPU: Target = Target::AtMost(1.2);
/// The key that somebody else adds.
const FOREIGN_KEY: &str = "somebody else's";

/// What makes a bench the auditor of a run.
#[derive(Clone, Debug, Args)]
pub struct AuditorRole {
    /// Fill so many keys and look for each of them
    #[arg(
        long,
        hide = true,
        requires = "audited_port",
        requires = "audited_sizes"
    )]
    audited_keys: Option<u64>,
    /// Bytes of keys and of values
    #[arg(long, hide = true, value_delimiter = ',')]
    audited_sizes: Vec<usize>,
    /// Where the server listens on loopback
    #[arg(long, hide = true)]
    audited_port: Option<u16>,
}

impl AuditorRole {
    /// Fills and looks, and says what looking cost, if this process is to be an auditor; `None` if
    /// not.
    pub fn play(&self) -> Option<Result<()>> {
        let (keys, port) = (self.audited_keys?, self.audited_port?);
        let sizes = (*self.audited_sizes.first()?, *self.audited_sizes.get(1)?);
        Some(fill_and_look(keys, sizes, port))
    }
}

/// Says seconds of server CPU and seconds on the clock from the moment when all keys were sent and
/// counted, and counting proved nothing, to the end of the fill.
fn fill_and_look(keys: u64, (key_size, value_size): (usize, usize), port: u16) -> Result<()> {
    let address = Address::resolve("127.0.0.1", port, 0, Login::default())?;
    let mut nodes = Nodes::connect(&address, &ClusterOptions::default())?;
    let core = Cores::observe().client;
    let options = PlanOptions {
        amount: Amount::Keys(keys),
        key_size,
        value_size,
        ..drive::options(keys, KeyLayout::Plain, core)
    };
    let plan = Plan::new(&options, &drive::machine())?;
    let mut foreign = redis::Client::open(("127.0.0.1", port))?.get_connection()?;
    let mut is_foreign_there = false;
    let mut began_at = None;
    let mut observe = |event: Event| match event {
        Event::Progress(_) if !is_foreign_there => {
            is_foreign_there = foreign.set::<_, _, ()>(FOREIGN_KEY, 1).is_ok();
        }
        Event::Notice(notice) if notice.contains("looking for each of them") => {
            began_at = Some((std::time::Instant::now(), cpu_seconds(&mut foreign)));
        }
        _ => {}
    };
    let (report, _) = run::fill(&plan, &address, &mut nodes, &Stop::default(), &mut observe)?;
    let (began_at, cpu_before) =
        began_at.ok_or("DBSIZE proved the fill: nothing was looked for")?;
    let wall = began_at.elapsed().as_secs_f64();
    let cpu = cpu_seconds(&mut foreign)? - cpu_before?;
    if report.keys.present != Some(keys) {
        return Err(format!("{:?} of {keys} keys were seen", report.keys.present).into());
    }
    println!("{cpu} {wall}");
    Ok(())
}

/// CPU seconds of the server's process so far.
fn cpu_seconds(connection: &mut redis::Connection) -> Result<f64> {
    let info: String = redis::cmd("INFO").arg("cpu").query(connection)?;
    let seconds = |name: &str| -> Result<f64> {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        Ok(line.ok_or("INFO has no CPU time")?.trim().parse()?)
    };
    Ok(seconds("used_cpu_sys:")? + seconds("used_cpu_user:")?)
}

/// Runs the part. Whether all targets are met.
///
/// # Errors
/// A fill fails; a key is not seen.
pub fn audit(arguments: &Arguments) -> Result<bool> {
    let installation = Installation::find()?;
    let cores = Cores::observe();
    let keys = if arguments.is_short() { KEYS.0 } else { KEYS.1 };
    let rounds = arguments.rounds(ROUNDS);
    let mut table = Table::new(["key/value", "server CPU s", "wall s", "target", "verdict"]);
    let mut all_met = true;
    for sizes in SIZES {
        let (mut cpu, mut wall) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let server = Server::start(&installation, cores.server)?;
            let (_, said) = process::run(&mut auditor(cores.client, keys, sizes, server.port())?)?;
            let mut figures = said.split_whitespace().map(str::parse::<f64>);
            let (Some(seconds), Some(on_clock)) = (figures.next(), figures.next()) else {
                return Err(format!("an auditor said '{said}'").into());
            };
            let per_million = keys as f64 / 1e6;
            cpu.push(seconds? / per_million);
            wall.push(on_clock? / per_million);
        }
        let (cpu, wall) = (Spread::of(&cpu), Spread::of(&wall));
        all_met &= SERVER_CPU.is_met_by(cpu.median);
        table.row([
            format!("{}/{}", sizes.0, sizes.1),
            format!("{:.2} ({:.2}..{:.2})", cpu.median, cpu.min, cpu.max),
            format!("{:.2} ({:.2}..{:.2})", wall.median, wall.min, wall.max),
            SERVER_CPU.to_string(),
            SERVER_CPU.judge(cpu.median).to_owned(),
        ]);
    }
    if arguments.is_short() {
        println!("safety/audit: {keys} keys beside a foreign one, each of them seen");
        return Ok(true);
    }
    println!(
        "\nsafety/audit: looking for {keys} keys that DBSIZE does not prove, per million keys, {rounds} rounds, medians (min..max)\n\n{table}"
    );
    Ok(all_met)
}

fn auditor(core: usize, keys: u64, sizes: (usize, usize), port: u16) -> Result<Command> {
    let mut command = pinned(core, std::env::current_exe()?);
    command
        .arg(format!("--audited-keys={keys}"))
        .arg(format!("--audited-sizes={},{}", sizes.0, sizes.1))
        .arg(format!("--audited-port={port}"));
    Ok(command)
}
