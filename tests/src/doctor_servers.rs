//! `redis-client doctor` of servers and clusters in every state: what it finds, its verdict and exit
//! status, and that it changes nothing.

use std::collections::BTreeSet;

use crate::doctor::keeps_the_promise;
use crate::fixtures::doctor::{doctor, doctor_cluster, text};
use crate::fixtures::{Cluster, Server};

/// Keys of others on servers that must stay as they are.
const FOREIGN: u64 = 37;

#[test]
fn a_server_is_looked_at() {
    let server = Server::start();
    server.add_foreign_keys(FOREIGN);
    let found = doctor(&server).judges(0, "ready");
    keeps_the_promise(&found);
    found.report.has([
        ("target", server.address().into()),
        ("servers.0.address", server.address().into()),
    ]);
    let version = server.info("server", "redis_version");
    let software = text(found.finds("servers.0", "version", "ok"), "found");
    assert!(software.ends_with(&version), "{software}");
    assert_eq!(found.finds("servers.0", "keys", "ok")["value"], FOREIGN);
    for name in [
        "role",
        "writes",
        "snapshots",
        "append-only-file",
        "clients",
        "rights",
    ] {
        found.finds("servers.0", name, "ok");
    }
    assert_eq!(found.with_verdict("problem"), Vec::<&str>::new());
    assert_eq!(found.finds("engine", "send", "ok")["value"], "copy");
}

#[test]
fn nothing_is_changed() {
    let server = Server::start();
    server.add_foreign_keys(FOREIGN);
    let changes = server.changes();
    let settings: Vec<String> = server.ask("CONFIG GET *");
    let users: Vec<String> = server.ask("ACL LIST");
    server.run("CONFIG RESETSTAT");
    doctor(&server).judges(0, "ready");
    let statistics: String = server.ask("INFO commandstats");
    let reading = [
        "auth",
        "client|list",
        "client|reply",
        "cluster|info",
        "cluster|slots",
        "config|get",
        "config|resetstat",
        "dbsize",
        "echo",
        "exists",
        "getrange",
        "info",
        "ping",
        "select",
        "strlen",
    ];
    for line in statistics
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_"))
    {
        let (command, figures) = line.split_once(':').expect("a name and figures");
        if reading.contains(&command) {
            continue;
        }
        // What is tried is refused, every time.
        let figure = |name: &str| {
            let mut figures = figures
                .split(',')
                .filter_map(|figure| figure.split_once('='));
            let value = figures
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value);
            value
                .and_then(|value| value.parse::<u64>().ok())
                .expect("a number")
        };
        assert!(["set", "mset", "flushdb"].contains(&command), "{line}");
        assert_eq!(figure("calls"), figure("failed_calls"), "{line}");
    }
    assert_eq!(server.changes(), changes);
    assert_eq!(server.ask::<Vec<String>>("CONFIG GET *"), settings);
    assert_eq!(server.ask::<Vec<String>>("ACL LIST"), users);
    server.keeps_foreign_keys(FOREIGN);
    assert_eq!(server.dbsize(), FOREIGN);
}

#[test]
fn a_user_without_rights_is_told_which() {
    let server = Server::start();
    server.run("ACL SETUSER reader on >opensesame ~* +@all -set -flushdb -echo");
    let command = doctor(&server).with("-u reader -a opensesame");
    let found = command.judges(1, "not-ready");
    found
        .outcome
        .says(["NOPERM", "SET"])
        .never_mentions("opensesame");
    let rights = found.finds("servers.0", "rights", "problem");
    assert!(
        text(rights, "found").contains("reader may not set"),
        "{rights}"
    );
    assert!(
        text(rights, "advice").contains("ACL SETUSER reader +set"),
        "{rights}"
    );
    found.finds("servers.0", "writes", "problem");
    for name in ["rights-for-flush", "rights-for-fences"] {
        found.finds("servers.0", name, "hint");
    }
    found.finds("servers.0", "rights-for-facts", "ok");
    found.finds("fill", "fill", "problem");
}

#[test]
fn a_user_who_may_use_other_keys_is_told_so() {
    let server = Server::start();
    server.run("ACL SETUSER guest on >opensesame ~guest:* +@all");
    let command = doctor(&server).with("-u guest -a opensesame");
    let found = command.judges(1, "not-ready");
    let rights = found.finds("servers.0", "rights", "problem");
    assert!(text(rights, "advice").contains("--key-prefix"), "{rights}");
    let found = command.with("--key-prefix guest:").judges(0, "ready");
    found.finds("servers.0", "rights", "ok");
}

#[test]
fn a_user_who_may_hardly_ask_may_fill_all_the_same() {
    let server = Server::start();
    server.run("ACL SETUSER filler on >opensesame ~* +set +exists +dbsize");
    let command = doctor(&server).with("-u filler -a opensesame");
    let found = command.judges(0, "ready");
    keeps_the_promise(&found);
    for name in [
        "version",
        "role",
        "memory",
        "snapshots",
        "io-threads",
        "other-clients",
    ] {
        found.finds("servers.0", name, "unknown");
    }
    found.finds("servers.0", "rights-for-facts", "hint");
    found.finds("servers.0", "rights-on-existing-keys", "hint");
    // With keys there, a fill needs to know what they are.
    server.add_foreign_keys(FOREIGN);
    command
        .judges(1, "not-ready")
        .finds("fill", "fill", "problem");
}

#[test]
fn a_policy_that_evicts_is_told() {
    let server = Server::with("maxmemory", "4gb")
        .and("maxmemory-policy", "allkeys-lru")
        .start();
    let found = doctor(&server).judges(0, "ready");
    let policy = found.finds("servers.0", "maxmemory-policy", "hint");
    assert_eq!(policy["value"], "allkeys-lru");
    server.run("CONFIG SET maxmemory-policy noeviction");
    let found = doctor(&server).judges(0, "ready");
    found.finds("servers.0", "maxmemory-policy", "ok");
}

#[test]
fn a_fill_that_does_not_fit_is_a_problem() {
    let server = Server::with("maxmemory", "100mb").start();
    let found = doctor(&server).judges(1, "not-ready");
    found.outcome.says(["maxmemory", "exceed"]);
    let fill = found.finds("fill", "fill", "problem");
    assert!(text(fill, "advice").contains("--force"), "{fill}");
    doctor(&server).with("-d 10mb").judges(0, "ready");
    let close = doctor(&server).with("-d 95mb").judges(0, "ready");
    close.finds("servers.0", "memory", "hint");
}

#[test]
fn a_server_that_is_full_is_a_problem() {
    let server = Server::with("maxmemory", "1").start();
    let found = doctor(&server).judges(1, "not-ready");
    let writes = found.finds("servers.0", "writes", "problem");
    assert!(text(writes, "found").contains("full"), "{writes}");
}

#[test]
fn persistence_is_told_where_the_fill_sets_it_off() {
    let server = Server::with("save", "60 1000")
        .and("appendonly", "yes")
        .start();
    let found = doctor(&server).judges(0, "ready");
    let snapshots = found.finds("servers.0", "snapshots", "hint");
    assert!(text(snapshots, "found").contains("60 1000"), "{snapshots}");
    assert!(
        text(snapshots, "advice").contains("CONFIG SET save ''"),
        "{snapshots}"
    );
    let file = found.finds("servers.0", "append-only-file", "hint");
    assert_eq!(file["value"], true);
    let small = doctor(&server).with("--keys 10").judges(0, "ready");
    let snapshots = small.finds("servers.0", "snapshots", "ok");
    assert_eq!(snapshots["value"], "60 1000");
}

#[test]
fn threads_want_connections() {
    let server = Server::with("io-threads", "4").start();
    let found = doctor(&server).judges(0, "ready");
    let threads = found.finds("servers.0", "io-threads", "hint");
    assert_eq!(threads["value"], 4);
    assert!(text(threads, "advice").contains("-n 8"), "{threads}");
}

#[test]
fn a_replica_is_a_problem_and_its_master_is_named() {
    let master = Server::start();
    let replica = Server::with("replicaof", &format!("127.0.0.1 {}", master.port())).start();
    let found = doctor(&replica).judges(1, "not-ready");
    let role = found.finds("servers.0", "role", "problem");
    assert!(text(role, "found").contains(&master.address()), "{role}");
    found.outcome.says(["replica"]);
}

#[test]
fn all_masters_of_a_cluster_are_looked_at() {
    let cluster = Cluster::start(3);
    let found = doctor_cluster(&cluster).judges(0, "ready");
    keeps_the_promise(&found);
    let slots: BTreeSet<String> = (0..3)
        .map(|n| {
            found
                .report
                .text(&format!("servers.{n}.address"))
                .to_owned()
        })
        .collect();
    assert_eq!(slots, cluster.nodes().map(Server::address).collect());
    for n in 0..3 {
        let mode = found.finds(&format!("servers.{n}"), "mode", "ok");
        assert_eq!(mode["value"], "cluster");
        found.finds(&format!("servers.{n}"), "rights-in-cluster", "ok");
    }
    assert_eq!(found.finds("fill", "cluster", "ok")["value"], 3);
    assert!(cluster.nodes().all(|node| node.dbsize() == 0));
}

#[test]
fn a_full_master_of_a_cluster_is_named() {
    let cluster = Cluster::start(3);
    cluster.node(1).run("CONFIG SET maxmemory 1");
    let found = doctor_cluster(&cluster).judges(1, "not-ready");
    found.outcome.says([&*cluster.node(1).address()]);
    assert_eq!(found.with_verdict("problem"), ["fill", "writes"]);
}

#[test]
fn a_master_that_is_gone_stops_a_fill_of_all() {
    let cluster = Cluster::start(3);
    cluster.node(1).crash();
    let found = doctor_cluster(&cluster).judges(3, "unreachable");
    let address = cluster.node(1).address();
    found.outcome.says([&*address, "--allow-partial"]);
    let servers = found.report.at("servers").as_array().expect("a list");
    assert_eq!(servers.len(), 3);
    let gone = servers.iter().position(|it| it["address"] == *address);
    let place = format!("servers.{}", gone.expect("it is listed"));
    found.finds(&place, "reached", "problem");
    let partial = doctor_cluster(&cluster).with("--allow-partial");
    partial.judges(0, "ready").finds(&place, "reached", "hint");
}

#[test]
fn a_cluster_and_a_server_by_itself_are_told_apart() {
    let server = Server::start();
    let found = doctor(&server).with("-c").judges(1, "not-ready");
    found.outcome.says(["no node of a cluster", "drop -c"]);
    let cluster = Cluster::start(1);
    let found = doctor(cluster.node(0)).judges(1, "not-ready");
    found.outcome.says(["give -c"]);
}
