//! Fills of clusters in which slots move, masters fail, and nodes come and go meanwhile:
//! afterwards every planned key is where it belongs.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::fixtures::cluster_fill::{MANY, SMALL, tells_of, underway};
use crate::fixtures::cluster_setup::SLOTS;
use crate::fixtures::program::Outcome;
use crate::fixtures::report::Report;
use crate::fixtures::verify::verify_cluster;
use crate::fixtures::{Cluster, eventually};

/// One key at a time: even these take some seconds.
const SLOWLY: &str = "-n 1 --pipeline-depth 1";
const FEW: u64 = 60_000;

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
        (1, MANY, "--command mset:8 --pipeline-depth 100"),
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
    let mut fill = underway(&cluster, 2 * FEW, SLOWLY);
    let slots: Vec<u16> = (0..60).collect();
    for slots in slots.chunks(3) {
        for slot in slots {
            cluster.set_migrating(*slot, 0, 1);
            cluster.finish_migrating(*slot, 0, 1);
        }
        if fill.has_ended() {
            break;
        }
        // A pause ends when the server looks at its clock, which it does every 100 ms.
        (0..3).for_each(|i| cluster.hold_up(i, 50));
        std::thread::sleep(Duration::from_millis(200));
    }
    let outcome = fill.wait();
    let report = has_everything(&cluster, &outcome, 2 * FEW);
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
fn a_failover_while_keys_go_by_several() {
    let cluster = Cluster::setup().with_replicas().start();
    // One command at a time, so that most of them are still to be sent, at the new master.
    let flags = "--command mset:8 -n 1 --pipeline-depth 8";
    let mut fill = underway(&cluster, MANY, flags);
    cluster.hold_up(2, 800);
    cluster.failover(0);
    assert!(!fill.has_ended(), "it had ended before the failover");
    let report = has_everything(&cluster, &fill.wait(), MANY);
    assert!(report.number("topology_changes") > 0);
    tells_of(&report, cluster.replica(0));
    verify_cluster(&cluster)
        .with(&format!("--keys {MANY} {SMALL}"))
        .run()
        .succeeds();
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

/// The same with a master that dies in between. Its replica could be waited for; those who are told
/// to try again must not be told that the fill is incomplete, since it has not begun.
#[test]
fn a_master_that_dies_at_the_very_start() {
    let setup = Cluster::setup().with_replicas();
    let cluster = setup.and("cluster-node-timeout", "800").start();
    // The fill has to wait for this one before it can write anything.
    cluster.node(1).signal(Signal::SIGSTOP);
    let fill = cluster.fill().with(&format!("-f --keys 9000 {SMALL}"));
    let fill = fill.start();
    std::thread::sleep(Duration::from_millis(200));
    cluster.kill(2);
    cluster.node(1).signal(Signal::SIGCONT);
    let outcome = fill.wait();
    if outcome.stdout.is_empty() {
        outcome.is_refused(3, [&*cluster.node(2).address()]);
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
    for (flags, from, to) in [
        ("", 0, 1),
        ("--replies each", 1, 0),
        ("--command mset:2", 0, 1),
        ("--command mset:2 --replies each", 1, 0),
    ] {
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
