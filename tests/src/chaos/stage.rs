//! The servers of a run, the network in front of them, and what is done to both.

use std::time::{Duration, Instant};

use super::script::{Fault, Policy, Script};
use crate::fixtures::check::Found;
use crate::fixtures::dice::Dice;
use crate::fixtures::network::Network;
use crate::fixtures::program::{Invocation, fill_port};
use crate::fixtures::rebirth::Rebirth;
use crate::fixtures::{Cluster, Server, eventually};

/// What is stopped is stopped so long.
const PAUSE: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_secs(1);
/// After this time a replica has not taken over, and will not.
const FAILOVER_PATIENCE: Duration = Duration::from_secs(10);
/// The user that loses a permission.
const USER: &str = "filler";
const PASSWORD: &str = "chaos-secret";
/// Milliseconds: a stopped master is replaced, one that comes back at once is not.
const NODE_TIMEOUT: &str = "1500";
/// Masters, and replicas, of a cluster.
const SHARDS: usize = 3;

/// Real servers.
enum Servers {
    One(Box<Server>),
    Many(Cluster),
}

/// Servers behind a network.
pub(super) struct Stage {
    servers: Servers,
    pub(super) network: Network,
}

impl Stage {
    pub(super) fn set(script: &Script) -> Self {
        let servers = if script.is_cluster {
            let setup = Cluster::setup().with_replicas().and("appendonly", "yes");
            let setup = setup.and("appendfsync", script.appendfsync);
            Servers::Many(setup.and("cluster-node-timeout", NODE_TIMEOUT).start())
        } else {
            let setup = Server::with("appendonly", "yes");
            Servers::One(Box::new(
                setup.and("appendfsync", script.appendfsync).start(),
            ))
        };
        let network = match &servers {
            Servers::One(server) => Network::before([server.port()]),
            Servers::Many(cluster) => Network::before(cluster.live().map(Server::port)),
        };
        Self { servers, network }
    }

    /// The fill that the script asks for, through the network.
    pub(super) fn fill(&self, script: &Script) -> Invocation<'static> {
        let entrance = match &self.servers {
            Servers::One(server) => server.port(),
            Servers::Many(cluster) => cluster.node(script.seed as usize % SHARDS).port(),
        };
        let fill = fill_port(self.network.port_to(entrance)).with("--output json");
        let fill = fill.with(&script.amount()).with(&script.flags);
        match self.servers {
            Servers::One(_) => fill,
            Servers::Many(_) => fill.with("-c").with(&self.network.host_maps()),
        }
    }

    /// The server, or a master of the moment.
    pub(super) fn some_master(&self, dice: &mut Dice) -> &Server {
        match &self.servers {
            Servers::One(server) => server,
            Servers::Many(cluster) => shard(cluster, dice.below(SHARDS as u64) as usize).0,
        }
    }

    /// Has a fault happen, and waits until it is over; whether it happened.
    pub(super) fn suffer(&self, fault: Fault, dice: &mut Dice) -> bool {
        match fault {
            Fault::Kill => {
                let kill = self.some_master(dice).try_ask("CLIENT KILL TYPE normal");
                return kill.is_ok_and(|killed: u64| killed > 0);
            }
            Fault::Cut(how) => self.network.cut(how),
            Fault::Silence => {
                self.network.goes_silent();
                std::thread::sleep(SILENCE);
                self.network.heals();
            }
            Fault::Pause => self.some_master(dice).pause(PAUSE),
            Fault::Restart => self.restart(Rebirth::WithItsData, dice),
            Fault::RestartEmpty => self.restart(Rebirth::Empty, dice),
            Fault::Failover | Fault::Replacement | Fault::Reshard => {
                let Servers::Many(cluster) = &self.servers else {
                    return false;
                };
                is_at_rest(cluster);
                let (one, other) = (dice.below(3) as usize, 1 + dice.below(2) as usize);
                return match fault {
                    Fault::Failover => failover(cluster, one),
                    Fault::Replacement => replacement(cluster, one, dice),
                    _ => reshard(cluster, one, (one + other) % SHARDS, dice),
                };
            }
        }
        true
    }

    fn restart(&self, rebirth: Rebirth, dice: &mut Dice) {
        let server = self.some_master(dice);
        server.restart(rebirth);
        if let Servers::Many(_) = self.servers {
            keeps_its_settings(server);
        }
    }

    /// Lets the user of [`as_user`](Self::as_user) in.
    pub(super) fn admits_user(&self) {
        let everything = format!("ACL SETUSER {USER} on >{PASSWORD} ~* &* +@all");
        self.each(|server| server.run(&everything));
    }

    /// The same fill by a user whose permissions can be taken away.
    pub(super) fn as_user(fill: &Invocation<'static>) -> Invocation<'static> {
        fill.clone().with(&format!("-u {USER} -a {PASSWORD}"))
    }

    fn each(&self, mut act: impl FnMut(&Server)) {
        match &self.servers {
            Servers::One(server) => act(server),
            Servers::Many(cluster) => cluster.live().for_each(act),
        }
    }

    /// Has one server refuse all SETs from now on. What the reason must name.
    pub(super) fn refuse(&self, policy: Policy, dice: &mut Dice) -> Vec<String> {
        let server = self.some_master(dice);
        let setting = match policy {
            Policy::MaxMemory => {
                let used = server.info("memory", "used_memory");
                server.run(&format!("CONFIG SET maxmemory {used}"));
                return vec!["maxmemory".to_owned(), used];
            }
            Policy::Misconf => {
                server.cannot_save();
                "stop-writes-on-bgsave-error"
            }
            Policy::AclWithdrawn => {
                server.run(&format!("ACL SETUSER {USER} -set -mset"));
                "ACL"
            }
            Policy::NoReplicas => {
                server.run("CONFIG SET min-replicas-to-write 2");
                "min-replicas-to-write"
            }
        };
        vec![setting.to_owned()]
    }

    /// What is there when everything has come to rest.
    pub(super) fn look(&self, script: &Script) -> Found {
        match &self.servers {
            Servers::One(server) => {
                eventually("the server has loaded its data", || {
                    server.info("persistence", "loading") == "0"
                });
                script.planned.at(server)
            }
            Servers::Many(cluster) => {
                cluster.wait_until_settled();
                script.planned.at_owners(cluster)
            }
        }
    }
}

/// Waits until every replica could take its master's place.
fn is_at_rest(cluster: &Cluster) {
    cluster.wait_until_settled();
    for i in 0..SHARDS {
        eventually("a replica follows its master", || {
            let (_, replica) = shard(cluster, i);
            replica.info("replication", "master_link_status") == "up"
        });
    }
}

/// The master of the moment, and its replica.
fn shard(cluster: &Cluster, i: usize) -> (&Server, &Server) {
    let (first, second) = (cluster.node(i), cluster.replica(i));
    if second.info("replication", "role") == "master" {
        (second, first)
    } else {
        (first, second)
    }
}

/// A node has these settings only from when its cluster works, so not at its start.
fn keeps_its_settings(node: &Server) {
    node.run(&format!("CONFIG SET cluster-node-timeout {NODE_TIMEOUT}"));
    node.run("CONFIG SET cluster-require-full-coverage yes");
}

fn failover(cluster: &Cluster, i: usize) -> bool {
    let (_, replica) = shard(cluster, i);
    takes_over(replica, || {
        // It refuses while it has no link to its master.
        replica.try_ask::<redis::Value>("CLUSTER FAILOVER").is_ok()
    })
}

fn replacement(cluster: &Cluster, i: usize, dice: &mut Dice) -> bool {
    let (master, replica) = shard(cluster, i);
    master.crash();
    let has_taken_over = takes_over(replica, || true);
    master.come_back(dice.pick(&[Rebirth::WithItsData, Rebirth::Empty]));
    keeps_its_settings(master);
    has_taken_over
}

/// Whether a replica becomes a master in time, after something that can be tried again.
fn takes_over(replica: &Server, mut begin: impl FnMut() -> bool) -> bool {
    let started_at = Instant::now();
    let mut has_begun = false;
    while started_at.elapsed() < FAILOVER_PATIENCE {
        has_begun = has_begun || begin();
        if replica.info("replication", "role") == "master" {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn reshard(cluster: &Cluster, from: usize, to: usize, dice: &mut Dice) -> bool {
    let (from, to) = (shard(cluster, from).0, shard(cluster, to).0);
    let slots = 20 + dice.below(100) as u16;
    cluster.start_reshard_between(from, to, slots).wait();
    true
}
