//! From what reactors, monitor and audit saw to a report and its verdict.

use std::collections::BTreeMap;

use crate::audit::count::NodeFinding;
use crate::bottleneck::{Effort, Judgement, Measured};
use crate::fill::facts::Facts;
use crate::fill::passes::ReactorWork;
use crate::fill::reason::reason;
use crate::lane::Replies;
use crate::meter::Load;
use crate::plan::Send;
use crate::report::{
    ByteCounts, ClientCosts, EndedBy, KeyCounts, LatencySummary, MemoryEnd, NodeReport,
    PlanSummary, Rates, Report, SCHEMA, Seconds, Verdict,
};
use crate::segment::FENCE_BYTES;
use crate::statistics::Change;

const MIB: f64 = (1 << 20) as f64;
const GIB: f64 = (1 << 30) as f64;
/// Commands of a fence.
const FENCE_COMMANDS: u64 = 3;

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
        wire: wire_bytes(facts, acked) + fences * FENCE_BYTES as u64,
    };
    let refused = refused(facts);
    let judgement = bottleneck(facts, &refused);
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
            commands_per_second: per_second(
                (commands(facts, acked) + FENCE_COMMANDS * fences) as f64,
            ),
            payload_mib_per_second: per_second(bytes.payload as f64 / MIB),
            wire_mib_per_second: per_second(bytes.wire as f64 / MIB),
        },
        ack_latency_us: LatencySummary::of(&latencies.ack_us),
        command_latency_us: LatencySummary::of(&latencies.command_us)
            .or_else(|| mean_command_latency(facts, acked)),
        client: client_costs(facts, bytes.payload),
        slowest_node: slowest(&nodes),
        nodes,
        bottleneck: judgement.bottleneck,
        bottleneck_evidence: judgement.evidence,
        limit: judgement.words,
        tune: facts.tuned.cloned(),
        verify: None,
        reason: (!is_complete).then(|| reason(facts, &refused)),
        refused,
        reconnects: facts.passes.reconnects,
        rounds: facts.passes.rounds,
        topology_changes: facts.changes,
        warnings: Vec::new(),
        verdict: if is_complete {
            Verdict::Complete
        } else {
            Verdict::Incomplete
        },
        interrupted_by: facts.signal.filter(|_| !is_complete),
        is_all_looked_for: facts.finding.unsettled.is_empty(),
        is_as_asked: !is_complete && is_settled && present == Some(facts.planned),
        is_all_but_removed: !is_complete && is_all_but_removed(facts),
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
        server_cpu_percent: (facts.loads.get(number).and_then(Option::as_ref))
            .map(Load::process_percent)
            .or(finding.change.as_ref().map(|change| change.cpu_percent)),
        used_memory_before: before
            .and_then(|before| before.snapshot.as_ref())
            .map(|before| before.reading.used),
        used_memory_after: finding.used_memory,
        until_memory: facts.ends.get(number).copied(),
        evicted: finding.change.as_ref().map(|change| change.evicted),
        expired: finding.change.as_ref().map(|change| change.expired),
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

/// Whether everything was sent and taken, and no more keys are missing than servers have evicted
/// or expired.
fn is_all_but_removed(facts: &Facts<'_>) -> bool {
    let removed: u64 = facts.changes().map(Change::removed_by_server).sum();
    let is_undisturbed = facts.signal.is_none()
        && facts.halt.is_none()
        && facts.gave_up.is_none()
        && facts.passes.failure.is_none()
        && facts.passes.unsent.count() == 0
        && facts.finding.unsettled.is_empty();
    let present = facts.finding.present();
    is_undisturbed && present.is_some_and(|present| facts.planned - present <= removed)
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
        start_key: plan.start_key,
        key_size: plan.keyspace().key_size(),
        value_size: plan.values().value_size(),
        command: plan.command.to_string(),
        pipeline_depth: plan.pipeline_depth,
        connections: plan.connections,
        reactors: plan.reactor_cores.len(),
        driver: outcome.map_or(plan.driver, |outcome| outcome.driver),
        send: send_used(facts),
        send_reason: send_reason(facts),
        replies: facts.replies(),
        sources: BTreeMap::new(),
    }
}

/// Bytes of the commands that carried so many keys. What was acknowledged is known exactly; beyond
/// and below that it is reckoned.
fn wire_bytes(facts: &Facts<'_>, acked: u64) -> u64 {
    match facts.passes.acked() == acked {
        true => facts.passes.wire_bytes,
        false => facts.plan.wire_bytes_of(acked),
    }
}

/// Commands that carried so many keys, known and reckoned as those bytes are.
fn commands(facts: &Facts<'_>, acked: u64) -> u64 {
    let keys = facts.plan.command.keys() as u64;
    match facts.passes.acked() == acked {
        true => facts.passes.commands,
        false => acked / keys + acked % keys,
    }
}

/// The kind that was found to be best, else the one in use when the first reactor ended.
fn send_used(facts: &Facts<'_>) -> Send {
    let outcome = facts.passes.outcome.as_ref();
    let found = facts.plan.trial.as_ref().and_then(|trial| trial.found());
    match (outcome, found) {
        (Some(outcome), Some(found)) if outcome.driver == facts.plan.driver => found.send,
        (outcome, _) => outcome.map_or(Send::Copy, |outcome| outcome.send),
    }
}

/// Why that kind of send was used.
fn send_reason(facts: &Facts<'_>) -> String {
    let plan = facts.plan;
    let outcome = facts.passes.outcome.as_ref();
    let found = plan.trial.as_ref().map(|trial| trial.found());
    match (outcome, found) {
        (Some(outcome), _) if outcome.driver != plan.driver => {
            "the only kind that this driver has".to_owned()
        }
        (_, Some(Some(found))) => found.reason.clone(),
        (_, Some(None)) => "the fill ended before it was found out which is best".to_owned(),
        (_, None) => plan.send_reason.clone(),
    }
}

/// Keys acknowledged, each counted once. A fence also acknowledges keys that were refused
/// silently: where there were such, what was seen on the servers counts. And what was seen there
/// was taken even if the acknowledgement is lost: where nothing can have been there before, or
/// nothing is missing.
fn acked(facts: &Facts<'_>) -> u64 {
    let acked = facts.passes.acked().min(facts.passes.sent);
    let refused: u64 = facts
        .changes()
        .map(|change| {
            let msets = change.msets_refused;
            change.sets_refused + msets.saturating_mul(facts.plan.command.keys() as u64)
        })
        .sum();
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
    (acked > 0).then(|| LatencySummary::of_mean(micros / commands(facts, acked) as f64))
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

/// What limited the fill, from what was measured of it.
fn bottleneck(facts: &Facts<'_>, refused: &BTreeMap<String, u64>) -> Judgement {
    let passes = facts.passes;
    let seconds = passes.sending.as_secs_f64();
    let reactor = |work: &ReactorWork| {
        Effort::of(
            work.cpu.as_secs_f64(),
            Some(work.waited.as_secs_f64()),
            seconds,
        )
    };
    // A node that came late and was sent nothing cannot have been the limit.
    let has_work = |number: &usize| {
        let work = passes.nodes.get(*number);
        work.is_some_and(|work| work.sent.sets + work.sent.msets > 0)
    };
    let load = |number: usize| facts.loads.get(number)?.as_ref().map(Load::effort);
    Measured {
        seconds,
        memory: out_of_memory(facts, refused),
        servers: (0..facts.nodes.iter().len())
            .filter(has_work)
            .map(load)
            .collect(),
        reactors: passes.reactors.iter().map(reactor).collect(),
        send_queue: passes.waits.queue_percent(),
        window: passes.waits.window_percent(),
    }
    .judge()
}

/// What a server ran out of memory with, or that it was filled until its memory target.
fn out_of_memory(facts: &Facts<'_>, refused: &BTreeMap<String, u64>) -> Option<String> {
    let evicted: u64 = facts.changes().map(|change| change.evicted).sum();
    let has_target =
        |end: &&MemoryEnd| matches!(end.ended_by, Some(EndedBy::Target | EndedBy::Table));
    if refused.contains_key("OOM") {
        Some("the server refused writes (OOM)".into())
    } else if evicted > 0 {
        Some(format!("the server evicted {evicted} keys"))
    } else {
        let target = facts.ends.iter().find(has_target);
        target.map(|_| "servers use as much as --until-memory asks for".into())
    }
}
