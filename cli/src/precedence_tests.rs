//! Precedence, exhaustively: flag before preset before environment before config file before default,
//! for each setting and each set of sources that have a say in it.

use std::io::Write;

use serde_json::Value;

use super::*;
use crate::environment::Environment;
use crate::flags::tests::{fill, verify};
use crate::keys;

/// A setting: other flags that it needs; what flag, preset and config file say; the default, if
/// there is one.
type Case = (
    &'static str,
    &'static str,
    [&'static str; 3],
    Option<&'static str>,
);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("host", "", ["a", "b", "c"], None),
    ("port", "", ["1", "2", "3"], Some("6379")),
    ("cluster", "", ["true", "false", "true"], Some("false")),
    ("host-map", "-c", ["a=b", "c=d", "e=f"], None),
    ("username", "-a pw", ["a", "b", "c"], None),
    ("db", "", ["1", "2", "3"], Some("0")),
    ("key-size", "", ["101", "102", "103"], Some("512")),
    ("value-size", "", ["101", "102", "103"], Some("512")),
    ("key-prefix", "", ["a", "b", "c"], Some("key:")),
    ("seed", "", ["1", "2", "3"], Some("0")),
    ("key-layout", "", ["slotted", "plain", "slotted"], Some("plain")),
    ("connections", "", ["11", "12", "13"], Some("2")),
    ("command", "", ["mset:11", "mset:12", "set"], Some("set")),
    ("pipeline-depth", "", ["101", "102", "103"], Some("7738")),
    ("replies", "", ["each", "fenced", "auto"], Some("auto")),
    ("driver", "", ["socket", "uring", "auto"], Some("auto")),
    ("send", "", ["copy", "fixed", "auto"], Some("auto")),
    ("reactors", "", ["1", "2", "cores"], Some("auto")),
    ("no-pin", "", ["true", "false", "true"], Some("false")),
    ("verify", "", ["11", "12", "13"], None),
    ("output", "", ["json", "text", "json"], Some("text")),
    ("quiet", "", ["true", "false", "true"], Some("false")),
    ("no-progress", "", ["true", "false", "true"], Some("false")),
    ("stall-timeout", "", ["1", "2", "3"], Some("30")),
    ("verbose", "", ["true", "false", "true"], Some("false")),
];
/// Settings with a test of their own.
const APART: [&str; 3] = ["password-file", "ask-password", "sample"];

/// How a value stands in the file.
fn in_toml(name: &str, text: &str) -> String {
    match name {
        "host-map" => format!("host-map = ['{text}']"),
        _ if text.parse::<u64>().is_ok() || text == "true" || text == "false" => {
            format!("{name} = {text}")
        }
        _ => format!("{name} = '{text}'"),
    }
}

/// How a value stands on the command line.
fn as_flag(name: &str, text: &str) -> String {
    match text {
        "true" => format!("--{name}"),
        _ => format!("--{name}={text}"),
    }
}

/// A config file with a preset `p` and defaults.
fn config(preset: &str, defaults: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "[presets.p]\n{preset}\n[defaults]\n{defaults}\n").unwrap();
    file
}

/// Value and source of a setting, in words.
fn decided(settings: &Settings, name: &str) -> Option<(String, &'static str)> {
    let entered = if name == "no-pin" { "pin" } else { name };
    let mut all = settings.ledger.settings().iter();
    let setting = all.find(|setting| setting.name == entered)?;
    let is_of_file = matches!(setting.origin.source, Source::Preset | Source::Config);
    assert_eq!(setting.origin.place.is_some(), is_of_file, "{name}");
    let text = match &setting.value {
        Value::String(text) => text.clone(),
        Value::Bool(is_on) if name == "no-pin" => (!is_on).to_string(),
        other => other.to_string(),
    };
    Some((text, setting.origin.source.name()))
}

/// Every set of so many sources.
fn sets<const N: usize>() -> impl Iterator<Item = [bool; N]> {
    (0..1_usize << N).map(|bits| std::array::from_fn(|bit| bits >> bit & 1 == 1))
}

#[test]
fn every_setting_is_decided_by_the_first_that_has_a_say() {
    for (name, others, [flag, preset, default_of_file], default) in CASES {
        for [by_flag, by_preset, by_file] in sets() {
            let line_of = |is_given: bool, text| {
                if is_given {
                    in_toml(name, text)
                } else {
                    String::new()
                }
            };
            let file = config(
                &line_of(by_preset, preset),
                &line_of(by_file, default_of_file),
            );
            let mut line = format!(
                "-d 1 {others} --preset p --config {}",
                file.path().display()
            );
            if by_flag {
                line += &format!(" {}", as_flag(name, flag));
            }
            let is_named = by_flag || by_preset || by_file;
            if *name != "host" || !is_named {
                line += " -h x";
            }
            let settings = Settings::resolve(&fill(&line).unwrap(), &Environment::default());
            let settings = settings.unwrap_or_else(|failure| panic!("{line}: {}", failure.message));
            let expected = [
                (by_flag, flag, "flag"),
                (by_preset, preset, "preset"),
                (by_file, default_of_file, "config"),
            ];
            let first = expected.into_iter().find(|(has_a_say, ..)| *has_a_say);
            let expected = match (first, *name) {
                (Some((_, text, source)), _) => Some(((*text).to_owned(), source)),
                (None, "host") => Some(("x".to_owned(), "flag")),
                (None, _) => default.map(|text| (text.to_owned(), "default")),
            };
            assert_eq!(decided(&settings, name), expected, "{line}");
        }
    }
}

#[test]
fn every_setting_of_a_config_file_is_in_the_table() {
    let in_table: Vec<_> = CASES.iter().map(|(name, ..)| *name).chain(APART).collect();
    assert!(keys::names().iter().all(|name| in_table.contains(name)));
}

#[test]
fn the_depth_is_decided_by_five() {
    for [by_flag, by_preset, by_variable, by_file] in sets() {
        let line_of = |is_given, line: &str| {
            if is_given {
                line.to_owned()
            } else {
                String::new()
            }
        };
        let file = config(
            &line_of(by_preset, "pipeline-depth = 102"),
            &line_of(by_file, "pipeline-depth = 104"),
        );
        let flag = line_of(by_flag, "--pipeline-depth 101");
        let line = format!(
            "-h x -d 1 {flag} --preset p --config {}",
            file.path().display()
        );
        let environment = Environment {
            chunk_kib: by_variable.then(|| "110".into()),
            ..Environment::default()
        };
        let settings = Settings::resolve(&fill(&line).unwrap(), &environment).unwrap();
        let (depth, source) = match (by_flag, by_preset, by_variable, by_file) {
            (true, ..) => (101, "flag"),
            (_, true, ..) => (102, "preset"),
            (_, _, true, _) => (103, "env"),
            (.., true) => (104, "config"),
            _ => (7738, "default"),
        };
        assert_eq!(
            decided(&settings, "pipeline-depth"),
            Some((depth.to_string(), source)),
            "{line} {by_variable}"
        );
        assert_eq!(settings.fill.unwrap().pipeline_depth, depth);
    }
}

#[test]
fn the_password_is_decided_by_five() {
    let secrets = ["one", "two", "three", "four"];
    let folder = tempfile::tempdir().unwrap();
    for secret in secrets {
        let path = folder.path().join(secret);
        std::fs::write(&path, secret).unwrap();
    }
    let in_file = |is_given: bool, name| {
        let path = folder.path().join(name);
        if is_given {
            format!("password-file = '{}'", path.display())
        } else {
            String::new()
        }
    };
    for says in sets::<4>() {
        let [by_flag, by_preset, by_variable, by_file] = says;
        let file = config(&in_file(by_preset, "two"), &in_file(by_file, "four"));
        let flag = if by_flag { "-a one" } else { "" };
        let line = format!(
            "-h x -d 1 {flag} --preset p --config {}",
            file.path().display()
        );
        let environment = Environment {
            auth: by_variable.then(|| "three".into()),
            ..Environment::default()
        };
        let settings = Settings::resolve(&fill(&line).unwrap(), &environment).unwrap();
        let first = says.into_iter().position(|has_a_say| has_a_say);
        let sources = ["flag", "preset", "env", "config"];
        let expected = first.map(|first| ("(hidden)".to_owned(), sources[first]));
        assert_eq!(decided(&settings, "password"), expected, "{line}");
        let login = settings.login.log_in(|| Ok(String::new())).unwrap();
        let secret = first.map(|first| engine::target::Secret::new(secrets[first].to_owned()));
        assert_eq!(login.password, secret, "{line}");
    }
}

#[test]
fn verify_takes_from_the_file_what_it_knows() {
    let resolve =
        |line: &str| Settings::resolve_verify(&verify(line).unwrap(), &Environment::default());
    let file = config(
        "sample = 7\nkey-size = 9",
        "sample = 8\nvalue-size = 10\nconnections = 3",
    );
    let line = format!("-h x -d 1 --preset p --config {}", file.path().display());
    let settings = resolve(&line).unwrap();
    assert_eq!(decided(&settings, "sample"), Some(("7".into(), "preset")));
    assert_eq!(decided(&settings, "key-size"), Some(("9".into(), "preset")));
    assert_eq!(
        decided(&settings, "value-size"),
        Some(("10".into(), "config"))
    );
    assert_eq!(decided(&settings, "connections"), None);
    let settings = resolve(&format!("{line} --sample 9")).unwrap();
    assert_eq!(decided(&settings, "sample"), Some(("9".into(), "flag")));
}

fn resolved(line: &str, preset: &str, defaults: &str) -> Result<Settings, String> {
    let file = config(preset, defaults);
    let line = format!("-h x {line} --config {}", file.path().display());
    let settings = Settings::resolve(&fill(&line).unwrap(), &Environment::default());
    settings.map_err(|failure| {
        let shown = file.path().display().to_string();
        failure.message.replace(&shown, "FILE")
    })
}

#[test]
fn what_does_not_go_together_says_where_it_is_written() {
    let message = resolved("-d 1 -c", "", "db = 3").unwrap_err();
    assert!(message.ends_with("(--db is set in FILE:4)"), "{message}");
    let message = resolved("-d 1 -c --preset p", "key-layout = 'plain'", "").unwrap_err();
    assert!(
        message.contains("--key-layout is set in FILE:2"),
        "{message}"
    );
    let message = resolved("-d 1", "", "quiet = true\nverbose = true").unwrap_err();
    assert!(
        message.ends_with("(--quiet is set in FILE:4, --verbose is set in FILE:5)"),
        "{message}"
    );
    let message = resolved("-d 1", "", "username = 'me'").unwrap_err();
    assert!(
        message.contains("-u needs a password") && message.contains("-u is set in FILE:4"),
        "{message}"
    );
}

#[test]
fn a_file_empties_no_database_by_itself() {
    let file = config("", "host = 'x'");
    let resolve = |line: &str| {
        let line = format!("{line} --config {}", file.path().display());
        Settings::resolve(&fill(&line).unwrap(), &Environment::default())
    };
    assert_eq!(resolve("-d 1").unwrap().host, "x");
    for line in ["-f", "-f -d 1"] {
        let message = resolve(line).unwrap_err().message;
        assert!(
            message.contains("-f empties a database") && message.contains("give -h"),
            "{message}"
        );
    }
    assert_eq!(resolve("-f -h y").unwrap().host, "y");
}

#[test]
fn habits_do_not_hinder_a_flush_alone() {
    let settings = resolved("-f", "", "key-size = 9\npipeline-depth = 4\nverify = true").unwrap();
    assert!(settings.flush && settings.fill.is_none());
    let message = resolved("-f --preset p", "key-size = 9", "").unwrap_err();
    assert!(message.contains("--preset is given"), "{message}");
}

#[test]
fn what_a_file_gives_may_be_tuned() {
    let settings = resolved(
        "-d 1 --tune --preset p",
        "connections = 3",
        "pipeline-depth = 4",
    )
    .unwrap();
    let tune = settings.fill.unwrap().tune.unwrap();
    assert!(tune.connections && tune.pipeline_depth);
    let settings = resolved("-d 1 --tune -n 3", "", "pipeline-depth = 4").unwrap();
    let tune = settings.fill.unwrap().tune.unwrap();
    assert!(!tune.connections && tune.pipeline_depth);
}

#[test]
fn the_file_in_use_is_a_setting_too() {
    let settings = resolved("-d 1", "", "").unwrap();
    assert_eq!(decided(&settings, "config").unwrap().1, "flag");
    let settings = Settings::resolve(&fill("-h x -d 1").unwrap(), &Environment::default()).unwrap();
    assert_eq!(decided(&settings, "config"), None);
}

#[test]
fn a_preset_of_the_file_takes_the_place_of_a_built_in_one() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "[presets.fast]\nconnections = 3\n").unwrap();
    let line = format!("-h x -d 1 --preset fast --config {}", file.path().display());
    let settings = Settings::resolve(&fill(&line).unwrap(), &Environment::default()).unwrap();
    assert_eq!(
        decided(&settings, "connections"),
        Some(("3".into(), "preset"))
    );
    assert_eq!(
        decided(&settings, "key-size"),
        Some(("512".into(), "default"))
    );
}
