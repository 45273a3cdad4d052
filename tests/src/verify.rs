//! `redis-client verify` and `fill --verify` on a server by itself: what was written is found, and
//! whatever happened to it since is told.

use redis::Pipeline;
use serde_json::Value;

use crate::fixtures::oracle::{default_key, short_key};
use crate::fixtures::program::program;
use crate::fixtures::{Server, fill, verify};

const KEYS: u64 = 1503;

/// A server that was filled with [`KEYS`] keys, and these flags beside.
fn filled(flags: &str) -> Server {
    let server = Server::start();
    fill(&server)
        .with("--keys 1503")
        .with(flags)
        .completes(KEYS);
    server
}

/// Sends the server one command about a key.
fn touch(server: &Server, command: &str, key: &[u8], arguments: &[&[u8]]) {
    let mut pipeline = Pipeline::new();
    let command = pipeline.cmd(command).arg(key);
    for argument in arguments {
        command.arg(*argument);
    }
    server.ask_all::<redis::Value>(&pipeline);
}

#[test]
fn what_was_filled_is_verified() {
    for flags in [
        "",
        "--key-size 16 --value-size 16",
        "--key-size 16 --value-size 15",
        "--key-size 2 --value-size 1",
        "--key-size 9 --value-size 17",
        "--key-size 64 --value-size 20000 --seed 7 --start-key 999999",
        "--key-layout slotted --key-size 20",
        "--preset session-cache -n 7 --pipeline-depth 13",
        "--key-prefix p: --driver socket --replies each",
        "--value-size 200000 --key-size 60000",
    ] {
        let server = filled(flags);
        // How a fill sends means nothing to a look.
        let data = flags.split(" -n").next().unwrap_or_default();
        let data = data.split(" --driver").next().unwrap_or_default();
        let report = verify(&server)
            .with("--keys 1503")
            .with(data)
            .verifies(KEYS);
        report.has([
            ("plan.keys", KEYS.into()),
            ("plan.cluster", false.into()),
            ("to_check", KEYS.into()),
            ("beyond_plan", 0.into()),
            ("nodes.0.address", server.address().into()),
            ("nodes.0.checked", KEYS.into()),
            ("reconnects", 0.into()),
        ]);
        let memory = report.number("client.peak_rss_bytes");
        assert!(memory < 24 << 20, "{memory} bytes with '{flags}'");
    }
}

#[test]
fn nothing_is_written() {
    let server = filled("");
    let changes = server.changes();
    verify(&server).with("--keys 1503").verifies(KEYS);
    verify(&server).with("--keys 2000").finds(497, 0, 2000);
    assert_eq!(server.changes(), changes);
    for command in ["set", "del", "flushdb"] {
        let calls = server.calls(command);
        verify(&server).with("--keys 1503").verifies(KEYS);
        assert_eq!(server.calls(command), calls, "{command}");
    }
}

#[test]
fn each_kind_of_damage_is_found_and_named() {
    let server = filled("--key-size 20 --value-size 100");
    let key = |index| default_key(index, 20);
    let value = server.get(&key(1)).expect("it is there");
    touch(&server, "DEL", &key(3), &[]);
    touch(&server, "DEL", &key(1500), &[]);
    touch(&server, "SET", &key(4), &[&value]);
    touch(&server, "SETRANGE", &key(5), &[b"99", b"!"]);
    touch(&server, "SET", &key(6), &[b"short"]);
    touch(&server, "APPEND", &key(7), &[b"!"]);
    let report = verify(&server)
        .with("--keys 1503 --key-size 20 --value-size 100")
        .finds(2, 4, KEYS);
    report.has([
        ("examples.missing.0", "key:000000000003xxxx".into()),
        ("examples.missing.1", "key:000000001500xxxx".into()),
        ("examples.wrong.0.key", "key:000000000004xxxx".into()),
        ("examples.wrong.0.what", "the value of another key".into()),
        ("examples.wrong.1.what", "damaged from byte 99 on".into()),
        ("examples.wrong.2.what", "5 bytes instead of 100".into()),
        ("examples.wrong.3.what", "longer than 100 bytes".into()),
        ("nodes.0.missing", 2.into()),
        ("nodes.0.wrong", 4.into()),
    ]);
}

#[test]
fn another_type_and_an_empty_value_are_wrong_not_missing() {
    let server = filled("--key-size 20 --value-size 3");
    touch(&server, "DEL", &default_key(0, 20), &[]);
    touch(&server, "RPUSH", &default_key(0, 20), &[b"a"]);
    touch(&server, "SET", &default_key(1, 20), &[b""]);
    touch(&server, "DEL", &default_key(2, 20), &[]);
    let flags = "--keys 1503 --key-size 20 --value-size 3";
    let report = verify(&server).with(flags).finds(1, 2, KEYS);
    report.has([
        ("examples.wrong.0.what", "not a string".into()),
        ("examples.wrong.1.what", "an empty string".into()),
        ("beyond_plan", 0.into()),
    ]);
}

#[test]
fn other_flags_than_those_of_the_fill_find_something_else() {
    let server = filled("");
    let seed = verify(&server)
        .with("--keys 1503 --seed 1")
        .finds(0, KEYS, KEYS);
    assert!(seed.text("examples.wrong.0.what").contains("seed"));
    verify(&server)
        .with("--keys 1503 --value-size 511")
        .finds(0, KEYS, KEYS);
    verify(&server)
        .with("--keys 1503 --value-size 513")
        .finds(0, KEYS, KEYS);
    // Another key size is in the stamps too, but these keys are not even there.
    let size = verify(&server)
        .with("--keys 1503 --key-size 500")
        .finds(KEYS, 0, KEYS);
    size.has([("beyond_plan", KEYS.into())]);
    verify(&server)
        .with("--keys 1503 --start-key 3")
        .finds(3, 0, KEYS);
    verify(&server)
        .with("--keys 1503 --db 1")
        .finds(KEYS, 0, KEYS);
}

#[test]
fn keys_beyond_the_plan_are_told_of_and_no_error() {
    let server = filled("");
    server.add_foreign_keys(37);
    let report = verify(&server).with("--keys 1503").verifies(KEYS);
    report.has([("beyond_plan", 37.into())]);
    let report = verify(&server).with("--keys 1000").verifies(1000);
    report.has([("beyond_plan", 540.into())]);
    let outcome = verify(&server).with("--keys 1503").run();
    outcome
        .succeeds()
        .prints(["verified", "37 keys beyond the plan"]);
    server.keeps_foreign_keys(37);
}

#[test]
fn keys_that_cannot_be_printed_are_escaped() {
    let server = filled("--key-size 2 --value-size 20");
    touch(&server, "DEL", &short_key(1, 2), &[]);
    let flags = "--keys 1503 --key-size 2 --value-size 20";
    let report = verify(&server).with(flags).finds(1, 0, KEYS);
    report.has([("examples.missing.0", r"\x00\x01".into())]);
}

#[test]
fn databases_are_told_apart() {
    let server = Server::start();
    fill(&server).with("--keys 1503 --db 3").report();
    verify(&server).with("--keys 1503 --db 3").verifies(KEYS);
    verify(&server).with("--keys 1503").finds(KEYS, 0, KEYS);
}

#[test]
fn a_login_that_may_only_read_is_enough() {
    let server = filled("");
    server.run("CONFIG SET requirepass opensesame");
    let env = |verify: crate::fixtures::program::Invocation<'static>| {
        verify
            .with("--keys 1503")
            .env("REDISCLI_AUTH", "opensesame")
    };
    env(verify(&server)).verifies(KEYS);
    let refused = verify(&server).with("--keys 1503").run();
    refused.is_refused(3, ["requires a password"]);
    let wrong = verify(&server).with("--keys 1503 -a wrong").run();
    wrong
        .is_refused(3, ["refused the login"])
        .never_mentions("wrong ");
}

#[test]
fn a_user_who_may_only_read_is_enough() {
    let server = filled("");
    server.run("ACL SETUSER reader on >opensesame ~* +getrange +exists +dbsize");
    let reader = verify(&server).with("--keys 1503 -u reader -a opensesame");
    reader.verifies(KEYS).has([("beyond_plan", 0.into())]);
    touch(&server, "DEL", &default_key(0, 512), &[]);
    reader.finds(1, 0, KEYS);
    server.run("ACL SETUSER reader -getrange");
    reader
        .run()
        .is_refused(3, ["may not run", "getrange"])
        .never_mentions("opensesame");
}

#[test]
fn a_sample_looks_at_as_many_keys_as_asked_for() {
    let server = filled("");
    for (sample, keys) in [
        ("1", 1),
        ("100", 100),
        ("1%", 16),
        ("0.01%", 1),
        ("50%", 752),
        ("100%", KEYS),
        ("99999999", KEYS),
    ] {
        let calls = server.calls("getrange");
        let sampled = verify(&server).with("--keys 1503 --sample").arg(sample);
        let report = sampled.verifies(keys);
        assert_eq!(server.calls("getrange") - calls, keys);
        // A sample says nothing of the other keys.
        let beyond = if keys == KEYS { 0.into() } else { Value::Null };
        report.has([("to_check", keys.into()), ("beyond_plan", beyond)]);
    }
    verify(&server)
        .with("--keys 1503 --seed 1 --sample 7")
        .finds(0, 7, 7);
    server.clear();
    verify(&server)
        .with("--keys 1503 --sample 10%")
        .finds(151, 0, 151);
}

#[test]
fn a_sample_is_spread_over_all_keys() {
    let server = filled("--key-size 20 --value-size 20");
    // A tenth of the keys is gone, wherever it was.
    for begin in [0, 700, 1350] {
        for index in begin..begin + 151 {
            touch(&server, "RENAME", &default_key(index, 20), &[b"elsewhere"]);
        }
        let sampled = "--keys 1503 --key-size 20 --value-size 20 --sample 100 --output json";
        let missing = verify(&server)
            .with(sampled)
            .run()
            .report()
            .number("missing");
        assert!((9..=12).contains(&missing), "{missing} of a tenth of 100");
        fill(&server)
            .with("--keys 1503 --key-size 20 --value-size 20 --output json")
            .run();
    }
}

#[test]
fn a_fill_can_verify_itself() {
    let server = Server::start();
    let report = fill(&server).with("--keys 1503 --verify").completes(KEYS);
    report.has([
        ("verify.verdict", "verified".into()),
        ("verify.checked", KEYS.into()),
        ("verify.beyond_plan", 0.into()),
    ]);
    let report = fill(&server).with("--keys 1503 --verify=1%").report();
    report.has([("verify.checked", 16.into()), ("verify.wrong", 0.into())]);
    let report = fill(&server).with("--keys 1503").report();
    report.has([("verify", Value::Null)]);
    let outcome = fill(&server).with("--keys 1503 --verify=7").run();
    outcome
        .succeeds()
        .prints(["verify    7 of 7 keys compared"]);
}

#[test]
fn a_fill_whose_values_are_gone_is_incomplete() {
    // A server that turns what it is sent into something else.
    let server = Server::start();
    server.run("CONFIG SET maxmemory 3mb");
    server.run("CONFIG SET maxmemory-policy allkeys-random");
    let outcome = fill(&server)
        .with("--keys 5000 --force --verify --output json")
        .run();
    let report = outcome.exits_with(1).report();
    report
        .is_incomplete()
        .has([("verify.verdict", "mismatch".into())]);
    assert!(report.number("verify.missing") > 1000);
    assert!(report.text("reason").contains("--verify"));
}

#[test]
fn wrong_flags_are_explained_before_anybody_is_asked() {
    let line = |flags: &str| program().with("verify").with(flags).run();
    for (flags, words) in [
        ("-d 1", "-h is missing"),
        ("-h localhost", "give -d or --keys"),
        ("-h localhost -d 1 -f", "-f is an option of fill"),
        ("-h localhost -d 1 -n 3", "-n is an option of fill"),
        ("-h localhost -d 1 --sample 0%", "out of range"),
        ("-h localhost -d 1 --sample 101%", "out of range"),
        ("-h localhost -d 1 --sample many", "not a whole number"),
        ("-h localhost -d 1 --sampel 1%", "--sample"),
        ("-h localhost -d 1 --stall-timeout 0", "--stall-timeout"),
        ("-h localhost --keys 300 --key-size 1", "--key-size 2"),
        ("-h localhost:6379 -d 1", "-p 6379"),
        ("-h localhost -d 1 --host-map a=b", "give -c too"),
    ] {
        line(flags).is_refused(2, [words]);
    }
    line("--help")
        .succeeds()
        .prints(["--sample", "Exit status:"]);
}
