//! From options to a plan. Options are what the user asked for; a [`Plan`] is what will happen:
//! checked, with every limit computed before the first byte. A `Plan` that exists can run.

pub(crate) mod alphabet;
pub mod amount;
mod batch;
pub mod command;
pub mod footprint;
mod in_sets;
pub mod keyspace;
pub mod memory_target;
pub mod options;
mod primer;
mod resources;
pub mod send_choice;
pub mod sequence;
mod tune;
pub mod values;

use std::sync::Arc;
use std::time::Duration;

pub use options::{DriverChoice, PlanOptions, ReactorChoice, RepliesChoice, SendChoice, Tunable};
pub use resources::REGISTERED_BYTES_MAX;

use self::amount::Amount;
use self::command::Command;
use self::keyspace::{KeyLayout, Keyspace};
use self::memory_target::MemoryTarget;
use self::resources::{Blocks, choose_driver, choose_send, reactor_cores, send_reason};
use self::send_choice::{TRIAL_BYTES_MIN, Trial};
use self::sequence::KeySequence;
use self::tune::Recipe;
use self::values::ValueLayout;
use crate::cluster::slot::FIX_BYTES;
use crate::error::{Error, Result};
use crate::lane::{LaneShape, Replies};
use crate::machine::Machine;
use crate::segment::Segment;

/// Most connections to all nodes together.
pub const LANES_MAX: usize = 16_384;
/// Below this depth a fence costs more than the replies that it saves.
const FENCED_DEPTH_MIN: u64 = 32;

/// Longest silence of a peer that is borne on one connection.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// The way bytes reach the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// A raw ring per reactor.
    Uring,
    /// The tokio-uring runtime.
    TokioUring,
    /// Non-blocking sockets and poll(2).
    Socket,
}

impl Driver {
    /// The name as in `--driver`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uring => "uring",
            Self::TokioUring => "tokio-uring",
            Self::Socket => "socket",
        }
    }
}

/// The kind of send the driver submits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Send {
    /// `SEND_ZC` from registered buffers.
    Zc,
    /// `WRITE_FIXED` from registered buffers.
    Fixed,
    /// `SEND`, or write(2).
    Copy,
}

impl Send {
    /// The name as in `--send`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Zc => "zc",
            Self::Fixed => "fixed",
            Self::Copy => "copy",
        }
    }
}

/// What will be sent, how, and within which limits.
#[derive(Clone, Debug)]
pub struct Plan {
    keyspace: Keyspace,
    values: ValueLayout,
    sequence: KeySequence,
    /// Geometry of every block.
    pub segment: Arc<Segment>,
    /// Index of the first planned key.
    pub start_key: u64,
    /// The command that writes keys.
    pub command: Command,
    /// Commands per pipeline batch, as asked for.
    pub pipeline_depth: u64,
    /// Commands between fences: the depth, or what `batch_bytes_max` hold.
    pub batch_frames: u64,
    /// A fence stands at least this often.
    batch_bytes_max: u64,
    /// Connections per node, at most one per key.
    pub connections: usize,
    /// Nodes to fill.
    pub nodes: usize,
    /// So long nothing may move before the fill is given up.
    pub stall_timeout: Duration,
    /// For each reactor the core it is pinned to, if any.
    pub reactor_cores: Vec<Option<usize>>,
    /// Whether the user named the cores, so that failing to pin is an error.
    pub pinning_is_explicit: bool,
    /// The driver that runs the lanes.
    pub driver: Driver,
    /// Whether another driver may take over where this one cannot be set up.
    pub driver_is_free: bool,
    /// The kind of send it starts with.
    pub send: Send,
    /// Why that kind.
    pub send_reason: String,
    /// Where the kind is found out on the first data: what was found, for all reactors and passes.
    /// `send` is then what blocks are laid out for.
    pub trial: Option<Arc<Trial>>,
    /// How the server shall acknowledge.
    pub replies: Replies,
    /// Blocks that each reactor sends from.
    pub blocks_per_reactor: usize,
    /// Whether the blocks are registered with the kernel.
    pub registers_blocks: bool,
    /// Whether the user left the choice of replies to the program.
    pub replies_are_free: bool,
    /// Look first which planned keys are there, and send only what is missing.
    pub resumes: bool,
    /// Keys that exist keep their values, whatever these are.
    pub keeps_existing: bool,
    /// Go on although the memory is not expected to suffice.
    pub is_forced: bool,
    /// The keys go behind those that exist.
    pub appends: bool,
    /// The fill ends when each server uses so much memory; the planned keys are the most it may
    /// get.
    pub until: Option<MemoryTarget>,
    /// What it is made again from, where settings are to be tried.
    recipe: Option<Arc<Recipe>>,
    /// What the user should know about choices that were made for them.
    pub notices: Vec<String>,
}

impl Plan {
    /// Resolves `options` on `machine`, for one server.
    ///
    /// # Errors
    /// Sizes and counts out of range, a key size that cannot name so many keys, a driver that
    /// cannot run here, cores that may not be used.
    pub fn new(options: &PlanOptions, machine: &Machine) -> Result<Self> {
        Self::for_nodes(options, machine, 1)
    }

    /// Resolves `options` on `machine`, for so many nodes that share the keys.
    ///
    /// # Errors
    /// As [`new`](Self::new); more connections over all nodes than [`LANES_MAX`].
    pub fn for_nodes(options: &PlanOptions, machine: &Machine, nodes: usize) -> Result<Self> {
        options.check_ranges()?;
        let bytes_per_key = (options.key_size + options.value_size) as u64;
        let keys = options.amount.keys(bytes_per_key);
        let keyspace = keyspace_for(options, keys)?;
        // As many as fit are no more than there are.
        let keys = keys.min(keyspace.capacity().saturating_sub(options.start_key));
        let values = ValueLayout::new(options.value_size, options.key_size, options.seed);
        let connections = usize::try_from(keys).map_or(options.connections, |keys| {
            options.connections.min(keys.max(1))
        });
        let lanes = all_lanes(connections, nodes)?;
        let reactor_cores = reactor_cores(options, machine, lanes)?;
        let mut notices = Vec::new();
        let driver = choose_driver(options, machine, &mut notices)?;
        let replies = choose_replies(options);
        let frame = options.frame(keyspace.clone(), values.clone());
        let bytes = keys.saturating_mul(frame.bytes() as u64) / frame.keys() as u64;
        let is_telling = bytes >= TRIAL_BYTES_MIN * reactor_cores.len() as u64;
        let mut send = choose_send(options, machine, driver, is_telling)?;
        let (batch_bytes_max, batch_frames) = batch::limits(options, machine.servers, &frame);
        let lanes = lanes.div_ceil(reactor_cores.len());
        let budget = REGISTERED_BYTES_MAX / reactor_cores.len();
        let blocks = Blocks::fit(&frame, batch_frames, driver, &mut send, lanes, budget)?;
        if send != Send::Copy && !blocks.registered {
            notices.push(format!(
                "frames of {} bytes do not fit into {} MiB of registered memory: sending with plain copies",
                frame.bytes(),
                REGISTERED_BYTES_MAX >> 20
            ));
            send = Send::Copy;
        }
        if options.send == SendChoice::Zc && send != Send::Zc {
            notices.push(format!(
                "--send zc needs {} bytes or more per send and a block per connection, \
                 which {} connections would not leave: using --send {}",
                resources::ZC_SEGMENT_BYTES_MIN,
                connections * nodes,
                send.name()
            ));
        }
        Ok(Self {
            sequence: KeySequence::new(options.start_key, keys),
            segment: Arc::new(Segment::new(frame, blocks.frames)),
            start_key: options.start_key,
            keyspace,
            values,
            command: options.command,
            pipeline_depth: options.pipeline_depth,
            batch_frames,
            batch_bytes_max,
            connections,
            nodes,
            stall_timeout: options.stall_timeout,
            reactor_cores,
            pinning_is_explicit: matches!(options.reactors, ReactorChoice::Cores(_)),
            driver,
            driver_is_free: options.driver == DriverChoice::Auto,
            send,
            send_reason: send_reason(options, machine, driver, is_telling, send),
            trial: (options.send == SendChoice::Auto && send == Send::Zc).then(Arc::default),
            replies,
            blocks_per_reactor: blocks.count,
            registers_blocks: blocks.registered,
            replies_are_free: options.replies == RepliesChoice::Auto,
            resumes: options.resume,
            keeps_existing: options.keeps_existing(),
            is_forced: options.force,
            appends: options.append,
            until: options.until,
            recipe: Recipe::of(options, machine),
            notices,
        })
    }

    /// The same with keys behind the index `end`: as many as before, or what is left of them where
    /// the fill ends by the memory that it takes.
    ///
    /// # Errors
    /// The keyspace has too few keys behind that.
    pub(crate) fn behind(&self, end: u64) -> Result<Self> {
        let keys = match self.until {
            Some(_) => (self.start_key + self.keys()).saturating_sub(end),
            None => self.keys(),
        };
        let capacity = self.keyspace.capacity();
        let needed = u128::from(end) + u128::from(keys);
        if needed > u128::from(capacity) {
            return Err(Error::KeysDoNotFit {
                key_size: self.keyspace.key_size(),
                capacity,
                with_prefix: String::new(),
                needed,
                keys,
                start_key: end,
                cure: "append fewer keys, or choose another --key-size or --key-prefix".into(),
            });
        }
        Ok(Self {
            start_key: end,
            ..self.with_keys(KeySequence::new(end, keys))
        })
    }

    /// The same with other keys.
    pub(crate) fn with_keys(&self, sequence: KeySequence) -> Self {
        Self {
            sequence,
            ..self.clone()
        }
    }

    /// The keys of the whole fill.
    #[must_use]
    pub fn sequence(&self) -> &KeySequence {
        &self.sequence
    }

    /// Layout of the keys.
    #[must_use]
    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// Layout of the values.
    #[must_use]
    pub fn values(&self) -> &ValueLayout {
        &self.values
    }

    /// Number of planned keys.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.sequence.count()
    }

    /// Bytes of key plus value over all planned keys.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.payload_bytes_of(self.keys())
    }

    /// Bytes of key plus value over so many keys.
    #[must_use]
    pub fn payload_bytes_of(&self, keys: u64) -> u64 {
        let per_key = self.keyspace.key_size() + self.values.value_size();
        keys.saturating_mul(per_key as u64)
    }

    /// Memory that all planned keys will take on the servers, as an estimate.
    #[must_use]
    pub fn footprint_bytes(&self) -> u64 {
        // Slots, and thus keys, are dealt out evenly enough for an estimate.
        let nodes = self.nodes.max(1) as u64;
        self.footprint_bytes_of(self.keys().div_ceil(nodes))
            .saturating_mul(nodes)
    }

    /// Memory that so many keys will take on one server, as an estimate.
    #[must_use]
    pub fn footprint_bytes_of(&self, keys: u64) -> u64 {
        footprint::estimate(keys, self.keyspace.key_size(), self.values.value_size())
    }

    /// What each lane has to know.
    #[must_use]
    pub fn lane_shape(&self) -> LaneShape {
        LaneShape {
            segment: Arc::clone(&self.segment),
            batch_frames: self.batch_frames,
            replies: self.replies,
        }
    }

    /// A connection whose peer takes nothing and says nothing for so long is given up and made
    /// again (`TCP_USER_TIMEOUT`): early enough that a new one has half of the stall timeout.
    #[must_use]
    pub fn silence_max(&self) -> Duration {
        (self.stall_timeout / 2).min(SILENCE_MAX)
    }

    /// Connections to all nodes together.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.connections * self.nodes
    }
}

/// How servers shall acknowledge.
fn choose_replies(options: &PlanOptions) -> Replies {
    match options.replies {
        RepliesChoice::Fenced => Replies::Fenced,
        RepliesChoice::Each => Replies::Each,
        RepliesChoice::Auto if options.pipeline_depth < FENCED_DEPTH_MIN => Replies::Each,
        RepliesChoice::Auto => Replies::Fenced,
    }
}

/// Connections to all nodes together, as far as they are bearable.
fn all_lanes(connections: usize, nodes: usize) -> Result<usize> {
    let lanes = connections.saturating_mul(nodes.max(1));
    if lanes <= LANES_MAX {
        return Ok(lanes);
    }
    Err(Error::Options {
        what: format!(
            "-n {connections} on each of {nodes} masters makes {lanes} connections, and {LANES_MAX} are the most"
        ),
        cure: format!("use -n {} or fewer", (LANES_MAX / nodes).max(1)),
    })
}

/// The layout of so many keys.
fn keyspace_for(options: &PlanOptions, keys: u64) -> Result<Keyspace> {
    let (size, prefix) = (options.key_size, options.key_prefix.as_deref());
    if options.key_layout == KeyLayout::Slotted && size <= FIX_BYTES {
        check_capacity(options, 0, keys)?;
    }
    let keyspace = Keyspace::new(size, prefix, options.key_layout)?;
    let keys = match options.amount {
        Amount::AsManyAsFit => 1,
        Amount::Bytes(_) | Amount::Keys(_) => keys,
    };
    check_capacity(options, keyspace.capacity(), keys)?;
    Ok(keyspace)
}

/// Refuses more keys than the layout can name, and says what would do.
fn check_capacity(options: &PlanOptions, capacity: u64, keys: u64) -> Result<()> {
    let needed = u128::from(options.start_key) + u128::from(keys);
    if needed <= u128::from(capacity) {
        return Ok(());
    }
    let prefix = options.key_prefix.as_deref();
    let smallest = (1..=options::KEY_SIZE_MAX).find(|size| {
        Keyspace::new(*size, prefix, options.key_layout)
            .is_ok_and(|keyspace| u128::from(keyspace.capacity()) >= needed)
    });
    Err(Error::KeysDoNotFit {
        key_size: options.key_size,
        capacity,
        with_prefix: match (prefix, options.key_layout) {
            (Some(prefix), _) => format!(" after the prefix '{}'", prefix.escape_debug()),
            (None, KeyLayout::Slotted) => {
                format!(" before the {FIX_BYTES} bytes that steer each into its slot")
            }
            (None, KeyLayout::Plain) => String::new(),
        },
        needed,
        keys,
        start_key: options.start_key,
        cure: smallest.map_or_else(
            || "fill fewer keys (-d, --keys), or lower --start-key".to_owned(),
            |size| format!("the smallest that works is --key-size {size}"),
        ),
    })
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
