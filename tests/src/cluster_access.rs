//! How a cluster is reached and entered: announced addresses that lead nowhere from here, names,
//! IPv6, passwords and permissions. What does not work is told before anything is changed on any
//! node.

use std::net::TcpListener;

use crate::fixtures::cluster::FOREIGN;
use crate::fixtures::{Cluster, eventually, program};

#[test]
fn masters_that_cannot_be_reached() {
    let cluster = Cluster::inhabited();
    // Nobody answers there, in whatever order tests run.
    for (i, port) in [(1, 1), (2, 2)] {
        let announce = format!("CONFIG SET cluster-announce-port {port}");
        cluster.node(i).run(&announce);
    }
    eventually("everybody is told", || {
        let owners = cluster.owners_seen_by(cluster.node(0));
        owners.contains(&Some(1)) && owners.contains(&Some(2))
    });
    let announced = ["127.0.0.1:1", "127.0.0.1:2"];
    let (map, partial) = ("--host-map", "--allow-partial");
    let words = [announced[0], announced[1], map, partial, "refused"];
    cluster.stays_untouched(&cluster.fill(), 3, &words);
    let entry = |i: usize| format!("{map} 127.0.0.1:{i}={}", cluster.node(i).address());
    // One entry is not enough, and a wrong one is told with what it leads to.
    let one = cluster.fill().with(&entry(1));
    cluster.stays_untouched(&one, 3, &[announced[1], map]);
    let wrong = one.clone().with("--host-map 127.0.0.1:2=127.0.0.1:3");
    cluster.stays_untouched(&wrong, 3, &[announced[1], "127.0.0.1:3"]);
    cluster.can_be_filled(&one.with(&entry(2)));

    let command = cluster.fill().with("-f --keys 5003 --allow-partial");
    let outcome = command.run();
    outcome
        .succeeds()
        .says([announced[0], announced[1], partial]);
    outcome.prints(["incomplete", "partial"]);
    let report = command.with("--output json").run().succeeds().report();
    report.is_incomplete().has([
        ("keys.planned", 5003.into()),
        ("keys.present", cluster.keys_at(0).into()),
    ]);
    assert!(report.text("reason").contains("partial"));
    assert!(cluster.keys_at(0) > 1600);
}

#[test]
fn an_address_that_leads_nowhere() {
    // The other nodes cannot reach it there either, which must not end the cluster meanwhile.
    let setup = Cluster::setup().and("cluster-node-timeout", "60000");
    let cluster = setup.start();
    cluster
        .node(1)
        .run("CONFIG SET cluster-announce-ip 127.0.0.2");
    eventually("everybody is told", || {
        let known: String = cluster.node(0).ask("CLUSTER NODES");
        known.contains("127.0.0.2")
    });
    let announced = format!("127.0.0.2:{}", cluster.node(1).port());
    cluster.stays_untouched(&cluster.fill(), 3, &[&announced, "--host-map", "refused"]);
    let command = cluster.fill().with("--host-map 127.0.0.2=127.0.0.1");
    cluster.can_be_filled(&command);
}

#[test]
fn hosts_that_nobody_knows() {
    let cluster = Cluster::inhabited();
    announce(&cluster, "no-such-host.invalid");
    let words = ["no-such-host.invalid", "--host-map"];
    cluster.stays_untouched(&cluster.fill(), 3, &words);
    let partial = cluster.fill().with("--allow-partial");
    cluster.stays_untouched(&partial, 2, &["no-such-host.invalid", "none", "--host-map"]);
    let command = cluster
        .fill()
        .with("--host-map no-such-host.invalid=127.0.0.1");
    cluster.can_be_filled(&command);
}

#[test]
fn hosts_that_are_names() {
    let cluster = Cluster::start(3);
    announce(&cluster, "localhost");
    let outcome = cluster.can_be_filled(&cluster.fill());
    let address = format!("localhost:{}", cluster.node(1).port());
    outcome.check(outcome.stdout.contains(&address), "the name is not used");
    cluster.can_be_filled(&program().with(&format!(
        "fill -c -h localhost -p {}",
        cluster.node(2).port()
    )));
}

/// Has all nodes announce this name instead of their addresses.
fn announce(cluster: &Cluster, host: &str) {
    for node in cluster.nodes() {
        node.run(&format!("CONFIG SET cluster-announce-hostname {host}"));
        node.run("CONFIG SET cluster-preferred-endpoint-type hostname");
    }
    eventually("everybody is told", || {
        cluster.nodes().all(|node| {
            let known: String = node.ask("CLUSTER NODES");
            known.lines().all(|line| line.contains(host))
        })
    });
}

#[test]
fn addresses_of_version_six() {
    if TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no ::1");
        return;
    }
    let setup = Cluster::setup().and("bind", "127.0.0.1 ::1");
    let cluster = setup.and("cluster-announce-ip", "::1").start();
    for host in ["::1", "[::1]", "127.0.0.1"] {
        let node = format!("fill -c -h {host} -p {}", cluster.node(0).port());
        let outcome = cluster.can_be_filled(&program().with(&node));
        let address = format!("[::1]:{}", cluster.node(2).port());
        outcome.check(outcome.stdout.contains(&address), "the address is not used");
    }
    cluster.holds_evenly(5003);
}

#[test]
fn a_cluster_with_a_password() {
    let cluster = Cluster::start(3);
    for node in cluster.nodes() {
        node.run("CONFIG SET requirepass opensesame");
    }
    let words = [
        "password",
        "-a",
        "REDISCLI_AUTH",
        &cluster.node(0).address(),
    ];
    cluster.stays_untouched(&cluster.fill(), 3, &words);
    let wrong = cluster.fill().with("-a openbarley");
    cluster.stays_untouched(&wrong, 3, &["WRONGPASS", "-a", "-u"]);
    wrong
        .with("--keys 10 -v")
        .run()
        .never_mentions("openbarley");
    for command in [
        cluster.fill().with("-a opensesame -v"),
        cluster.fill().with("-u default -a opensesame"),
        cluster.fill().env("REDISCLI_AUTH", "opensesame"),
    ] {
        cluster.can_be_filled(&command).never_mentions("opensesame");
        let outcome = command.with("-f --keys 500").run();
        outcome.succeeds().never_mentions("opensesame");
    }
}

#[test]
fn a_node_with_another_password() {
    let cluster = Cluster::inhabited();
    let node = cluster.node(2);
    node.run("CONFIG SET requirepass opensesame");
    cluster.stays_untouched(&cluster.fill(), 3, &[&node.address(), "password", "-a"]);
    for others in [0, 1] {
        cluster
            .node(others)
            .run("CONFIG SET requirepass openbarley");
    }
    let command = cluster.fill().with("-a openbarley");
    cluster.stays_untouched(&command, 3, &[&node.address(), "WRONGPASS", "-a"]);
    let outcome = command.with("--keys 500 -v").run();
    outcome
        .never_mentions("openbarley")
        .never_mentions("opensesame");
}

#[test]
fn users_with_few_permissions() {
    let cluster = Cluster::inhabited();
    let needed = "+set +exists +dbsize +info +select +strlen +getrange";
    for node in cluster.nodes() {
        node.run(&format!(
            "ACL SETUSER blind on >opensesame ~* {needed} +flushdb"
        ));
        node.run(&format!(
            "ACL SETUSER filler on >opensesame ~* {needed} +cluster"
        ));
    }
    let blind = cluster.fill().with("-u blind -a opensesame");
    cluster.stays_untouched(&blind, 3, &["NOPERM", "CLUSTER", "+cluster", "-u"]);
    let filler = cluster.fill().with("-u filler -a opensesame --keys 5003");
    filler
        .clone()
        .with("-f")
        .run()
        .is_refused(3, ["NOPERM", "FLUSHDB", "+flushdb"]);
    cluster.keeps_foreign_keys(FOREIGN);
    filler.report().is_complete(5003);
    cluster.node(1).run("ACL SETUSER filler +flushdb");
    filler
        .clone()
        .with("-f")
        .run()
        .is_refused(3, ["NOPERM", "FLUSHDB"]);
    for node in cluster.nodes() {
        node.run("ACL SETUSER filler +flushdb");
    }
    filler.with("-f").completes(5003);
    cluster.holds_evenly(5003);
}
