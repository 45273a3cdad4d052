//! Whether a fill could run here, and what would stand in its way: this machine, the network, the
//! servers and the rights of the user on them. Finds out and changes nothing, neither here nor
//! there; judging and wording is the command line's affair.

mod cgroup;
mod files;
mod host;
mod network;
mod rights;
mod server;

use std::net::SocketAddr;

pub use cgroup::CpuQuota;
pub use files::Files;
pub use host::{Host, Limit, Seccomp, Smt};
pub use network::{Interface, Network, Offloads};
pub use rights::{Grant, Purpose, Right};
pub use server::{Role, ServerState};

use crate::cluster::slot_set::SlotSet;
use crate::cluster::topology::{Endpoint, Topology};
use crate::control::Control;
use crate::driver::uring::{self, Abilities};
use crate::error::Result;
pub use crate::hazards::{Hazard, Subject};
use crate::machine::Machine;
use crate::nodes::{ASKED_AT_ONCE_MAX, ClusterOptions, Nodes};
use crate::observe;
use crate::plan::{Plan, PlanOptions, REGISTERED_BYTES_MAX};
use crate::preflight::{Preflight, Share};
use crate::target::Target;

/// So many ranges of slots are named.
const RANGES_SHOWN_MAX: usize = 8;

/// What was found on this machine.
#[derive(Clone, Debug)]
pub struct MachineState {
    /// What a plan is made from.
    pub machine: Machine,
    /// What rings can do; `None` where there are none.
    pub abilities: Option<Abilities>,
    /// Kernel, limits, cores, memory.
    pub host: Host,
    /// The way to the servers.
    pub network: Network,
}

/// Looks at this machine, with servers that have these addresses.
#[must_use]
pub fn machine(files: &Files, servers: &[SocketAddr]) -> MachineState {
    let machine = observe::machine(servers);
    // Where a ring is taken down the thread that had it is interrupted.
    let abilities = std::thread::spawn(|| uring::abilities(REGISTERED_BYTES_MAX));
    MachineState {
        host: Host::look(files, &machine.cores),
        network: Network::look(files, servers),
        abilities: abilities.join().ok().flatten(),
        machine,
    }
}

/// One server, or one master of a cluster.
#[derive(Debug)]
pub struct NodeState {
    /// Where it is announced, mapped; what the user gave for a server by itself.
    pub name: String,
    /// What was found there, or why nothing was.
    pub state: Result<ServerState>,
}

/// What a cluster says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterState {
    /// Masters that own slots.
    pub masters: usize,
    /// Slots that nobody owns, in words; empty where there are none.
    pub uncovered: String,
    /// Whether it takes writes.
    pub is_up: Option<bool>,
}

/// What was found on the servers.
#[derive(Debug)]
pub struct ServersState {
    /// Each of them, as far as they are known.
    pub nodes: Vec<NodeState>,
    /// The cluster that they form.
    pub cluster: Option<ClusterState>,
    /// The plan of the fill and what the checks before it say: what stops them stops a fill.
    pub outcome: Result<(Plan, Preflight)>,
}

/// Looks at a server or at all masters of its cluster, then does all that a fill does before its
/// first write.
#[must_use]
pub fn servers(target: &Target, cluster: &ClusterOptions, options: &PlanOptions) -> ServersState {
    let mut found = ServersState {
        nodes: Vec::new(),
        cluster: None,
        outcome: Plan::new(options, &observe::machine(target.addresses()))
            .map(|plan| (plan, Preflight::default())),
    };
    let Ok((plan, _)) = &found.outcome else {
        return found;
    };
    match look(target, cluster, plan) {
        Ok((nodes, cluster)) => (found.nodes, found.cluster) = (nodes, cluster),
        Err(error) => {
            found.outcome = Err(error);
            return found;
        }
    }
    found.outcome = prepare(target, cluster, options);
    found
}

/// What a fill does before its first write.
fn prepare(
    target: &Target,
    cluster: &ClusterOptions,
    options: &PlanOptions,
) -> Result<(Plan, Preflight)> {
    let mut nodes = Nodes::connect(target, cluster)?;
    let machine = observe::machine(&nodes.addresses());
    let plan = Plan::for_nodes(options, &machine, nodes.iter().len())?;
    let preflight = nodes.preflight(Some(&plan), false)?;
    Ok((plan, preflight))
}

/// Each server by itself, whatever its state.
fn look(
    target: &Target,
    options: &ClusterOptions,
    plan: &Plan,
) -> Result<(Vec<NodeState>, Option<ClusterState>)> {
    let mut seed = Control::connect_seed(target)?;
    if !target.is_cluster {
        let keys = plan.sequence();
        let node = NodeState {
            name: target.to_string(),
            state: ServerState::look(&mut seed, Share { plan, keys }),
        };
        return Ok((vec![node], None));
    }
    let topology = seed.topology()?.mapped(&options.host_map);
    let masters: Vec<(&Endpoint, &SlotSet)> = topology.masters().collect();
    let mut nodes = Vec::new();
    for some in masters.chunks(ASKED_AT_ONCE_MAX) {
        std::thread::scope(|scope| {
            let threads = some.iter().map(|(endpoint, slots)| {
                scope.spawn(|| NodeState {
                    name: endpoint.to_string(),
                    state: look_at_master(target, endpoint, slots, plan),
                })
            });
            let threads: Vec<_> = threads.collect();
            nodes.extend(threads.into_iter().filter_map(|thread| thread.join().ok()));
        });
    }
    let cluster = ClusterState {
        masters: topology.master_count(),
        uncovered: uncovered(&topology),
        is_up: seed.cluster_is_up().ok(),
    };
    Ok((nodes, Some(cluster)))
}

fn look_at_master(
    target: &Target,
    endpoint: &Endpoint,
    slots: &SlotSet,
    plan: &Plan,
) -> Result<ServerState> {
    let login = target.login.clone();
    let master = Target::resolve(&endpoint.host, endpoint.port, target.db, login)?;
    let mut control = Control::connect_seed(&master.of_cluster())?;
    let keys = plan.sequence().within(slots);
    let share = Share { plan, keys: &keys };
    let mut state = ServerState::look(&mut control, share)?;
    state.slots = Some(slots.len());
    Ok(state)
}

fn uncovered(topology: &Topology) -> String {
    let uncovered = topology.uncovered();
    match uncovered.is_empty() {
        true => String::new(),
        false => uncovered.in_words(RANGES_SHOWN_MAX),
    }
}
