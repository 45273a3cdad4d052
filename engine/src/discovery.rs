//! Finds the nodes of a fill: reads the topology, at first and again when it changes, connects to
//! masters that are new, and explains what stands in the way.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::cluster::slot_set::SlotSet;
use crate::cluster::topology::{Endpoint, Topology};
use crate::control::Control;
use crate::error::{Error, Result};
use crate::nodes::{ASKED_AT_ONCE_MAX, ClusterOptions, Node, Nodes, UP_PATIENCE, UP_POLL};
use crate::open_files;
use crate::target::Target;

/// So many nodes have to agree on a topology before it counts as settled.
const WITNESSES: usize = 3;
/// How long a node may take to say who owns what, while others could be asked.
const TOPOLOGY_PATIENCE: Duration = Duration::from_secs(1);
/// So many ranges of slots are named in a message.
const RANGES_SHOWN_MAX: usize = 8;

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
            problem: None,
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
        let deadline = Instant::now() + UP_PATIENCE;
        let mut announced = announced;
        while let Err(problems) = nodes.adopt(announced.clone().mapped(&options.host_map)) {
            // A failover in the very moment.
            let is_passing = problems
                .iter()
                .all(|(_, error)| matches!(error, Error::NotNow { .. }));
            if !is_passing || Instant::now() > deadline {
                return Err(nodes.explain(problems, &announced, &seed));
            }
            std::thread::sleep(UP_POLL);
            announced = seed.topology()?;
        }
        nodes.check_coverage(&mut seed)?;
        Ok(nodes)
    }

    /// Reads the topology again. Whether owners have changed; `false` as well where nobody
    /// answers, or a new owner cannot be reached yet.
    pub(crate) fn refresh(&mut self) -> bool {
        // Each may take a moment, and the next call asks others.
        for _ in 0..self.nodes.len().min(WITNESSES) {
            let number = self.ask_first % self.nodes.len();
            self.ask_first += 1;
            if let Some(topology) = self.seen_by(number) {
                return topology != self.topology && self.try_to_adopt(topology);
            }
        }
        false
    }

    /// Whether several nodes see the owners that are known here, and none that the cluster is
    /// down. A server by itself always is.
    pub(crate) fn is_settled(&mut self) -> bool {
        !self.is_cluster()
            || self.is_up()
                && self
                    .witnesses()
                    .into_iter()
                    .all(|number| self.seen_by(number).as_ref() == Some(&self.topology))
    }

    /// Whether several nodes say that the cluster takes writes (or a part is enough).
    pub(crate) fn is_up(&mut self) -> bool {
        let is_up = |node: &mut Node| {
            let answer = node
                .control
                .with_patience(TOPOLOGY_PATIENCE, Control::cluster_is_up);
            answer.unwrap_or(false)
        };
        let witnesses = self.witnesses();
        self.options.allow_partial
            || witnesses
                .into_iter()
                .all(|number| is_up(&mut self.nodes[number]))
    }

    /// A few of the nodes that own slots, others each time.
    fn witnesses(&mut self) -> Vec<usize> {
        let owners = (0..self.nodes.len()).filter(|number| !self.nodes[*number].slots.is_empty());
        let mut owners: Vec<usize> = owners.collect();
        let skipped = self.ask_first % owners.len().max(1);
        self.ask_first += 1;
        owners.rotate_left(skipped);
        owners.truncate(WITNESSES);
        owners
    }

    /// The topology as a node sees it, mapped, without the masters that are left out.
    fn seen_by(&mut self, number: usize) -> Option<Topology> {
        let control = &mut self.nodes[number].control;
        let seen = control.with_patience(TOPOLOGY_PATIENCE, Control::topology);
        let topology = seen.ok()?.mapped(&self.options.host_map);
        Some(topology.without(&self.left_out))
    }

    /// Takes a topology over, or remembers why that is not possible.
    fn try_to_adopt(&mut self, topology: Topology) -> bool {
        let outcome = self.adopt(topology);
        self.problem = outcome.err().and_then(|problems| {
            let (endpoint, error) = problems.into_iter().next()?;
            Some(format!(
                "{endpoint}, which owns slots now, cannot be filled: {}",
                error.in_brief()
            ))
        });
        self.problem.is_none()
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
        let is_first = self.topology.master_count() == 0;
        let mut problems = Vec::new();
        let mut topology = topology;
        for (endpoint, control) in self.dial(fresh) {
            match control {
                Ok(control) => self.nodes.push(Node {
                    endpoint,
                    control,
                    slots: SlotSet::default(),
                }),
                Err(error) if is_first && self.options.allow_partial && is_unreachable(&error) => {
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
