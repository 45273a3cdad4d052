//! Presets: what `redis-client presets` lists is what fills do, and what the README says.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::fixtures::program::fill_port;
use crate::fixtures::server::free_port;
use crate::fixtures::source::workspace;
use crate::fixtures::{Cluster, Server, fill, program, verify};

/// What is asked of each of them.
const SETTINGS: [&str; 4] = ["key-size", "value-size", "pipeline-depth", "connections"];

/// A preset as `redis-client presets` lists it.
pub(crate) struct Preset {
    pub(crate) name: String,
    settings: BTreeMap<String, Value>,
}

impl Preset {
    pub(crate) fn number(&self, name: &str) -> u64 {
        let value = &self.settings[name];
        value
            .as_u64()
            .unwrap_or_else(|| panic!("{name} is {value}"))
    }
}

/// Every preset that the program brings along.
pub(crate) fn all() -> Vec<Preset> {
    let listed = program().with("presets --output json").run();
    let report = listed.succeeds().report();
    let presets = report.at("presets").as_array().expect("a list");
    assert!(presets.len() >= 5, "{presets:?}");
    let presets = presets.iter().map(|preset| Preset {
        name: preset["name"].as_str().expect("a name").to_owned(),
        settings: serde_json::from_value(preset["settings"].clone()).expect("settings"),
    });
    presets.collect()
}

/// What a preset that the program brings along sets.
pub(crate) fn built_in(preset: &str, setting: &str) -> u64 {
    let all = all();
    let preset = all.iter().find(|other| other.name == preset);
    preset.expect("the preset exists").number(setting)
}

#[test]
fn every_preset_sets_sizes_depth_and_connections() {
    let server = Server::start();
    for preset in all() {
        server.clear();
        let name = preset.name.as_str();
        let report = fill(&server).with("--keys 1001 --preset").with(name);
        let report = report.completes(1001);
        let [key_size, value_size, depth, connections] = SETTINGS.map(|name| preset.number(name));
        report.has([
            ("plan.key_size", key_size.into()),
            ("plan.value_size", value_size.into()),
            ("plan.pipeline_depth", depth.into()),
            ("plan.connections", connections.into()),
            ("plan.sources.preset", "flag".into()),
        ]);
        for name in SETTINGS {
            report.has([(format!("plan.sources.{name}").as_str(), "preset".into())]);
        }
        let sizes = [key_size, value_size].map(|size| usize::try_from(size).expect("a size"));
        assert_eq!(server.misfits(sizes[0], sizes[1]), 0, "{name}");
        let verified = verify(&server).with("--keys 1001 --preset").with(name);
        verified.run().succeeds();
    }
}

#[test]
fn flags_change_single_settings_of_every_preset() {
    let server = Server::start();
    for preset in all() {
        server.clear();
        let name = preset.name.as_str();
        let report = fill(&server)
            .with("--keys 701 --value-size 77 -n 3 --preset")
            .with(name)
            .completes(701);
        report.has([
            ("plan.key_size", preset.number("key-size").into()),
            ("plan.value_size", 77.into()),
            ("plan.connections", 3.into()),
            ("plan.sources.value-size", "flag".into()),
            ("plan.sources.connections", "flag".into()),
            ("plan.sources.pipeline-depth", "preset".into()),
        ]);
        let key_size = usize::try_from(preset.number("key-size")).expect("a size");
        assert_eq!(server.misfits(key_size, 77), 0, "{name}");
    }
}

#[test]
fn every_preset_fills_a_cluster() {
    let cluster = Cluster::start(3);
    for preset in all() {
        for flags in ["", "--value-size 99 --pipeline-depth 50 -n 1"] {
            cluster.clear();
            let name = preset.name.as_str();
            let fill = cluster.fill().with("--keys 20001 --preset").with(name);
            let report = fill.with(flags).completes(20_001);
            cluster.holds_evenly(20_001);
            report.has([("plan.key_size", preset.number("key-size").into())]);
            let (value_size, depth) = if flags.is_empty() {
                (preset.number("value-size"), preset.number("pipeline-depth"))
            } else {
                (99, 50)
            };
            report.has([
                ("plan.value_size", value_size.into()),
                ("plan.pipeline_depth", depth.into()),
            ]);
        }
    }
}

#[test]
fn the_readme_and_the_help_show_the_same_table() {
    let readme = fs::read_to_string(workspace().join("README.md")).expect("the README can be read");
    let help = program().with("fill --help").run();
    let table = program().with("presets").run();
    for preset in all() {
        let name = &preset.name;
        let figures = SETTINGS.map(|setting| preset.number(setting).to_string());
        let row = format!("| `{name}` | {} |", figures.join(" | "));
        assert!(readme.contains(&row), "README.md lacks the row {row}");
        for shown in [&help, &table] {
            let words = |line: &str| {
                let mut words = line.split_whitespace();
                words.next() == Some(name) && words.take(figures.len()).eq(&figures)
            };
            shown.check(
                shown.stdout.lines().any(words),
                &format!("{name} is not in the table"),
            );
        }
    }
    let rows = readme.lines().filter(|line| {
        line.starts_with("| `") && !line.contains('-') && line.matches('|').count() == 6
    });
    assert!(
        rows.count() <= all().len(),
        "README.md lists presets that there are not"
    );
}

#[test]
fn presets_of_the_user_are_listed_and_come_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("mine.toml");
    let text = "[presets.fast]\nconnections = 3\n[presets.mine]\nkey-size = 40\nreplies = 'each'\n";
    fs::write(&file, text).expect("a file");
    let file = file.to_str().expect("a name");
    let list = program().with("presets --config").arg(file);
    let listed = list.run();
    listed.succeeds().prints([
        &format!("{file}:1"),
        &format!("replies each; {file}:3"),
        "balanced",
    ]);
    let report = list.report();
    let presets = report.at("presets").as_array().expect("a list");
    assert_eq!(presets.len(), all().len() + 1);
    let fast = presets.iter().find(|preset| preset["name"] == "fast");
    assert_eq!(fast.expect("it is there")["source"], "config");

    let server = Server::start();
    let fill = fill(&server).with("--keys 300 --config").arg(file);
    fill.clone().with("--preset fast").completes(300).has([
        ("plan.connections", 3.into()),
        ("plan.key_size", 512.into()),
        ("plan.sources.connections", "preset".into()),
        ("plan.sources.key-size", "default".into()),
    ]);
    server.clear();
    let report = fill.clone().with("--preset mine").completes(300);
    report.has([
        ("plan.key_size", 40.into()),
        ("plan.replies", "each".into()),
    ]);
    let unknown = fill.with("--preset mien").run();
    unknown.is_refused(2, ["balanced", "fast", "did you mean mine?"]);
}

#[test]
fn what_the_list_does_not_take_is_refused() {
    for (args, words) in [
        ("presets --output yaml", ["--output", "text or json"]),
        ("presets --config /no/such", ["--config", "/no/such"]),
        ("presets --outputs json", ["--outputs", "--output"]),
        ("preset", ["not a command", "did you mean presets?"]),
    ] {
        program().with(args).run().is_refused(2, words);
    }
    let dry_run = fill_port(free_port()).with("--dry-run -d 1 --preset fast");
    dry_run.run().succeeds().prints(["preset"]);
}
