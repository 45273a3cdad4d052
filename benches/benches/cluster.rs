//! What a cluster costs. `client`: CPU of the client with lanes to several nodes; `lanes`: speed
//! and memory of one reactor with many lanes; `planning`: a thousand masters; `overhead`: the whole
//! program against real clusters, standalone servers, and independent servers.
//!
//! The first two send into a sink that discards, as `ceiling` does, so that no server's work
//! hides the client's. Sink, clients and planners are this program, called again.

use std::process::ExitCode;

use benches::Result;
use benches::arguments::Arguments;
use benches::cluster::lanes::{self, ClientRole};
use benches::cluster::overhead;
use benches::cluster::planning::{self, PlannerRole};
use benches::machine;
use benches::sink::SinkRole;
use clap::Parser;

/// A part of this bench: its name, and what it does.
type Part = (&'static str, fn(&Arguments) -> Result<bool>);

const PARTS: [Part; 4] = [
    ("cluster/client", lanes::client),
    ("cluster/lanes", lanes::lanes),
    ("cluster/planning", planning::planning),
    ("cluster/overhead", overhead::overhead),
];

#[derive(Debug, Parser)]
struct Cluster {
    #[command(flatten)]
    arguments: Arguments,
    #[command(flatten)]
    sink: SinkRole,
    #[command(flatten)]
    client: ClientRole,
    #[command(flatten)]
    planner: PlannerRole,
}

fn main() -> ExitCode {
    let Cluster {
        arguments,
        sink,
        client,
        planner,
    } = Cluster::parse();
    let role = sink.play().or_else(|| client.play());
    let outcome = match role.or_else(|| planner.play()) {
        Some(played) => played.map(|()| true),
        None => parts(&arguments),
    };
    arguments.exit_code(outcome)
}

/// Runs the parts that are asked for. Whether all targets are met.
fn parts(arguments: &Arguments) -> Result<bool> {
    let wanted: Vec<&Part> = PARTS
        .iter()
        .filter(|(name, _)| arguments.runs(name))
        .collect();
    if !wanted.is_empty() && !arguments.is_short() {
        println!("{}", machine::describe(None));
    }
    let mut all_met = true;
    for (_, part) in wanted {
        all_met &= part(arguments)?;
    }
    Ok(all_met)
}
