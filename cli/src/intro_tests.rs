//! Tests of what is said before a fill.

use engine::Machine;
use engine::machine::Whereabouts;
use engine::target::Login;

use super::*;
use crate::environment::Environment;
use crate::flags::tests::fill;
use crate::settings::Settings;

pub(crate) fn target() -> Target {
    Target::resolve("127.0.0.1", 6379, 0, Login::default()).unwrap()
}

pub(crate) fn plan(line: &str) -> (Plan, Settings) {
    let flags = fill(&format!("-h 127.0.0.1 {line}")).unwrap();
    let settings = Settings::resolve(&flags, &Environment::default()).unwrap();
    let machine = Machine {
        cores: vec![0, 1],
        io_uring: Ok(()),
        servers: Whereabouts::Here,
    };
    (
        Plan::new(settings.fill.as_ref().unwrap(), &machine).unwrap(),
        settings,
    )
}

fn facts() -> ServerFacts {
    ServerFacts {
        address: ([127, 0, 0, 1], 6379).into(),
        software: "Redis 7.0.15".into(),
        is_local: true,
        keys: 1234,
        keys_elsewhere: 0,
        used_memory: Some(1 << 20),
        used_memory_at_start: None,
        maxmemory: Some(0),
        maxmemory_policy: Some("noeviction".into()),
        total_system_memory: Some(16 << 30),
    }
}

fn servers(facts: &ServerFacts) -> Servers {
    Servers::described(&target(), &[facts], false)
}

#[test]
fn the_intro_says_what_will_happen() {
    let (plan, _) = plan("-d 1");
    let lines = of_fill(&plan, &servers(&facts()));
    assert_eq!(
        lines[0],
        "filling 127.0.0.1:6379 (Redis 7.0.15, database 0) with 1,048,576 keys of 512 + 512 bytes: 1.00 GiB"
    );
    assert_eq!(
        lines[1],
        "2 connections, 1 reactor, pipeline depth 7,738, driver uring, send copy, fenced replies"
    );
    assert!(
        lines[2].starts_with("server memory: about 1."),
        "{}",
        lines[2]
    );
    assert!(lines[2].ends_with("1.00 MiB in use now, no maxmemory, 16.00 GiB in the machine"));
}

#[test]
fn a_limit_is_told_with_its_policy() {
    let (plan, _) = plan("-d 1");
    let facts = ServerFacts {
        maxmemory: Some(2 << 30),
        ..facts()
    };
    assert!(
        servers(&facts)
            .memory(&plan)
            .ends_with("maxmemory 2.00 GiB (noeviction)")
    );
}

#[test]
fn a_name_is_told_with_the_address_that_answered() {
    let target = Target::resolve("localhost", 6379, 2, Login::default()).unwrap();
    assert_eq!(
        of_flush(&Servers::described(&target, &[&facts()], false)),
        "emptying localhost:6379 (127.0.0.1:6379, Redis 7.0.15, database 2), which holds 1,234 keys"
    );
}

#[test]
fn a_cluster_is_told_as_one() {
    let target = target().of_cluster();
    let (one, two) = (
        facts(),
        ServerFacts {
            maxmemory: Some(1 << 30),
            ..facts()
        },
    );
    let servers = Servers::described(&target, &[&one, &one], true);
    assert_eq!(
        of_flush(&servers),
        "emptying the cluster at 127.0.0.1:6379 (2 masters, Redis 7.0.15), which holds 2,468 keys"
    );
    let (plan, _) = plan("-d 1 -c");
    assert!(
        servers
            .memory(&plan)
            .ends_with("2.00 MiB in use now, no maxmemory, 16.00 GiB in the machine each")
    );
    let unlike = Servers::described(&target, &[&one, &two], true);
    assert!(unlike.memory(&plan).ends_with("2.00 MiB in use now"));
}

#[test]
fn overwriting_names_what_else_can_be_done() {
    let (plan, _) = plan("--keys 1000 --start-key 500");
    assert!(
        overwriting(&plan).contains("--append 1000"),
        "{}",
        overwriting(&plan)
    );
}

#[test]
fn what_would_lie_idle_is_said() {
    let (plan, settings) = plan("--keys 2 -n 8 --reactors 2");
    let notes = trimmed(&plan, settings.fill.as_ref().unwrap(), &settings.ledger);
    assert_eq!(notes, ["-n 8: 2 connections will do, one per key"]);
    let (plan, settings) = self::plan("--keys 9 -n 1 --reactors 2");
    let notes = trimmed(&plan, settings.fill.as_ref().unwrap(), &settings.ledger);
    assert!(
        notes[0].contains("1 of 2 will do") && notes[0].contains("-n"),
        "{notes:?}"
    );
}

#[test]
fn keys_are_shown_shortened_and_printable() {
    let (plan, _) = plan("--keys 10");
    assert_eq!(key_shown(&plan, 9), "key:000000000009xxxxxxxxxxxxxxxx...");
    let (plan, _) = self::plan("--keys 10 --key-size 2");
    assert_eq!(
        key_shown(&plan, 1).len(),
        key_shown(&plan, 1).chars().count()
    );
    assert!(details(&plan, &target())[0].contains("127.0.0.1:6379"));
}
