//! Fills that meet trouble on their way: full servers, evictions, signals, lost connections,
//! other clients. Whatever happens, the report says what is really on the server.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::fixtures::program::{Outcome, Running};
use crate::fixtures::{Server, eventually, fill};

/// So many keys that a test can step in while they are sent.
const MANY: &str = "--keys 1500000 --key-size 16 --value-size 16 --output json";

/// Asserts that what the report says of the planned keys is so, and that verdict and exit status
/// follow from it. Other clients' keys must not begin with `key:`.
fn tells_the_truth(outcome: &Outcome, server: &Server) {
    let (report, present) = (outcome.report(), server.count("key:*"));
    outcome.check(
        report.at("keys.present") == &Value::from(present),
        &format!("keys.present is wrong: there are {present}"),
    );
    if let Some(created) = report.at("keys.created").as_u64() {
        let sum = created + report.number("keys.existed");
        outcome.check(
            sum == present,
            "keys.created and keys.existed do not add up",
        );
    }
    if present == report.number("keys.planned") {
        outcome.succeeds();
        report.has([("verdict", "complete".into()), ("reason", Value::Null)]);
    } else {
        outcome.exits_with(1);
        report.is_incomplete();
    }
}

/// Starts a large fill and waits until it is well under way.
fn underway(server: &Server, args: &str) -> Running {
    let mut fill = fill(server).with(MANY).with(args).start();
    eventually("the fill is under way", || {
        server.dbsize() > 1000 || fill.has_ended()
    });
    fill
}

/// Asserts that a fill of a server with too little memory says how far it came: what is there,
/// what was refused, and that it is memory that was missing.
#[track_caller]
fn is_told_to_be_full(flags: &str) {
    let server = Server::with("maxmemory", "20mb").start();
    let command = fill(&server)
        .with("--keys 60000 --force --output json")
        .with(flags);
    let outcome = command.run();
    let report = outcome.exits_with(1).says(["incomplete"]).report();
    let (present, sent) = (server.dbsize(), report.number("keys.sent"));
    outcome.check(
        (1000..50_000).contains(&present),
        "20 MB hold some keys and not all",
    );
    report.is_incomplete().has([
        ("keys.present", present.into()),
        ("keys.created", present.into()),
        ("keys.existed", 0.into()),
        ("refused.OOM", (sent - present).into()),
        ("nodes.0.refused.OOM", (sent - present).into()),
        ("bottleneck", "memory".into()),
    ]);
    outcome.check(
        report.text("reason").contains("memory"),
        "the reason is memory",
    );
}

#[test]
fn a_full_server_is_told_with_true_numbers() {
    for flags in ["", "-n 8", "-n 64", "--pipeline-depth 100"] {
        is_told_to_be_full(flags);
    }
}

#[test]
fn a_full_server_is_told_by_every_driver() {
    for driver in [
        "uring --send zc",
        "uring --send copy",
        "tokio-uring",
        "socket",
    ] {
        is_told_to_be_full(&format!("--driver {driver}"));
    }
}

#[test]
fn a_full_server_is_told_where_each_reply_is_read() {
    for flags in [
        "",
        "-n 8",
        "--driver socket",
        "--driver tokio-uring",
        "--pipeline-depth 10",
    ] {
        is_told_to_be_full(&format!("--replies each {flags}"));
    }
}

#[test]
fn a_full_server_is_told_in_words() {
    let server = Server::with("maxmemory", "20mb").start();
    let outcome = fill(&server).with("--keys 60000 --force").run();
    outcome
        .exits_with(1)
        .prints(["incomplete", "memory", "60,000"]);
}

#[test]
fn a_server_that_is_full_from_the_start_takes_nothing() {
    let server = Server::start();
    server.add_foreign_keys(37);
    server.run("CONFIG SET maxmemory 1mb");
    let outcome = fill(&server).with("--keys 5000").run();
    outcome.is_refused(2, ["maxmemory", "--force"]);
    let outcome = fill(&server)
        .with("--keys 5000 --force --output json")
        .run();
    outcome
        .exits_with(1)
        .report()
        .is_incomplete()
        .has([("keys.present", 0.into())]);
    server.keeps_foreign_keys(37);
    assert_eq!(server.dbsize(), 37);
}

#[test]
fn a_plan_that_does_not_fit_is_refused() {
    let server = Server::with("maxmemory", "20mb").start();
    server.add_foreign_keys(37);
    let changes = server.changes();
    for flags in ["", "-f"] {
        let outcome = fill(&server).with("-d 30mb").with(flags).run();
        outcome.is_refused(2, ["maxmemory", "--force"]);
        assert_eq!(server.changes(), changes);
    }
    server.keeps_foreign_keys(37);
}

#[test]
fn a_plan_larger_than_the_machine_is_refused() {
    let server = Server::start();
    fill(&server)
        .with("-d 900t")
        .run()
        .is_refused(2, ["memory", "--force"]);
    assert_eq!(server.dbsize(), 0);
}

#[test]
fn evicted_keys_are_not_claimed() {
    for flags in ["", "-n 5", "--replies each"] {
        let server = Server::with("maxmemory", "20mb")
            .and("maxmemory-policy", "allkeys-lru")
            .start();
        let outcome = fill(&server)
            .with("--keys 60000 --output json")
            .with(flags)
            .run();
        let report = outcome.exits_with(1).report();
        let (claimed, present) = (report.number("keys.present"), server.dbsize());
        // A full server may evict another key before any command, this look included.
        let is_so = present > 1000 && (present..=present + 20).contains(&claimed);
        outcome.check(
            is_so,
            &format!("keys.present is wrong: there are {present}"),
        );
        let reason = report.is_incomplete().text("reason");
        outcome.check(reason.contains("evict"), "the reason is eviction");
    }
}

#[test]
fn an_interrupted_fill_reports_what_it_did() {
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let server = Server::start();
        let fill = underway(&server, "--force");
        fill.signal(signal);
        let outcome = fill.wait();
        let report = outcome.exits_with(status).report();
        report.is_incomplete();
        agrees_with_an_interrupted(&server, &outcome);
    }
}

/// After an interruption all that was acknowledged is there, and nothing that was never sent.
fn agrees_with_an_interrupted(server: &Server, outcome: &Outcome) {
    let report = outcome.report();
    let dbsize = server.dbsize();
    let (acked, sent) = (report.number("keys.acked"), report.number("keys.sent"));
    let bounds = format!("not acked {acked} <= DBSIZE {dbsize} <= sent {sent} < planned");
    let is_so = acked <= dbsize && dbsize <= sent && sent < report.number("keys.planned");
    outcome.check(is_so && acked > 0, &bounds);
    if let Some(present) = report.at("keys.present").as_u64() {
        outcome.check(
            acked <= present && present <= dbsize,
            "keys.present is out of bounds",
        );
    }
}

#[test]
fn an_interrupted_fill_reports_in_words_too() {
    let server = Server::start();
    let fill = fill(&server)
        .with("--keys 1500000 --key-size 16 --value-size 16")
        .start();
    eventually("the fill is under way", || server.dbsize() > 1000);
    fill.signal(Signal::SIGINT);
    fill.wait()
        .exits_with(130)
        .prints(["incomplete", "interrupted"]);
}

#[test]
fn a_fill_ends_although_the_server_hangs() {
    for signals in [1, 2] {
        let server = Server::start();
        let fill = underway(&server, "");
        server.signal(Signal::SIGSTOP);
        for _ in 0..signals {
            fill.signal(Signal::SIGINT);
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        let outcome = fill.wait();
        server.signal(Signal::SIGCONT);
        // The second signal ends the program at once, without waiting for a report.
        outcome.ends_by_interrupt();
    }
}

#[test]
fn an_interrupted_fill_can_be_made_again() {
    let server = Server::start();
    let first = underway(&server, "");
    first.signal(Signal::SIGINT);
    first.wait().exits_with(130);
    fill(&server)
        .with(MANY)
        .run()
        .succeeds()
        .report()
        .is_complete(1_500_000);
    assert_eq!(server.dbsize(), 1_500_000);
}

#[test]
fn lost_connections_are_made_up_for_or_told() {
    for flags in [
        "",
        "-n 8",
        "--replies each",
        "--driver socket",
        "--driver tokio-uring",
    ] {
        let server = Server::start();
        let fill = underway(&server, flags);
        server.run("CLIENT KILL TYPE normal");
        tells_the_truth(&fill.wait(), &server);
    }
}

#[test]
fn a_server_that_dies_is_told() {
    let server = Server::start();
    let fill = underway(&server, "");
    drop(server);
    let outcome = fill.wait();
    outcome.exits_with(1).says(["connection"]);
    if !outcome.stdout.is_empty() {
        outcome.report().is_incomplete();
    }
}

#[test]
fn keys_that_others_write_meanwhile_are_not_claimed() {
    let server = Server::start();
    let mut foreign = server.connect();
    let fill = underway(&server, "");
    for n in 0..5000 {
        let set = redis::cmd("SET")
            .arg(format!("other:{n}"))
            .arg(n)
            .exec(&mut foreign);
        set.expect("others may write");
    }
    let outcome = fill.wait();
    tells_the_truth(&outcome, &server);
    outcome.succeeds();
    assert_eq!(server.count("other:*"), 5000);
}

#[test]
fn keys_that_others_remove_meanwhile_are_sent_again() {
    let server = Server::start();
    let fill = underway(&server, "");
    server.run("FLUSHALL SYNC");
    let outcome = fill.wait();
    tells_the_truth(&outcome, &server);
    let report = outcome.succeeds().report();
    outcome.check(report.number("rounds") == 1, "it was found out and mended");
}

#[test]
fn as_many_keys_of_others_do_not_stand_in_for_removed_ones() {
    let server = Server::start();
    let mut others = server.connect();
    let fill = underway(&server, "");
    eventually("the first keys are there", || {
        server.ask::<bool>("EXISTS key:000000000499")
    });
    let mut renames = redis::pipe();
    for index in 0..500 {
        let name = format!("key:{index:012}");
        renames
            .cmd("RENAME")
            .arg(name)
            .arg(format!("other:{index}"))
            .ignore();
    }
    renames.exec(&mut others).expect("others may rename");
    let outcome = fill.wait();
    tells_the_truth(&outcome, &server);
    outcome
        .succeeds()
        .report()
        .has([("keys.resent", 500.into())]);
    assert_eq!(server.dbsize(), 1_500_500);
}

/// The hardest to tell apart: the server refuses every tenth key while another client sets as
/// many other keys, so that the database grows by exactly the planned number, with exactly the
/// planned number of SETs done.
#[test]
fn as_many_keys_of_others_do_not_stand_in_for_refused_ones() {
    let server = Server::start();
    server.run("ACL SETUSER filler on >secret %R~* %W~*[012345689] +@all");
    let mut foreign = server.connect();
    let fill = underway(&server, "-u filler -a secret --replies fenced");
    let mut sets = redis::pipe();
    for n in 0..150_000 {
        sets.cmd("SET").arg(format!("other:{n}")).arg(n).ignore();
    }
    sets.exec(&mut foreign).expect("others may write");
    let outcome = fill.wait();
    assert_eq!(server.dbsize(), 1_500_000, "as many keys as planned");
    tells_the_truth(&outcome, &server);
    outcome.exits_with(1);
}
