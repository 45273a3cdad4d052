//! The nodes of a fill: one server, or the masters of a cluster. Knows which keys belong to which
//! of them, reads the topology again when it changes, and asks all of them at once. What they
//! are asked is decided elsewhere.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cluster::slot_set::SlotSet;
use crate::cluster::topology::{Endpoint, HostMap, Topology};
use crate::control::{Control, ServerFacts};
use crate::error::{Error, Result};
use crate::open_files;
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::preflight::{Preflight, Share};
use crate::target::Target;

/// So many nodes are asked at the same time.
const ASKED_AT_ONCE_MAX: usize = 16;
/// So many nodes have to agree on a topology before it counts as settled.
const WITNESSES: usize = 3;
/// How long a node may take to say who owns what, while others could be asked.
const TOPOLOGY_PATIENCE: Duration = Duration::from_secs(1);
/// How long a cluster that is down before a fill may take to come up, and how often it is asked.
const UP_PATIENCE: Duration = Duration::from_secs(3);
const UP_POLL: Duration = Duration::from_millis(100);
/// So many ranges of slots are named in a message.
const RANGES_SHOWN_MAX: usize = 8;

/// How to reach a cluster, and how much of it is enough.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// Announced addresses and what to use in their stead.
    pub host_map: HostMap,
    /// Fill what is covered although slots have no master that can be reached.
    pub allow_partial: bool,
}

/// One server.
pub struct Node {
    /// Where it is announced, mapped; what the user gave for a server by itself.
    pub endpoint: Endpoint,
    /// The control connection to it.
    pub control: Control,
    /// The slots it owns now; none for a server by itself.
    pub(crate) slots: SlotSet,
}

impl Node {
    /// What it said of itself.
    #[must_use]
    pub fn facts(&self) -> &ServerFacts {
        self.control.facts()
    }
}

/// The nodes of a fill, in the order in which they became known.
pub struct Nodes {
    target: Target,
    options: ClusterOptions,
    topology: Topology,
    nodes: Vec<Node>,
    /// Masters that could not be reached and are left out (`allow_partial`).
    left_out: Vec<String>,
    /// Number of the node that is asked first for the topology.
    ask_first: usize,
}

impl Nodes {
    /// Connects to the server that `target` names, or to every master of its cluster.
    ///
    /// # Errors
    /// One of them cannot be reached or filled; the cluster has slots without a master.
    pub fn connect(target: &Target, options: &ClusterOptions) -> Result<Self> {
        let mut nodes = Self {
            target: target.clone(),
            options: options.clone(),
            topology: Topology::default(),
            nodes: Vec::new(),
            left_out: Vec::new(),
            ask_first: 0,
        };
        if !target.is_cluster {
            nodes.nodes.push(Node {
                endpoint: Endpoint {
                    host: target.bare_host().to_owned(),
                    port: target.port,
                },
                control: Control::connect(target)?,
                slots: SlotSet::default(),
            });
            return Ok(nodes);
        }
        let mut seed = Control::connect_seed(target)?;
        let announced = seed.topology()?;
        let topology = announced.clone().mapped(&options.host_map);
        if topology.master_count() == 0 {
            return Err(Error::Server {
                address: seed.address(),
                what: "belongs to a cluster in which no master owns slots".into(),
                cure: "create the cluster first (redis-cli --cluster create)".into(),
            });
        }
        // A fill says it where even that is not enough.
        let _ = open_files::raise_for(topology.master_count() as u64);
        nodes
            .adopt(topology)
            .map_err(|problems| nodes.explain(problems, &announced, &seed))?;
        nodes.check_coverage(&mut seed)?;
        Ok(nodes)
    }

    /// Whether they are the masters of a cluster.
    #[must_use]
    pub fn is_cluster(&self) -> bool {
        self.target.is_cluster
    }

    /// Every node.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Node> {
        self.nodes.iter()
    }

    /// One of them.
    pub(crate) fn node(&self, number: usize) -> &Node {
        &self.nodes[number]
    }

    /// The address of every node.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes
            .iter()
            .map(|node| node.control.address())
            .collect()
    }

    /// Slots that no node here owns; none for a server by itself.
    #[must_use]
    pub fn uncovered(&self) -> SlotSet {
        if self.is_cluster() {
            self.topology.uncovered()
        } else {
            SlotSet::default()
        }
    }

    /// Masters that could not be reached and are left out.
    #[must_use]
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Keys in the databases to be filled.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.nodes.iter().map(|node| node.facts().keys).sum()
    }

    /// Those keys of a sequence for which there is a node.
    #[must_use]
    pub fn covered(&self, keys: &KeySequence) -> KeySequence {
        if self.uncovered().is_empty() {
            return keys.clone();
        }
        keys.within(&self.topology.covered())
    }

    /// For each node its keys of a sequence.
    #[must_use]
    pub fn shares(&self, keys: &KeySequence) -> Vec<KeySequence> {
        let share = |node: &Node| match self.is_cluster() {
            true => keys.within(&node.slots),
            false => keys.clone(),
        };
        self.nodes.iter().map(share).collect()
    }

    /// Every check that changes nothing, on every node.
    ///
    /// # Errors
    /// As [`Control::preflight`].
    pub fn preflight(&mut self, plan: Option<&Plan>, flush: bool) -> Result<Preflight> {
        let shares = plan.map(|plan| self.shares(plan.sequence()));
        let is_cluster = self.is_cluster();
        let found = self.ask_each(|number, node| {
            let keys = shares.as_ref().map(|shares| &shares[number]);
            let share = plan.zip(keys).map(|(plan, keys)| Share { plan, keys });
            let preflight = node.control.preflight(share, flush)?;
            Ok(if is_cluster {
                preflight.of_node(&node.endpoint.to_string())
            } else {
                preflight
            })
        });
        let found: Vec<Preflight> = found.into_iter().collect::<Result<_>>()?;
        Ok(Preflight::of_all(found))
    }

    /// Empties the database of every node; how many keys went.
    ///
    /// # Errors
    /// As [`Control::flush`].
    pub fn flush(&mut self) -> Result<u64> {
        self.ask_each(|_, node| node.control.flush())
            .into_iter()
            .sum()
    }

    /// Does something with every node, several at a time; the results in their order.
    pub(crate) fn ask_each<R: Send>(
        &mut self,
        ask: impl Fn(usize, &mut Node) -> R + Sync,
    ) -> Vec<R> {
        let count = self.nodes.len();
        if count == 1 {
            return vec![ask(0, &mut self.nodes[0])];
        }
        let mut answers: Vec<Option<R>> = (0..count).map(|_| None).collect();
        let work = Mutex::new(self.nodes.iter_mut().zip(&mut answers).enumerate());
        std::thread::scope(|scope| {
            for _ in 0..count.min(ASKED_AT_ONCE_MAX) {
                scope.spawn(|| {
                    loop {
                        let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((number, (node, answer))) = next else {
                            return;
                        };
                        *answer = Some(ask(number, node));
                    }
                });
            }
        });
        // Each was answered, or a thread panicked and the scope with it.
        answers.into_iter().flatten().collect()
    }

    /// Reads the topology again. Whether owners have changed; `false` as well where nobody
    /// answers, or a new owner cannot be reached yet.
    pub(crate) fn refresh(&mut self) -> bool {
        for _ in 0..self.nodes.len() {
            let number = self.ask_first % self.nodes.len();
            self.ask_first += 1;
            if let Some(topology) = self.seen_by(number) {
                return topology != self.topology && self.adopt(topology).is_ok();
            }
        }
        false
    }

    /// Whether a node that answers says that its cluster takes writes (or a part is enough).
    pub(crate) fn is_up(&mut self) -> bool {
        for _ in 0..self.nodes.len() {
            let number = self.ask_first % self.nodes.len();
            self.ask_first += 1;
            let control = &mut self.nodes[number].control;
            if let Ok(is_up) = control.with_patience(TOPOLOGY_PATIENCE, Control::cluster_is_up) {
                return is_up || self.options.allow_partial;
            }
        }
        false
    }

    /// Whether a part of the cluster is enough.
    pub(crate) fn may_be_partial(&self) -> bool {
        self.options.allow_partial
    }

    /// Changes how long nodes may take for one answer.
    pub(crate) fn set_patience(&mut self, patience: Duration) {
        for node in &mut self.nodes {
            node.control.set_patience(patience);
        }
    }

    /// Whether several nodes see the owners that are known here, and none that the cluster is
    /// down. A server by itself always is.
    pub(crate) fn is_settled(&mut self) -> bool {
        if !self.is_cluster() {
            return true;
        }
        let owners = (0..self.nodes.len()).filter(|number| !self.nodes[*number].slots.is_empty());
        let owners: Vec<usize> = owners.collect();
        let skipped = self.ask_first % owners.len().max(1);
        let witnesses: Vec<usize> = owners
            .iter()
            .cycle()
            .skip(skipped)
            .take(owners.len().min(WITNESSES))
            .copied()
            .collect();
        self.ask_first += 1;
        let may_be_down = self.options.allow_partial;
        witnesses.into_iter().all(|number| {
            self.seen_by(number).as_ref() == Some(&self.topology)
                && (may_be_down || self.nodes[number].control.cluster_is_up().unwrap_or(false))
        })
    }

    /// The topology as a node sees it, mapped, without the masters that are left out.
    fn seen_by(&mut self, number: usize) -> Option<Topology> {
        let control = &mut self.nodes[number].control;
        let seen = control.with_patience(TOPOLOGY_PATIENCE, Control::topology);
        let topology = seen.ok()?.mapped(&self.options.host_map);
        Some(topology.without(&self.left_out))
    }

    /// Takes a topology over: connects to masters that are new, and gives each node its slots.
    fn adopt(&mut self, topology: Topology) -> Result<(), Vec<(Endpoint, Error)>> {
        let known =
            |endpoint: &&Endpoint| self.nodes.iter().any(|node| node.endpoint == **endpoint);
        let fresh: Vec<Endpoint> = topology
            .masters()
            .map(|(endpoint, _)| endpoint)
            .filter(|endpoint| !known(endpoint))
            .cloned()
            .collect();
        let mut problems = Vec::new();
        let mut topology = topology;
        for (endpoint, control) in self.dial(fresh) {
            match control {
                Ok(control) => self.nodes.push(Node {
                    endpoint,
                    control,
                    slots: SlotSet::default(),
                }),
                Err(error) if self.options.allow_partial && is_unreachable(&error) => {
                    self.left_out.push(endpoint.to_string());
                }
                Err(error) => problems.push((endpoint, error)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        topology = topology.without(&self.left_out);
        for node in &mut self.nodes {
            node.slots = topology.slots_of(&node.endpoint);
        }
        self.topology = topology;
        Ok(())
    }

    /// Connects to several masters, some at a time.
    fn dial(&self, endpoints: Vec<Endpoint>) -> Vec<(Endpoint, Result<Control>)> {
        let dial = |endpoint: &Endpoint| {
            let login = self.target.login.clone();
            let target = Target::resolve(&endpoint.host, endpoint.port, 0, login)?;
            Control::connect(&target.of_cluster())
        };
        let work = Mutex::new(endpoints.into_iter());
        let dialed = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..ASKED_AT_ONCE_MAX {
                scope.spawn(|| {
                    loop {
                        let next = work.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some(endpoint) = next else { return };
                        let control = dial(&endpoint);
                        let mut dialed = dialed.lock().unwrap_or_else(PoisonError::into_inner);
                        dialed.push((endpoint, control));
                    }
                });
            }
        });
        let mut dialed = dialed.into_inner().unwrap_or_else(PoisonError::into_inner);
        dialed.sort_by(|(one, _), (other, _)| one.cmp(other));
        dialed
    }

    /// What the user can do about masters that cannot be filled.
    fn explain(
        &self,
        mut problems: Vec<(Endpoint, Error)>,
        announced: &Topology,
        seed: &Control,
    ) -> Error {
        // The name by which the cluster itself knows a master.
        let announced_as = |endpoint: &Endpoint| {
            let map = &self.options.host_map;
            let mut masters = announced.masters().map(|(master, _)| master);
            let master = masters.find(|master| map.apply((*master).clone()) == *endpoint);
            master.unwrap_or(endpoint).clone()
        };
        let unreachable: Vec<_> = problems
            .iter()
            .filter(|(_, error)| is_unreachable(error))
            .map(|(endpoint, error)| {
                let announced = announced_as(endpoint);
                let mapped = if announced == *endpoint {
                    String::new()
                } else {
                    format!("mapped to {endpoint}: ")
                };
                (
                    announced.to_string(),
                    format!("{announced} ({mapped}{})", error.in_brief()),
                )
            })
            .collect();
        if let [(example, _), ..] = &unreachable[..] {
            let masters: Vec<_> = unreachable.iter().map(|(_, text)| text.as_str()).collect();
            return Error::AnnouncedUnreachable {
                seed: seed.address(),
                masters: masters.join(", "),
                example: example.clone(),
            };
        }
        let (endpoint, error) = problems.swap_remove(0);
        match error {
            Error::LoginRefused { .. } | Error::PasswordRequired { .. } => Error::NodeLogin {
                node: endpoint.to_string(),
                seed: seed.address(),
                message: error.in_brief(),
            },
            error => error,
        }
    }

    /// Refuses slots without a master and a cluster that is down, unless a part is enough.
    fn check_coverage(&self, seed: &mut Control) -> Result<()> {
        let uncovered = self.topology.uncovered();
        if self.nodes.is_empty() {
            return Err(Error::Server {
                address: seed.address(),
                what: format!(
                    "announces masters of which none can be reached ({})",
                    self.left_out.join(", ")
                ),
                cure:
                    "give --host-map ANNOUNCED=REACHABLE where they have other addresses from here"
                        .into(),
            });
        }
        if self.options.allow_partial {
            return Ok(());
        }
        if !uncovered.is_empty() {
            return Err(Error::Server {
                address: seed.address(),
                what: format!(
                    "belongs to a cluster in which {} of 16384 slots have no master ({})",
                    uncovered.len(),
                    uncovered.in_words(RANGES_SHOWN_MAX)
                ),
                cure: "mend it (redis-cli --cluster fix), or fill the rest with --allow-partial"
                    .into(),
            });
        }
        // One that was just made needs a moment.
        let deadline = Instant::now() + UP_PATIENCE;
        while !seed.cluster_is_up()? {
            if Instant::now() < deadline {
                std::thread::sleep(UP_POLL);
                continue;
            }
            return Err(Error::Server {
                address: seed.address(),
                what: "says that its cluster is down (cluster_state:fail)".into(),
                cure: "see `redis-cli --cluster check` and the servers' logs; --allow-partial fills the masters that take writes".into(),
            });
        }
        Ok(())
    }
}

/// Whether an error means that nobody is there, or not under this address.
fn is_unreachable(error: &Error) -> bool {
    matches!(
        error,
        Error::Unreachable { .. }
            | Error::UnknownHost { .. }
            | Error::Silent { .. }
            | Error::NotRedis { .. }
            | Error::ConnectionLost { .. }
    )
}
