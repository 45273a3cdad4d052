//! Which flags stand back because of which others.

use std::io::Write;

use super::*;
use crate::flags::tests::fill;

/// The flags in force where a preset `p` and the defaults of a config file say these.
fn lay_in(
    line: &str,
    preset: &str,
    defaults: &str,
    environment: &Environment,
) -> InForce<FillFlags> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "[presets.p]\n{preset}\n[defaults]\n{defaults}\n").unwrap();
    let line = format!("-h x {line} --preset p --config {}", file.path().display());
    lay(&fill(&line).unwrap(), environment).unwrap_or_else(|failure| panic!("{}", failure.message))
}

fn lay_of(line: &str, preset: &str, defaults: &str) -> FillFlags {
    lay_in(line, preset, defaults, &Environment::default()).flags
}

#[test]
fn one_way_to_a_password_takes_the_place_of_the_others() {
    let both = "password-file = 'f'";
    assert!(lay_of("", "", both).server.password_file.is_some());
    for line in ["-a pw", "--ask-password", "--password-file g"] {
        let flags = lay_of(line, both, "ask-password = true");
        let server = &flags.server;
        let file = server
            .password_file
            .as_deref()
            .is_some_and(|file| !file.ends_with("g"));
        assert!(!file, "{line}");
        assert_eq!(server.ask_password, line == "--ask-password", "{line}");
    }
    let flags = lay_of("", "ask-password = true", both);
    assert!(flags.server.ask_password && flags.server.password_file.is_none());
    let environment = Environment {
        auth: Some("pw".into()),
        ..Environment::default()
    };
    let server = lay_in("", "", both, &environment).flags.server;
    assert!(server.password_file.is_none());
    let server = lay_in("", both, "", &environment).flags.server;
    assert!(server.password_file.is_some());
}

#[test]
fn contradictions_are_settled_by_who_comes_first() {
    let flags = lay_of("-v", "", "quiet = true");
    assert!(flags.switches.verbose && !flags.switches.quiet);
    let flags = lay_of("-s", "connections = 8", "reactors = 2");
    assert_eq!(
        (flags.engine.connections, flags.engine.reactors),
        (None, None)
    );
    let flags = lay_of("--reactors cores=0", "", "no-pin = true");
    assert!(!flags.engine.no_pin);
    let flags = lay_of("--reactors 2", "", "no-pin = true");
    assert!(flags.engine.no_pin);
    let flags = lay_of("--no-pin", "", "reactors = 'cores=0'");
    assert_eq!(flags.engine.reactors, None);
    let flags = lay_of("--no-pin", "reactors = 2", "");
    assert_eq!(flags.engine.reactors.as_deref(), Some("2"));
}

#[test]
fn two_of_one_layer_do_not_hide_each_other() {
    let flags = lay_of("", "", "quiet = true\nverbose = true");
    assert!(flags.switches.quiet && flags.switches.verbose);
}

#[test]
fn a_map_of_hosts_is_for_clusters() {
    let map = "host-map = ['a=b']";
    assert!(lay_of("", "", map).server.host_map.is_empty());
    assert_eq!(lay_of("-c", "", map).server.host_map, ["a=b"]);
    assert_eq!(lay_of("--host-map c=d", "", map).server.host_map, ["c=d"]);
    let in_force = lay_in("-c --host-map c=d", "", map, &Environment::default());
    assert!(!in_force.origins.contains_key("host-map"));
}

#[test]
fn a_switch_that_a_preset_turns_off_stays_off() {
    assert!(lay_of("", "", "cluster = true").server.cluster);
    assert!(
        !lay_of("", "cluster = false", "cluster = true")
            .server
            .cluster
    );
    assert!(lay_of("-c", "cluster = false", "").server.cluster);
}
