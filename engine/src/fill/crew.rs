//! The reactors of one pass at work: deals lanes out to them, watches them, joins them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::driver::contract::{NodeLane, Shared, Tally};
use crate::error::{Error, Result};
use crate::handshake::Greeting;
use crate::lane::{Lane, Replies};
use crate::nodes::{Node, Nodes};
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::reactor::{self, ReactorResult};
use crate::stop::{Halt, HaltCause, Stop};

/// Time between two looks at the reactors.
const TICK: Duration = Duration::from_millis(100);
/// So many keys are worth a lane of their own, where lanes carry what was missing.
const LANE_KEYS_MIN: u64 = 1_000;

/// What a node is to be sent in one pass.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Number of the node.
    pub(crate) node: usize,
    pub(crate) keys: KeySequence,
    /// How connections introduce themselves there.
    pub(crate) greeting: Arc<Greeting>,
}

/// For each node its keys of a sequence, as things are, and how it shall acknowledge.
pub(crate) fn orders(
    plan: &Plan,
    nodes: &Nodes,
    keys: &KeySequence,
    replies: &[Replies],
) -> Vec<Order> {
    let order = |(node, (keys, owner)): (usize, (KeySequence, &Node))| Order {
        node,
        greeting: Arc::new(Greeting {
            address: owner.control.address(),
            login: owner.control.login().clone(),
            db: owner.control.db(),
            replies: replies.get(node).copied().unwrap_or(plan.replies),
            silence_max: plan.silence_max(),
            primer_bytes: plan.primer_bytes(keys.count() / plan.connections as u64),
        }),
        keys,
    };
    let shares = nodes.shares(keys).into_iter().zip(nodes.iter());
    shares.enumerate().map(order).collect()
}

/// The reactors at work.
pub(crate) struct Crew {
    threads: Vec<JoinHandle<Result<ReactorResult>>>,
    tallies: Vec<Arc<Tally>>,
    ended: Receiver<()>,
    started_at: Instant,
}

impl Crew {
    /// Deals the lanes out and starts a thread per reactor.
    pub(crate) fn start(
        plan: &Arc<Plan>,
        orders: &[Order],
        is_mending: bool,
        stop: &Stop,
        halt: &Halt,
    ) -> Self {
        let reactors = plan.reactor_cores.len();
        let mut lanes_of_reactor: Vec<Vec<NodeLane>> = (0..reactors).map(|_| Vec::new()).collect();
        let mut dealt = 0;
        for order in orders.iter().filter(|order| order.keys.count() > 0) {
            let most = if is_mending {
                usize::try_from(order.keys.count().div_ceil(LANE_KEYS_MIN)).unwrap_or(usize::MAX)
            } else {
                plan.connections
            };
            let unit = plan.segment.frame().keys() as u64;
            for keys in order.keys.split_by(plan.connections.min(most), unit) {
                lanes_of_reactor[dealt % reactors].push(NodeLane {
                    lane: Lane::new(plan.lane_shape(), keys),
                    node: order.node,
                    greeting: Arc::clone(&order.greeting),
                });
                dealt += 1;
            }
        }
        let nodes = orders.iter().map(|order| order.node + 1).max().unwrap_or(0);
        let (ending, ended) = channel();
        let mut tallies = Vec::new();
        let mut threads = Vec::new();
        for (lanes, core) in lanes_of_reactor.into_iter().zip(plan.reactor_cores.clone()) {
            if lanes.is_empty() {
                continue;
            }
            let tally = Arc::new(Tally::new(nodes));
            let shared = Shared {
                stop: stop.clone(),
                halt: Arc::clone(halt),
                tally: Arc::clone(&tally),
                stall_timeout: plan.stall_timeout,
                silence_max: plan.silence_max(),
            };
            tallies.push(tally);
            let (plan, ending, halt) = (Arc::clone(plan), ending.clone(), Arc::clone(halt));
            threads.push(std::thread::spawn(move || {
                let result = reactor::run(&plan, core, lanes, shared);
                if let Err(error) = &result {
                    // The first reason stands.
                    let _ = halt.set(HaltCause::Pointless(error.to_string()));
                }
                // The watching thread waits for this; it cannot be gone.
                let _ = ending.send(());
                result
            }));
        }
        Self {
            threads,
            tallies,
            ended,
            started_at: Instant::now(),
        }
    }

    /// Calls `look` several times a second until every reactor has ended.
    pub(crate) fn watch(&self, mut look: impl FnMut(&Self)) {
        let mut running = self.threads.len();
        while running > 0 {
            match self.ended.recv_timeout(TICK) {
                Ok(()) => running -= 1,
                Err(RecvTimeoutError::Timeout) => {}
                // A reactor panicked; joining it says so.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            look(self);
        }
    }

    /// Time since its start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started_at.elapsed()
    }

    /// Keys acknowledged so far, by node.
    pub(crate) fn keys_acked(&self, nodes: usize) -> Vec<u64> {
        let of_node = |node: usize| {
            let counters = self
                .tallies
                .iter()
                .filter_map(|tally| tally.keys_acked.get(node));
            counters
                .map(|counter| counter.load(Ordering::Relaxed))
                .sum()
        };
        (0..nodes).map(of_node).collect()
    }

    /// Connections lost and made again so far.
    pub(crate) fn reconnects(&self) -> u64 {
        let reconnects = self.tallies.iter().map(|tally| &tally.reconnects);
        reconnects
            .map(|counter| counter.load(Ordering::Relaxed))
            .sum()
    }

    /// Whether a lane wants a connection and has none.
    pub(crate) fn is_disconnected(&self) -> bool {
        let mut tallies = self.tallies.iter();
        tallies.any(|tally| tally.disconnected.load(Ordering::Relaxed) > 0)
    }

    /// What became of the reactors.
    ///
    /// # Errors
    /// One of them could not be set up.
    pub(crate) fn join(self) -> Result<Vec<ReactorResult>> {
        self.threads
            .into_iter()
            .map(|thread| {
                thread.join().unwrap_or_else(|_| {
                    Err(Error::Setup {
                        what: "a reactor",
                        message: "its thread panicked".into(),
                        cure: "please report this",
                    })
                })
            })
            .collect()
    }
}
