//! Fills of clusters that cannot be completed: full and evicting masters, nodes that are gone for
//! good, slots that never arrive, signals. The report says so, with the reason and true numbers,
//! and does not keep people waiting.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::fixtures::cluster_fill::{MANY, SMALL, tells_of, underway};
use crate::fixtures::program::Outcome;
use crate::fixtures::report::Report;
use crate::fixtures::{Cluster, Server};

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
    let fill = underway(&cluster, MANY, "--stall-timeout 2");
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
