//! Machines of every kind, and what is said of them.

use engine::Machine;
use engine::checkup::Network;
use engine::driver::uring::Abilities;
use engine::machine::Unavailable;

use super::super::finding::Verdict;
use super::*;

/// A machine on which everything is as it should be.
fn fine() -> MachineState {
    MachineState {
        machine: Machine {
            cores: vec![0, 1],
            io_uring: Ok(()),
            servers: Whereabouts::Here,
        },
        abilities: Some(Abilities {
            flags: "single issuer",
            has_send_zc: true,
            has_fixed_files: true,
            registered_bytes: 4 << 20,
            tried_bytes: 4 << 20,
        }),
        host: Host {
            kernel: Some("6.12.1".into()),
            io_uring_disabled: Some(0),
            seccomp: Some(Seccomp::Off),
            memlock: Some(Limit {
                soft: 8 << 20,
                hard: 8 << 20,
            }),
            locks_freely: Some(false),
            open_files: Some(Limit {
                soft: 1024,
                hard: 1 << 20,
            }),
            cores_online: Some(vec![0, 1]),
            cpu_quota: Some(CpuQuota::Unlimited),
            governors: Some(vec!["performance".into()]),
            smt: Some(Smt::Inactive),
            load: Some(0.5),
            memory: Some(8 << 30),
            memory_available: Some(4 << 30),
            transparent_huge_pages: Some("madvise".into()),
            overcommit: Some(1),
        },
        network: Network::default(),
    }
}

fn needs() -> Needs {
    Needs {
        reactors: 1,
        open_files: 70,
        server_is_here: true,
    }
}

/// The names of all findings with a verdict.
fn named(state: &MachineState, needs: Needs, verdict: Verdict) -> Vec<&'static str> {
    let all = findings(state, needs).into_iter();
    all.filter(|finding| finding.verdict == verdict)
        .map(|finding| finding.name)
        .collect()
}

/// The one finding that is a hint once this was changed.
#[track_caller]
fn hint_after(change: impl FnOnce(&mut MachineState)) -> Finding {
    let mut state = fine();
    change(&mut state);
    let mut hints: Vec<_> = findings(&state, needs())
        .into_iter()
        .filter(|finding| finding.verdict != Verdict::Ok)
        .collect();
    assert_eq!(hints.len(), 1, "{hints:?}");
    let hint = hints.remove(0);
    assert_eq!(hint.verdict, Verdict::Hint);
    assert!(hint.advice.is_some(), "{hint:?}");
    hint
}

#[test]
fn a_machine_on_which_all_is_well() {
    let all = findings(&fine(), needs());
    assert!(
        all.iter().all(|finding| finding.verdict == Verdict::Ok),
        "{all:?}"
    );
    assert!(all.iter().all(|finding| finding.advice.is_none()));
}

#[test]
fn what_is_not_told_is_unknown_and_no_more() {
    let state = MachineState {
        host: Host::default(),
        abilities: None,
        ..fine()
    };
    assert_eq!(named(&state, needs(), Verdict::Ok), ["io-uring", "cores"]);
    assert_eq!(named(&state, needs(), Verdict::Unknown).len(), 12);
}

#[test]
fn every_hint_has_its_cause() {
    let name = |change: fn(&mut MachineState)| hint_after(change).name;
    assert_eq!(
        name(|state| state.host.kernel = Some("5.15.0-91".into())),
        "kernel"
    );
    assert_eq!(
        name(|state| state.abilities.as_mut().unwrap().has_send_zc = false),
        "io-uring"
    );
    assert_eq!(
        name(|state| state.abilities.as_mut().unwrap().registered_bytes = 1 << 20),
        "memlock"
    );
    assert_eq!(
        name(|state| state.host.open_files = Some(Limit { soft: 64, hard: 64 })),
        "open-files"
    );
    assert_eq!(name(|state| state.machine.cores = vec![1]), "cores");
    assert_eq!(
        name(|state| state.host.cpu_quota = Some(CpuQuota::Cores(0.5))),
        "cpu-quota"
    );
    assert_eq!(
        name(|state| state.host.governors = Some(vec!["performance".into(), "powersave".into()])),
        "cpu-governor"
    );
    assert_eq!(name(|state| state.host.smt = Some(Smt::Active)), "smt");
    assert_eq!(name(|state| state.host.load = Some(2.5)), "load");
    assert_eq!(
        name(|state| state.host.transparent_huge_pages = Some("always".into())),
        "transparent-huge-pages"
    );
    assert_eq!(name(|state| state.host.overcommit = Some(0)), "overcommit");
}

#[test]
fn what_concerns_a_server_here_is_no_hint_where_there_is_none() {
    let mut state = fine();
    state.machine.cores = vec![1];
    state.host.smt = Some(Smt::Active);
    state.host.overcommit = Some(2);
    state.host.transparent_huge_pages = Some("always".into());
    let needs = Needs {
        server_is_here: false,
        ..needs()
    };
    assert_eq!(
        named(&state, needs, Verdict::Ok).len(),
        findings(&state, needs).len()
    );
}

#[test]
fn io_uring_that_is_switched_off_names_the_switch() {
    let mut state = fine();
    state.abilities = None;
    state.host.io_uring_disabled = Some(2);
    state.machine.io_uring = Err(Unavailable {
        cause: "it is switched off for everybody".into(),
        cure: "an administrator can".into(),
    });
    assert_eq!(
        named(&state, needs(), Verdict::Hint),
        ["io-uring", "io-uring-disabled"]
    );
    state.host.io_uring_disabled = Some(0);
    state.host.seccomp = Some(Seccomp::Filters(Some(1)));
    state.machine.io_uring = Err(Unavailable {
        cause: "a seccomp profile forbids it".into(),
        cure: "start the container".into(),
    });
    assert_eq!(
        named(&state, needs(), Verdict::Hint),
        ["io-uring", "seccomp"]
    );
}

#[test]
fn a_limit_that_does_not_count_is_not_told_as_one() {
    let mut state = fine();
    state.host.locks_freely = Some(true);
    state.host.memlock = Some(Limit { soft: 0, hard: 0 });
    let finding = memlock(&state);
    assert_eq!(finding.verdict, Verdict::Ok);
    assert!(
        finding.found.starts_with("no limit (CAP_IPC_LOCK)"),
        "{finding:?}"
    );
}
