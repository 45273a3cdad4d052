//! The servers of one run on one core: independent ones, or the masters of clusters. Fresh
//! processes, as in [`server`](crate::server).

use std::time::{Duration, Instant};

use engine::cluster::slot::SLOTS;

use crate::Result;
use crate::server::{Installation, PATIENCE, Server};
use crate::slots::Deal;

/// Time between two looks at a cluster that is forming.
const POLL: Duration = Duration::from_millis(20);

/// Running servers, which end with this value.
#[derive(Debug)]
pub struct Fleet(Vec<Server>);

impl Fleet {
    /// Starts `count` servers that know nothing of each other.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn apart(installation: &Installation, core: usize, count: u16) -> Result<Self> {
        let servers = (0..count).map(|_| Server::start(installation, core));
        Ok(Self(servers.collect::<Result<_>>()?))
    }

    /// Starts a cluster of `masters` masters that share the slots evenly, and waits until each
    /// of them says that it takes writes.
    ///
    /// # Errors
    /// One of them does not start; they do not find together.
    pub fn cluster(installation: &Installation, core: usize, masters: u16) -> Result<Self> {
        let nodes = (0..masters).map(|_| Server::start_node(installation, core));
        Self::joined(nodes.collect::<Result<_>>()?)
    }

    /// Takes one server that stands by itself.
    #[must_use]
    pub fn alone(server: Server) -> Self {
        Self(vec![server])
    }

    /// Makes a cluster of nodes that know nothing of each other, otherwise as
    /// [`cluster`](Self::cluster).
    ///
    /// # Errors
    /// They do not find together.
    pub fn joined(nodes: Vec<Server>) -> Result<Self> {
        let fleet = Self(nodes);
        form(&fleet.0)?;
        fleet.wait_until_up(u16::try_from(fleet.0.len())?)?;
        Ok(fleet)
    }

    /// Asks all of them to end, and waits until they have.
    ///
    /// # Errors
    /// One does not end.
    pub fn stop(self) -> Result<()> {
        self.0.into_iter().try_for_each(Server::stop)
    }

    /// Starts `count` clusters of a single master, which owns all slots.
    ///
    /// # Errors
    /// As [`cluster`](Self::cluster).
    pub fn clusters_of_one(installation: &Installation, core: usize, count: u16) -> Result<Self> {
        let nodes = (0..count).map(|_| Server::start_node(installation, core));
        let fleet = Self(nodes.collect::<Result<_>>()?);
        fleet.0.chunks(1).try_for_each(form)?;
        fleet.wait_until_up(1)?;
        Ok(fleet)
    }

    /// The port of each server.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        self.0.iter().map(Server::port).collect()
    }

    /// Keys on all of them.
    ///
    /// # Errors
    /// One does not say.
    pub fn key_count(&self) -> Result<u64> {
        self.0.iter().map(Server::key_count).sum()
    }

    /// CPU seconds that all of them have used.
    ///
    /// # Errors
    /// One does not say.
    pub fn cpu_seconds(&self) -> Result<f64> {
        self.0.iter().map(Server::cpu_seconds).sum()
    }

    /// Waits until every node knows `masters` nodes that own all slots, and takes writes.
    fn wait_until_up(&self, masters: u16) -> Result<()> {
        let wanted = [
            "cluster_state:ok".to_owned(),
            format!("cluster_slots_ok:{SLOTS}"),
            format!("cluster_known_nodes:{masters}"),
        ];
        let started_at = Instant::now();
        for node in &self.0 {
            loop {
                let info = node.text(&["CLUSTER", "INFO"])?;
                if wanted
                    .iter()
                    .all(|line| info.lines().any(|said| said == line))
                {
                    break;
                }
                if started_at.elapsed() > PATIENCE {
                    return Err(format!("a cluster does not come up; a node says:\n{info}").into());
                }
                std::thread::sleep(POLL);
            }
        }
        Ok(())
    }
}

/// Makes one cluster of nodes that know nothing of each other.
fn form(nodes: &[Server]) -> Result<()> {
    let masters = u16::try_from(nodes.len())?;
    for (first, last, owner) in Deal::Even.ranges(masters) {
        let node = &nodes[usize::from(owner)];
        let (first, last) = (first.to_string(), last.to_string());
        node.ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])?;
        // Else all begin with the same epoch, and have to sort that out first.
        let epoch = (owner + 1).to_string();
        node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch])?;
    }
    // Each is told of all others: hearsay takes seconds.
    for (number, node) in nodes.iter().enumerate() {
        for other in &nodes[number + 1..] {
            let (port, bus_port) = (other.port().to_string(), other.bus_port().to_string());
            node.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus_port])?;
        }
    }
    Ok(())
}
