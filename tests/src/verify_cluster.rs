//! `redis-client verify -c`: every key at the node that owns it, also while slots and masters
//! change.

use serde_json::Value;

use crate::fixtures::cluster_fill::MANY;
use crate::fixtures::oracle::slot_of_index;
use crate::fixtures::program::Running;
use crate::fixtures::report::Report;
use crate::fixtures::verify::verify_cluster;
use crate::fixtures::{Cluster, Server, eventually};

const KEYS: u64 = 20_000;
const SIZES: &str = "--key-size 24 --value-size 40";

fn filled(cluster: &Cluster, keys: u64) {
    cluster
        .fill()
        .with(&format!("--keys {keys} {SIZES}"))
        .completes(keys);
}

/// A look at [`MANY`] keys that is well under way.
fn underway(cluster: &Cluster) -> Running {
    let calls = || {
        cluster
            .nodes()
            .map(|node| node.calls("getrange"))
            .sum::<u64>()
    };
    let look = verify_cluster(cluster).with(&format!("--keys {MANY} {SIZES} --output json"));
    let before = calls();
    let mut look = look.start();
    eventually("the look is under way", || {
        calls() > before + 5000 || look.has_ended()
    });
    assert!(!look.has_ended(), "it ended before anything happened");
    look
}

/// What the report says of one node.
#[track_caller]
fn of_node(report: &Report, node: &Server, what: &str) -> Value {
    let nodes = report.at("nodes").as_array().expect("nodes are a list");
    let told = nodes.iter().find(|told| told["address"] == *node.address());
    told.unwrap_or_else(|| panic!("{} is not told of", node.address()))[what].clone()
}

#[test]
fn every_master_is_asked_for_its_own_keys() {
    let cluster = Cluster::start(3);
    filled(&cluster, KEYS);
    let flags = format!("--keys {KEYS} {SIZES}");
    let report = verify_cluster(&cluster).with(&flags).verifies(KEYS);
    report.has([("plan.cluster", true.into()), ("beyond_plan", 0.into())]);
    for node in cluster.nodes() {
        assert_eq!(of_node(&report, node, "checked"), node.dbsize());
    }
    let sampled = verify_cluster(&cluster).with(&flags).with("--sample 1%");
    let report = sampled.verifies(KEYS / 100);
    report.has([("beyond_plan", Value::Null)]);
    // A node that has lost everything is found by a sample too.
    let keys = cluster.keys_at(1);
    cluster.node(1).run("FLUSHALL");
    let report = verify_cluster(&cluster).with(&flags).finds(keys, 0, KEYS);
    for (number, missing) in [(0, 0), (1, keys), (2, 0)] {
        assert_eq!(of_node(&report, cluster.node(number), "missing"), missing);
    }
    let outcome = sampled.with("--output json").run();
    assert!(outcome.exits_with(1).report().number("missing") > 30);
}

#[test]
fn a_fill_of_a_cluster_can_verify_itself() {
    let cluster = Cluster::start(3);
    let command = cluster
        .fill()
        .with(&format!("--keys {KEYS} {SIZES} --verify"));
    let report = command.completes(KEYS);
    report.has([
        ("verify.verdict", "verified".into()),
        ("verify.checked", KEYS.into()),
    ]);
    assert_eq!(report.at("verify.nodes").as_array().map(Vec::len), Some(3));
}

#[test]
fn slots_that_move_meanwhile() {
    let cluster = Cluster::start(3);
    filled(&cluster, MANY);
    let look = underway(&cluster);
    let resharding = cluster.start_reshard(0, 1, 300);
    let outcome = look.wait();
    resharding.wait();
    outcome.succeeds().report().has([
        ("verdict", "verified".into()),
        ("checked", MANY.into()),
        ("present", MANY.into()),
    ]);
}

#[test]
fn a_master_whose_replica_takes_its_place() {
    let cluster = Cluster::setup().with_replicas().start();
    filled(&cluster, MANY);
    for i in 0..3 {
        let _: u64 = cluster.node(i).ask("WAIT 1 10000");
    }
    let look = underway(&cluster);
    cluster.failover(0);
    let outcome = look.wait();
    outcome
        .succeeds()
        .report()
        .has([("verdict", "verified".into()), ("present", MANY.into())]);
}

#[test]
fn a_slot_that_keeps_moving_is_told_of() {
    let cluster = Cluster::start(2);
    filled(&cluster, KEYS * 2);
    let slot = slot_of_index(0);
    let from = usize::from(cluster.owner_of(slot) != cluster.node(0).port());
    cluster.set_migrating(slot, from, 1 - from);
    assert!(cluster.move_keys(slot, (from, 1 - from), 1));
    let flags = format!(
        "--keys {} {SIZES} --stall-timeout 1 --output json",
        KEYS * 2
    );
    let outcome = verify_cluster(&cluster).with(&flags).run();
    let report = outcome.exits_with(1).says(["ASK"]).report();
    report.has([
        ("verdict", "incomplete".into()),
        ("checked", (KEYS * 2 - 1).into()),
        ("missing", 0.into()),
        ("wrong", 0.into()),
    ]);
    cluster.finish_migrating(slot, from, 1 - from);
    let flags = format!("--keys {} {SIZES}", KEYS * 2);
    verify_cluster(&cluster).with(&flags).verifies(KEYS * 2);
}

#[test]
fn a_part_can_be_enough() {
    let setup = Cluster::setup().and("cluster-require-full-coverage", "no");
    let cluster = setup.start();
    filled(&cluster, KEYS);
    let keys = KEYS - cluster.keys_at(2);
    cluster.kill(2);
    let flags = format!("--keys {KEYS} {SIZES} --output json");
    let look = verify_cluster(&cluster).with(&flags);
    look.run().is_refused(3, ["--allow-partial"]);
    let report = look.with("--allow-partial").run().succeeds().report();
    report.has([
        ("verdict", "incomplete".into()),
        ("checked", keys.into()),
        ("present", keys.into()),
        ("beyond_plan", Value::Null),
    ]);
    assert!(report.text("reason").contains("--allow-partial"));
    let fill = cluster.fill().with(&flags).with("--allow-partial --verify");
    let report = fill.run().succeeds().report();
    report.has([
        ("verdict", "incomplete".into()),
        ("verify.present", keys.into()),
    ]);
}

#[test]
fn a_node_of_a_cluster_is_not_looked_at_by_itself() {
    let cluster = Cluster::start(3);
    let one = crate::fixtures::verify(cluster.node(0)).with("--keys 10");
    one.run().is_refused(2, ["is a node of a cluster", "-c"]);
}
