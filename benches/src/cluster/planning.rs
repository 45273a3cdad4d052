//! `planning`: from the answer to CLUSTER SLOTS to lanes that are ready to be dialed, for many
//! masters and as many keys as keys of default size can name. Each run is a process of its own,
//! which plans once, as the program does: cold, and with a peak of memory that nothing before it
//! hides. The answer itself is there beforehand; planning has it to read only.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use engine::cluster::slot::SLOTS;
use engine::cluster::topology::Topology;
use engine::driver::contract::NodeLane;
use engine::plan::keyspace::KeyLayout;
use engine::plan::{DriverChoice, PlanOptions, ReactorChoice};
use engine::{Machine, Plan};
use redis::Value;

use crate::Result;
use crate::arguments::Arguments;
use crate::drive;
use crate::machine::{Cores, memory_bytes, reset_peak};
use crate::process::{self, pinned};
use crate::sink;
use crate::slots::Deal;
use crate::statistics::Spread;
use crate::table::Table;
use crate::verdict::Target;

const MASTERS: u16 = 1_000;
const KEYS: u64 = 1_000_000_000_000;
/// Lanes per master: the default of `-n`.
const CONNECTIONS: usize = 2;
const ROUNDS: u64 = 15;
/// Milliseconds on the clock.
const WALL_MS: Target = Target::AtMost(50.0);
/// MiB by which the resident set grows.
const GROWTH_MIB: Target = Target::AtMost(16.0);

/// What makes a bench plan once.
#[derive(Clone, Debug, Args)]
pub struct PlannerRole {
    /// Plan for masters that share slots like this
    #[arg(long, hide = true)]
    plan: Option<Deal>,
}

impl PlannerRole {
    /// Plans and says what it cost, if this process is to do so; `None` if not.
    pub fn play(&self) -> Option<Result<()>> {
        Some(plan_once(self.plan?))
    }
}

/// Says milliseconds on the clock, and bytes by which the resident set grew at most.
fn plan_once(deal: Deal) -> Result<()> {
    let reply = reply(deal);
    let machine = drive::machine();
    // Where the kernel does not know that, the peak is that of building the answer, which leaves
    // next to nothing behind.
    let _ = reset_peak();
    let before = memory_bytes("VmHWM")?;
    let started_at = Instant::now();
    let (topology, plan, lanes) = plan(&reply, &machine)?;
    let wall = started_at.elapsed();
    let grown = memory_bytes("VmHWM")?.saturating_sub(before);
    let keys: u64 = lanes.iter().map(|lane| lane.lane.sequence().count()).sum();
    let (masters, expected) = (topology.master_count(), usize::from(MASTERS) * CONNECTIONS);
    if keys != KEYS || masters != usize::from(MASTERS) || lanes.len() != expected {
        return Err(format!("{keys} keys, {masters} masters, {} lanes", lanes.len()).into());
    }
    // All of it is alive until here, as during a fill.
    black_box((reply, plan));
    println!("{} {grown}", wall.as_secs_f64() * 1e3);
    Ok(())
}

/// What is measured.
fn plan(reply: &Value, machine: &Machine) -> Result<(Topology, Arc<Plan>, Vec<NodeLane>)> {
    let topology = Topology::of_slots_reply(reply, "127.0.0.1")?;
    let options = PlanOptions {
        connections: CONNECTIONS,
        driver: DriverChoice::Auto,
        reactors: ReactorChoice::Auto,
        ..drive::options(KEYS, KeyLayout::Slotted, 0)
    };
    let plan = Arc::new(Plan::for_nodes(&options, machine, topology.master_count())?);
    // As `Nodes::shares`.
    let mut owners = vec![None; usize::from(SLOTS)];
    for (number, (_, slots)) in topology.masters().enumerate() {
        for slot in slots.iter() {
            owners[usize::from(slot)] = Some(number);
        }
    }
    let shares = plan
        .sequence()
        .deal(|slot| owners[usize::from(slot)], topology.master_count());
    // Nobody is dialed, so any address will do.
    let addresses = topology
        .masters()
        .map(|(master, _)| sink::address(master.port));
    let nodes: Vec<_> = shares.into_iter().zip(addresses).collect();
    let lanes = drive::lanes(&plan, &nodes);
    Ok((topology, plan, lanes))
}

/// The answer to CLUSTER SLOTS of masters with a replica each. Building it leaves next to no freed
/// memory behind that planning could use, and so hide.
fn reply(deal: Deal) -> Value {
    let text = |text: String| Value::BulkString(text.into_bytes());
    let node = |number: u16, is_replica: bool| {
        let host = format!(
            "10.{}.{}.{}",
            u8::from(is_replica),
            number / 250,
            number % 250
        );
        Value::Array(vec![
            text(host),
            Value::Int(6379),
            text(format!(
                "{:040x}",
                u32::from(number) * 2 + u32::from(is_replica)
            )),
            Value::Array(Vec::new()),
        ])
    };
    let ranges = deal.ranges(MASTERS).into_iter();
    let ranges = ranges.map(|(first, last, owner)| {
        Value::Array(vec![
            Value::Int(first.into()),
            Value::Int(last.into()),
            node(owner, false),
            node(owner, true),
        ])
    });
    Value::Array(ranges.collect())
}

/// The figures of a deal, round by round.
#[derive(Default)]
struct Figures {
    wall_ms: Vec<f64>,
    growth_mib: Vec<f64>,
}

/// Plans for every kind of topology. Whether that is quick and small enough.
///
/// # Errors
/// Planning fails, or loses keys.
pub fn planning(arguments: &Arguments) -> Result<bool> {
    let core = Cores::observe().client;
    let rounds = arguments.rounds(ROUNDS) as usize;
    let mut figures = Deal::ALL.map(|_| Figures::default());
    for round in 0..rounds {
        for turn in 0..Deal::ALL.len() {
            let number = (round + turn) % Deal::ALL.len();
            let mut command = pinned(core, std::env::current_exe()?);
            command.arg(format!("--plan={}", Deal::ALL[number].name()));
            let (_, said) = process::run(&mut command)?;
            let (wall, growth) = said.trim().split_once(' ').ok_or("a planner is silent")?;
            figures[number].wall_ms.push(wall.parse()?);
            let growth: f64 = growth.parse()?;
            figures[number].growth_mib.push(growth / f64::from(1 << 20));
        }
    }
    if arguments.is_short() {
        println!(
            "cluster/planning: {} topologies of {MASTERS} masters, no key of {KEYS} lost",
            figures.len()
        );
        return Ok(true);
    }
    println!(
        "\ncluster/planning: {MASTERS} masters, {KEYS} keys, {rounds} rounds, medians (min..max)\n"
    );
    Ok(tell(&figures))
}

/// Prints the table. Whether all targets are met.
fn tell(figures: &[Figures; Deal::ALL.len()]) -> bool {
    let mut table = Table::new(["slots", "ms", "target", "", "peak growth MiB", "target", ""]);
    let mut all_met = true;
    for (
        deal,
        Figures {
            wall_ms,
            growth_mib,
        },
    ) in Deal::ALL.iter().zip(figures)
    {
        let (wall, growth) = (Spread::of(wall_ms), Spread::of(growth_mib));
        all_met &= WALL_MS.is_met_by(wall.median) && GROWTH_MIB.is_met_by(growth.max);
        table.row([
            deal.name().to_owned(),
            format!("{:.1} ({:.1}..{:.1})", wall.median, wall.min, wall.max),
            WALL_MS.to_string(),
            WALL_MS.judge(wall.median).to_owned(),
            format!(
                "{:.1} ({:.1}..{:.1})",
                growth.median, growth.min, growth.max
            ),
            GROWTH_MIB.to_string(),
            GROWTH_MIB.judge(growth.max).to_owned(),
        ]);
    }
    println!("{table}");
    all_met
}
