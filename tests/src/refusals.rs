//! Servers that refuse writes in the middle of a fill: the fill ends soon, says how much is there,
//! and names the setting to change. And servers that do not tell what they refuse.

use crate::fixtures::program::{Outcome, Running};
use crate::fixtures::{Server, eventually, fill};

/// So many keys that a test can step in while they are sent.
const MANY: &str = "--keys 1500000 --key-size 16 --value-size 16 --output json";

fn underway(server: &Server, flags: &str) -> Running {
    let mut fill = fill(server).with(MANY).with(flags).start();
    eventually("the fill is under way", || {
        server.dbsize() > 1000 || fill.has_ended()
    });
    fill
}

/// Asserts that a fill ended early, with the truth, and a reason that holds these words.
#[track_caller]
fn ends_with_the_reason(outcome: &Outcome, server: &Server, words: &[&str]) {
    let report = outcome.exits_with(1).report();
    report
        .is_incomplete()
        .has([("keys.present", server.dbsize().into())]);
    for word in words {
        outcome.check(report.text("reason").contains(word), word);
    }
    outcome.says(["--resume"]);
}

const WAYS: [&str; 3] = ["", "--replies each", "--driver socket -n 5"];

#[test]
fn a_server_that_becomes_a_replica() {
    for way in WAYS {
        let server = Server::start();
        let fill = underway(&server, way);
        // Its master does not exist, so that it keeps its data.
        server.run("REPLICAOF 127.0.0.1 1");
        let outcome = fill.wait();
        ends_with_the_reason(&outcome, &server, &["replica", "master"]);
    }
}

#[test]
fn a_user_whose_right_to_write_is_taken_away() {
    for way in WAYS {
        let server = Server::start();
        server.run("ACL SETUSER filler on >secret ~* +@all");
        let fill = underway(&server, &format!("-u filler -a secret {way}"));
        server.run("ACL SETUSER filler -set");
        let outcome = fill.wait();
        ends_with_the_reason(&outcome, &server, &["NOPERM", "ACL SETUSER"]);
        outcome.never_mentions("secret");
    }
}

#[test]
fn a_user_who_is_gone() {
    let server = Server::start();
    server.run("ACL SETUSER filler on >secret ~* +@all");
    let fill = underway(&server, "-u filler -a secret --stall-timeout 2");
    // Deleting a user ends its connections; none can log in any more.
    server.run("ACL DELUSER filler");
    let outcome = fill.wait();
    outcome
        .exits_with(1)
        .never_mentions("secret")
        .says(["incomplete"]);
    outcome.report().is_incomplete();
}

#[test]
fn a_server_that_wants_replicas_from_now_on() {
    for way in WAYS {
        let server = Server::start();
        let fill = underway(&server, way);
        server.run("CONFIG SET min-replicas-to-write 1");
        let outcome = fill.wait();
        ends_with_the_reason(&outcome, &server, &["NOREPLICAS", "min-replicas-to-write"]);
    }
}

#[test]
fn refusals_of_other_clients_end_nothing() {
    let server = Server::start();
    server.run("ACL SETUSER other on >secret ~* +@all -set");
    let mut other = server.connect();
    redis::cmd("AUTH")
        .arg(&["other", "secret"])
        .exec(&mut other)
        .expect("the other user can log in");
    let fill = underway(&server, "");
    for _ in 0..2000 {
        redis::cmd("SET")
            .arg(&["a", "b"])
            .exec(&mut other)
            .expect_err("it may not write");
    }
    fill.wait()
        .succeeds()
        .report()
        .has([("keys.present", 1_500_000.into())]);
}

#[test]
fn statistics_that_are_reset_in_the_middle() {
    let server = Server::start();
    let fill = underway(&server, "");
    server.run("CONFIG RESETSTAT");
    let outcome = fill.wait();
    outcome.succeeds().says(["each of them"]);
    outcome.report().has([("keys.present", 1_500_000.into())]);
}

#[test]
fn a_user_who_may_not_read_statistics() {
    let server = Server::start();
    server.run("ACL SETUSER filler on >secret ~* +@all -info");
    let login = "-u filler -a secret";
    let outcome = fill(&server).with(MANY).with(login).run();
    outcome.succeeds().says(["each reply is read"]);
    outcome.report().has([
        ("plan.replies", "each".into()),
        ("keys.present", 1_500_000.into()),
    ]);
    server.run("FLUSHALL");
    server.run("CONFIG SET maxmemory 20mb");
    let outcome = fill(&server)
        .with("--keys 60000 --output json")
        .with(login)
        .run();
    ends_with_the_reason(&outcome, &server, &["OOM"]);
    let refused = outcome.report().number("refused.OOM");
    outcome.check(refused > 0, "what was refused is counted by the replies");
}

#[test]
fn fenced_replies_are_kept_where_they_are_asked_for() {
    let server = Server::start();
    server.run("ACL SETUSER filler on >secret ~* +@all -info");
    let flags = "--keys 50000 --replies fenced -u filler -a secret --output json";
    let outcome = fill(&server).with(flags).run();
    outcome
        .succeeds()
        .report()
        .has([("plan.replies", "fenced".into())]);
}
