//! Servers in every state, and what is said of them.

use std::time::Duration;

use engine::Error;
use engine::checkup::{Grant, Purpose, Right};
use engine::info::ServerFacts;

use super::super::finding::Verdict;
use super::*;

/// A server on which everything is as it should be.
fn fine() -> ServerState {
    let mut facts = ServerFacts::of(([127, 0, 0, 1], 6379).into());
    facts.software = "Redis 7.0.15".into();
    facts.used_memory = Some(1 << 20);
    facts.maxmemory = Some(0);
    facts.maxmemory_policy = Some("noeviction".into());
    facts.total_system_memory = Some(8 << 30);
    ServerState {
        facts,
        version: Some((7, 0)),
        is_in_cluster: Some(false),
        slots: None,
        keys: Some(37),
        role: Some(Role::Master { replicas: 0 }),
        clients: Some((1, Some(10_000))),
        save: Some(String::new()),
        append_only: Some(String::new()),
        has_forked: Some(false),
        io_threads: Some(1),
        round_trip: Some(Duration::from_micros(40)),
        rights: vec![Right {
            command: "client|list",
            purpose: Purpose::Facts,
            grant: Grant::Granted,
        }],
        refusal: None,
        hazards: Vec::new(),
        memory_warnings: Vec::new(),
    }
}

fn of(state: ServerState) -> Vec<Finding> {
    let node = NodeState {
        name: "localhost:6379".into(),
        state: Ok(state),
    };
    findings(&node, 2, "default")
}

/// The one finding that is not ok once this was changed.
#[track_caller]
fn after(change: impl FnOnce(&mut ServerState)) -> Finding {
    let mut state = fine();
    change(&mut state);
    let all = of(state).into_iter();
    let mut others: Vec<_> = all.filter(|it| it.verdict != Verdict::Ok).collect();
    assert_eq!(others.len(), 1, "{others:?}");
    others.remove(0)
}

fn hazard(subject: Subject) -> Hazard {
    Hazard {
        subject,
        sentence: "it may, and it may not; switch it off".into(),
    }
}

#[test]
fn a_server_on_which_all_is_well() {
    let all = of(fine());
    assert!(all.iter().all(|it| it.verdict == Verdict::Ok), "{all:?}");
}

#[test]
fn every_hint_has_its_cause() {
    let hint = |change: fn(&mut ServerState)| {
        let finding = after(change);
        assert_eq!(finding.verdict, Verdict::Hint);
        assert!(finding.advice.is_some_and(|advice| !advice.is_empty()));
        finding.name
    };
    assert_eq!(hint(|state| state.version = Some((6, 0))), "version");
    assert_eq!(
        hint(|state| state.memory_warnings = vec!["too little".into()]),
        "memory"
    );
    assert_eq!(
        hint(|state| state.clients = Some((9_998, Some(10_000)))),
        "clients"
    );
    assert_eq!(hint(|state| state.io_threads = Some(4)), "io-threads");
    assert_eq!(
        hint(|state| state.round_trip = Some(Duration::from_millis(3))),
        "round-trip"
    );
    for (subject, name) in [
        (Subject::Snapshots, "snapshots"),
        (Subject::AppendOnlyFile, "append-only-file"),
        (Subject::Fork, "background-work"),
        (Subject::Replicas, "role"),
        (Subject::OtherClients, "other-clients"),
    ] {
        let finding = after(|state| state.hazards = vec![hazard(subject)]);
        assert_eq!(finding.name, name);
        assert_eq!(finding.found, "it may, and it may not");
        assert_eq!(finding.advice.as_deref(), Some("switch it off"));
    }
}

#[test]
fn a_policy_that_evicts_matters_where_there_is_a_limit() {
    let mut state = fine();
    state.facts.maxmemory_policy = Some("allkeys-lru".into());
    assert!(of(state.clone()).iter().all(|it| it.verdict == Verdict::Ok));
    state.facts.maxmemory = Some(1 << 30);
    let all = of(state);
    let policy = all.iter().find(|it| it.name == "maxmemory-policy").unwrap();
    assert_eq!(policy.verdict, Verdict::Hint);
}

#[test]
fn what_stops_a_fill_is_a_problem() {
    let replica = after(|state| {
        state.role = Some(Role::Replica {
            of: "10.0.0.1:6379".into(),
        });
    });
    assert_eq!((replica.name, replica.verdict), ("role", Verdict::Problem));
    let full = after(|state| state.refusal = Some(("is full".into(), "raise its maxmemory")));
    assert_eq!((full.name, full.verdict), ("writes", Verdict::Problem));
}

#[test]
fn what_is_not_told_is_unknown() {
    let state = ServerState {
        facts: ServerFacts::of(([127, 0, 0, 1], 6379).into()),
        version: None,
        is_in_cluster: None,
        keys: None,
        role: None,
        clients: None,
        save: None,
        append_only: None,
        has_forked: None,
        io_threads: None,
        round_trip: None,
        rights: Vec::new(),
        ..fine()
    };
    let all = of(state);
    let known: Vec<_> = all
        .iter()
        .filter(|it| it.verdict != Verdict::Unknown)
        .map(|it| it.name)
        .collect();
    assert_eq!(known, ["reached", "writes"]);
}

#[test]
fn a_node_that_cannot_be_reached_has_one_finding() {
    let node = NodeState {
        name: "10.0.0.9:6379".into(),
        state: Err(Error::PasswordRequired {
            address: ([10, 0, 0, 9], 6379).into(),
        }),
    };
    let all = findings(&node, 2, "default");
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].verdict, Verdict::Problem);
}
