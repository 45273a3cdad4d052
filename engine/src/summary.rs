//! From what reactors, monitor and audit saw to a report and its verdict.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::audit::{Before, Finding};
use crate::control::ServerFacts;
use crate::driver::contract::LaneEnd;
use crate::lane::Replies;
use crate::latency::Latencies;
use crate::plan::{Plan, Send};
use crate::reactor::ReactorResult;
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
    pub(crate) target: &'a Target,
    pub(crate) server: &'a ServerFacts,
    pub(crate) before: &'a Before,
    pub(crate) finding: &'a Finding,
    /// Why the audit could not look.
    pub(crate) audit_error: Option<&'a str>,
    pub(crate) reactors: &'a [ReactorResult],
    pub(crate) fill: Duration,
    pub(crate) audit: Duration,
    /// User and system time of this process during the fill.
    pub(crate) cpu: (Duration, Duration),
    pub(crate) reconnects: u64,
    pub(crate) halt: Option<&'a str>,
    pub(crate) signal: Option<i32>,
}

/// The report.
pub(crate) fn report(facts: &Facts<'_>) -> Report {
    let latencies = latencies(facts.reactors);
    let acked = acked(facts);
    let fences = match replies(facts) {
        Replies::Fenced => latencies.ack_us.len(),
        Replies::Each => 0,
    };
    let keyspace_bytes = facts.plan.keyspace().key_size() + facts.plan.values().value_size();
    let bytes = ByteCounts {
        payload: acked * keyspace_bytes as u64,
        wire: acked * facts.plan.segment.frame().bytes() as u64 + fences * FENCE_BYTES as u64,
    };
    let refused = refused(facts);
    let present = facts.finding.present;
    let is_complete = present == Some(facts.plan.keys());
    let seconds = facts.fill.as_secs_f64();
    let per_second = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
    Report {
        schema: SCHEMA,
        plan: plan_summary(facts),
        keys: KeyCounts {
            planned: facts.plan.keys(),
            sent: lanes(facts).map(|lane| lane.sent.count()).sum(),
            acked,
            present,
            created: facts.finding.created,
            existed: present
                .zip(facts.finding.created)
                .map(|(p, c)| p.saturating_sub(c)),
            resent: facts.reactors.iter().map(|reactor| reactor.resent).sum(),
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
        nodes: vec![node(facts, &refused)],
        bottleneck: bottleneck(facts, &refused),
        reason: (!is_complete).then(|| reason(facts, &refused)),
        refused,
        reconnects: facts.reconnects,
        rounds: 0,
        verdict: if is_complete {
            Verdict::Complete
        } else {
            Verdict::Incomplete
        },
        interrupted_by: facts.signal.filter(|_| !is_complete),
        bytes,
    }
}

fn lanes<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a crate::reactor::LaneResult> {
    facts
        .reactors
        .iter()
        .flat_map(|reactor| reactor.lanes.iter())
}

/// The one node of a standalone server.
fn node(facts: &Facts<'_>, refused: &BTreeMap<String, u64>) -> NodeReport {
    NodeReport {
        address: facts.server.address.to_string(),
        keys: facts.finding.present,
        created: facts.finding.created,
        server_cpu_percent: facts
            .finding
            .change
            .as_ref()
            .map(|change| change.cpu_percent),
        used_memory_before: facts
            .before
            .snapshot
            .as_ref()
            .map(|before| before.used_memory),
        used_memory_after: facts.finding.used_memory,
        refused: refused.clone(),
    }
}

fn plan_summary(facts: &Facts<'_>) -> PlanSummary {
    let plan = facts.plan;
    let outcome = facts.reactors.first().map(|reactor| &reactor.outcome);
    PlanSummary {
        target: facts.target.to_string(),
        cluster: false,
        keys: plan.keys(),
        key_size: plan.keyspace().key_size(),
        value_size: plan.values().value_size(),
        pipeline_depth: plan.pipeline_depth,
        connections: plan.connections,
        reactors: plan.reactor_cores.len(),
        driver: outcome.map_or(plan.driver, |outcome| outcome.driver),
        send: outcome.map_or(Send::Copy, |outcome| outcome.send),
        replies: replies(facts),
        sources: BTreeMap::new(),
    }
}

/// Keys acknowledged. A fence also acknowledges keys that were refused silently: where there were
/// such, what was seen on the server counts.
fn acked(facts: &Facts<'_>) -> u64 {
    let acked: u64 = lanes(facts).map(|lane| lane.acked).sum();
    let refused = facts
        .finding
        .change
        .as_ref()
        .map_or(0, |change| change.sets_refused);
    if replies(facts) == Replies::Each || refused == 0 {
        return acked;
    }
    acked.min(
        facts
            .finding
            .present
            .unwrap_or(acked.saturating_sub(refused)),
    )
}

/// How the server acknowledged, whatever was planned.
fn replies(facts: &Facts<'_>) -> Replies {
    lanes(facts)
        .next()
        .map_or(facts.plan.replies, |lane| lane.replies)
}

/// The latencies of all reactors as one.
fn latencies(reactors: &[ReactorResult]) -> Latencies {
    let mut all = Latencies::default();
    for reactor in reactors {
        // Equal bounds, so nothing can be out of range.
        let _ = all.ack_us.add(&reactor.latencies.ack_us);
        let _ = all.command_us.add(&reactor.latencies.command_us);
    }
    all
}

/// With fenced replies nobody sees the reply to a command; known is how long each connection
/// took per command on average: `connections * seconds / commands`.
fn mean_command_latency(facts: &Facts<'_>, acked: u64) -> Option<LatencySummary> {
    let micros = facts.fill.as_secs_f64() * 1e6 * facts.plan.connections as f64;
    (acked > 0).then(|| LatencySummary::of_mean(micros / acked as f64))
}

fn client_costs(facts: &Facts<'_>, payload_bytes: u64) -> ClientCosts {
    let (user, system) = (facts.cpu.0.as_secs_f64(), facts.cpu.1.as_secs_f64());
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
fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|value| value.split_ascii_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// Refusals as the replies had them, else as the server counted them.
fn refused(facts: &Facts<'_>) -> BTreeMap<String, u64> {
    let counted = facts
        .finding
        .change
        .as_ref()
        .map(crate::monitor::Change::refused);
    if let Some(counted) = counted.filter(|counted| !counted.is_empty()) {
        return counted;
    }
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    for (class, count) in lanes(facts).flat_map(|lane| &lane.refused) {
        *refused.entry(class.clone()).or_default() += count;
    }
    refused
}

fn bottleneck(facts: &Facts<'_>, refused: &BTreeMap<String, u64>) -> Bottleneck {
    let seconds = facts.fill.as_secs_f64();
    if refused.contains_key("OOM") {
        return Bottleneck::Memory;
    }
    let Some(change) = facts
        .finding
        .change
        .as_ref()
        .filter(|_| seconds >= TELLING_SECONDS_MIN)
    else {
        return Bottleneck::Unknown;
    };
    let client_is_busy = facts
        .reactors
        .iter()
        .any(|reactor| reactor.cpu.as_secs_f64() / seconds * 100.0 >= BUSY_PERCENT);
    match (change.cpu_percent >= BUSY_PERCENT, client_is_busy) {
        (true, true) => Bottleneck::Balanced,
        (true, false) => Bottleneck::Server,
        (false, true) => Bottleneck::Client,
        (false, false) if facts.server.is_local => Bottleneck::Unknown,
        (false, false) => Bottleneck::Network,
    }
}

/// Why a fill is incomplete: the first cause that explains it.
fn reason(facts: &Facts<'_>, refused: &BTreeMap<String, u64>) -> String {
    let planned = facts.plan.keys();
    let stored = match facts.finding.present {
        Some(present) => format!("{present} of {planned} planned keys are on the server"),
        None => {
            let why = facts.audit_error.unwrap_or("it was not looked at");
            format!("how many of the {planned} planned keys are on the server is unknown: {why}")
        }
    };
    let change = facts.finding.change.as_ref();
    let removed = change.map_or(0, |change| change.removed_by_server);
    let failed = lanes(facts).find_map(|lane| match &lane.end {
        LaneEnd::Refused(error) => Some(format!("the server refused a write: {error}")),
        LaneEnd::Failed(cause) => Some(format!("a connection failed: {cause}")),
        LaneEnd::Done | LaneEnd::Stopped => None,
    });
    let cause = if let Some(signal) = facts.signal {
        let name = nix::sys::signal::Signal::try_from(signal).map_or("a signal", |s| s.as_str());
        format!("interrupted by {name}")
    } else if facts.halt == Some("OOM") || refused.contains_key("OOM") {
        let limit = facts.server.maxmemory.unwrap_or(0);
        format!("the server ran out of memory (OOM, maxmemory {limit} bytes)")
    } else if let Some(class) = facts.halt {
        format!("the server takes no more writes ({class})")
    } else if let Some(failed) = failed {
        failed
    } else if change.is_some_and(|change| !change.is_same_process) {
        "the server was restarted during the fill".into()
    } else if removed > 0 {
        let policy = facts
            .server
            .maxmemory_policy
            .as_deref()
            .unwrap_or("unknown");
        format!("the server evicted or expired {removed} keys (maxmemory-policy {policy})")
    } else if let Some((class, count)) = refused.iter().next() {
        format!("the server refused {count} writes ({class})")
    } else if change.is_some_and(|change| change.foreign_writes > 0) {
        "other clients changed the database during the fill".into()
    } else {
        "planned keys are missing".into()
    };
    format!("{cause}: {stored}")
}
