//! `client` and `lanes`: one reactor on one core, with lanes to one address or to many, into a
//! sink on the other core. All candidates send as many bytes to the same sink process, each run
//! from a client process of its own, so that its peak of memory is that of the run.

use std::fmt;
use std::process::Command;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use engine::Plan;
use engine::plan::PlanOptions;
use engine::plan::keyspace::KeyLayout;
use engine::plan::sequence::KeySequence;

use crate::Result;
use crate::arguments::Arguments;
use crate::drive::{self, Run, SIZES};
use crate::machine::{Cores, memory_bytes};
use crate::process::{self, Cost, in_thread};
use crate::sink::{self, Sink, Stream};
use crate::slots::Deal;
use crate::statistics::{Ratio, Spread};
use crate::table::Table;
use crate::verdict::{self, Target};

const ROUNDS: u64 = 15;
/// MiB per run, in the short form and otherwise.
const MIB: (u64, u64) = (96, 1920);
/// Keys come in multiples of this, so that all lanes to one port of the sink send as many: whole
/// rounds over the slots, for 1, 2, 3, 6 and 64 lanes.
const KEYS_STEP: u64 = 6 * 16_384;
/// Client CPU of three nodes over that of one address.
const CLIENT_CPU: Target = Target::AtMost(1.10);
/// Throughput of 64 lanes over that of a single one.
const LANES_SPEED: Target = Target::AtLeast(0.90);
/// Largest resident set of a client with 64 lanes, in MiB.
const LANES_RSS_MIB: Target = Target::AtMost(24.0);

/// A fill without control connections: which keys, over which lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    layout: KeyLayout,
    keys: u64,
    /// One takes all keys, several take those of their slots.
    nodes: u16,
    /// Lanes per node.
    connections: usize,
}

impl Load {
    fn plan(&self, core: usize) -> Result<Plan> {
        let options = PlanOptions {
            connections: self.connections,
            ..drive::options(self.keys, self.layout, core)
        };
        let nodes = usize::from(self.nodes);
        Ok(Plan::for_nodes(&options, &drive::machine(), nodes)?)
    }

    /// The keys of each node.
    fn shares(&self, plan: &Plan) -> Vec<KeySequence> {
        if self.nodes == 1 {
            return vec![plan.sequence().clone()];
        }
        let nodes = 0..self.nodes;
        nodes
            .map(|node| {
                plan.sequence()
                    .within(&Deal::Even.slots_of(node, self.nodes))
            })
            .collect()
    }

    /// What a lane sends to each node.
    fn streams(&self, plan: &Plan) -> Vec<Stream> {
        let shares = self.shares(plan);
        let lanes = self.connections as u64;
        let keys = shares.iter().map(KeySequence::count);
        keys.map(|keys| {
            assert_eq!(keys % lanes, 0, "lanes to one port send as many keys");
            Stream::of(plan, keys / lanes)
        })
        .collect()
    }

    fn lanes(&self) -> usize {
        self.connections * usize::from(self.nodes)
    }
}

impl fmt::Display for Load {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_slotted = u64::from(self.layout == KeyLayout::Slotted);
        let (keys, nodes, connections) = (self.keys, self.nodes, self.connections);
        write!(formatter, "{is_slotted},{keys},{nodes},{connections}")
    }
}

impl FromStr for Load {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers: Vec<u64> = text.split(',').filter_map(|n| n.parse().ok()).collect();
        let [is_slotted, keys, nodes, connections] = numbers[..] else {
            return Err(format!(
                "'{text}' is not <slotted>,<keys>,<nodes>,<connections>"
            ));
        };
        let layout = match is_slotted {
            0 => KeyLayout::Plain,
            _ => KeyLayout::Slotted,
        };
        Ok(Self {
            layout,
            keys,
            nodes: nodes.try_into().map_err(|_| "too many nodes")?,
            connections: connections as usize,
        })
    }
}

/// What makes a bench the client of a run.
#[derive(Clone, Debug, Args)]
pub struct ClientRole {
    /// Be the client of this fill
    #[arg(long, hide = true, requires = "ports", requires = "core")]
    load: Option<Load>,
    /// One port of a sink per node
    #[arg(long, hide = true, value_delimiter = ',')]
    ports: Vec<u16>,
    /// Where the reactor runs
    #[arg(long, hide = true)]
    core: Option<usize>,
}

impl ClientRole {
    /// Fills and says what it cost, if this process is to be such a client; `None` if not.
    pub fn play(&self) -> Option<Result<()>> {
        Some(self.fill(self.load?, self.core?))
    }

    /// Says seconds on the clock, seconds of CPU, and the largest resident set in bytes.
    fn fill(&self, load: Load, core: usize) -> Result<()> {
        let plan = Arc::new(load.plan(core)?);
        // What is computed once per process is not counted by the byte.
        plan.segment
            .render(&mut vec![0; plan.segment.block_bytes()]);
        let shares = load.shares(&plan).into_iter();
        let addresses = self.ports.iter().map(|port| sink::address(*port));
        let nodes: Vec<_> = shares.zip(addresses).collect();
        let cost = in_thread(|| drive::drive(&plan, drive::lanes(&plan, &nodes)))?;
        let (wall, cpu) = (cost.wall.as_secs_f64(), cost.cpu.as_secs_f64());
        println!("{wall} {cpu} {}", memory_bytes("VmHWM")?);
        Ok(())
    }
}

/// A load, by name, and where it goes.
struct Candidate {
    name: &'static str,
    load: Load,
    streams: Vec<Stream>,
    /// Of the sink, one per node.
    ports: Vec<u16>,
}

/// The runs of a candidate, round by round.
#[derive(Default)]
struct Runs {
    runs: Vec<Run>,
    /// Largest resident sets, in MiB.
    rss: Vec<f64>,
}

impl Runs {
    fn figures(&self, figure: fn(&Run) -> f64) -> Vec<f64> {
        self.runs.iter().map(figure).collect()
    }

    fn speed(&self) -> Vec<f64> {
        self.figures(|run| run.gigabytes_per_second)
    }

    fn cpu(&self) -> Vec<f64> {
        self.figures(|run| run.cpu_seconds_per_gib)
    }
}

/// The loads of a part, what they are called, and how much they send.
struct Contest {
    title: &'static str,
    candidates: Vec<Candidate>,
    runs: Vec<Runs>,
    mib: u64,
}

impl Contest {
    /// Runs all loads in turn, round by round.
    fn hold(
        title: &'static str,
        arguments: &Arguments,
        loads: &[(&'static str, Load)],
    ) -> Result<Self> {
        let cores = Cores::observe();
        let mut candidates = Vec::new();
        for (name, load) in loads {
            candidates.push(Candidate {
                name,
                load: *load,
                streams: load.streams(&load.plan(cores.client)?),
                ports: Vec::new(),
            });
        }
        let streams: Vec<Stream> = candidates
            .iter()
            .flat_map(|candidate| candidate.streams.clone())
            .collect();
        let mut sink = Sink::start(cores.server, &streams)?;
        let mut ports = sink.ports().iter().copied();
        for candidate in &mut candidates {
            candidate.ports = ports.by_ref().take(candidate.streams.len()).collect();
        }
        let mut runs: Vec<Runs> = candidates.iter().map(|_| Runs::default()).collect();
        for round in 0..arguments.rounds(ROUNDS) as usize {
            for turn in 0..candidates.len() {
                let number = (round + turn) % candidates.len();
                let candidate = &candidates[number];
                let (run, rss) = candidate
                    .run(cores.client, &mut sink)
                    .map_err(|error| format!("{}: {error}", candidate.name))?;
                runs[number].runs.push(run);
                runs[number].rss.push(rss);
            }
        }
        Ok(Self {
            title,
            candidates,
            runs,
            mib: (loads[0].1.keys * (SIZES.0 + SIZES.1) as u64) >> 20,
        })
    }

    /// Prints what is measured and the table.
    fn tell(&self) {
        println!(
            "\n{}: one reactor, {}/{}, {} MiB per run, {} rounds, medians (min..max)\n",
            self.title,
            SIZES.0,
            SIZES.1,
            self.mib,
            self.runs[0].runs.len()
        );
        let mut table = Table::new([
            "lanes",
            "GB/s",
            "CPU s/GiB",
            "of the first",
            "peak RSS MiB",
            "sink busy",
        ]);
        for (candidate, runs) in self.candidates.iter().zip(&self.runs) {
            let (speed, cpu) = (Spread::of(&runs.speed()), Spread::of(&runs.cpu()));
            let ratio = Ratio::paired(&runs.cpu(), &self.runs[0].cpu());
            let sink = Spread::of(&runs.figures(|run| run.sink_busy_percent));
            table.row([
                candidate.name.to_owned(),
                format!("{:.2} ({:.2}..{:.2})", speed.median, speed.min, speed.max),
                format!("{:.3} ({:.3}..{:.3})", cpu.median, cpu.min, cpu.max),
                format!("{:.3}", ratio.of_medians),
                format!("{:.1}", Spread::of(&runs.rss).max),
                format!("{:.0} %", sink.median),
            ]);
        }
        println!("{table}");
    }

    fn tell_short(&self) {
        println!(
            "{}: {} kinds of lanes sent {} MiB each, to the byte",
            self.title,
            self.candidates.len(),
            self.mib
        );
    }
}

impl Candidate {
    /// One run; what it took, and the largest resident set of the client in MiB.
    fn run(&self, core: usize, sink: &mut Sink) -> Result<(Run, f64)> {
        let ports: Vec<String> = self.ports.iter().map(ToString::to_string).collect();
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg(format!("--load={}", self.load))
            .arg(format!("--ports={}", ports.join(",")))
            .arg(format!("--core={core}"));
        let (_, said) = process::run(&mut command)?;
        let figures: Vec<f64> = said
            .split_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect();
        let [wall, cpu, rss] = figures[..] else {
            return Err(format!("a client said '{said}'").into());
        };
        let cost = Cost {
            wall: Duration::from_secs_f64(wall),
            cpu: Duration::from_secs_f64(cpu),
        };
        let lanes_per_node = self.load.connections as u64;
        let bytes = self.streams.iter().map(Stream::bytes).sum::<u64>() * lanes_per_node;
        let run = Run::of(cost, sink.swallowed(self.load.lanes())?, bytes)?;
        Ok((run, rss / f64::from(1 << 20)))
    }
}

/// As many keys as MiB are asked for, rounded up.
fn keys(arguments: &Arguments) -> u64 {
    let keys = (arguments.mib(MIB.0, MIB.1) << 20) / (SIZES.0 + SIZES.1) as u64;
    keys.next_multiple_of(KEYS_STEP)
}

/// What three nodes instead of one address cost the client. Whether that is little enough.
///
/// # Errors
/// A run fails, or bytes get lost.
pub fn client(arguments: &Arguments) -> Result<bool> {
    let load = |layout, nodes, connections| Load {
        layout,
        keys: keys(arguments),
        nodes,
        connections,
    };
    let loads = [
        ("6 to one address, plain", load(KeyLayout::Plain, 1, 6)),
        ("6 to one address, slotted", load(KeyLayout::Slotted, 1, 6)),
        (
            "2 to each of 3 nodes, slotted",
            load(KeyLayout::Slotted, 3, 2),
        ),
    ];
    let contest = Contest::hold("cluster/client", arguments, &loads)?;
    if arguments.is_short() {
        contest.tell_short();
        return Ok(true);
    }
    contest.tell();
    let ratio = Ratio::paired(&contest.runs[2].cpu(), &contest.runs[0].cpu());
    println!(
        "{}",
        verdict::line("client CPU, 3 nodes / one address", CLIENT_CPU, &ratio)
    );
    Ok(CLIENT_CPU.is_met_by(ratio.of_medians))
}

/// What 64 lanes do compared with a single one. Whether they are fast and small enough.
///
/// # Errors
/// A run fails, or bytes get lost.
pub fn lanes(arguments: &Arguments) -> Result<bool> {
    let load = |nodes, connections| Load {
        layout: KeyLayout::Slotted,
        keys: keys(arguments),
        nodes,
        connections,
    };
    let loads = [
        ("1", load(1, 1)),
        ("64 to one address", load(1, 64)),
        ("2 to each of 32 nodes", load(32, 2)),
    ];
    let contest = Contest::hold("cluster/lanes", arguments, &loads)?;
    if arguments.is_short() {
        contest.tell_short();
        return Ok(true);
    }
    contest.tell();
    let ratio = Ratio::paired(&contest.runs[2].speed(), &contest.runs[0].speed());
    let rss = Spread::of(&contest.runs[2].rss).max;
    println!(
        "{}\npeak RSS with 64 lanes: {rss:.1} MiB, target {LANES_RSS_MIB}: {}",
        verdict::line("throughput, 64 lanes / 1 lane", LANES_SPEED, &ratio),
        LANES_RSS_MIB.judge(rss)
    );
    Ok(LANES_SPEED.is_met_by(ratio.of_medians) && LANES_RSS_MIB.is_met_by(rss))
}
