//! What goes to standard output: the report as text or as one JSON object. Owns the wording of
//! the text; the JSON is the engine's [`Report`] as it is.

use std::collections::BTreeMap;
use std::io::{self, Write};

use engine::Report;
use engine::report::{ClientCosts, LatencySummary, NodeReport, Verdict};
use serde_json::json;

use crate::exit::Failure;
use crate::figures::{self, count};
use crate::names::Format;
use crate::{findings, signals};

/// So many servers are listed in the text form.
const SERVERS_SHOWN_MAX: usize = 16;

/// Prints to standard output. That nobody reads it is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::broken(format!(
            "cannot write to standard output: {error}"
        ))),
        _ => Ok(()),
    }
}

/// The report of a fill.
pub(crate) fn report(report: &Report, format: Format) -> Result<String, Failure> {
    match format {
        Format::Text => Ok(text(report)),
        Format::Json => json(report),
    }
}

/// A report as one JSON object.
pub(crate) fn json(report: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(report)
        .map(|json| json + "\n")
        .map_err(|error| Failure::broken(format!("cannot write the report as JSON: {error}")))
}

/// The report of `-f` alone.
pub(crate) fn flushed(keys: u64, format: Format) -> String {
    match format {
        Format::Text => flushed_in_words(keys) + "\n",
        Format::Json => {
            format!(
                "{}\n",
                json!({"schema": engine::report::SCHEMA, "flushed": keys})
            )
        }
    }
}

/// How many keys a flush removed.
pub(crate) fn flushed_in_words(keys: u64) -> String {
    format!("flushed {}", figures::counted(keys, "key"))
}

/// Why a fill is not complete, and the command that goes on.
pub(crate) fn advice(report: &Report, again: &str) -> String {
    let reason = report
        .reason
        .as_deref()
        .map(|reason| reason.trim_end_matches('.'));
    match (report.interrupted_by, reason) {
        (Some(_), Some(reason)) => format!("{reason}; to go on: {again}"),
        (Some(signal), None) => {
            format!(
                "interrupted by {}; to go on: {again}",
                signals::name(signal)
            )
        }
        (None, reason) => {
            let reason = reason.unwrap_or("keys are missing");
            format!("incomplete: {reason}; to go on once the cause is removed: {again}")
        }
    }
}

/// The text form: the verdict first, then figures that a person compares.
fn text(report: &Report) -> String {
    let mut lines = vec![verdict(report), String::new()];
    let mut line = |name: &str, fact: String| lines.push(format!("{name:<9} {fact}"));
    line("keys", keys(report));
    line(
        "data",
        format!(
            "{} of keys and values, {} on the wire",
            figures::bytes(report.bytes.payload),
            figures::bytes(report.bytes.wire)
        ),
    );
    line(
        "time",
        format!(
            "{} to fill, {} to check",
            figures::seconds(report.seconds.fill),
            figures::seconds(report.seconds.audit)
        ),
    );
    line("rate", rate(report));
    if let Some(latency) = &report.ack_latency_us {
        line(
            "latency",
            format!("{} per acknowledgement", latency_in_words(latency)),
        );
    }
    if let Some(latency) = &report.command_latency_us {
        line("", format!("{} per command", latency_in_words(latency)));
    }
    line(
        "send",
        format!("{}: {}", report.plan.send.name(), report.plan.send_reason),
    );
    line("client", client(&report.client));
    for node in report.nodes.iter().take(SERVERS_SHOWN_MAX) {
        line("server", server(node, report.plan.cluster));
    }
    if let Some(more) = report.nodes.len().checked_sub(SERVERS_SHOWN_MAX + 1) {
        line("", format!("and {} more, see --output json", more + 1));
    }
    if let Some(slowest) = &report.slowest_node {
        line("slowest", slowest.clone());
    }
    if !report.refused.is_empty() {
        line("refused", refused(&report.refused));
    }
    if report.reconnects + report.rounds + report.topology_changes > 0 {
        line("mended", mended(report));
    }
    line("limit", report.limit.clone());
    if let Some(tuned) = &report.tune {
        let trials = figures::counted(tuned.trials.len() as u64, "trial");
        line("tuned", format!("{} after {trials}", tuned.chosen));
    }
    if let Some(verification) = &report.verify {
        for (name, fact) in findings::lines(verification) {
            line(name, fact);
        }
    }
    if let Some(reason) = &report.reason {
        line("reason", reason.clone());
    }
    lines.join("\n") + "\n"
}

fn verdict(report: &Report) -> String {
    let planned = figures::counted(report.keys.planned, "key");
    let target = match report.plan.cluster {
        true => format!("the cluster at {}", report.plan.target),
        false => report.plan.target.clone(),
    };
    match (report.verdict, report.keys.present) {
        (Verdict::Complete, _) if report.keys.planned == 1 => {
            format!("complete: {planned} is on {target}")
        }
        (Verdict::Complete, _) => format!("complete: all {planned} are on {target}"),
        (Verdict::Incomplete, Some(present)) => {
            let seen = if report.is_all_looked_for {
                "are on"
            } else {
                "could be seen on"
            };
            format!(
                "incomplete: {} of {planned} {seen} {target}",
                count(present)
            )
        }
        (Verdict::Incomplete, None) => format!(
            "incomplete: {} of {planned} were acknowledged by {target}, and not looked for",
            count(report.keys.acked)
        ),
    }
}

fn keys(report: &Report) -> String {
    let keys = &report.keys;
    let known = |number: Option<u64>| number.map_or_else(|| "unknown".to_owned(), count);
    let mut text = format!(
        "{} planned, {} present, {} created, {} existed",
        count(keys.planned),
        known(keys.present),
        known(keys.created),
        known(keys.existed)
    );
    if report.plan.start_key > 0 {
        text += &format!(", from index {}", report.plan.start_key);
    }
    if keys.resent > 0 {
        text += &format!(", {} sent again", count(keys.resent));
    }
    text
}

/// What happened on the way, and what was done about it.
fn mended(report: &Report) -> String {
    let mut text = format!(
        "{} made again, {} over missing keys",
        figures::counted(report.reconnects, "connection"),
        figures::counted(report.rounds, "round")
    );
    if report.topology_changes > 0 {
        let changes = figures::counted(report.topology_changes, "time");
        text += &format!(", slots got other owners {changes}");
    }
    text
}

fn rate(report: &Report) -> String {
    let mib = f64::from(1 << 20);
    let rates = &report.rates;
    format!(
        "{} keys/s, {} of keys and values, {} on the wire",
        figures::per_second(rates.keys_per_second),
        figures::megabytes_per_second(rates.payload_mib_per_second * mib),
        figures::megabytes_per_second(rates.wire_mib_per_second * mib)
    )
}

fn latency_in_words(latency: &LatencySummary) -> String {
    let mut text = format!("mean {}", figures::microseconds(latency.mean));
    for (name, value) in [
        ("p50", latency.p50),
        ("p95", latency.p95),
        ("p99", latency.p99),
        ("max", latency.max),
    ] {
        if let Some(value) = value {
            text += &format!(", {name} {}", figures::microseconds(value as f64));
        }
    }
    text
}

/// What a run cost this process.
pub(crate) fn client(client: &ClientCosts) -> String {
    let mut text = format!(
        "CPU {:.2} s user, {:.2} s system",
        client.cpu_user_seconds, client.cpu_system_seconds
    );
    if let Some(per_gib) = client.cpu_seconds_per_gib {
        text += &format!(" ({per_gib:.2} s per GiB)");
    }
    text + &format!(", peak memory {}", figures::bytes(client.peak_rss_bytes))
}

fn server(node: &NodeReport, is_cluster: bool) -> String {
    let mut text = node.address.clone();
    if is_cluster {
        let keys = node.keys.map(|keys| figures::counted(keys, "key"));
        let keys = keys.unwrap_or_else(|| "an unknown number of keys".into());
        let rate = figures::per_second(node.keys_per_second);
        text += &format!(": {keys}, {rate} keys/s");
    }
    if let Some(percent) = node.server_cpu_percent {
        text += &format!(", CPU {percent:.0} %");
    }
    let bytes = |bytes| figures::bytes(bytes);
    if let Some(evicted @ 1..) = node.evicted {
        text += &format!(", {} evicted", figures::counted(evicted, "key"));
    }
    match (node.used_memory_before, node.used_memory_after) {
        (Some(before), Some(after)) => {
            text += &format!(", memory {} before, {} after", bytes(before), bytes(after));
        }
        // A node that joined later.
        (None, Some(after)) => text += &format!(", memory {} after", bytes(after)),
        (_, None) => {}
    }
    text
}

fn refused(classes: &BTreeMap<String, u64>) -> String {
    let classes: Vec<_> = classes
        .iter()
        .map(|(class, number)| format!("{} {class}", count(*number)))
        .collect();
    classes.join(", ")
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
