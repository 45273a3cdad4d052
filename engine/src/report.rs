//! What a fill did, as it is told to people and programs. The field names are a promise
//! (`schema`); the text form is the command line's affair.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

pub use crate::bottleneck::{Bottleneck, Evidence};
use crate::lane::Replies;
use crate::plan::{Driver, Send};
use crate::tuning::Tuned;

/// Version of the JSON form.
pub const SCHEMA: u32 = 1;

/// The result of a fill.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What was planned.
    pub plan: PlanSummary,
    /// Keys, counted at each station.
    pub keys: KeyCounts,
    /// Bytes sent.
    pub bytes: ByteCounts,
    /// Durations.
    pub seconds: Seconds,
    /// Acknowledged work over the time of the fill.
    pub rates: Rates,
    /// From the last byte of a batch (with each reply: of a chunk) handed to the kernel until its
    /// acknowledgement was read, in microseconds.
    pub ack_latency_us: Option<LatencySummary>,
    /// Per command. With fenced replies only the mean is known.
    pub command_latency_us: Option<LatencySummary>,
    /// What the fill cost this process.
    pub client: ClientCosts,
    /// Every node that was filled.
    pub nodes: Vec<NodeReport>,
    /// The node that took longest; `null` where there is one alone.
    pub slowest_node: Option<String>,
    /// Refused commands by class, over all nodes.
    pub refused: BTreeMap<String, u64>,
    /// Connections that were lost and made again.
    pub reconnects: u64,
    /// Passes over missing keys after the first one.
    pub rounds: u64,
    /// How often slots were seen to have got other owners meanwhile.
    pub topology_changes: u64,
    /// What limited the speed.
    pub bottleneck: Bottleneck,
    /// What that rests on.
    pub bottleneck_evidence: Evidence,
    /// Both in a sentence.
    #[serde(skip)]
    pub limit: String,
    /// What `--tune` tried, and chose; `null` without it.
    pub tune: Option<Tuned>,
    /// What `--verify` found afterwards; `null` without it.
    pub verify: Option<Verification>,
    /// Whether every planned key was seen on the server.
    pub verdict: Verdict,
    /// Why the fill is incomplete, in a sentence.
    pub reason: Option<String>,
    /// What the user was warned of before the first key.
    pub warnings: Vec<String>,
    /// The signal that ended the fill early.
    #[serde(skip)]
    pub interrupted_by: Option<i32>,
    /// No planned key was left out of the look because a node could not answer.
    #[serde(skip)]
    pub is_all_looked_for: bool,
    /// Incomplete, but all that was asked for (`--allow-partial`).
    #[serde(skip)]
    pub is_as_asked: bool,
    /// Incomplete, but nothing is missing that servers did not throw away by themselves
    /// (`--allow-eviction`).
    #[serde(skip)]
    pub is_all_but_removed: bool,
}

impl Report {
    /// Takes in what was found when the values were compared: a key that is missing or holds
    /// something else makes the fill incomplete, and so does one that could not be looked at.
    pub fn verified(&mut self, verification: Verification) {
        let is_well = verification.verdict == VerifyVerdict::Verified;
        let is_partly_well = self.is_as_asked && verification.is_as_asked;
        if !is_well && !is_partly_well {
            self.is_as_asked = false;
            self.verdict = Verdict::Incomplete;
            self.add_reason(verification.reason.as_deref().unwrap_or_default());
        }
        self.interrupted_by = self.interrupted_by.or(verification.interrupted_by);
        self.verify = Some(verification);
    }

    /// Takes note that the values could not be compared, and why.
    pub fn not_verified(&mut self, why: &str) {
        self.is_as_asked = false;
        self.verdict = Verdict::Incomplete;
        self.add_reason(why);
    }

    fn add_reason(&mut self, found: &str) {
        let found = format!("--verify: {found}");
        self.reason = Some(match self.reason.take() {
            Some(reason) => format!("{reason}; {found}"),
            None => found,
        });
    }
}

/// What was planned, in the words of the flags.
#[derive(Clone, Debug, Serialize)]
pub struct PlanSummary {
    /// `host:port`.
    pub target: String,
    /// Whether a cluster was filled.
    pub cluster: bool,
    /// Number of keys.
    pub keys: u64,
    /// Index of the first of them.
    pub start_key: u64,
    /// Bytes per key.
    pub key_size: usize,
    /// Bytes per value.
    pub value_size: usize,
    /// How keys were written: `set`, or `mset:N`.
    pub command: String,
    /// Commands per batch.
    pub pipeline_depth: u64,
    /// Connections per node.
    pub connections: usize,
    /// Pinned threads.
    pub reactors: usize,
    /// Driver in use.
    pub driver: Driver,
    /// Kind of send in use at the end.
    pub send: Send,
    /// Why that kind.
    pub send_reason: String,
    /// How the server acknowledged.
    pub replies: Replies,
    /// Where each setting came from: flag name to `flag`, `preset`, `env` or `default`.
    pub sources: BTreeMap<String, String>,
}

/// Keys, counted at each station.
#[derive(Clone, Debug, Serialize)]
pub struct KeyCounts {
    /// Keys the keyspace shall hold.
    pub planned: u64,
    /// Keys handed to the kernel, each counted once.
    pub sent: u64,
    /// Keys the servers acknowledged, or were seen to hold where the acknowledgement was lost.
    pub acked: u64,
    /// Planned keys seen on the servers; `null` when the fill was interrupted before it could look.
    pub present: Option<u64>,
    /// Keys by which the database grew; `null` where other clients changed it meanwhile.
    pub created: Option<u64>,
    /// Planned keys that were there before; `null` where `created` is.
    pub existed: Option<u64>,
    /// Keys sent more than once.
    pub resent: u64,
}

/// Bytes of acknowledged keys.
#[derive(Clone, Debug, Serialize)]
pub struct ByteCounts {
    /// Key plus value.
    pub payload: u64,
    /// On the wire, protocol included.
    pub wire: u64,
}

/// Durations in seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Seconds {
    /// From the first connection until the last acknowledgement.
    pub fill: f64,
    /// The look afterwards.
    pub audit: f64,
}

/// Acknowledged work per second of the fill.
#[derive(Clone, Debug, Serialize)]
pub struct Rates {
    /// Keys.
    pub keys_per_second: f64,
    /// Commands, fences included.
    pub commands_per_second: f64,
    /// MiB of key plus value.
    pub payload_mib_per_second: f64,
    /// MiB on the wire.
    pub wire_mib_per_second: f64,
}

/// A latency distribution in microseconds, told apart to two digits.
#[derive(Clone, Debug, Serialize)]
pub struct LatencySummary {
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<u64>,
    /// 95th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95: Option<u64>,
    /// 99th percentile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<u64>,
    /// Largest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
}

impl LatencySummary {
    /// Summary of a histogram; `None` where nothing was recorded.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let quantile = |quantile| Some(histogram.value_at_quantile(quantile));
        (!histogram.is_empty()).then(|| Self {
            mean: histogram.mean(),
            p50: quantile(0.50),
            p95: quantile(0.95),
            p99: quantile(0.99),
            max: Some(histogram.max()),
        })
    }

    /// A summary of which only the mean is known.
    #[must_use]
    pub fn of_mean(mean: f64) -> Self {
        Self {
            mean,
            p50: None,
            p95: None,
            p99: None,
            max: None,
        }
    }
}

/// What the fill cost this process.
#[derive(Clone, Debug, Serialize)]
pub struct ClientCosts {
    /// Seconds of CPU in user mode, whole process.
    pub cpu_user_seconds: f64,
    /// Seconds of CPU in the kernel, whole process.
    pub cpu_system_seconds: f64,
    /// CPU seconds per GiB of acknowledged payload; `null` where nothing was acknowledged.
    pub cpu_seconds_per_gib: Option<f64>,
    /// Largest resident set, in bytes.
    pub peak_rss_bytes: u64,
}

/// What one node did.
#[derive(Clone, Debug, Serialize)]
pub struct NodeReport {
    /// `address:port`.
    pub address: String,
    /// Planned keys of this node that are present; `null` as in [`KeyCounts::present`].
    pub keys: Option<u64>,
    /// Keys by which it grew.
    pub created: Option<u64>,
    /// Its CPU while the fill ran, in percent of one core; `null` where INFO may not be read.
    pub server_cpu_percent: Option<f64>,
    /// Its memory before the fill, in bytes.
    pub used_memory_before: Option<u64>,
    /// Its memory after the fill, in bytes.
    pub used_memory_after: Option<u64>,
    /// What became of a memory target; `null` without one.
    pub until_memory: Option<MemoryEnd>,
    /// Keys that it evicted during the fill; `null` where INFO may not be read.
    pub evicted: Option<u64>,
    /// Keys that it expired during the fill; `null` where INFO may not be read.
    pub expired: Option<u64>,
    /// Commands it refused, by class.
    pub refused: BTreeMap<String, u64>,
    /// Time during which it had something to take.
    pub seconds: f64,
    /// Keys that it acknowledged, per second of that time.
    pub keys_per_second: f64,
}

/// What became of a memory target (`--until-memory`) on one node.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MemoryEnd {
    /// The target, in bytes.
    pub target: u64,
    /// Why it got no more keys; `null` where the fill ended before that.
    pub ended_by: Option<EndedBy>,
}

/// Why a node gets no more keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// It uses as much memory as was asked for.
    Target,
    /// With the next key a hash table would double across the target.
    Table,
    /// It has every key that `-d`, `--keys` or the keyspace allows.
    Keys,
    /// It had fewer new keys than it was sent: some were gone, and were sent again, or there before.
    Lost,
}

/// The verdict on a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every planned key was seen on the server.
    Complete,
    /// Anything else.
    Incomplete,
}

/// The result of `verify`.
#[derive(Clone, Debug, Serialize)]
pub struct VerifyReport {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What should be there.
    pub plan: VerifyPlan,
    /// What is there.
    #[serde(flatten)]
    pub verification: Verification,
}

/// What should be there, in the words of the flags.
#[derive(Clone, Debug, Serialize)]
pub struct VerifyPlan {
    /// `host:port`.
    pub target: String,
    /// Whether a cluster was looked at.
    pub cluster: bool,
    /// Number of planned keys.
    pub keys: u64,
    /// Bytes per key.
    pub key_size: usize,
    /// Bytes per value.
    pub value_size: usize,
    /// Where each setting came from: flag name to `flag`, `preset`, `env` or `default`.
    pub sources: BTreeMap<String, String>,
}

/// What was seen when values were compared with the plan, byte for byte.
#[derive(Clone, Debug, Serialize)]
pub struct Verification {
    /// Planned keys that were to be looked at: all, or a sample.
    pub to_check: u64,
    /// Keys that were looked at.
    pub checked: u64,
    /// Those of them that hold their value.
    pub present: u64,
    /// Those that are not there.
    pub missing: u64,
    /// Those that hold something else.
    pub wrong: u64,
    /// The first of both.
    pub examples: Examples,
    /// Keys in the databases beside the planned ones, as far as DBSIZE shows them; `null` where
    /// not every planned key was looked at.
    pub beyond_plan: Option<u64>,
    /// By node that answered.
    pub nodes: Vec<VerifyNode>,
    /// From the first question to the last answer.
    pub seconds: f64,
    /// Keys looked at per second.
    pub rates: VerifyRates,
    /// What it cost this process.
    pub client: ClientCosts,
    /// Connections that were lost and made again.
    pub reconnects: u64,
    /// How often slots were seen to have got other owners meanwhile.
    pub topology_changes: u64,
    /// Whether everything is as planned.
    pub verdict: VerifyVerdict,
    /// Why not, in a sentence.
    pub reason: Option<String>,
    /// The signal that ended it early.
    #[serde(skip)]
    pub interrupted_by: Option<i32>,
    /// All that was asked for is as planned (`--allow-partial`).
    #[serde(skip)]
    pub is_as_asked: bool,
}

/// A few keys that are not as planned, escaped where they cannot be printed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Examples {
    /// Keys that are not there.
    pub missing: Vec<String>,
    /// Keys that hold something else.
    pub wrong: Vec<WrongKey>,
}

/// A key that holds something else.
#[derive(Clone, Debug, Serialize)]
pub struct WrongKey {
    /// The key.
    pub key: String,
    /// What is wrong with its value.
    pub what: String,
}

/// What one node answered.
#[derive(Clone, Debug, Serialize)]
pub struct VerifyNode {
    /// `address:port`.
    pub address: String,
    /// Keys that were looked at there.
    pub checked: u64,
    /// Those that are not there.
    pub missing: u64,
    /// Those that hold something else.
    pub wrong: u64,
}

/// Keys looked at per second.
#[derive(Clone, Debug, Serialize)]
pub struct VerifyRates {
    /// Keys.
    pub keys_per_second: f64,
    /// MiB of key plus value.
    pub payload_mib_per_second: f64,
}

/// The verdict of `verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyVerdict {
    /// Every key that was to be looked at holds its value.
    Verified,
    /// A key is missing, or holds something else.
    Mismatch,
    /// Nothing is wrong with what was seen, but not everything was.
    Incomplete,
}
