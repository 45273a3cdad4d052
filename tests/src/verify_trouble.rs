//! `redis-client verify` of servers that vanish, are silent, or answer nonsense: it goes on where
//! that helps, never waits without an end, and never tells of keys that it has not seen.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::fixtures::program::{Outcome, Running};
use crate::fixtures::verify::verify_port;
use crate::fixtures::{Act, Script, Server, eventually, fill, verify};

/// Enough to be in the middle of for a while.
const MANY: u64 = 900_000;
const SIZES: &str = "--key-size 20 --value-size 16 --output json";

/// A look at [`MANY`] keys that is well under way.
fn underway(server: &Server, flags: &str) -> Running {
    let filled = fill(server).with(&format!("--keys {MANY} {SIZES}")).run();
    filled.succeeds();
    // A fill may look at values too.
    server.run("CONFIG RESETSTAT");
    let look = verify(server).with(&format!("--keys {MANY} {SIZES} {flags}"));
    let mut look = look.start();
    eventually("the look is under way", || {
        server.calls("getrange") > 5000 || look.has_ended()
    });
    assert!(!look.has_ended(), "it ended before anything happened");
    look
}

/// It gave up, and says what it has not seen.
#[track_caller]
fn is_given_up(outcome: &Outcome, words: &str) {
    let report = outcome.exits_with(1).says([words]).report();
    report.has([("verdict", "incomplete".into()), ("missing", 0.into())]);
    let checked = report.number("checked");
    assert!(checked < report.number("to_check"));
    assert!(report.text("reason").contains("were not looked at"));
    assert!(report.at("beyond_plan").is_null());
}

#[test]
fn lost_connections_are_made_again() {
    let server = Server::start();
    let mut look = underway(&server, "");
    let mut killed = 0;
    while killed < 5 && !look.has_ended() {
        let gone: u64 = server.ask("CLIENT KILL TYPE normal SKIPME yes");
        killed += u64::from(gone > 0);
        std::thread::sleep(Duration::from_millis(20));
    }
    let outcome = look.wait();
    let report = outcome.succeeds().report();
    report.has([
        ("verdict", "verified".into()),
        ("checked", MANY.into()),
        ("present", MANY.into()),
        ("beyond_plan", 0.into()),
    ]);
    outcome.check(report.number("reconnects") > 0, "no connection was lost");
}

#[test]
fn a_server_that_is_gone_is_given_up() {
    let server = Server::start();
    let look = underway(&server, "--stall-timeout 1");
    server.crash();
    is_given_up(&look.wait(), "no key could be looked at for 1 s");
}

#[test]
fn a_server_that_hangs_is_given_up_and_one_that_recovers_is_not() {
    let server = Server::start();
    let look = underway(&server, "--stall-timeout 2");
    server.signal(Signal::SIGSTOP);
    std::thread::sleep(Duration::from_millis(700));
    server.signal(Signal::SIGCONT);
    look.wait().succeeds();
    let calls = server.calls("getrange");
    let look = verify(&server).with(&format!("--keys {MANY} {SIZES} --stall-timeout 1"));
    let look = look.start();
    eventually("it is under way", || {
        server.calls("getrange") > calls + 5000
    });
    server.signal(Signal::SIGSTOP);
    let outcome = look.wait();
    server.signal(Signal::SIGCONT);
    is_given_up(&outcome, "no key could be looked at for 1 s");
}

#[test]
fn an_interrupted_look_tells_what_it_has_seen() {
    let server = Server::start();
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let look = underway(&server, "");
        look.signal(signal);
        let outcome = look.wait();
        let report = outcome.exits_with(code).says([signal.as_str()]).report();
        report.has([("verdict", "incomplete".into()), ("wrong", 0.into())]);
        let checked = report.number("checked");
        assert!(checked > 1000 && checked < MANY, "{checked}");
        assert_eq!(report.number("present"), checked);
    }
}

#[test]
fn a_fill_that_is_interrupted_while_it_verifies() {
    let server = Server::start();
    let mut fill = fill(&server)
        .with(&format!("--keys {MANY} {SIZES} --verify"))
        .start();
    eventually("it verifies", || {
        server.calls("getrange") > 5000 || fill.has_ended()
    });
    fill.signal(Signal::SIGINT);
    let outcome = fill.wait();
    let report = outcome.exits_with(130).says(["SIGINT"]).report();
    report.is_incomplete().has([
        ("keys.present", MANY.into()),
        ("verify.verdict", "incomplete".into()),
        ("verify.missing", 0.into()),
    ]);
    assert!(report.number("verify.checked") < MANY);
}

#[test]
fn nonsense_is_not_taken_for_a_value() {
    for answer in [
        &b"+PONG\r\n"[..],
        b"HTTP/1.1 400 Bad Request\r\n",
        b"$-1\r\n",
        b"$9223372036854775807\r\n",
        b"$514\r\n",
        b"$5\r\nabcdefgh\r\n",
        b":1\r\n",
        b"*0\r\n",
        b"\0\xff\r\n",
        b"\n",
    ] {
        let fake = Script::redis().on("GETRANGE", Act::say(answer)).start();
        let outcome = verify_port(fake.port()).with("--keys 1000").run();
        outcome.is_refused(3, ["does not speak the Redis protocol", "GETRANGE"]);
        outcome.check(fake.sets() == 0, "it wrote");
    }
}

#[test]
fn a_flood_is_neither_waited_for_nor_kept() {
    for piece in [&b"-"[..], b"$", b"1", b"$1\r\na\r\n", b"-ERR a\r\n"] {
        let fake = Script::redis()
            .on("GETRANGE", Act::flood("", piece))
            .start();
        let began = Instant::now();
        let outcome = verify_port(fake.port())
            .with("--keys 100 --output json")
            .run();
        // A hundred answers that look like some are told as what they are.
        let is_told = outcome.stderr.contains("error: ");
        outcome.check(
            is_told && began.elapsed() < Duration::from_secs(9),
            "it was slow",
        );
    }
}

#[test]
fn an_answer_that_never_ends_is_given_up() {
    for beginning in [&b"$512\r\nabc"[..], b"$", b"-ERR"] {
        // Each question adds to it, so it goes on for a while.
        let fake = Script::redis().on("GETRANGE", Act::say(beginning)).start();
        let flags = "--keys 1 --stall-timeout 1 --output json";
        let outcome = verify_port(fake.port()).with(flags).run();
        is_given_up(outcome.is_prompt(), "no key could be looked at for 1 s");
    }
}

#[test]
fn a_server_that_is_busy_is_waited_for() {
    let server = Server::start();
    let look = underway(&server, "");
    server.run("CONFIG SET busy-reply-threshold 1");
    let mut connection = server.connect();
    let script = std::thread::spawn(move || {
        let script = "local t = redis.call('TIME') \
             repeat local n = redis.call('TIME') until n[1] - t[1] > 1";
        let _: redis::RedisResult<()> =
            redis::cmd("EVAL").arg(script).arg(0).query(&mut connection);
    });
    let outcome = look.wait();
    script.join().expect("the script ends");
    outcome.succeeds().report().has([("checked", MANY.into())]);
}
