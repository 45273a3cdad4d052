//! What the user asked for, typed but not yet checked against each other.

use std::time::Duration;

use super::amount::Amount;
use super::command::Command;
use super::keyspace::{KeyLayout, Keyspace};
use super::memory_target::MemoryTarget;
use super::values::ValueLayout;
use crate::error::{Error, Result};
use crate::frame::Frame;

/// Largest `--key-size`, in bytes.
pub const KEY_SIZE_MAX: usize = 65_536;
/// Largest `--value-size`, in bytes.
pub const VALUE_SIZE_MAX: usize = 524_288;
/// Largest `--pipeline-depth`, in commands.
pub const PIPELINE_DEPTH_MAX: u64 = 100_000;
/// Most connections per node.
pub const CONNECTIONS_MAX: usize = 1_024;
/// Most reactors that are not pinned to a core of their own.
pub const REACTORS_MAX: usize = 256;
/// Longest `--stall-timeout`, in seconds.
pub const STALL_SECONDS_MAX: u64 = 86_400;
/// Default `--stall-timeout`, in seconds.
pub const STALL_SECONDS: u64 = 30;
/// Most bytes of keys and values in one MSET.
const COMMAND_BYTES_MAX: usize = 1 << 20;
/// Bytes of protocol per command that the default depth allows for.
const COMMAND_OVERHEAD_BYTES: u64 = 60;

/// Which driver to run the lanes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverChoice {
    /// `Uring` where io_uring can be used, else `Socket`.
    Auto,
    /// The raw ring.
    Uring,
    /// The tokio-uring runtime.
    TokioUring,
    /// Non-blocking sockets and poll(2).
    Socket,
}

/// Which kind of send to submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendChoice {
    /// Zero-copy to other machines, plain sends to this one.
    Auto,
    /// `SEND_ZC` from registered buffers.
    Zc,
    /// `WRITE_FIXED` from registered buffers.
    Fixed,
    /// `SEND`.
    Copy,
}

impl SendChoice {
    /// The name as in `--send`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Zc => "zc",
            Self::Fixed => "fixed",
            Self::Copy => "copy",
        }
    }
}

/// How the server shall acknowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepliesChoice {
    /// Fenced, except where the pipeline is too short for that to pay.
    Auto,
    /// `CLIENT REPLY OFF` and one echo per batch.
    Fenced,
    /// A reply to each command.
    Each,
}

/// How many reactors, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReactorChoice {
    /// One per eight connections, leaving a core to a local server.
    Auto,
    /// So many.
    Count(usize),
    /// One on every core that this process may use.
    EveryCore,
    /// One on each of these cores.
    Cores(Vec<usize>),
}

/// What may be tuned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunable {
    /// Connections per node.
    pub connections: bool,
    /// Commands per batch.
    pub pipeline_depth: bool,
}

/// The options of a fill. [`Plan::new`](super::Plan::new) checks them.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// How much to fill.
    pub amount: Amount,
    /// Bytes per key, 1 to [`KEY_SIZE_MAX`].
    pub key_size: usize,
    /// Bytes per value, 1 to [`VALUE_SIZE_MAX`].
    pub value_size: usize,
    /// The command that writes keys.
    pub command: Command,
    /// Commands per batch, with MSET keys, 1 to [`PIPELINE_DEPTH_MAX`].
    pub pipeline_depth: u64,
    /// Connections per node, 1 to [`CONNECTIONS_MAX`].
    pub connections: usize,
    /// Prefix of every key; `None` for the default where it fits.
    pub key_prefix: Option<String>,
    /// First key index.
    pub start_key: u64,
    /// Seed of the values.
    pub seed: u64,
    /// Where keys go.
    pub key_layout: KeyLayout,
    /// How the server shall acknowledge.
    pub replies: RepliesChoice,
    /// Which driver to use.
    pub driver: DriverChoice,
    /// Which kind of send to use.
    pub send: SendChoice,
    /// How many reactors.
    pub reactors: ReactorChoice,
    /// Whether reactors are pinned to cores.
    pub pin: bool,
    /// So long nothing may move before a fill is given up, 1 s to [`STALL_SECONDS_MAX`].
    pub stall_timeout: Duration,
    /// Look first which planned keys are there, and send only what is missing.
    pub resume: bool,
    /// Never replace a value: keys that exist stay as they are.
    pub only_missing: bool,
    /// Go on although the memory is not expected to suffice.
    pub force: bool,
    /// Add keys behind those that exist.
    pub append: bool,
    /// Fill until each server uses so much memory.
    pub until: Option<MemoryTarget>,
    /// Try settings on the first keys, and go on with the fastest.
    pub tune: Option<Tunable>,
}

impl PlanOptions {
    /// Whether keys that exist keep their values: as asked for, or since a fill that ends by the
    /// memory it takes adds keys, and cannot know beforehand which.
    pub(super) fn keeps_existing(&self) -> bool {
        self.only_missing || self.until.is_some()
    }

    /// The frames that carry the keys.
    pub(super) fn frame(&self, keyspace: Keyspace, values: ValueLayout) -> Frame {
        match self.command {
            Command::Set => Frame::new(keyspace, values, self.keeps_existing()),
            Command::Mset(keys) => Frame::of_many(keyspace, values, keys),
        }
    }

    /// MSET writes all of its keys: refuses what wants some of them left alone. And a command is
    /// sent from one block of memory, so it may not be arbitrarily long.
    fn check_command(&self) -> Result<()> {
        let bytes = self.command.keys() * (self.key_size + self.value_size);
        if self.command != Command::Set && bytes > COMMAND_BYTES_MAX {
            let most = COMMAND_BYTES_MAX / (self.key_size + self.value_size);
            return Err(Error::Options {
                what: format!(
                    "--command {} makes commands of {bytes} bytes of keys and values, and {COMMAND_BYTES_MAX} are the most",
                    self.command
                ),
                cure: match most {
                    0 | 1 => "use --command set".into(),
                    most => format!("use --command mset:{most} or less"),
                },
            });
        }
        let flag = match (self.only_missing, self.until.is_some()) {
            (true, _) => "--only-missing",
            (_, true) => "--until-memory",
            _ => return Ok(()),
        };
        if self.command == Command::Set {
            return Ok(());
        }
        Err(Error::Options {
            what: format!(
                "--command {} does not go with {flag}: MSET replaces whatever is there",
                self.command
            ),
            cure: format!("use --command set, or drop {flag}"),
        })
    }

    /// The options' ranges, one by one.
    pub(super) fn check_ranges(&self) -> Result<()> {
        in_range(
            "--key-size",
            self.key_size as u64,
            KEY_SIZE_MAX as u64,
            "bytes",
        )?;
        in_range(
            "--value-size",
            self.value_size as u64,
            VALUE_SIZE_MAX as u64,
            "bytes",
        )?;
        in_range(
            "--pipeline-depth",
            self.pipeline_depth,
            PIPELINE_DEPTH_MAX,
            "commands",
        )?;
        in_range(
            "-n",
            self.connections as u64,
            CONNECTIONS_MAX as u64,
            "connections",
        )?;
        in_range(
            "--stall-timeout",
            self.stall_timeout.as_secs(),
            STALL_SECONDS_MAX,
            "seconds",
        )?;
        match &self.reactors {
            ReactorChoice::Count(count) => {
                in_range("--reactors", *count as u64, REACTORS_MAX as u64, "reactors")?;
            }
            ReactorChoice::Cores(cores) => {
                in_range(
                    "--reactors cores=",
                    cores.len() as u64,
                    REACTORS_MAX as u64,
                    "cores",
                )?;
            }
            ReactorChoice::Auto | ReactorChoice::EveryCore => {}
        }
        self.check_command()?;
        if let Amount::Keys(keys) = self.amount {
            in_range("--keys", keys, u64::MAX - 1, "keys")?;
        }
        Ok(())
    }
}

fn in_range(flag: &'static str, given: u64, max: u64, unit: &'static str) -> Result<()> {
    if (1..=max).contains(&given) {
        return Ok(());
    }
    Err(Error::OutOfRange {
        flag,
        given: given.to_string(),
        min: 1,
        max,
        unit,
    })
}

/// The pipeline depth for chunks of `chunk_kib` KiB:
/// `max(1, chunk_kib * 1024 / (key_size + value_size + 60))`, at most [`PIPELINE_DEPTH_MAX`].
#[must_use]
pub fn depth_of_chunk(chunk_kib: u64, key_size: usize, value_size: usize) -> u64 {
    let command_bytes = (key_size + value_size) as u64 + COMMAND_OVERHEAD_BYTES;
    (chunk_kib.saturating_mul(1024) / command_bytes).clamp(1, PIPELINE_DEPTH_MAX)
}
