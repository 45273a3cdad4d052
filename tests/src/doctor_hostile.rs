//! `redis-client doctor` of servers that send what no server should, or only resemble Redis: it ends
//! in its time, shows nothing that moves the cursor, and does no harm.

use crate::doctor::keeps_the_promise;
use crate::fixtures::doctor::doctor_port;
use crate::fixtures::{Act, Script};

/// What it asks before it does what a fill does.
const QUESTIONS: [&str; 9] = [
    "INFO server",
    "INFO replication",
    "INFO memory",
    "CONFIG GET",
    "DBSIZE",
    "PING",
    "SET",
    "CLIENT LIST",
    "ECHO",
];

/// Looks at this server, which has no say in how that ends; twice, for people and for programs.
#[track_caller]
fn ends(script: &Script) {
    let server = script.clone().start();
    for form in ["", "--output json"] {
        let outcome = doctor_port(server.port()).with(form).run();
        let code = outcome.code();
        outcome.check(
            code.is_some_and(|code| [0, 1, 3].contains(&code)),
            &format!("{code:?} after {script:?}"),
        );
        outcome.never_mentions("\u{1b}").prints(["kernel"]);
    }
    assert_eq!(server.sets(), 0);
}

#[test]
fn answers_that_are_none_or_too_much() {
    for question in QUESTIONS {
        for monster in [
            Act::say("\0\u{ff}\u{1b}[2J garbage\r\n"),
            Act::say("*9223372036854775807\r\n"),
            Act::flood("+", "x"),
            Act::say("$-1\r\n"),
            Act::say(":-1\r\n"),
            Act::refuse("ERR \u{1b}[2J no"),
        ] {
            ends(&Script::redis().on(question, monster));
        }
    }
}

#[test]
fn settings_and_facts_that_would_move_the_cursor() {
    let rules = "*2\r\n$4\r\nsave\r\n$8\r\n\u{1b}[2J60 1\r\n";
    ends(&Script::redis().on("CONFIG GET save", Act::say(rules)));
    for field in ["redis_version", "role", "used_memory", "maxmemory_policy"] {
        ends(&Script::redis().field(field, "\u{1b}[2J"));
    }
}

#[test]
fn what_only_resembles_redis_is_not_tempted() {
    let imitator = Script::redis()
        .on("FLUSHDB", Act::say("+OK\r\n"))
        .on("MSET", Act::say("+OK\r\n"));
    let version = "7.4.0\r\ndragonfly_version:1.30";
    let server = imitator.field("redis_version", version).start();
    let found = doctor_port(server.port()).judges(0, "ready");
    keeps_the_promise(&found);
    for name in ["rights-for-flush", "rights-for-mset"] {
        let right = found.finds("servers.0", name, "unknown");
        assert_eq!(right["value"], serde_json::Value::Null);
    }
}
