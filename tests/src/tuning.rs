//! `--tune`: every key is sent once whatever is tried, and what was chosen can be given as flags.

use nix::sys::signal::Signal;

use crate::fixtures::report::Report;
use crate::fixtures::{Cluster, Server, eventually, fill};

const SMALL: &str = "--key-size 20 --value-size 16";
const MANY: u64 = 4_000_000;

/// Asserts that it tried settings in turn, on planned keys, and used what it chose.
#[track_caller]
fn has_tuned(report: &Report, keys: u64) {
    let trials = report.at("tune.trials").as_array().expect("a list");
    assert!(trials.len() >= 4, "{trials:?}");
    let tried: u64 = trials
        .iter()
        .filter_map(|trial| trial["keys"].as_u64())
        .sum();
    assert!(tried > 0 && tried <= keys / 5, "{tried} of {keys}");
    for name in ["connections", "pipeline_depth"] {
        assert_eq!(
            report.at(&format!("tune.chosen.{name}")),
            report.at(&format!("plan.{name}")),
        );
        // Both of the first comparison are tried twice, in turn.
        let of = |trial: usize| &trials[trial][name];
        assert_eq!((of(0), of(1)), (of(3), of(2)));
    }
    let [present, rival] = [0, 1].map(|trial| {
        let trial = &trials[trial];
        (
            trial["connections"].clone(),
            trial["pipeline_depth"].clone(),
        )
    });
    assert_ne!(present, rival);
}

#[test]
fn a_fill_that_tunes_is_exact() {
    let server = Server::start();
    let outcome = fill(&server)
        .with(&format!("--keys {MANY} {SMALL} --tune --output json"))
        .run();
    let report = outcome.succeeds().says(["--tune: ", "-n "]).report();
    report.is_complete(MANY);
    report.has([("keys.created", MANY.into()), ("keys.resent", 0.into())]);
    assert_eq!(server.dbsize(), MANY);
    has_tuned(&report, MANY);
    // The flags that it names do the same again.
    server.clear();
    let (connections, depth) = (
        report.number("tune.chosen.connections"),
        report.number("tune.chosen.pipeline_depth"),
    );
    fill(&server)
        .with(&format!(
            "--keys 50000 {SMALL} -n {connections} --pipeline-depth {depth}"
        ))
        .completes(50_000)
        .has([
            ("plan.connections", connections.into()),
            ("plan.pipeline_depth", depth.into()),
            ("tune", serde_json::Value::Null),
        ]);
}

#[test]
fn what_is_given_is_not_tried() {
    let server = Server::start();
    let report = fill(&server)
        .with(&format!("--keys {MANY} {SMALL} --tune -n 3"))
        .completes(MANY);
    has_tuned(&report, MANY);
    let trials = report.at("tune.trials").as_array().expect("a list");
    assert!(trials.iter().all(|trial| trial["connections"] == 3));
}

#[test]
fn a_cluster_is_tuned_as_a_whole() {
    let cluster = Cluster::start(3);
    let report = cluster
        .fill()
        .with(&format!("--keys {MANY} {SMALL} --tune"))
        .report();
    report.is_complete(MANY);
    assert_eq!(cluster.dbsize(), MANY);
    has_tuned(&report, MANY);
}

#[test]
fn what_is_too_small_goes_on_untuned_and_says_so() {
    let server = Server::start();
    let outcome = fill(&server).with("--keys 3000 --tune --output json").run();
    let report = outcome.succeeds().says(["too small"]).report();
    report.is_complete(3_000);
    report.has([("tune.trials", serde_json::json!([]))]);
}

#[test]
fn an_interrupted_one_goes_on_with_the_command_it_names() {
    let server = Server::start();
    let mut running = fill(&server)
        .with(&format!("--keys {MANY} {SMALL} --tune"))
        .start();
    eventually("it has begun", || {
        server.dbsize() > 5_000 || running.has_ended()
    });
    running.signal(Signal::SIGINT);
    running
        .wait()
        .ends_by_interrupt()
        .says(["--tune", "--resume"]);
    assert!(server.dbsize() < MANY);
    let report = fill(&server)
        .with(&format!("--keys {MANY} {SMALL} --tune --resume"))
        .report();
    report.has([
        ("verdict", "complete".into()),
        ("keys.present", MANY.into()),
    ]);
    assert_eq!(server.dbsize(), MANY);
}

#[test]
fn what_it_does_not_go_with_is_refused() {
    let server = Server::start();
    for (flags, word) in [
        ("--tune -s", "-s means one"),
        ("--tune -n 2 --pipeline-depth 100", "nothing to tune"),
    ] {
        let outcome = fill(&server).with(&format!("--keys 10 {flags}")).run();
        outcome.is_refused(2, ["--tune", word]);
    }
    let outcome = fill(&server).with("--until-memory 1gb --tune").run();
    outcome.is_refused(2, ["--tune", "--until-memory"]);
    assert_eq!(server.dbsize(), 0);
}
