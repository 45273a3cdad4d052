//! Fills that go on where others ended: `--resume`, `--append`, `--only-missing`, and the command
//! that an incomplete fill names.

use nix::sys::signal::Signal;

use crate::fixtures::oracle::{slot_of_index, slotted_key};
use crate::fixtures::program::Invocation;
use crate::fixtures::{Cluster, Server, eventually, fill, program};

/// Small keys, so that many of them are quick.
const SMALL: &str = "--key-size 16 --value-size 16";

/// Asserts that exactly these keys were sent, and that all planned ones are there.
#[track_caller]
fn sends(fill: Invocation<'_>, sent: u64, planned: u64) {
    let report = fill.with("--output json").run().succeeds().report();
    report.has([
        ("verdict", "complete".into()),
        ("keys.planned", planned.into()),
        ("keys.sent", sent.into()),
        ("keys.present", planned.into()),
    ]);
}

#[test]
fn resuming_sends_what_is_missing_and_no_more() {
    let server = Server::start();
    fill(&server)
        .with(SMALL)
        .with("--keys 5000")
        .completes(5000);
    server.run("DEL key:000000000007 key:000000002500 key:000000004999");
    let resume = || fill(&server).with(SMALL).with("--keys 5000 --resume");
    sends(resume(), 3, 5000);
    sends(resume(), 0, 5000);
    assert_eq!(server.dbsize(), 5000);
}

#[test]
fn resuming_on_an_empty_server_fills_it() {
    for flags in ["", "--replies each", "--driver socket"] {
        let server = Server::start();
        let resume = fill(&server)
            .with(SMALL)
            .with("--keys 5000 --resume")
            .with(flags);
        sends(resume, 5000, 5000);
    }
}

#[test]
fn a_larger_amount_tops_up() {
    let server = Server::start();
    let topped_up = |amount: &str, connections: u64| {
        let flags = format!("-d {amount} -n {connections} --resume");
        fill(&server).with(SMALL).with(&flags)
    };
    sends(topped_up("1mb", 2), 32_768, 32_768);
    sends(topped_up("3mb", 5), 65_536, 98_304);
    assert_eq!(server.dbsize(), 98_304);
}

#[test]
fn resuming_replaces_values_that_are_not_those_of_the_plan() {
    let server = Server::start();
    fill(&server)
        .with(SMALL)
        .with("--keys 2000 --seed 1")
        .completes(2000);
    fill(&server)
        .with(SMALL)
        .with("--keys 500 --seed 2")
        .run()
        .succeeds();
    server.run("SET key:000000001000 other");
    server.run("RPUSH key:list a");
    let resume = fill(&server)
        .with(SMALL)
        .with("--keys 2000 --seed 1 --resume");
    sends(resume, 501, 2000);
    assert_eq!(server.dbsize(), 2001);
}

#[test]
fn a_fill_that_was_interrupted_is_resumed_by_the_command_that_it_names() {
    let server = Server::start();
    let keys = "--keys 1500000 --key-size 16 --value-size 16";
    let mut running = fill(&server).with(keys).with("-n 3 -f -y").start();
    eventually("the fill is under way", || {
        server.dbsize() > 1000 || running.has_ended()
    });
    running.signal(Signal::SIGINT);
    let outcome = running.wait();
    outcome
        .exits_with(130)
        .says(["interrupted by SIGINT", "to go on: redis-client fill"]);
    let there = server.dbsize();
    assert!(there < 1_500_000, "it was interrupted in the middle");
    let stderr = &outcome.stderr;
    let named = stderr
        .rsplit_once("to go on: ")
        .expect("a command is named")
        .1;
    let command = named
        .trim()
        .strip_prefix("redis-client ")
        .expect("it is our command");
    let resumed = program().with(command).with("--output json").run();
    let report = resumed.succeeds().report();
    report.has([
        ("verdict", "complete".into()),
        ("keys.present", 1_500_000.into()),
        ("keys.sent", (1_500_000 - there).into()),
        ("keys.existed", there.into()),
    ]);
}

#[test]
fn a_cluster_is_resumed_whatever_became_of_its_slots() {
    let cluster = Cluster::start(3);
    cluster
        .fill()
        .with("--key-size 24 --value-size 16")
        .with("--keys 20000")
        .completes(20_000);
    cluster.reshard(0, 1, 300);
    for index in [3_u64, 4_000, 19_999] {
        let key = slotted_key(index, 24);
        let owner = cluster.owner_of(slot_of_index(index));
        let node = cluster.nodes().find(|node| node.port() == owner);
        let mut connection = node.expect("a slot has an owner").connect();
        let removed: u64 = redis::cmd("DEL")
            .arg(key)
            .query(&mut connection)
            .expect("DEL is answered");
        assert_eq!(removed, 1);
    }
    let resume = cluster
        .fill()
        .with("--key-size 24 --value-size 16")
        .with("--keys 30000 --resume -n 3");
    sends(resume, 10_003, 30_000);
    cluster.holds_evenly(30_000);
}

#[test]
fn keys_are_appended_behind_those_that_exist() {
    let server = Server::start();
    let mut there = 0;
    for (amount, keys) in [("1000", 1000), ("1", 1), ("70000", 70_000), ("1mb", 32_768)] {
        let append = fill(&server).with(SMALL).with("--append").arg(amount);
        sends(append, keys, keys);
        there += keys;
        assert_eq!(server.dbsize(), there);
    }
    assert_eq!(
        server.count("key:00000010376?"),
        9,
        "the last index is 103768"
    );
}

#[test]
fn keys_are_appended_behind_gaps() {
    let server = Server::start();
    fill(&server)
        .with(SMALL)
        .with("--keys 3000")
        .completes(3000);
    fill(&server)
        .with(SMALL)
        .with("--keys 2000 --start-key 9000")
        .run()
        .succeeds();
    let append = fill(&server).with(SMALL).with("--append 100");
    append.run().says(["from index 11000"]);
    assert_eq!(
        (server.count("key:0000000110??"), server.dbsize()),
        (100, 5100)
    );
    // A short run far behind is found because it stands in the way.
    fill(&server)
        .with(SMALL)
        .with("--keys 3 --start-key 11150")
        .run()
        .succeeds();
    sends(fill(&server).with(SMALL).with("--append 200"), 200, 200);
    assert_eq!(
        server.count("key:0000000111[0-4]?"),
        0,
        "nothing is filled in between"
    );
}

#[test]
fn keys_are_appended_to_a_cluster() {
    let cluster = Cluster::start(3);
    for (round, keys) in [(0, 20_000), (1, 50_000), (2, 7)] {
        let append = cluster.fill().with(SMALL).with(&format!("--append {keys}"));
        sends(append, keys, keys);
        let sum: u64 = [20_000, 50_000, 7].iter().take(round + 1).sum();
        cluster.holds_evenly(sum);
    }
}

#[test]
fn appending_more_than_there_are_names_for_is_refused() {
    let server = Server::start();
    fill(&server)
        .with("--key-size 1 --value-size 16 --keys 250")
        .completes(250);
    let append = fill(&server).with("--key-size 1 --value-size 16 --append 7");
    append.run().is_refused(2, ["256", "--start-key 250"]);
    assert_eq!(server.dbsize(), 250);
    fill(&server)
        .with("--key-size 1 --value-size 16 --append 6")
        .run()
        .succeeds();
    assert_eq!(server.dbsize(), 256);
}

#[test]
fn only_missing_keys_never_replaces_a_value() {
    for flags in [
        "",
        "--replies each",
        "--driver socket",
        "--driver tokio-uring",
        "--pipeline-depth 7",
    ] {
        let server = Server::start();
        server.run("SET key:000000000042 mine");
        server.run("SET key:000000000000 mine");
        let keep = fill(&server)
            .with(SMALL)
            .with("--keys 3000 --only-missing --output json")
            .with(flags);
        let outcome = keep.run();
        outcome
            .succeeds()
            .report()
            .is_complete(3000)
            .has([("keys.created", 2998.into()), ("keys.existed", 2.into())]);
        for key in ["key:000000000042", "key:000000000000"] {
            assert_eq!(
                server.get(key.as_bytes()).as_deref(),
                Some(&b"mine"[..]),
                "{flags}"
            );
        }
        assert_eq!(server.dbsize(), 3000);
    }
}

#[test]
fn only_missing_keys_in_a_cluster() {
    let cluster = Cluster::start(3);
    cluster
        .fill()
        .with(SMALL)
        .with("--keys 5000 --seed 1")
        .completes(5000);
    let before = cluster.contents();
    let keep = cluster
        .fill()
        .with(SMALL)
        .with("--keys 8000 --seed 2 --only-missing --output json");
    keep.run()
        .succeeds()
        .report()
        .has([("keys.existed", 5000.into())]);
    let after = cluster.contents();
    assert!(
        before
            .iter()
            .all(|(key, value)| after.get(key) == Some(value))
    );
    cluster.holds_evenly(8000);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let server = Server::start();
    for (flags, words) in [
        ("--append 5 --keys 5", ["--keys", "--append"]),
        ("--append 5 -f", ["-f", "--append"]),
        ("--keys 5 -f --resume", ["-f", "--resume"]),
        ("--resume", ["--resume", "--keys"]),
        ("--append 0.5", ["--append", "unit"]),
        ("--append x", ["--append", "unit"]),
    ] {
        fill(&server).with(flags).run().is_refused(2, words);
    }
    assert_eq!(server.dbsize(), 0);
}
