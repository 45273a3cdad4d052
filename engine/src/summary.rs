//! From what reactors, monitor and audit saw to a report and its verdict.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::audit::Finding;
use crate::count::{Before, NodeFinding};
use crate::driver::contract::LaneEnd;
use crate::lane::Replies;
use crate::monitor::Change;
use crate::nodes::Nodes;
use crate::passes::Passes;
use crate::plan::{Plan, Send};
use crate::report::{
    Bottleneck, ByteCounts, ClientCosts, KeyCounts, LatencySummary, NodeReport, PlanSummary, Rates,
    Report, SCHEMA, Seconds, Verdict,
};
use crate::segment::FENCE_BYTES;
use crate::target::Target;

const MIB: f64 = (1 << 20) as f64;
const GIB: f64 = (1 << 30) as f64;
/// Commands of a fence.
const FENCE_COMMANDS: u64 = 3;
/// From here on, in percent of one core, a CPU counts as busy.
const BUSY_PERCENT: f64 = 80.0;
/// Shorter fills say too little about what limited them.
const TELLING_SECONDS_MIN: f64 = 0.5;

/// Everything a report is made from.
pub(crate) struct Facts<'a> {
    pub(crate) plan: &'a Plan,
    /// Planned keys for which there was a node.
    pub(crate) planned: u64,
    pub(crate) target: &'a Target,
    pub(crate) nodes: &'a Nodes,
    /// By node.
    pub(crate) before: &'a [Before],
    pub(crate) finding: &'a Finding,
    /// Why the audit could not look.
    pub(crate) audit_error: Option<&'a str>,
    pub(crate) passes: &'a Passes,
    pub(crate) audit: Duration,
    /// Why sending on was pointless.
    pub(crate) halt: Option<&'a str>,
    /// How often owners of slots have changed.
    pub(crate) changes: u64,
    /// Nothing changed for so long.
    pub(crate) gave_up: Option<Duration>,
    pub(crate) signal: Option<i32>,
}

impl Facts<'_> {
    /// What happened on each node, as far as that is known.
    fn changes(&self) -> impl Iterator<Item = &Change> {
        self.finding
            .nodes
            .iter()
            .filter_map(|node| node.change.as_ref())
    }

    /// How the servers acknowledged, whatever was planned.
    fn replies(&self) -> Replies {
        self.passes.replies.unwrap_or(self.plan.replies)
    }
}

/// The report.
pub(crate) fn report(facts: &Facts<'_>) -> Report {
    let latencies = &facts.passes.latencies;
    let acked = acked(facts);
    let fences = match facts.replies() {
        Replies::Fenced => latencies.ack_us.len(),
        Replies::Each => 0,
    };
    let bytes = ByteCounts {
        payload: facts.plan.payload_bytes_of(acked),
        wire: acked * facts.plan.segment.frame().bytes() as u64 + fences * FENCE_BYTES as u64,
    };
    let refused = refused(facts);
    let present = facts.finding.present();
    let created = facts.finding.created();
    let is_settled = facts.gave_up.is_none();
    let is_complete = is_settled && present == Some(facts.plan.keys());
    let seconds = facts.passes.elapsed.as_secs_f64();
    let per_second = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
    let nodes: Vec<NodeReport> = (0..facts.nodes.iter().len())
        .map(|number| node(facts, number))
        .collect();
    Report {
        schema: SCHEMA,
        plan: plan_summary(facts),
        keys: KeyCounts {
            planned: facts.plan.keys(),
            sent: facts.passes.sent,
            acked,
            present,
            created,
            existed: present.zip(created).map(|(p, c)| p.saturating_sub(c)),
            resent: facts.passes.resent,
        },
        seconds: Seconds {
            fill: seconds,
            audit: facts.audit.as_secs_f64(),
        },
        rates: Rates {
            keys_per_second: per_second(acked as f64),
            commands_per_second: per_second((acked + FENCE_COMMANDS * fences) as f64),
            payload_mib_per_second: per_second(bytes.payload as f64 / MIB),
            wire_mib_per_second: per_second(bytes.wire as f64 / MIB),
        },
        ack_latency_us: LatencySummary::of(&latencies.ack_us),
        command_latency_us: LatencySummary::of(&latencies.command_us)
            .or_else(|| mean_command_latency(facts, acked)),
        client: client_costs(facts, bytes.payload),
        slowest_node: slowest(&nodes),
        nodes,
        bottleneck: bottleneck(facts, &refused),
        verify: None,
        reason: (!is_complete).then(|| reason(facts, &refused)),
        refused,
        reconnects: facts.passes.reconnects,
        rounds: facts.passes.rounds,
        topology_changes: facts.changes,
        verdict: if is_complete {
            Verdict::Complete
        } else {
            Verdict::Incomplete
        },
        interrupted_by: facts.signal.filter(|_| !is_complete),
        is_all_looked_for: facts.finding.unsettled.is_empty(),
        is_as_asked: !is_complete && is_settled && present == Some(facts.planned),
        bytes,
    }
}

/// One node.
fn node(facts: &Facts<'_>, number: usize) -> NodeReport {
    let unknown = NodeFinding::default();
    let finding = facts.finding.nodes.get(number).unwrap_or(&unknown);
    let work = facts.passes.nodes.get(number);
    let seconds = work.map_or(0.0, |work| work.busy.as_secs_f64());
    let acked = work.map_or(0, |work| work.acked);
    let node = facts.nodes.node(number);
    // What a node had in use when it joined says little.
    let before = facts
        .before
        .get(number)
        .filter(|before| before.keys.is_some());
    NodeReport {
        address: if facts.nodes.is_cluster() {
            node.endpoint.to_string()
        } else {
            node.facts().address.to_string()
        },
        keys: finding.present,
        created: finding.created,
        server_cpu_percent: finding.change.as_ref().map(|change| change.cpu_percent),
        used_memory_before: before
            .and_then(|before| before.snapshot.as_ref())
            .map(|before| before.used_memory),
        used_memory_after: finding.used_memory,
        refused: match facts.nodes.iter().len() {
            1 => refused(facts),
            _ => finding
                .change
                .as_ref()
                .map(Change::refused)
                .unwrap_or_default(),
        },
        seconds,
        keys_per_second: if seconds > 0.0 {
            acked as f64 / seconds
        } else {
            0.0
        },
    }
}

/// The node that took longest.
fn slowest(nodes: &[NodeReport]) -> Option<String> {
    let slowest = nodes
        .iter()
        .max_by(|one, other| one.seconds.total_cmp(&other.seconds))?;
    (nodes.len() > 1 && slowest.seconds > 0.0).then(|| slowest.address.clone())
}

fn plan_summary(facts: &Facts<'_>) -> PlanSummary {
    let plan = facts.plan;
    let outcome = facts.passes.outcome.as_ref();
    PlanSummary {
        target: facts.target.to_string(),
        cluster: facts.nodes.is_cluster(),
        keys: plan.keys(),
        key_size: plan.keyspace().key_size(),
        value_size: plan.values().value_size(),
        pipeline_depth: plan.pipeline_depth,
        connections: plan.connections,
        reactors: plan.reactor_cores.len(),
        driver: outcome.map_or(plan.driver, |outcome| outcome.driver),
        send: outcome.map_or(Send::Copy, |outcome| outcome.send),
        replies: facts.replies(),
        sources: BTreeMap::new(),
    }
}

/// Keys acknowledged, each counted once. A fence also acknowledges keys that were refused
/// silently: where there were such, what was seen on the servers counts. And what was seen there
/// was taken even if the acknowledgement is lost: where nothing can have been there before, or
/// nothing is missing.
fn acked(facts: &Facts<'_>) -> u64 {
    let acked = facts.passes.acked().min(facts.passes.sent);
    let refused: u64 = facts.changes().map(|change| change.sets_refused).sum();
    let present = facts.finding.present();
    let acked = if facts.replies() == Replies::Each || refused == 0 {
        acked
    } else {
        let all_seen = present.filter(|_| facts.finding.unsettled.is_empty());
        acked.min(all_seen.unwrap_or(acked.saturating_sub(refused)))
    };
    let was_empty = facts
        .before
        .iter()
        .all(|before| before.keys.unwrap_or(0) == 0);
    let is_all_there = present == Some(facts.plan.keys());
    match present.filter(|_| was_empty || is_all_there) {
        Some(present) => acked.max(present.min(facts.passes.sent)),
        None => acked,
    }
}

/// With fenced replies nobody sees the reply to a command; known is how long each connection
/// took per command on average: `connections * seconds / commands`.
fn mean_command_latency(facts: &Facts<'_>, acked: u64) -> Option<LatencySummary> {
    let micros = facts.passes.elapsed.as_secs_f64() * 1e6 * facts.passes.lanes as f64;
    (acked > 0).then(|| LatencySummary::of_mean(micros / acked as f64))
}

fn client_costs(facts: &Facts<'_>, payload_bytes: u64) -> ClientCosts {
    let (user, system) = facts.passes.cpu;
    let (user, system) = (user.as_secs_f64(), system.as_secs_f64());
    ClientCosts {
        cpu_user_seconds: user,
        cpu_system_seconds: system,
        cpu_seconds_per_gib: (payload_bytes > 0)
            .then(|| (user + system) / (payload_bytes as f64 / GIB)),
        peak_rss_bytes: peak_rss_bytes(),
    }
}

/// The largest resident set since this program was started. `ru_maxrss` would do, but it is
/// inherited from whoever called exec(2).
pub(crate) fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|value| value.split_ascii_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// Refusals as the servers counted them, else as the replies had them.
fn refused(facts: &Facts<'_>) -> BTreeMap<String, u64> {
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    for (class, count) in facts.changes().flat_map(Change::refused) {
        *refused.entry(class).or_default() += count;
    }
    if refused.is_empty() {
        refused.clone_from(&facts.passes.refused);
    }
    refused
}

fn bottleneck(facts: &Facts<'_>, refused: &BTreeMap<String, u64>) -> Bottleneck {
    let seconds = facts.passes.elapsed.as_secs_f64();
    if refused.contains_key("OOM") {
        return Bottleneck::Memory;
    }
    let busiest = facts
        .changes()
        .map(|change| change.cpu_percent)
        .reduce(f64::max);
    let Some(busiest) = busiest.filter(|_| seconds >= TELLING_SECONDS_MIN) else {
        return Bottleneck::Unknown;
    };
    let client_is_busy = facts
        .passes
        .reactor_cpu
        .iter()
        .any(|cpu| cpu.as_secs_f64() / seconds * 100.0 >= BUSY_PERCENT);
    let is_local = facts.nodes.iter().any(|node| node.facts().is_local);
    match (busiest >= BUSY_PERCENT, client_is_busy) {
        (true, true) => Bottleneck::Balanced,
        (true, false) => Bottleneck::Server,
        (false, true) => Bottleneck::Client,
        (false, false) if is_local => Bottleneck::Unknown,
        (false, false) => Bottleneck::Network,
    }
}

/// Why a fill is incomplete: the first cause that explains it.
fn reason(facts: &Facts<'_>, refused: &BTreeMap<String, u64>) -> String {
    let planned = facts.plan.keys();
    let place = if facts.nodes.is_cluster() {
        "cluster"
    } else {
        "server"
    };
    let unsettled: u64 = facts.finding.unsettled.values().sum();
    let stored = match facts.finding.present() {
        Some(present) if unsettled > 0 => format!(
            "{present} of {planned} planned keys were seen on the {place}, {unsettled} could not be looked for"
        ),
        Some(present) => format!("{present} of {planned} planned keys are on the {place}"),
        None => {
            let why = facts.audit_error.unwrap_or("it was not looked at");
            format!("how many of the {planned} planned keys are on the {place} is unknown: {why}")
        }
    };
    format!("{}: {stored}", cause(facts, refused))
}

fn cause(facts: &Facts<'_>, refused: &BTreeMap<String, u64>) -> String {
    let removed: u64 = facts.changes().map(|change| change.removed_by_server).sum();
    let server = |number: Option<usize>| match number {
        Some(number) if facts.nodes.is_cluster() => facts.nodes.node(number).endpoint.to_string(),
        _ => "the server".to_owned(),
    };
    let node_with = |is_meant: &dyn Fn(&Change) -> bool| {
        let mut changes = facts.finding.nodes.iter().map(|node| node.change.as_ref());
        changes.position(|change| change.is_some_and(is_meant))
    };
    let failed = facts.passes.failure.as_ref().and_then(|(node, end)| {
        let server = server(Some(*node));
        match end {
            LaneEnd::Refused(error) => Some(format!("{server} refused a write: {error}")),
            LaneEnd::Failed(cause) => Some(format!("a connection to {server} failed: {cause}")),
            LaneEnd::Done | LaneEnd::Stopped => None,
        }
    });
    if let Some(signal) = facts.signal {
        let name = nix::sys::signal::Signal::try_from(signal).map_or("a signal", |s| s.as_str());
        format!("interrupted by {name}")
    } else if facts.halt == Some("OOM") || refused.contains_key("OOM") {
        let full = node_with(&|change| change.errors.contains_key("OOM"));
        let limit = facts
            .nodes
            .node(full.unwrap_or(0))
            .facts()
            .maxmemory
            .unwrap_or(0);
        format!(
            "{} ran out of memory (OOM, maxmemory {limit} bytes)",
            server(full)
        )
    } else if let Some(class) = facts.halt {
        let refusing = node_with(&|change| change.errors.contains_key(class));
        format!("{} takes no more writes ({class})", server(refusing))
    } else if let Some(failed) = failed {
        failed
    } else if let Some(patience) = facts.gave_up {
        unsettled(facts, patience)
    } else if let (false, Some(restarted)) = (
        facts.nodes.is_cluster(),
        node_with(&|change| !change.is_same_process),
    ) {
        format!("{} was restarted during the fill", server(Some(restarted)))
    } else if removed > 0 {
        let removing = node_with(&|change| change.removed_by_server > 0);
        let policy = &facts
            .nodes
            .node(removing.unwrap_or(0))
            .facts()
            .maxmemory_policy;
        format!(
            "{} evicted or expired {removed} keys (maxmemory-policy {})",
            server(removing),
            policy.as_deref().unwrap_or("unknown")
        )
    } else if facts.planned < facts.plan.keys() {
        let uncovered = facts.nodes.uncovered();
        format!(
            "partial, as --allow-partial permits: {} of 16384 slots have no master that can be reached",
            uncovered.len()
        )
    } else if let Some((class, count)) = refused.iter().next() {
        format!("the server refused {count} writes ({class})")
    } else if facts.changes().any(|change| change.foreign_writes > 0) {
        "other clients changed the database during the fill".into()
    } else {
        "planned keys are missing".into()
    }
}

/// What a cluster did not come to terms with.
fn unsettled(facts: &Facts<'_>, patience: Duration) -> String {
    let seconds = patience.as_secs();
    if let Some(problem) = &facts.nodes.problem {
        return problem.clone();
    }
    match facts.finding.unsettled.iter().next() {
        Some((class, _)) if class == "ASK" || class == "TRYAGAIN" => format!(
            "slots have been moving for {seconds} s without an end ({class}; see `redis-cli --cluster check`, finish it with `redis-cli --cluster fix`)"
        ),
        Some((class, _)) if class == "CLUSTERDOWN" => format!(
            "the cluster has been down for {seconds} s (CLUSTERDOWN; see `redis-cli --cluster check`)"
        ),
        Some((class, _)) => format!("the cluster has not answered for {seconds} s ({class})"),
        None if facts.finding.open() == 0 => format!(
            "the nodes have not agreed on the owners of all slots for {seconds} s (see `redis-cli --cluster check`)"
        ),
        None => format!("nothing has changed for {seconds} s (--stall-timeout)"),
    }
}
