//! The precedence table, line by line, and what settings refuse.

use crate::environment::CHUNK_VARIABLE;
use std::collections::BTreeMap;

use engine::plan::keyspace::KeyLayout;

use engine::Amount;

use super::*;
use crate::flags::tests::{fill, verify};
use crate::preset::tests::built_in;

fn resolve_in(line: &str, chunk_kib: Option<&str>) -> Result<Settings, Failure> {
    let environment = Environment {
        chunk_kib: chunk_kib.map(Into::into),
        ..Environment::default()
    };
    Settings::resolve(&fill(line)?, &environment)
}

fn resolve(line: &str) -> Settings {
    resolve_in(line, None).unwrap_or_else(|failure| panic!("{line}: {}", failure.message))
}

fn refused(line: &str) -> String {
    let failure = resolve_in(line, None).expect_err(line);
    assert_eq!(failure.status.code(), 2, "{line}");
    failure.message
}

fn options(line: &str) -> PlanOptions {
    resolve(line).fill.unwrap()
}

fn sources(settings: &Settings) -> BTreeMap<String, String> {
    settings.ledger.sources()
}

#[test]
fn defaults_are_the_documented_ones() {
    let settings = resolve("-h db -d 1");
    let options = settings.fill.as_ref().unwrap();
    assert_eq!(
        (settings.host.as_str(), settings.port, settings.db),
        ("db", 6379, 0)
    );
    assert_eq!(
        (options.key_size, options.value_size, options.connections),
        (512, 512, 2)
    );
    assert_eq!(options.pipeline_depth, 8192 * 1024 / 1084);
    assert_eq!(
        (options.start_key, options.key_layout),
        (0, KeyLayout::Plain)
    );
    assert_eq!(
        (options.driver, options.send),
        (DriverChoice::Auto, SendChoice::Auto)
    );
    assert_eq!(options.reactors, ReactorChoice::Auto);
    assert!(options.pin && !settings.flush && settings.warnings.is_empty());
    let sources = sources(&settings);
    for (name, source) in &sources {
        let expected = if ["host", "data"].contains(&name.as_str()) {
            "flag"
        } else {
            "default"
        };
        assert_eq!(source, expected, "{name}");
    }
    assert!(sources.contains_key("pipeline-depth") && sources.contains_key("pin"));
}

#[test]
fn flag_before_preset_before_environment_before_default() {
    let chunk_64 = 64 * 1024 / 1084;
    for (line, chunk_kib, depth, source) in [
        ("", None, 7738, "default"),
        ("", Some("64"), chunk_64, "env"),
        (
            "--preset fast",
            None,
            built_in("fast").pipeline_depth,
            "preset",
        ),
        (
            "--preset fast",
            Some("64"),
            built_in("fast").pipeline_depth,
            "preset",
        ),
        ("--pipeline-depth 9", None, 9, "flag"),
        ("--pipeline-depth 9", Some("64"), 9, "flag"),
        ("--pipeline-depth 9 --preset fast", Some("64"), 9, "flag"),
    ] {
        let settings = resolve_in(&format!("-h x -d 1 {line}"), chunk_kib).unwrap();
        assert_eq!(
            settings.fill.as_ref().unwrap().pipeline_depth,
            depth,
            "{line}"
        );
        assert_eq!(sources(&settings)["pipeline-depth"], source, "{line}");
        assert!(settings.warnings.is_empty());
    }
}

#[test]
fn the_chunk_is_bounded_and_counts_the_sizes_in_force() {
    for (line, chunk_kib, depth) in [
        ("", "1", 1),
        ("--value-size 524288", "1", 1),
        ("--key-size 1 --value-size 1", "8192", 100_000),
        ("", "18014398509481983", 100_000),
        ("--key-size 64 --value-size 128", "64", 64 * 1024 / 252),
    ] {
        let settings = resolve_in(&format!("-h x -d 1 {line}"), Some(chunk_kib)).unwrap();
        assert_eq!(
            settings.fill.unwrap().pipeline_depth,
            depth,
            "{line} {chunk_kib}"
        );
    }
}

#[test]
fn a_malformed_variable_is_an_error_unless_it_is_overridden() {
    for chunk_kib in [
        "abc",
        "0",
        "-1",
        "1.5",
        "",
        "18014398509481984",
        "99999999999999999999999",
    ] {
        let failure = resolve_in("-h x -d 1", Some(chunk_kib)).unwrap_err();
        let message = failure.message;
        assert_eq!(failure.status.code(), 2);
        assert!(
            message.starts_with(&format!("{CHUNK_VARIABLE}={chunk_kib} is")),
            "{message}"
        );
        assert!(message.contains("--pipeline-depth"), "{message}");
        for line in ["-h x -d 1 --preset fast", "-h x -d 1 --pipeline-depth 5"] {
            let warnings = resolve_in(line, Some(chunk_kib)).unwrap().warnings;
            assert!(warnings[0].contains(CHUNK_VARIABLE), "{warnings:?}");
        }
    }
}

#[test]
fn a_preset_gives_way_to_each_flag_on_its_own() {
    let settings = resolve("-h x -d 1 --preset session-cache -n 16 --value-size 300");
    let options = settings.fill.as_ref().unwrap();
    assert_eq!(
        (options.key_size, options.value_size, options.connections),
        (built_in("session-cache").key_size, 300, 16)
    );
    let depth = built_in("session-cache").pipeline_depth;
    assert_eq!(options.pipeline_depth, depth);
    let sources = sources(&settings);
    assert_eq!(sources["key-size"], "preset");
    assert_eq!(sources["value-size"], "flag");
    assert_eq!(sources["connections"], "flag");
    assert_eq!(sources["preset"], "flag");
}

#[test]
fn serial_is_one_connection_and_one_reactor() {
    let settings = resolve("-h x -d 1 -s --preset fast");
    let options = settings.fill.as_ref().unwrap();
    assert_eq!(
        (options.connections, &options.reactors),
        (1, &ReactorChoice::Count(1))
    );
    assert_eq!(sources(&settings)["connections"], "flag");
    assert_eq!(self::options("-h x -d 1 -s -n 1").connections, 1);
    let options = self::options("-h x -d 1 -s --reactors cores=1");
    assert_eq!(options.reactors, ReactorChoice::Cores(vec![1]));
    assert!(refused("-h x -d 1 -s -n 2").contains("-n 2"));
    assert!(refused("-h x -d 1 -s --reactors 2").contains("--reactors 2"));
    assert!(refused("-h x -d 1 -s --reactors cores").contains("--reactors cores"));
}

#[test]
fn an_amount_is_needed_once() {
    assert_eq!(options("-h x -d 500mb").amount, Amount::Bytes(500 << 20));
    assert_eq!(options("-h x --keys 7").amount, Amount::Keys(7));
    assert!(refused("-h x -d 1 --keys 7").contains("-d and --keys"));
    assert_eq!(
        refused("-h x"),
        "nothing to do: give -d, --keys, --append or --until-memory, or -f alone to flush"
    );
}

#[test]
fn flush_alone_only_flushes() {
    let settings = resolve_in("-h x -f", Some("malformed")).unwrap();
    assert!(settings.flush && settings.fill.is_none());
    assert!(resolve("-h x -f -d 1").fill.is_some());
    let message = refused("-h x -f --key-size 64");
    assert!(
        message.contains("--key-size") && message.contains("amount"),
        "{message}"
    );
}

#[test]
fn every_number_says_its_range() {
    for (line, words) in [
        ("-p 0", "-p 0 is out of range: 1 to 65535"),
        ("-p 65536", "-p 65536 is out of range"),
        ("-p http", "-p http is not a whole number"),
        ("--db -1", "--db -1 is out of range: 0 to 2147483647"),
        ("--keys 0", "--keys 0 is out of range"),
        (
            "--keys 18446744073709551615",
            "out of range: 1 to 18446744073709551614 keys",
        ),
        (
            "--key-size abc",
            "--key-size abc is not a whole number: 1 to 65536 bytes are allowed",
        ),
        (
            "--key-size 65537",
            "--key-size 65537 is out of range: 1 to 65536 bytes are allowed",
        ),
        ("--value-size 0", "1 to 524288 bytes are allowed"),
        ("--value-size 524289", "1 to 524288 bytes are allowed"),
        (
            "--pipeline-depth 100001",
            "1 to 100000 commands are allowed",
        ),
        ("--pipeline-depth -5", "--pipeline-depth -5 is out of range"),
        (
            "-n -1",
            "-n -1 is out of range: 1 to 1024 connections are allowed",
        ),
        ("-n 1025", "1 to 1024 connections are allowed"),
        ("-n 0", "--db 0"),
        (
            "--start-key -1",
            "--start-key -1 is out of range: 0 to 18446744073709551615",
        ),
        ("--seed x", "--seed x is not a whole number"),
        ("--reactors 0", "--reactors 0 is out of range"),
        ("--preset fats", "did you mean fast?"),
        ("--driver ring", "auto, uring, tokio-uring or socket"),
        ("--send zero", "auto, zc, fixed or copy"),
        ("--replies none", "auto, fenced or each"),
        ("--key-layout flat", "plain or slotted"),
        ("--output yaml", "text or json"),
        ("--no-pin --reactors cores=0", "--no-pin contradicts"),
        ("-u redis://:hunter2@x", "-u is the ACL user"),
    ] {
        let amount = if line.starts_with("--keys") {
            ""
        } else {
            "-d 1"
        };
        let message = refused(&format!("-h x {amount} {line}"));
        assert!(message.contains(words), "{line}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    assert!(refused("-d 1").contains("-h is missing"));
    assert!(refused("-h x:7000 -d 1").contains("-h x -p 7000"));
}

#[test]
fn amounts_that_are_none_are_explained() {
    for (given, words) in [
        ("0", "less than one byte"),
        ("-1", "negative"),
        ("abc", "does not start with a number"),
        ("1x", "unknown unit"),
        ("99999999999999999999", "more than 2^63"),
        ("-f", "'-f' follows"),
    ] {
        let message = refused(&format!("-h x -d {given}"));
        assert!(message.contains(words), "{given}: {message}");
    }
}

#[test]
fn a_password_is_entered_without_its_text() {
    let settings = resolve("-h x -d 1 -a hunter2 -u me");
    let shown = format!("{settings:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(sources(&settings)["password"], "flag");
}

fn resolve_verify(line: &str) -> Result<Settings, String> {
    let flags = verify(line).unwrap_or_else(|failure| panic!("{line}: {}", failure.message));
    let environment = Environment {
        // It decides on nothing that verify does.
        chunk_kib: Some("nonsense".into()),
        ..Environment::default()
    };
    Settings::resolve_verify(&flags, &environment).map_err(|failure| {
        assert_eq!(failure.status.code(), 2, "{line}");
        failure.message
    })
}

#[test]
fn verify_plans_what_the_fill_plans() {
    for line in [
        "-h x -d 1",
        "-h x --keys 7 --preset fast --value-size 9",
        "-h x -c --keys 7 --seed 3 --start-key 5 --key-prefix p: --stall-timeout 9",
    ] {
        let (filled, verified) = (resolve(line), resolve_verify(line).unwrap());
        let (fill, verify) = (filled.fill.unwrap(), verified.fill.unwrap());
        assert_eq!(
            (fill.amount, fill.key_size, fill.value_size),
            (verify.amount, verify.key_size, verify.value_size)
        );
        assert_eq!(
            (fill.start_key, fill.seed, fill.key_layout),
            (verify.start_key, verify.seed, verify.key_layout)
        );
        assert_eq!(fill.key_prefix, verify.key_prefix);
        assert_eq!(fill.stall_timeout, verify.stall_timeout);
        assert_eq!(verified.verify, Some(Sample::All));
        for (name, source) in verified.ledger.sources() {
            let expected = filled.ledger.sources().get(&name).cloned();
            assert_eq!(expected.unwrap_or("default".into()), source, "{name}");
        }
    }
}

#[test]
fn samples_are_asked_for_in_two_ways() {
    let sample = |line| resolve_verify(line).unwrap().verify;
    assert_eq!(sample("-h x -d 1 --sample 7"), Some(Sample::Keys(7)));
    assert_eq!(sample("-h x -d 1 --sample 1%"), Some(Sample::Percent(1.0)));
    assert_eq!(resolve("-h x -d 1").verify, None);
    assert_eq!(resolve("-h x -d 1 --verify").verify, Some(Sample::All));
    assert_eq!(
        resolve("-h x -d 1 --verify=3").verify,
        Some(Sample::Keys(3))
    );
}

#[test]
fn what_cannot_be_verified_is_refused() {
    for (line, words) in [
        ("-d 1", "redis-client verify -h localhost"),
        ("-h x", "give -d or --keys"),
        ("-h x -d 1 --keys 2", "drop one of them"),
        ("-h x -d 1 --sample 0", "--sample 0 is out of range"),
        ("-h x -d 1 --sample 101%", "--sample 101% is out of range"),
        ("-h x -d 1 --sample -1%", "--sample -1% is out of range"),
        ("-h x -c -d 1 --db 2", "does not go with -c"),
        ("-h x -d 1 --preset fats", "did you mean fast?"),
    ] {
        let message = resolve_verify(line).unwrap_err();
        assert!(message.contains(words), "{line}: {message}");
    }
    assert!(refused("-h x -d 1 --verify=0").contains("--verify 0 is out of range"));
    assert!(refused("-h x -f --verify").contains("--verify is given"));
}
