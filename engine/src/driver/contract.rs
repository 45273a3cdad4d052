//! What a driver is given and what it gives back.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::handshake::Greeting;
use crate::lane::Lane;
use crate::plan::{Driver, Send};
use crate::stop::{Halt, Stop};

/// Longest wait for the kernel before the desk is asked again.
pub(super) const WAIT: Duration = Duration::from_millis(50);
/// Bytes read from a connection at a time.
pub(super) const RECEIVE_BYTES: usize = 2048;

/// How a driver went about it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The driver that did it.
    pub driver: Driver,
    /// The kind of send in use at the end.
    pub send: Send,
    /// What the user should know about it.
    pub notices: Vec<String>,
}

/// How a lane ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneEnd {
    /// Everything is acknowledged.
    Done,
    /// Asked to stop before that.
    Stopped,
    /// The server refuses further writes: class and message.
    Refused(String),
    /// Given up: the cause.
    Failed(String),
}

/// A lane and the node that it fills.
#[derive(Debug)]
pub struct NodeLane {
    /// The lane.
    pub lane: Lane,
    /// Number of the node among those of the fill.
    pub node: usize,
    /// How its connections introduce themselves there.
    pub greeting: Arc<Greeting>,
}

/// Counters that the watching thread reads.
#[derive(Debug)]
pub struct Tally {
    /// Keys acknowledged, by node.
    pub keys_acked: Box<[AtomicU64]>,
    /// Connections lost and made again.
    pub reconnects: AtomicU64,
    /// Lanes that have no connection and want one.
    pub disconnected: AtomicU64,
}

impl Tally {
    /// Counters for lanes of so many nodes.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self {
            keys_acked: (0..nodes).map(|_| AtomicU64::new(0)).collect(),
            reconnects: AtomicU64::new(0),
            disconnected: AtomicU64::new(0),
        }
    }
}

/// Everything one reactor's desk shares with the rest of the program.
#[derive(Clone)]
pub struct Shared {
    /// The user's wish to stop.
    pub stop: Stop,
    /// The wish of whoever watches to stop.
    pub halt: Halt,
    /// This reactor's counters.
    pub tally: Arc<Tally>,
    /// So long nothing may move at all, and so long a lost connection is dialed again.
    pub stall_timeout: Duration,
    /// So long a node may say nothing before its connections are made again.
    pub silence_max: Duration,
}
