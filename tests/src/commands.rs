//! `--command mset:N`: several keys in one command. What is written, counted and told is the same
//! as with SET, whatever happens meanwhile.

use serde_json::Value;

use crate::fixtures::{Server, eventually, fill, program, verify};

/// Asserts that a fill of an empty server writes so many keys with these commands, and that
/// `verify`, which knows nothing of commands, finds every value.
#[track_caller]
fn writes(keys: u64, flags: &str, msets: u64, sets: u64) {
    let server = Server::start();
    let data = format!("--keys {keys} --key-size 16 --value-size 40");
    let report = fill(&server).with(&data).with(flags).completes(keys);
    report.has([
        ("keys.sent", keys.into()),
        ("keys.acked", keys.into()),
        ("keys.present", keys.into()),
        ("keys.created", keys.into()),
        ("keys.resent", 0.into()),
        ("rounds", 0.into()),
    ]);
    // The two that look whether SET is permitted are among them, and one for MSET.
    let probes = u64::from(flags.contains("mset:"));
    assert_eq!(server.calls("mset"), msets + probes, "{flags}");
    assert_eq!(server.calls("set"), sets + 2, "{flags}");
    verify(&server).with(&data).verifies(keys);
}

#[test]
fn whole_commands_go_by_mset_and_the_rest_by_set() {
    writes(10_000, "--command mset:16 -n 1", 625, 0);
    writes(10_007, "--command mset:16", 625, 7);
    writes(10_007, "--command mset:128 -n 5", 78, 23);
    writes(31, "--command mset:2 -n 64", 15, 1);
    writes(5, "--command mset:8", 0, 5);
    writes(1000, "--command set", 0, 1000);
}

#[test]
fn every_driver_and_mode_writes_the_same() {
    for way in [
        "--replies each",
        "--replies each --driver socket",
        "--pipeline-depth 3",
        "--driver socket",
        "--driver tokio-uring",
        "--send fixed",
        "--send zc",
    ] {
        writes(20_003, &format!("--command mset:7 {way}"), 2857, 4);
    }
}

#[test]
fn contents_are_those_of_single_sets() {
    let keys_of = |flags: &str| {
        let server = Server::start();
        let data = "--keys 3001 --key-size 20 --value-size 12 --key-layout slotted --seed 3";
        fill(&server).with(data).with(flags).completes(3001);
        server.contents()
    };
    assert_eq!(keys_of("--command mset:64"), keys_of(""));
}

#[test]
fn the_report_names_the_command() {
    let server = Server::start();
    let report = fill(&server)
        .with("--keys 1000 --key-size 16 --value-size 16 --command mset:10")
        .completes(1000);
    // `*21 $4 MSET`, and each pair with its lengths.
    let fences = report.number("bytes.wire") - 100 * (5 + 10 + 10 * 46);
    report.has([("plan.command", "mset:10".into())]);
    assert!(fences < 1000, "{fences} bytes of fences");
}

#[test]
fn what_is_missing_is_sent_again() {
    let server = Server::start();
    let resumes = |sent: u64| {
        let report = fill(&server)
            .with("--keys 5000 --key-size 16 --value-size 16 --command mset:8 --resume")
            .report();
        report.has([("keys.sent", sent.into()), ("keys.present", 5000.into())]);
    };
    resumes(5000);
    server.run("DEL key:000000000007 key:000000002500 key:000000004999");
    resumes(3);
    fill(&server)
        .with("--append 1003 --key-size 16 --value-size 16 --command mset:8 --output json")
        .run()
        .succeeds()
        .report()
        .has([("keys.present", 1003.into())]);
    assert_eq!(server.dbsize(), 6003);
}

#[test]
fn values_that_were_there_are_replaced() {
    let server = Server::start();
    let data = "--keys 2005 --key-size 16 --value-size 64";
    fill(&server).with(data).with("--seed 1").completes(2005);
    let again = format!("{data} --seed 2 --command mset:16");
    let report = fill(&server).with(&again).report();
    report.has([("keys.created", 0.into()), ("keys.existed", 2005.into())]);
    verify(&server).with(data).with("--seed 2").verifies(2005);
    // And one that is damaged afterwards is found.
    server.run("SETRANGE key:000000001000 40 damage");
    let found = verify(&server).with(data).with("--seed 2").run();
    found.exits_with(1).says(["mismatch"]);
}

#[test]
fn a_full_server_is_told() {
    for flags in ["", "--replies each", "-n 8", "--driver socket"] {
        let server = Server::with("maxmemory", "20mb").start();
        let outcome = fill(&server)
            .with("--keys 60000 --force --output json --command mset:16")
            .with(flags)
            .run();
        let report = outcome.exits_with(1).says(["incomplete"]).report();
        let present = server.dbsize();
        report.is_incomplete().has([
            ("keys.present", present.into()),
            ("keys.created", present.into()),
            ("bottleneck", "memory".into()),
        ]);
        outcome.check(
            report.number("refused.OOM") > 0,
            "refused commands are counted",
        );
        outcome.check(
            report.text("reason").contains("memory"),
            "the reason is memory",
        );
    }
}

#[test]
fn lost_connections_lose_no_keys() {
    for flags in ["", "-n 8", "--replies each", "--driver socket"] {
        let server = Server::start();
        let mut fill = fill(&server)
            .with("--keys 1500007 --key-size 16 --value-size 16 --command mset:16 --output json")
            .with(flags)
            .start();
        eventually("the fill is under way", || {
            server.dbsize() > 1000 || fill.has_ended()
        });
        server.run("CLIENT KILL TYPE normal");
        let report = fill.wait().succeeds().report();
        report.has([
            ("keys.present", 1_500_007.into()),
            ("verdict", "complete".into()),
        ]);
        assert_eq!(server.dbsize(), 1_500_007);
    }
}

#[test]
fn msets_of_others_are_noticed() {
    for flags in ["--command set", "--command mset:16"] {
        let server = Server::start();
        let mut fill = fill(&server)
            .with("--keys 1000000 --key-size 16 --value-size 16 --output json")
            .with(flags)
            .start();
        eventually("the fill is under way", || {
            server.dbsize() > 1000 || fill.has_ended()
        });
        server.run("MSET other:1 a other:2 b");
        let report = fill.wait().succeeds().report();
        report.has([
            ("keys.present", 1_000_000.into()),
            ("keys.created", Value::Null),
        ]);
        assert_eq!(server.dbsize(), 1_000_002);
    }
}

#[test]
fn a_user_who_may_not_use_it_is_told() {
    let server = Server::start();
    server.run("ACL SETUSER filler on >secret ~* +@all -mset");
    let outcome = fill(&server)
        .with("--keys 100 --command mset:4 -u filler -a secret")
        .run();
    outcome.says(["MSET", "ACL SETUSER"]);
    outcome.check(outcome.code() != Some(0), "it cannot succeed");
    assert_eq!(server.dbsize(), 0);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let server = Server::start();
    for (flags, words) in [
        ("--command hset", ["--command 'hset'", "set, or mset:N"]),
        (
            "--command mset:4 --only-missing",
            ["--only-missing", "--command set"],
        ),
        (
            "--command mset:128 --value-size 500000",
            ["1048576", "mset:2 or less"],
        ),
    ] {
        let outcome = fill(&server).with("--keys 100").with(flags).run();
        outcome.exits_with(2).says(words);
    }
    let outcome = fill(&server)
        .with("--until-memory 100mb --command mset:4")
        .run();
    outcome.exits_with(2).says(["--until-memory"]);
    assert_eq!(server.dbsize(), 0);
    let shown = program()
        .with("fill -h localhost --keys 9 --command mset:4 --dry-run")
        .run();
    shown.succeeds().prints(["mset:4"]);
}
