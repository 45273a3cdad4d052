//! What decides a setting, and how it is shown: precedence, presets, the dry run.

use serde_json::Value;

use crate::fixtures::program::{Invocation, fill_port};
use crate::fixtures::server::free_port;
use crate::fixtures::{Fake, Server, fill};
use crate::presets::built_in;

const CHUNK: &str = "REDIS_CLIENT_FILL_CHUNK_KB";

/// A dry run, where nobody listens.
fn dry_run(args: &str) -> Invocation<'static> {
    fill_port(free_port()).with("--dry-run").with(args)
}

/// Asserts what a dry run says of a setting: its value and who decided.
#[track_caller]
fn settles(command: &Invocation<'_>, name: &str, value: impl Into<Value>, source: &str) {
    let (value_at, source_at) = (
        format!("settings.{name}.value"),
        format!("settings.{name}.source"),
    );
    command.report().has([
        (value_at.as_str(), value.into()),
        (source_at.as_str(), source.into()),
    ]);
}

#[test]
fn a_flag_beats_a_preset_beats_the_environment_beats_the_default() {
    let depth = "pipeline-depth";
    settles(&dry_run("-d 1"), depth, 7738, "default");
    settles(&dry_run("-d 1").env(CHUNK, "1024"), depth, 967, "env");
    settles(
        &dry_run("-d 1 --preset balanced").env(CHUNK, "1024"),
        depth,
        built_in("balanced", depth),
        "preset",
    );
    let all = dry_run("-d 1 --preset balanced --pipeline-depth 5").env(CHUNK, "1024");
    settles(&all, depth, 5, "flag");
}

#[test]
fn the_report_of_a_fill_tells_the_same_as_the_dry_run() {
    let server = Server::start();
    let of_preset = built_in("session-cache", "pipeline-depth");
    for (args, chunk, depth, source) in [
        ("", None, 7738, "default"),
        ("", Some("1024"), 967, "env"),
        ("--preset session-cache", Some("1024"), of_preset, "preset"),
        (
            "--preset session-cache --pipeline-depth 77",
            Some("1024"),
            77,
            "flag",
        ),
    ] {
        let mut command = fill(&server).with("--keys 500").with(args);
        if let Some(chunk) = chunk {
            command = command.env(CHUNK, chunk);
        }
        command.report().has([
            ("plan.pipeline_depth", depth.into()),
            ("plan.sources.pipeline-depth", source.into()),
            ("plan.sources.keys", "flag".into()),
            (
                "plan.sources.connections",
                if args.is_empty() { "default" } else { "preset" }.into(),
            ),
        ]);
    }
}

#[test]
fn the_default_depth_follows_from_chunk_and_sizes() {
    for (chunk, sizes, depth) in [
        ("8192", "", 7738),
        ("8192", "--key-size 64 --value-size 256", 22_075),
        ("1", "--key-size 512 --value-size 8192", 1),
        ("1", "--key-size 1 --value-size 1", 16),
        ("1000000", "", 100_000),
        ("18014398509481983", "", 100_000),
    ] {
        let command = dry_run("--keys 200").with(sizes).env(CHUNK, chunk);
        settles(&command, "pipeline-depth", depth, "env");
    }
}

#[test]
fn a_malformed_variable_that_decides_nothing_is_only_warned_of() {
    let server = Server::start();
    for args in ["--pipeline-depth 100", "--preset fast"] {
        for chunk in ["abc", "0", "-1"] {
            let outcome = fill(&server)
                .with("--keys 500")
                .with(args)
                .env(CHUNK, chunk)
                .run();
            outcome
                .succeeds()
                .says(["warning", CHUNK, chunk, "ignored"]);
        }
    }
}

#[test]
fn flags_change_single_settings_of_a_preset() {
    let command = dry_run("-d 1 --preset fast");
    for (flag, name, value) in [
        ("--key-size 99", "key-size", 99),
        ("--value-size 98", "value-size", 98),
        ("--pipeline-depth 97", "pipeline-depth", 97),
        ("-n 16", "connections", 16),
        ("-s", "connections", 1),
    ] {
        settles(&command.clone().with(flag), name, value, "flag");
        let other = if name == "key-size" {
            "value-size"
        } else {
            "key-size"
        };
        settles(
            &command.clone().with(flag),
            other,
            built_in("fast", other),
            "preset",
        );
    }
}

#[test]
fn a_dry_run_connects_nowhere_and_changes_nothing() {
    let nobody = Fake::silent();
    fill_port(nobody.port())
        .with("-f -d 1 --dry-run")
        .run()
        .succeeds();
    assert_eq!((nobody.callers(), nobody.heard().as_str()), (0, ""));
}

#[test]
fn a_dry_run_lists_settings_sources_keys_bytes_and_memory() {
    let outcome =
        dry_run("-d 500mb --preset fast --key-size 1024 --value-size 4096 -n 16 -a opensesame")
            .run();
    outcome.succeeds().never_mentions("opensesame");
    for row in [
        ["data", "500mb", "flag"],
        ["key-size", "1024", "flag"],
        ["preset", "fast", "flag"],
        ["connections", "16", "flag"],
        ["seed", "0", "default"],
        ["flush", "no", "default"],
        ["password", "(hidden)", "flag"],
    ] {
        let words = |line: &str| line.split_ascii_whitespace().eq(row);
        outcome.check(
            outcome.stdout.lines().any(words),
            &format!("there is no row {row:?}"),
        );
    }
    outcome.prints(["102,400", "524,288,000", "memory"]);
}

#[test]
fn a_dry_run_in_json_holds_every_setting() {
    let report = dry_run("-d 500mb").report();
    for name in [
        "host",
        "port",
        "db",
        "data",
        "flush",
        "key-size",
        "value-size",
        "key-prefix",
        "start-key",
        "seed",
        "key-layout",
        "connections",
        "reactors",
        "pipeline-depth",
        "replies",
        "driver",
        "send",
        "pin",
        "output",
    ] {
        report.at(&format!("settings.{name}.value"));
        assert!(["flag", "default"].contains(&report.text(&format!("settings.{name}.source"))));
    }
    report.has([
        ("keys", 512_000.into()),
        ("payload_bytes", (500 << 20).into()),
    ]);
    assert!(report.number("expected_memory_bytes") > 500 << 20);
}

#[test]
fn a_dry_run_refuses_what_a_fill_would_refuse() {
    dry_run("--keys 257 --key-size 1")
        .run()
        .is_refused(2, ["--key-size 2"]);
    dry_run("--keys 10 --key-size 0")
        .run()
        .is_refused(2, ["--key-size", "1 to 65536"]);
}
