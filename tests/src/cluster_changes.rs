//! Fills of clusters in which slots move, masters fail, and nodes come and go meanwhile.
//! Afterwards every planned key is where it belongs; or it is not, and the report says so, with
//! the reason and with true numbers.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::fixtures::cluster_setup::SLOTS;
use crate::fixtures::program::{Outcome, Running};
use crate::fixtures::report::Report;
use crate::fixtures::{Cluster, Server, eventually};

/// Little data, and a report that can be read.
const SMALL: &str = "--key-size 20 --value-size 16 --output json";
/// So many keys that something can happen while they are sent, however fast that goes.
const MANY: u64 = 900_000;
/// One key at a time: even these take some seconds.
const SLOWLY: &str = "-n 1 --pipeline-depth 1";
const FEW: u64 = 60_000;

/// Starts a fill of an empty cluster and waits until it is well under way.
#[track_caller]
fn underway(cluster: &Cluster, keys: u64, flags: &str) -> Running {
    cluster.clear();
    let fill = cluster
        .fill()
        .with(&format!("--keys {keys} {SMALL} {flags}"));
    let mut fill = fill.start();
    eventually("the fill is under way", || {
        cluster.dbsize() > 5000 || fill.has_ended()
    });
    assert!(!fill.has_ended(), "the fill ended before anything happened");
    fill
}

/// Asserts that all keys are where they belong, by the report's account and by the servers'.
#[track_caller]
fn has_everything(cluster: &Cluster, outcome: &Outcome, keys: u64) -> Report {
    let report = outcome.succeeds().report();
    report.has([
        ("verdict", "complete".into()),
        ("reason", Value::Null),
        ("keys.planned", keys.into()),
        ("keys.sent", keys.into()),
        ("keys.acked", keys.into()),
        ("keys.present", keys.into()),
    ]);
    cluster.wait_until_settled();
    cluster.holds_evenly(keys);
    report
}

/// Asserts that a fill was given up for a reason with these words, and that it counts the keys on
/// the nodes that are left.
#[track_caller]
fn gives_up(cluster: &Cluster, outcome: &Outcome, words: &[&str]) -> Report {
    let report = outcome.exits_with(1).is_prompt().report();
    let present: u64 = cluster.live().map(Server::dbsize).sum();
    report
        .is_incomplete()
        .has([("keys.present", present.into())]);
    for word in words {
        let is_said = report.text("reason").contains(word);
        outcome.check(is_said, &format!("the reason does not mention '{word}'"));
    }
    report
}

/// Asserts that the report tells of a node, and that it has so many keys as it says.
#[track_caller]
fn tells_of(report: &Report, node: &Server) {
    let nodes = report.at("nodes").as_array().expect("nodes are a list");
    let told = nodes.iter().find(|told| told["address"] == *node.address());
    let told = told.unwrap_or_else(|| panic!("{} is not told of", node.address()));
    assert_eq!(told["keys"], node.dbsize(), "keys of {}", node.address());
}

#[test]
fn slots_that_move_to_another_master() {
    let cluster = Cluster::start(5);
    for (to, keys, flags) in [
        (1, MANY, ""),
        (2, FEW, SLOWLY),
        (
            3,
            FEW,
            "-n 1 --pipeline-depth 3 --replies fenced --driver socket",
        ),
        (4, MANY, "--pipeline-depth 100 --driver tokio-uring"),
    ] {
        let fill = underway(&cluster, keys, flags);
        cluster.hold_up(0, 1000);
        let resharding = cluster.start_reshard(to, to % 4 + 1, 500);
        let outcome = fill.wait();
        resharding.wait();
        let report = has_everything(&cluster, &outcome, keys);
        let changes = report.number("topology_changes");
        outcome.check(changes > 0, "no slot moved before the end");
        cluster.nodes().for_each(|node| tells_of(&report, node));
    }
}

/// Slots on the move end a pass after a second at the earliest: here there are several passes, each
/// over what the one before has left.
#[test]
fn slots_that_move_one_after_another() {
    let cluster = Cluster::start(3);
    let mut fill = underway(&cluster, FEW, SLOWLY);
    for slot in 0..20 {
        cluster.set_migrating(slot, 0, 1);
        cluster.finish_migrating(slot, 0, 1);
        if fill.has_ended() {
            break;
        }
        (0..3).for_each(|i| cluster.hold_up(i, 150));
        std::thread::sleep(Duration::from_millis(200));
    }
    let outcome = fill.wait();
    let report = has_everything(&cluster, &outcome, FEW);
    let changes = report.number("topology_changes");
    outcome.check(changes > 1, "it went on in one pass");
}

#[test]
fn a_master_that_joins() {
    let owning = vec![vec![0..=8191], vec![8192..=SLOTS - 1], vec![]];
    let cluster = Cluster::setup().owning(owning).start();
    let fill = underway(&cluster, MANY, "");
    cluster.hold_up(1, 1000);
    let resharding = cluster.start_reshard(0, 2, 500);
    let outcome = fill.wait();
    resharding.wait();
    let report = has_everything(&cluster, &outcome, MANY);
    assert!(cluster.keys_at(2) > 25_000);
    cluster.nodes().for_each(|node| tells_of(&report, node));
}

#[test]
fn a_master_that_gives_all_its_slots_away() {
    let owning = vec![
        vec![0..=7999],
        vec![8000..=15_999],
        vec![16_000..=SLOTS - 1],
    ];
    let cluster = Cluster::setup().owning(owning).start();
    let fill = underway(&cluster, FEW, SLOWLY);
    cluster.hold_up(1, 2000);
    cluster.start_reshard(2, 0, 384).wait();
    let report = has_everything(&cluster, &fill.wait(), FEW);
    assert!(report.number("topology_changes") > 0);
    assert_eq!(cluster.owner_of(SLOTS - 1), cluster.node(0).port());
    for i in [0, 1] {
        tells_of(&report, cluster.node(i));
    }
}

#[test]
fn failovers_that_were_asked_for() {
    let cluster = Cluster::setup().with_replicas().start();
    for (i, keys, flags) in [(0, MANY, ""), (1, FEW, SLOWLY)] {
        let mut fill = underway(&cluster, keys, flags);
        cluster.hold_up(2, 800);
        cluster.failover(i);
        assert!(!fill.has_ended(), "it had ended before the failover");
        let report = has_everything(&cluster, &fill.wait(), keys);
        assert!(report.number("topology_changes") > 0);
        tells_of(&report, cluster.replica(i));
    }
}

/// Who owns what has changed between the first look at the cluster and the first write. Filling
/// the new master would be best; what is said else must help those who named a whole cluster.
#[test]
fn a_failover_at_the_very_start() {
    let cluster = Cluster::setup().with_replicas().start();
    let fill = cluster
        .fill_from(1)
        .with(&format!("-f --keys 9000 {SMALL}"));
    let fill = fill.start();
    cluster.failover(0);
    let outcome = fill.wait();
    cluster.wait_until_settled();
    if outcome.stdout.is_empty() {
        outcome.is_refused(2, ["again"]);
        let is_of_server = outcome.stderr.contains("-h and -p of its master");
        outcome.check(!is_of_server, "the advice is that for a server by itself");
        assert_eq!(cluster.dbsize(), 0);
    } else {
        has_everything(&cluster, &outcome, 9000);
    }
}

#[test]
fn a_master_that_dies_and_is_replaced() {
    let setup = Cluster::setup().with_replicas();
    let cluster = setup.and("cluster-node-timeout", "500").start();
    // Few keys await their acknowledgement, but more than fits into the buffers of a connection
    // is acknowledged and then lost, since the replica does not get to read it.
    let sizes = "--key-size 20 --value-size 500 --pipeline-depth 500 --output json";
    let fill = cluster.fill().with(sizes);
    // That there were keys before must not make a difference to what is told.
    fill.clone().with("--keys 1000").run().succeeds();
    let mut fill = fill.with("--keys 450000").start();
    eventually("the fill is under way", || cluster.keys_at(0) > 5000);
    cluster.hold_up(1, 1000);
    cluster.replica(0).signal(Signal::SIGSTOP);
    eventually("a master is far ahead", || cluster.keys_at(0) > 60_000);
    cluster.kill(0);
    cluster.replica(0).signal(Signal::SIGCONT);
    assert!(!fill.has_ended(), "it had ended before its master died");
    let outcome = fill.wait();
    let report = has_everything(&cluster, &outcome, 450_000);
    outcome.check(report.number("keys.resent") > 10_000, "nothing was lost");
    outcome.check(report.number("rounds") > 0, "nothing was found missing");
    outcome.check(
        report.number("topology_changes") > 0,
        "nothing was replaced",
    );
    tells_of(&report, cluster.replica(0));
}

#[test]
fn a_master_that_comes_back_empty() {
    let cluster = Cluster::setup().and("enable-debug-command", "yes").start();
    let mut fill = underway(&cluster, MANY, "--pipeline-depth 100");
    cluster.hold_up(2, 1000);
    eventually("much is acknowledged", || cluster.keys_at(1) > 50_000);
    cluster.node(1).crash_and_recover();
    assert!(!fill.has_ended(), "it had ended before its master died");
    let outcome = fill.wait();
    let report = has_everything(&cluster, &outcome, MANY);
    outcome.check(report.number("keys.resent") > 40_000, "nothing was lost");
    outcome.check(report.number("rounds") > 0, "nothing was found missing");
}

#[test]
fn a_slot_that_arrives_in_time() {
    let cluster = Cluster::start(3);
    for (flags, from, to) in [("", 0, 1), ("--replies each", 1, 0)] {
        cluster.clear();
        cluster.set_migrating(100, from, to);
        let flags = format!("--keys 50000 {SMALL} {flags}");
        let mut fill = cluster.fill().with(&flags).start();
        std::thread::sleep(Duration::from_secs(2));
        assert!(!fill.has_ended(), "it did not wait for the slot");
        cluster.finish_migrating(100, from, to);
        let outcome = fill.wait();
        outcome.says(["waiting", "ASK"]);
        let report = has_everything(&cluster, &outcome, 50_000);
        outcome.check(report.number("keys.resent") >= 3, "the slot has three keys");
        outcome.check(report.number("topology_changes") > 0, "the slot has moved");
    }
}

#[test]
fn a_slot_that_has_partly_arrived() {
    let cluster = Cluster::start(3);
    let fill = |flags: &str| {
        let flags = format!("--keys 50000 {SMALL} {flags}");
        cluster.fill().with(&flags)
    };
    fill("").run().succeeds();
    let again = fill("--seed 7");
    cluster.set_migrating(100, 0, 1);
    assert!(cluster.move_keys(100, (0, 1), 2));
    let fill = again.start();
    std::thread::sleep(Duration::from_secs(1));
    fill.signal(Signal::SIGINT);
    fill.wait().exits_with(130).is_prompt();
    let mut fill = again.start();
    std::thread::sleep(Duration::from_secs(1));
    assert!(!fill.has_ended(), "it did not wait for the slot");
    cluster.finish_migrating(100, 0, 1);
    has_everything(&cluster, &fill.wait(), 50_000);
}

#[test]
fn a_slot_that_never_arrives() {
    let cluster = Cluster::start(3);
    cluster.set_migrating(100, 0, 1);
    for flags in ["", "--replies each"] {
        let flags = format!("-f --keys 50000 {SMALL} --stall-timeout 2 {flags}");
        let outcome = cluster.fill().with(&flags).run();
        let report = gives_up(
            &cluster,
            &outcome,
            &["ASK", "2 s", "moving", "--cluster fix"],
        );
        report.has([("keys.present", 49_997.into()), ("rounds", 0.into())]);
    }
}

#[test]
fn lost_connections() {
    let cluster = Cluster::start(5);
    for flags in [
        "",
        "-n 8 --replies each",
        "--driver socket",
        "--driver tokio-uring",
    ] {
        let fill = underway(&cluster, MANY / 2, flags);
        cluster.node(1).run("CLIENT KILL TYPE normal");
        let outcome = fill.wait();
        let report = has_everything(&cluster, &outcome, MANY / 2);
        outcome.check(report.number("reconnects") > 0, "no connection was lost");
    }
}

#[test]
fn a_node_that_hangs_for_a_while() {
    let cluster = Cluster::start(3);
    for flags in ["", "--driver socket --replies each"] {
        let mut fill = underway(&cluster, MANY / 2, flags);
        cluster.node(1).signal(Signal::SIGSTOP);
        std::thread::sleep(Duration::from_secs(1));
        assert!(!fill.has_ended(), "it did not wait for the node");
        cluster.node(1).signal(Signal::SIGCONT);
        has_everything(&cluster, &fill.wait(), MANY / 2);
    }
}

#[test]
fn interrupted_fills() {
    let cluster = Cluster::start(3);
    for driver in ["uring", "tokio-uring", "socket"] {
        for replies in ["fenced", "each"] {
            let flags = format!("--driver {driver} --replies {replies}");
            let fill = underway(&cluster, MANY, &flags);
            fill.signal(Signal::SIGINT);
            let outcome = fill.wait();
            let report = outcome.exits_with(130).is_prompt().report();
            report
                .is_incomplete()
                .has([("keys.present", cluster.dbsize().into())]);
            outcome.check(
                report.text("reason").contains("SIGINT"),
                "the reason is the signal",
            );
            cluster.nodes().for_each(|node| tells_of(&report, node));
        }
    }
}

#[test]
fn an_interrupt_while_a_node_hangs() {
    let cluster = Cluster::start(3);
    let fill = underway(&cluster, MANY, "");
    cluster.node(1).signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_millis(100));
    fill.signal(Signal::SIGINT);
    let outcome = fill.wait();
    cluster.node(1).signal(Signal::SIGCONT);
    outcome.exits_with(130).is_prompt();
}

#[test]
fn a_master_that_dies_for_good() {
    let setup = Cluster::setup().and("cluster-require-full-coverage", "no");
    let cluster = setup.start();
    let fill = underway(&cluster, MANY, "--stall-timeout 3");
    cluster.kill(1);
    let outcome = fill.wait();
    let report = gives_up(&cluster, &outcome, &[&cluster.node(1).address(), "refused"]);
    for i in [0, 2] {
        tells_of(&report, cluster.node(i));
    }
    outcome.check(
        report.number("keys.present") > MANY / 2,
        "others were filled",
    );
}

#[test]
fn a_node_that_hangs_for_good() {
    // However long it is silent, the others do not take it for failed.
    let cluster = Cluster::setup()
        .and("cluster-node-timeout", "60000")
        .start();
    let fill = underway(&cluster, MANY / 2, "--stall-timeout 2");
    cluster.node(1).signal(Signal::SIGSTOP);
    let outcome = fill.wait();
    cluster.node(1).signal(Signal::SIGCONT);
    let report = outcome.exits_with(1).is_prompt().report();
    for i in [0, 2] {
        tells_of(&report, cluster.node(i));
    }
    let present = cluster.keys_at(0) + cluster.keys_at(2);
    report
        .is_incomplete()
        .has([("keys.present", present.into())]);
    let is_named = report.text("reason").contains(&cluster.node(1).address());
    outcome.check(is_named, "the reason does not name the node");
}

#[test]
fn a_master_without_memory() {
    let cluster = Cluster::start(3);
    cluster.node(1).run("CONFIG SET maxmemory 20mb");
    let full = cluster.node(1).address();
    for flags in ["", "--replies each"] {
        let fill = cluster
            .fill()
            .with("-f --keys 150000 --force --output json")
            .with(flags);
        let outcome = fill.run();
        let report = gives_up(&cluster, &outcome, &["OOM", &full, "20971520"]);
        report.has([("bottleneck", "memory".into()), ("rounds", 0.into())]);
        cluster.nodes().for_each(|node| tells_of(&report, node));
    }
}

#[test]
fn a_master_that_evicts() {
    let cluster = Cluster::start(3);
    cluster
        .node(1)
        .run("CONFIG SET maxmemory 20mb maxmemory-policy allkeys-lru");
    let evicting = cluster.node(1).address();
    let outcome = cluster.fill().with("--keys 150000 --output json").run();
    let report = outcome.exits_with(1).is_prompt().report();
    report
        .is_incomplete()
        .has([("rounds", 0.into()), ("keys.resent", 0.into())]);
    for word in ["evict", "allkeys-lru", &evicting] {
        let is_said = report.text("reason").contains(word);
        outcome.check(is_said, &format!("the reason does not mention '{word}'"));
    }
    let (claimed, present) = (report.number("keys.present"), cluster.dbsize());
    // A full server may evict another key before any command, this look included.
    let is_so = (present..=present + 20).contains(&claimed);
    outcome.check(is_so, &format!("there are {present}"));
}
