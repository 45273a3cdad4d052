//! Warnings before the first key: what may go wrong although nothing forbids the fill.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::fixtures::program::{Invocation, Outcome};
use crate::fixtures::{Cluster, Server, eventually, fill};

/// Large enough for every warning, and more than `FULL` servers take: refused before the first key,
/// but not before the warnings.
const LARGE: &str = "-d 300mb";
/// A limit of memory for servers that shall not be filled.
const FULL: (&str, &str) = ("maxmemory", "50mb");

/// The warnings on standard error.
fn warnings(outcome: &Outcome) -> Vec<&str> {
    let lines = outcome.stderr.lines();
    lines
        .filter_map(|line| line.strip_prefix("redis-client: warning: "))
        .collect()
}

/// Asserts that there are as many warnings as lists of words, each with all words of its list.
#[track_caller]
fn warns(outcome: &Outcome, expected: &[&[&str]]) {
    let warnings = warnings(outcome);
    for words in expected {
        let is_so = warnings
            .iter()
            .any(|warning| words.iter().all(|word| warning.contains(word)));
        outcome.check(is_so, &format!("no warning mentions all of {words:?}"));
    }
    outcome.check(
        warnings.len() == expected.len(),
        &format!("there are not {} warnings", expected.len()),
    );
}

/// Runs a fill that is warned of and then refused, having changed nothing.
#[track_caller]
fn warned(server: &Server, fill: &Invocation, expected: &[&[&str]]) {
    let changes = server.changes();
    let outcome = fill.clone().with(LARGE).run();
    outcome.is_refused(2, ["maxmemory", "--force"]);
    warns(&outcome, expected);
    assert_eq!(server.changes(), changes);
}

#[test]
fn a_fill_of_a_server_without_hazards_warns_of_nothing() {
    let server = Server::with(FULL.0, FULL.1).start();
    server.add_foreign_keys(37);
    // Whoever set those keys has been doing something else since.
    server.run("INFO");
    let outcome = fill(&server).with("-d 3mb --output json").run();
    warns(outcome.succeeds(), &[]);
    outcome.report().has([("warnings", serde_json::json!([]))]);
    warned(&server, &fill(&server), &[]);
}

#[test]
fn snapshots_and_the_append_only_file_do_not_matter_to_small_fills() {
    let server = Server::with("appendonly", "yes")
        .and("appendfsync", "always")
        .start();
    server.run_words(&["CONFIG", "SET", "save", "3600 1"]);
    let outcome = fill(&server).with("--keys 500").run();
    warns(outcome.succeeds(), &[]);
}

#[test]
fn snapshots_that_a_large_fill_will_start() {
    let server = Server::with(FULL.0, FULL.1).start();
    server.run_words(&["CONFIG", "SET", "save", "3600 1 60 1000000000"]);
    let named: &[&str] = &["(save 3600 1)", "`CONFIG SET save ''`"];
    warned(&server, &fill(&server), &[named]);
    warned(&server, &fill(&server).with("-q"), &[named]);
    server.run_words(&["CONFIG", "SET", "save", "60 1000000000"]);
    warned(&server, &fill(&server), &[]);
}

#[test]
fn an_append_only_file_in_a_large_fill() {
    let server = Server::with(FULL.0, FULL.1)
        .and("appendonly", "yes")
        .start();
    let rewrites: &[&str] = &[
        "auto-aof-rewrite-percentage 100",
        "`CONFIG SET auto-aof-rewrite-percentage 0`",
    ];
    let file: &[&str] = &["appendonly yes", "`CONFIG SET appendonly no`"];
    warned(&server, &fill(&server), &[file, rewrites]);
    server.run("CONFIG SET appendfsync always");
    let waits: &[&str] = &["appendfsync always", "`CONFIG SET appendfsync everysec`"];
    warned(&server, &fill(&server), &[waits, rewrites]);
    server.run("CONFIG SET auto-aof-rewrite-percentage 0");
    warned(&server, &fill(&server), &[waits]);
    server.run("CONFIG SET appendonly no");
    warned(&server, &fill(&server), &[]);
}

#[test]
fn a_snapshot_that_is_under_way() {
    let server = Server::with(FULL.0, FULL.1)
        .and("rdb-key-save-delay", "100000")
        .and("rdbcompression", "no")
        .start();
    server.add_foreign_keys(200);
    server.run("BGSAVE");
    eventually("the snapshot has begun", || {
        server.info("persistence", "rdb_bgsave_in_progress") == "1"
    });
    warned(
        &server,
        &fill(&server),
        &[&["snapshot", "rdb_bgsave_in_progress:0"]],
    );
}

#[test]
fn a_replica_that_may_be_cut_off() {
    let master = Server::start();
    let replica = Server::with("replicaof", &format!("127.0.0.1 {}", master.port())).start();
    eventually("the replica follows", || {
        replica.info("replication", "master_link_status") == "up"
    });
    let outcome = fill(&master).with("-f --keys 5000").run();
    warns(outcome.succeeds(), &[]);
    let limits = "normal 0 0 0 replica 2mb 1mb 60";
    master.run_words(&["CONFIG", "SET", "client-output-buffer-limit", limits]);
    let outcome = fill(&master).with("-f --keys 5000 --output json").run();
    let words = [
        "(it has 1)",
        "2097152 bytes behind",
        "replica 2097152 1048576 60",
        "`CONFIG SET client-output-buffer-limit 'replica 0 0 0'`",
    ];
    warns(outcome.succeeds(), &[&words]);
    let report = outcome.report();
    assert_eq!(report.text("warnings.0"), warnings(&outcome)[0]);
    // A fill of less than that cannot leave it so far behind.
    warns(fill(&master).with("-f --keys 500").run().succeeds(), &[]);
}

/// Has another client set a key again and again while something is done.
fn while_another_writes(server: &Server, work: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    let mut connection = server.connect();
    let writes = server.calls("hset");
    std::thread::scope(|scope| {
        let is_over = &is_over;
        scope.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                let mut command = redis::cmd("HSET");
                command.arg("other").arg("field").arg("value");
                let answer: redis::RedisResult<u64> = command.query(&mut connection);
                answer.expect("it may write");
            }
        });
        // Ends the thread also where an assertion fails.
        let _over = Ends(is_over);
        eventually("it writes", || server.calls("hset") > writes + 10);
        work();
    });
}

/// Sets what it holds when dropped.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn another_client_that_writes() {
    let server = Server::start();
    while_another_writes(&server, || {
        let outcome = fill(&server).with("--keys 500 --output json").run();
        let words = ["another client (127.0.0.1:", "HSET", "stop them"];
        warns(outcome.succeeds(), &[&words]);
        let report = outcome.report();
        report.is_complete(500);
        assert_eq!(report.text("warnings.0"), warnings(&outcome)[0]);
    });
    server.run("INFO");
    warns(fill(&server).with("--keys 500").run().succeeds(), &[]);
}

#[test]
fn what_may_not_be_asked_is_not_warned_of() {
    let server = Server::with(FULL.0, FULL.1)
        .and("appendonly", "yes")
        .start();
    server.run_words(&["CONFIG", "SET", "save", "3600 1"]);
    server.run("ACL SETUSER filler on >opensesame ~* +@all -config -client|list");
    while_another_writes(&server, || {
        let filler = fill(&server).with("-u filler -a opensesame");
        let outcome = filler.clone().with("--keys 500 --output json").run();
        warns(outcome.succeeds(), &[]);
        outcome.report().is_complete(500);
        let outcome = filler.with(LARGE).run();
        outcome.is_refused(2, ["maxmemory", "--force"]);
        warns(&outcome, &[]);
    });
}

#[test]
fn force_silences_no_warning_and_all_are_in_the_report() {
    let server = Server::with(FULL.0, FULL.1).start();
    server.run_words(&["CONFIG", "SET", "save", "3600 1"]);
    let command = fill(&server).with(LARGE);
    let outcome = command.with("--force --output json").run();
    let report = outcome.exits_with(1).report();
    report.is_incomplete();
    warns(
        &outcome,
        &[&["`CONFIG SET save ''`"], &["maxmemory", "--force"]],
    );
    let told = [report.text("warnings.0"), report.text("warnings.1")];
    assert_eq!(told, warnings(&outcome)[..]);
}

#[test]
fn a_server_that_evicts_when_it_is_full() {
    let server = Server::with("maxmemory-policy", "allkeys-lru").start();
    let limited = |bytes: u64| server.run(&format!("CONFIG SET maxmemory {bytes}"));
    // About 7 MiB, by the estimate.
    let amount = "-f --keys 5000 --value-size 800 --output json";
    limited(1 << 30);
    let outcome = fill(&server).with(amount).run();
    warns(outcome.succeeds(), &[]);
    let used = outcome.report().number("nodes.0.used_memory_after");
    limited(used + (used >> 5));
    let outcome = fill(&server).with(amount).run();
    let close = [
        "come close to",
        "allkeys-lru",
        "may end",
        "--allow-eviction",
    ];
    warns(&outcome, &[&close]);
    limited(used * 3 / 4);
    let outcome = fill(&server).with(amount).run();
    let over = ["exceed", "allkeys-lru", "will end", "--allow-eviction"];
    warns(outcome.exits_with(1), &[&over]);
    server.run("CONFIG SET maxmemory-policy volatile-ttl");
    let outcome = fill(&server).with(amount).run();
    let volatile = [
        "exceed",
        "volatile-ttl",
        "keys of others",
        "refuse the fill",
    ];
    warns(outcome.exits_with(1), &[&volatile]);
}

#[test]
fn what_is_said_of_several_masters_is_said_once() {
    let cluster = Cluster::setup().and(FULL.0, FULL.1).start();
    for node in cluster.nodes() {
        node.run_words(&["CONFIG", "SET", "save", "3600 1"]);
    }
    cluster.node(1).run("CONFIG SET appendonly yes");
    eventually("the file is there", || {
        cluster
            .node(1)
            .info("persistence", "aof_rewrite_in_progress")
            == "0"
    });
    cluster
        .node(1)
        .run("CONFIG SET auto-aof-rewrite-percentage 0");
    let outcome = cluster.fill().with("-d 900mb").run();
    outcome.is_refused(2, ["maxmemory", "--force"]);
    let alone = format!("{}: the server writes", cluster.node(1).address());
    warns(
        &outcome,
        &[&[" and 2 more: ", "(save 3600 1)"], &[&alone, "appendonly"]],
    );
    // A third of that is not much for each.
    let outcome = cluster.fill().with(LARGE).run();
    warns(outcome.is_refused(2, ["maxmemory"]), &[]);
}
