//! What cannot be filled with `-c`: command lines that contradict it, and clusters that are not
//! ready. One message that says what is wrong and what to change, promptly, and nothing changed on
//! any node; and the clusters next to those, which only look unusual.

use nix::sys::signal::Signal;

use crate::fixtures::cluster::FOREIGN;
use crate::fixtures::program::fill_port;
use crate::fixtures::{Cluster, Fake, Server, fill};

/// Asserts that a command line is refused before anybody is contacted.
#[track_caller]
fn is_wrong<'a>(args: &str, words: impl IntoIterator<Item = &'a str>) {
    let nobody = Fake::silent();
    let outcome = fill_port(nobody.port()).with(args).run();
    outcome.is_refused(2, words);
    outcome.check(nobody.callers() == 0, "somebody was called");
}

#[test]
fn flags_that_do_not_go_with_a_cluster() {
    is_wrong(
        "-c --keys 10 --db 1",
        ["--db 1", "-c", "database 0", "drop --db"],
    );
    is_wrong(
        "-c --keys 10 --key-layout plain",
        ["--key-layout plain", "-c"],
    );
    is_wrong("--keys 10 --host-map a=b", ["--host-map", "-c"]);
    is_wrong("--keys 10 --allow-partial", ["--allow-partial", "-c"]);
    is_wrong("-c", ["-d", "--keys", "-f"]);
}

#[test]
fn maps_of_hosts_that_say_nothing() {
    for entry in [
        "a",
        "=b",
        "a=",
        "a=b:0",
        "a=b:65536",
        "a=b:x",
        "a:=b",
        "a=b:7000",
        ":1=b:1",
    ] {
        is_wrong(
            &format!("-c --keys 10 --host-map {entry}"),
            [&*format!("--host-map '{entry}'"), "ANNOUNCED=REACHABLE"],
        );
    }
    is_wrong(
        "-c --keys 10 --host-map a=b --host-map a=c",
        ["a=c", "twice"],
    );
}

#[test]
fn keys_without_room_for_counter_and_slot() {
    is_wrong("-c --key-size 4 --keys 1", ["--key-size 4", "--key-size 5"]);
    is_wrong(
        "-c --key-size 5 --keys 65",
        ["64 keys", "65", "--key-size 6"],
    );
    is_wrong("-c --key-size 6 -d 10mb", ["4096 keys", "--key-size 7"]);
    is_wrong(
        "-c --keys 9 --key-size 12 --key-prefix session:",
        ["--key-prefix", "--key-size 24"],
    );
}

#[test]
fn prefixes_with_hash_tags() {
    for prefix in ["{a}", "user:{1}:", "{a}{b}", "}{a}"] {
        let words = [prefix, "hash tag", "--key-prefix", "braces"];
        is_wrong(&format!("-c --keys 10 --key-prefix {prefix}"), words);
    }
    let cluster = Cluster::start(3);
    for prefix in ["{}:", "{", "}:{", "{}{a}"] {
        let command = cluster
            .fill()
            .with(&format!("--key-prefix {prefix} --key-size 64"));
        cluster.can_be_filled(&command);
        cluster.holds_evenly(5003);
    }
}

#[test]
fn a_server_by_itself() {
    let server = Server::start();
    server.add_foreign_keys(FOREIGN);
    let changes = server.changes();
    for amount in ["--keys 500", "-f --keys 500", "-f"] {
        let outcome = fill(&server).with("-c").with(amount).run();
        outcome.is_refused(2, ["standalone", "-c", &server.address()]);
    }
    assert_eq!(server.changes(), changes);
    server.keeps_foreign_keys(FOREIGN);
}

#[test]
fn a_node_by_itself() {
    let cluster = Cluster::inhabited();
    for node in cluster.nodes() {
        cluster.stays_untouched(&fill(node), 2, &["cluster", "-c", &node.address()]);
        let outcome = fill(node).with("-f").run();
        outcome.is_refused(2, ["-c"]);
    }
    cluster.keeps_foreign_keys(FOREIGN);
}

#[test]
fn ports_without_a_cluster() {
    let fill_cluster_at = |port| fill_port(port).with("-c --keys 500").run();
    // Nobody answers there, in whatever order tests run.
    fill_cluster_at(1).is_refused(3, ["127.0.0.1 port 1 ", "refused", "-h", "-p"]);
    let (closing, web) = (Fake::closing(), Fake::http());
    fill_cluster_at(closing.port()).is_refused(3, ["closed", "-p"]);
    fill_cluster_at(web.port()).is_refused(3, ["RESP", "-p"]);
}

#[test]
fn a_cluster_without_slots() {
    let node = Server::setup().in_cluster().start();
    for amount in [
        "--keys 500",
        "-f --keys 500",
        "-f",
        "--keys 500 --allow-partial",
    ] {
        let outcome = fill(&node).with("-c").with(amount).run();
        outcome.is_refused(2, ["no master", "slots", "--cluster create"]);
    }
    assert_eq!(node.changes(), 0);
}

#[test]
fn slots_without_a_master() {
    let owning = vec![
        vec![0..=4999],
        vec![5000..=9999, 12_000..=14_999],
        vec![15_001..=16_383],
    ];
    for coverage in ["yes", "no"] {
        let setup = Cluster::setup().owning(owning.clone());
        let cluster = setup.and("cluster-require-full-coverage", coverage).start();
        let ranges = [
            "2001 of 16384",
            "10000-11999",
            "15000",
            "--allow-partial",
            "fix",
        ];
        cluster.stays_untouched(&cluster.fill(), 2, &ranges);
        let command = cluster.fill().with("--keys 16384 --allow-partial");
        if coverage == "yes" {
            let words = ["CLUSTERDOWN", "cluster-require-full-coverage"];
            command.run().is_refused(2, words);
            assert_eq!(cluster.nodes().map(Server::dbsize).max(), Some(0));
            continue;
        }
        let outcome = command.run();
        outcome
            .succeeds()
            .prints(["incomplete", "partial", "14,383"]);
        outcome.says(["2,001 of 16384", "10000-11999"]);
        let in_slots = cluster.keys_in_slots();
        assert!((10_000..12_000).all(|slot| in_slots[slot] == 0));
        assert!(
            (0..10_000)
                .chain(12_000..15_000)
                .all(|slot| in_slots[slot] == 1)
        );
        let report = command.with("-f --output json").run().succeeds().report();
        report.is_incomplete().has([
            ("keys.planned", 16_384.into()),
            ("keys.present", 14_383.into()),
            ("keys.created", 14_383.into()),
            ("rounds", 0.into()),
        ]);
        assert!(report.text("reason").contains("partial"));
    }
}

#[test]
fn one_node_of_three_that_takes_no_writes() {
    let cluster = Cluster::inhabited();
    for (trouble, cure, code, word) in [
        (
            "CONFIG SET min-replicas-to-write 1",
            "CONFIG SET min-replicas-to-write 0",
            2,
            "NOREPLICAS",
        ),
        (
            "CONFIG SET maxmemory 1mb",
            "CONFIG SET maxmemory 0",
            2,
            "maxmemory",
        ),
        (
            "ACL SETUSER default -set",
            "ACL SETUSER default +@all",
            3,
            "NOPERM",
        ),
    ] {
        let node = cluster.node(1);
        node.run(trouble);
        for amount in ["--keys 500", "-f --keys 500"] {
            let changes = cluster.changes();
            let outcome = cluster.fill().with(amount).run();
            outcome.is_refused(code, [word, &node.address()]);
            outcome.check(cluster.changes() == changes, "something was changed");
        }
        node.run(cure);
    }
    cluster.keeps_foreign_keys(FOREIGN);
}

#[test]
fn a_node_that_hangs() {
    let cluster = Cluster::inhabited();
    let node = cluster.node(1);
    let changes = cluster.changes();
    node.signal(Signal::SIGSTOP);
    let outcome = cluster.fill().with("-f --keys 500").run();
    node.signal(Signal::SIGCONT);
    outcome.is_refused(3, ["answer", &node.address()]);
    assert_eq!(cluster.changes(), changes);
    cluster.wait_until_settled();
    cluster.keeps_foreign_keys(FOREIGN);
}

#[test]
fn a_node_that_is_gone() {
    let setup = Cluster::setup().and("cluster-require-full-coverage", "no");
    let cluster = setup.start();
    cluster.kill(1);
    let outcome = cluster.fill().with("--keys 5003").run();
    outcome.is_refused(
        3,
        ["refused", &cluster.node(1).address(), "--allow-partial"],
    );
    let present = || cluster.live().map(Server::dbsize).sum::<u64>();
    assert_eq!(present(), 0);
    let command = cluster
        .fill()
        .with("--keys 5003 --allow-partial --output json");
    let report = command.run().succeeds().report();
    report
        .is_incomplete()
        .has([("keys.present", present().into())]);
    assert!(report.text("reason").contains("partial"));
    assert!(present() > 3300);
}
