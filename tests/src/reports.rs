//! The JSON report: exactly the promised fields, of the promised types, and nothing beside it on
//! standard output.

use serde_json::{Map, Value, json};

use crate::fixtures::report::Report;
use crate::fixtures::{Server, fill, verify};

/// The report of the design, each field with its type; a type may be followed by `?` for null.
fn promised() -> Value {
    let latency = json!({
        "mean": "number", "p50": "number", "p95": "number", "p99": "number", "max": "number",
    });
    json!({
        "schema": "number",
        "plan": {
            "target": "string", "cluster": "bool", "command": "string", "keys": "number", "start_key": "number", "key_size": "number",
            "value_size": "number", "pipeline_depth": "number", "connections": "number",
            "reactors": "number", "driver": "string", "send": "string", "send_reason": "string", "replies": "string",
            "sources": "map of string",
        },
        "keys": {
            "planned": "number", "sent": "number", "acked": "number", "present": "number?",
            "created": "number?", "existed": "number?", "resent": "number",
        },
        "bytes": {"payload": "number", "wire": "number"},
        "seconds": {"fill": "number", "audit": "number"},
        "rates": {
            "keys_per_second": "number", "commands_per_second": "number",
            "payload_mib_per_second": "number", "wire_mib_per_second": "number",
        },
        "ack_latency_us": latency,
        "command_latency_us": latency,
        "client": {
            "cpu_user_seconds": "number", "cpu_system_seconds": "number",
            "cpu_seconds_per_gib": "number?", "peak_rss_bytes": "number",
        },
        "nodes": [{
            "address": "string", "keys": "number?", "created": "number?",
            "server_cpu_percent": "number?", "used_memory_before": "number?",
            "used_memory_after": "number?", "until_memory": null, "evicted": "number?", "expired": "number?",
            "refused": "map of number",
            "seconds": "number", "keys_per_second": "number",
        }],
        "slowest_node": "string?",
        "refused": "map of number",
        "reconnects": "number",
        "rounds": "number",
        "topology_changes": "number",
        "bottleneck": "string",
        "bottleneck_evidence": {
            "server_cpu_percent": "number?", "server_wait_percent": "number?",
            "client_cpu_percent": "number?", "client_wait_percent": "number?",
            "send_queue_percent": "number?", "window_percent": "number?",
        },
        "tune": null,
        "verify": null,
        "verdict": "string",
        "reason": "string?",
        "warnings": "list of string",
    })
}

/// What `verify` finds, by itself and in the report of a fill.
fn promised_of_verify() -> Value {
    json!({
        "to_check": "number", "checked": "number", "present": "number", "missing": "number",
        "wrong": "number",
        "examples": {"missing": ["string"], "wrong": [{"key": "string", "what": "string"}]},
        "beyond_plan": "number?",
        "nodes": [{
            "address": "string", "checked": "number", "missing": "number", "wrong": "number",
        }],
        "seconds": "number",
        "rates": {"keys_per_second": "number", "payload_mib_per_second": "number"},
        "client": promised()["client"],
        "reconnects": "number", "topology_changes": "number",
        "verdict": "string", "reason": "string?",
    })
}

/// Asserts that `value` has the promised form, field by field.
#[track_caller]
fn keeps(promise: &Value, value: &Value, at: &str) {
    match (promise, value) {
        (Value::Object(promised), Value::Object(fields)) => {
            let names = |map: &Map<String, Value>| map.keys().cloned().collect::<Vec<_>>();
            let sorted = |mut names: Vec<String>| {
                names.sort();
                names
            };
            assert_eq!(
                sorted(names(fields)),
                sorted(names(promised)),
                "fields of {at}"
            );
            for (name, promise) in promised {
                keeps(promise, &fields[name], &format!("{at}.{name}"));
            }
        }
        (Value::Array(promised), Value::Array(elements)) => {
            assert!(!elements.is_empty(), "{at} is empty");
            elements
                .iter()
                .for_each(|element| keeps(&promised[0], element, at));
        }
        (Value::Null, Value::Null) => {}
        (Value::String(name), value) => {
            assert!(is_of_type(name, value), "{at} is {value} and not a {name}");
        }
        (_, value) => panic!("{at} is {value}"),
    }
}

fn is_of_type(name: &str, value: &Value) -> bool {
    if let Some(name) = name.strip_suffix('?') {
        return value.is_null() || is_of_type(name, value);
    }
    if let Some(name) = name.strip_prefix("map of ") {
        return value
            .as_object()
            .is_some_and(|map| map.values().all(|value| is_of_type(name, value)));
    }
    if let Some(name) = name.strip_prefix("list of ") {
        return value
            .as_array()
            .is_some_and(|list| list.iter().all(|value| is_of_type(name, value)));
    }
    match name {
        "number" => value.is_number(),
        "string" => value.is_string(),
        "bool" => value.is_boolean(),
        "list" => value.is_array(),
        other => panic!("no such type: {other}"),
    }
}

/// Asserts that a report has the promised form.
#[track_caller]
fn keeps_the_promise(report: &Report, promise: &Value) {
    keeps(promise, report.whole(), "report");
    report.has([("schema", 1.into()), ("plan.cluster", false.into())]);
    let bottlenecks = [
        "server", "client", "network", "memory", "balanced", "unknown",
    ];
    assert!(bottlenecks.contains(&report.text("bottleneck")));
}

#[test]
fn with_each_reply_every_field_is_there() {
    let server = Server::start();
    let report = fill(&server)
        .with("--keys 5000 --replies each")
        .completes(5000);
    keeps_the_promise(&report, &promised());
}

#[test]
fn with_fenced_replies_a_command_s_latency_is_a_mean() {
    let server = Server::start();
    let report = fill(&server)
        .with("--keys 5000 --replies fenced")
        .completes(5000);
    let mut promise = promised();
    promise["command_latency_us"] = json!({"mean": "number"});
    keeps_the_promise(&report, &promise);
}

#[test]
fn an_incomplete_fill_has_the_same_report() {
    let server = Server::with("maxmemory", "5mb").start();
    let outcome = fill(&server)
        .with("--keys 50000 --force --output json")
        .run();
    let mut promise = promised();
    promise["command_latency_us"] = json!({"mean": "number"});
    keeps_the_promise(&outcome.exits_with(1).report(), &promise);
}

#[test]
fn figures_fit_together() {
    let server = Server::start();
    let report = fill(&server).with("-d 100mb -n 3").completes(102_400);
    let number = |path: &str| report.at(path).as_f64().expect("a number");
    assert!((number("bytes.payload") - f64::from(100 << 20)).abs() < 1.0);
    // `*3 $3 SET $512 key $512 value`: 29 bytes around each key and value; fences come on top.
    let overhead = number("bytes.wire") - number("bytes.payload");
    assert!(
        (102_400.0 * 29.0..102_400.0 * 29.0 * 1.01).contains(&overhead),
        "{overhead}"
    );
    let seconds = number("seconds.fill");
    let rate = number("rates.keys_per_second") * seconds;
    assert!((rate - 102_400.0).abs() < 1.0, "{rate}");
    let mib = number("rates.payload_mib_per_second") * seconds;
    assert!((mib - 100.0).abs() < 0.01, "{mib}");
    let cpu = number("client.cpu_user_seconds") + number("client.cpu_system_seconds");
    let per_gib = number("client.cpu_seconds_per_gib");
    assert!(
        (per_gib - cpu * 10.24).abs() < 0.01 && cpu > 0.0,
        "{per_gib} {cpu}"
    );
    let quantiles =
        ["p50", "p95", "p99", "max"].map(|name| number(&format!("ack_latency_us.{name}")));
    assert!(quantiles.is_sorted() && quantiles[0] > 0.0, "{quantiles:?}");
    assert!(number("nodes.0.server_cpu_percent") > 0.0);
}

#[test]
fn the_text_holds_the_same_figures() {
    let server = Server::start();
    let outcome = fill(&server).with("--keys 12345").run();
    outcome.succeeds().prints([
        "complete",
        "12,345",
        "keys/s",
        "MB/s",
        "CPU",
        &server.address(),
    ]);
    outcome.check(!outcome.stdout.contains('{'), "it is not for people");
}

#[test]
fn a_flush_alone_is_reported_in_json_too() {
    let server = Server::start();
    server.add_foreign_keys(37);
    let outcome = fill(&server).with("-f --output json").run();
    outcome.succeeds().report().has([("flushed", 37.into())]);
}

#[test]
fn what_verify_finds_has_the_promised_form() {
    let server = Server::start();
    let mut promise = promised();
    promise["verify"] = promised_of_verify();
    // All is well, so there are no examples.
    promise["verify"]["examples"] = json!({"missing": "list", "wrong": "list"});
    let report = fill(&server)
        .with("--keys 100 --verify --replies each")
        .report();
    keeps_the_promise(&report, &promise);
    let mut promise = promised_of_verify();
    promise["schema"] = "number".into();
    promise["plan"] = json!({
        "target": "string", "cluster": "bool", "keys": "number", "key_size": "number",
        "value_size": "number", "sources": "map of string",
    });
    // One key too many, and all of another seed.
    let report = verify(&server)
        .with("--keys 101 --seed 1")
        .finds(1, 100, 101);
    keeps(&promise, report.whole(), "report");
}
