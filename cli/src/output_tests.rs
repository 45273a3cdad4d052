//! The report in both forms.

use engine::lane::Replies;
use engine::plan::{Driver, Send};
use engine::report::{
    Bottleneck, ByteCounts, ClientCosts, Evidence, KeyCounts, PlanSummary, Rates, SCHEMA, Seconds,
};
use serde_json::Value;

use super::*;

fn node() -> NodeReport {
    NodeReport {
        address: "10.0.0.1:6379".into(),
        keys: Some(1_048_576),
        created: Some(1_048_576),
        server_cpu_percent: Some(98.4),
        used_memory_before: Some(1 << 20),
        used_memory_after: Some(3 << 29),
        until_memory: None,
        evicted: Some(0),
        expired: Some(0),
        refused: BTreeMap::new(),
        seconds: 1.25,
        keys_per_second: 838_860.8,
    }
}

fn plan() -> PlanSummary {
    PlanSummary {
        target: "db:6379".into(),
        cluster: false,
        keys: 1_048_576,
        start_key: 0,
        command: "set".into(),
        key_size: 512,
        value_size: 512,
        pipeline_depth: 7738,
        connections: 2,
        reactors: 1,
        driver: Driver::Uring,
        send: Send::Fixed,
        send_reason: "as asked for".into(),
        replies: Replies::Fenced,
        sources: BTreeMap::from([("key-size".into(), "default".into())]),
    }
}

fn complete() -> Report {
    Report {
        schema: SCHEMA,
        plan: plan(),
        keys: KeyCounts {
            planned: 1_048_576,
            sent: 1_048_576,
            acked: 1_048_576,
            present: Some(1_048_576),
            created: Some(1_048_576),
            existed: Some(0),
            resent: 0,
        },
        bytes: ByteCounts {
            payload: 1 << 30,
            wire: 1_111_490_560,
        },
        seconds: Seconds {
            fill: 1.25,
            audit: 0.01,
        },
        rates: Rates {
            keys_per_second: 838_860.8,
            commands_per_second: 839_000.0,
            payload_mib_per_second: 819.2,
            wire_mib_per_second: 848.0,
        },
        ack_latency_us: Some(LatencySummary {
            mean: 812.4,
            p50: Some(800),
            p95: Some(1200),
            p99: Some(1500),
            max: Some(2000),
        }),
        command_latency_us: Some(LatencySummary::of_mean(1.2)),
        client: ClientCosts {
            cpu_user_seconds: 0.1,
            cpu_system_seconds: 0.3,
            cpu_seconds_per_gib: Some(0.4),
            peak_rss_bytes: 9 << 20,
        },
        nodes: vec![node()],
        slowest_node: None,
        refused: BTreeMap::new(),
        reconnects: 0,
        rounds: 0,
        topology_changes: 0,
        tune: None,
        verify: None,
        bottleneck: Bottleneck::Server,
        bottleneck_evidence: Evidence::default(),
        limit: "server: its main thread used 99 % of a core".into(),
        verdict: Verdict::Complete,
        reason: None,
        warnings: Vec::new(),
        interrupted_by: None,
        is_all_looked_for: true,
        is_as_asked: false,
        is_all_but_removed: false,
    }
}

fn full() -> Report {
    let mut report = complete();
    report.keys.present = Some(3160);
    report.keys.created = None;
    report.refused = BTreeMap::from([("OOM".into(), 16_839), ("NOPERM".into(), 1)]);
    report.verdict = Verdict::Incomplete;
    report.bottleneck = Bottleneck::Memory;
    report.limit = "memory: the server refused writes (OOM)".into();
    report.reason = Some("the server is full.".into());
    report
}

#[test]
fn the_text_says_the_verdict_first_and_then_the_figures() {
    assert_eq!(
        text(&complete()),
        "\
complete: all 1,048,576 keys are on db:6379

keys      1,048,576 planned, 1,048,576 present, 1,048,576 created, 0 existed
data      1.00 GiB of keys and values, 1.04 GiB on the wire
time      1.25 s to fill, 10.0 ms to check
rate      838,861 keys/s, 859.0 MB/s of keys and values, 889.2 MB/s on the wire
latency   mean 812 µs, p50 800 µs, p95 1.20 ms, p99 1.50 ms, max 2.00 ms per acknowledgement
          mean 1 µs per command
send      fixed: as asked for
client    CPU 0.10 s user, 0.30 s system (0.40 s per GiB), peak memory 9.00 MiB
server    10.0.0.1:6379, CPU 98 %, memory 1.00 MiB before, 1.50 GiB after
limit     server: its main thread used 99 % of a core
"
    );
}

#[test]
fn an_incomplete_fill_says_what_is_there_and_what_was_refused() {
    let text = text(&full());
    assert!(
        text.starts_with("incomplete: 3,160 of 1,048,576 keys are on db:6379\n"),
        "{text}"
    );
    assert!(text.contains("unknown created"), "{text}");
    assert!(text.contains("refused   1 NOPERM, 16,839 OOM\n"), "{text}");
    assert!(text.contains("reason    the server is full.\n"), "{text}");
}

#[test]
fn advice_names_the_reason_and_the_command_that_goes_on() {
    assert_eq!(
        advice(&full(), "redis-client fill --resume"),
        "incomplete: the server is full; to go on once the cause is removed: redis-client fill \
         --resume"
    );
    let mut report = full();
    report.interrupted_by = Some(2);
    report.reason = Some("interrupted by SIGINT: 5 of 9 planned keys are on the server".into());
    assert_eq!(
        advice(&report, "this"),
        "interrupted by SIGINT: 5 of 9 planned keys are on the server; to go on: this"
    );
    report.reason = None;
    assert_eq!(
        advice(&report, "this"),
        "interrupted by SIGINT; to go on: this"
    );
}

#[test]
fn the_json_form_is_one_object_on_one_line() {
    let json = report(&full(), Format::Json).unwrap();
    assert_eq!(json.matches('\n').count(), 1);
    let object: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(object["schema"], 1);
    assert_eq!(object["verdict"], "incomplete");
    assert_eq!(object["plan"]["sources"]["key-size"], "default");
    assert_eq!(object["keys"]["created"], Value::Null);
    assert_eq!(object["refused"]["OOM"], 16_839);
}

#[test]
fn a_flush_alone_is_reported_too() {
    assert_eq!(flushed(1234, Format::Text), "flushed 1,234 keys\n");
    assert_eq!(flushed(1, Format::Text), "flushed 1 key\n");
    let object: Value = serde_json::from_str(&flushed(1234, Format::Json)).unwrap();
    assert_eq!(object, json!({"schema": 1, "flushed": 1234}));
}

fn of_cluster(masters: usize) -> Report {
    let mut report = complete();
    report.plan.cluster = true;
    report.nodes = (0..masters).map(|_| node()).collect();
    report.slowest_node = Some("10.0.0.9:6379".into());
    (report.rounds, report.topology_changes, report.reconnects) = (2, 3, 1);
    report
}

#[test]
fn a_cluster_is_told_node_by_node() {
    let text = text(&of_cluster(2));
    for line in [
        "complete: all 1,048,576 keys are on the cluster at db:6379\n",
        "\nserver    10.0.0.1:6379: 1,048,576 keys, 838,861 keys/s, CPU 98 %, memory 1.00 MiB before, 1.50 GiB after\n",
        "\nslowest   10.0.0.9:6379\n",
        "\nmended    1 connection made again, 2 rounds over missing keys, slots got other owners 3 times\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    assert!(!text.contains("more, see"), "{text}");
}

#[test]
fn a_node_that_joined_later_has_no_memory_from_before() {
    let joined = NodeReport {
        used_memory_before: None,
        server_cpu_percent: None,
        ..node()
    };
    assert_eq!(
        server(&joined, true),
        "10.0.0.1:6379: 1,048,576 keys, 838,861 keys/s, memory 1.50 GiB after"
    );
}

#[test]
fn of_many_servers_some_are_listed() {
    let text = text(&of_cluster(40));
    assert_eq!(text.matches("10.0.0.1:6379: ").count(), 16);
    assert!(
        text.contains("\n          and 24 more, see --output json\n"),
        "{text}"
    );
}
