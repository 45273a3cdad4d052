//! `--command mset:N` in a cluster: every command has keys of one slot only, and what is written,
//! counted and told is the same as with SET.

use crate::fixtures::verify::verify_cluster;
use crate::fixtures::{Cluster, program};

const SIZES: &str = "--key-size 20 --value-size 16";
/// Keys of one round of all slots.
const ROUND: u64 = 16_384;

/// Asserts that a fill of an empty cluster writes so many keys, so many of them by MSET of `many`,
/// and that `verify`, which knows nothing of commands, finds every value at its owner.
#[track_caller]
fn writes(cluster: &Cluster, keys: u64, (many, by_mset): (u64, u64), flags: &str) {
    cluster.clear();
    let calls = |command: &str| -> u64 { cluster.nodes().map(|node| node.calls(command)).sum() };
    let (sets, msets) = (calls("set"), calls("mset"));
    let data = format!("--keys {keys} {SIZES}");
    let command = format!("--command mset:{many} {flags}");
    let report = cluster.fill().with(&data).with(&command).completes(keys);
    report.has([
        ("keys.sent", keys.into()),
        ("keys.acked", keys.into()),
        ("keys.present", keys.into()),
        ("keys.created", keys.into()),
        ("keys.resent", 0.into()),
        ("rounds", 0.into()),
        ("plan.command", format!("mset:{many}").into()),
    ]);
    // Each master is asked once whether MSET is permitted, and twice whether SET is.
    let masters = cluster.nodes().count() as u64;
    assert_eq!(calls("mset") - msets, by_mset / many + masters, "{command}");
    assert_eq!(
        calls("set") - sets,
        keys - by_mset + 2 * masters,
        "{command}"
    );
    cluster.holds_evenly(keys);
    let start = flags.split_once("--start-key").map(|(_, rest)| rest);
    let start = start.map(|key| format!("--start-key {key}"));
    let data = format!("{data} {}", start.unwrap_or_default());
    verify_cluster(cluster).with(&data).verifies(keys);
}

#[test]
fn keys_of_one_slot_go_by_mset_and_the_rest_by_set() {
    let cluster = Cluster::start(3);
    // Blocks of so many rounds as a command has keys; what is left of the last round is not whole.
    writes(&cluster, 10 * ROUND + 777, (4, 8 * ROUND), "");
    writes(&cluster, 5 * ROUND, (5, 5 * ROUND), "-n 5");
    writes(&cluster, 9 * ROUND, (2, 8 * ROUND), "-n 1 --start-key 5");
    // From the beginning of a round on.
    writes(&cluster, 2 * ROUND, (2, 2 * ROUND), "--start-key 16384");
    writes(&cluster, 16 * ROUND + 1, (16, 16 * ROUND), "--replies each");
}

#[test]
fn ways_of_sending() {
    let cluster = Cluster::start(3);
    for flags in [
        "--driver socket --pipeline-depth 3",
        "--driver tokio-uring",
        "--send zc",
        "-n 16",
    ] {
        writes(&cluster, 7 * ROUND + 9, (3, 6 * ROUND), flags);
    }
}

#[test]
fn too_few_keys_for_that_go_by_set_and_it_is_told() {
    let cluster = Cluster::start(3);
    writes(&cluster, 20_003, (16, 0), "");
    cluster.clear();
    let fill = cluster.fill().with(&format!("--keys 20003 {SIZES}"));
    let outcome = fill.with("--command mset:16").run();
    outcome.succeeds().says(["all keys go by SET", "262144"]);
}

#[test]
fn contents_are_those_of_single_sets() {
    let cluster = Cluster::start(3);
    let contents_of = |flags: &str| {
        cluster.clear();
        let fill = cluster
            .fill()
            .with(&format!("--keys 40000 {SIZES} {flags}"));
        fill.run().succeeds();
        cluster.contents()
    };
    // Values say which body of a segment they have, which follows from where they were sent.
    let keys_of = |flags: &str| contents_of(flags).into_keys().collect::<Vec<_>>();
    assert_eq!(keys_of("--command mset:2"), keys_of(""));
}

#[test]
fn what_is_missing_is_sent_again_and_more_is_added() {
    let cluster = Cluster::start(3);
    let keys = 3 * ROUND;
    let data = format!("--keys {keys} {SIZES} --command mset:3");
    let fill = cluster.fill().with(&data);
    fill.clone().run().succeeds();
    let missing = cluster.node(1).dbsize();
    cluster.node(1).run("FLUSHALL");
    let report = fill.with("--resume").report();
    report.has([("keys.sent", missing.into()), ("keys.present", keys.into())]);
    cluster.holds_evenly(keys);
    let more = cluster.fill().with(&format!(
        "--append {keys} {SIZES} --command mset:3 --output json"
    ));
    more.run().succeeds();
    cluster.holds_evenly(2 * keys);
    let all = format!("--keys {} {SIZES}", 2 * keys);
    verify_cluster(&cluster).with(&all).verifies(2 * keys);
}

#[test]
fn a_fill_that_tunes_is_exact() {
    let cluster = Cluster::start(3);
    let keys = 30 * ROUND + 1;
    let flags = format!("--keys {keys} {SIZES} --command mset:4 --tune");
    let report = cluster.fill().with(&flags).completes(keys);
    report.has([("keys.sent", keys.into()), ("keys.resent", 0.into())]);
    cluster.holds_evenly(keys);
}

#[test]
fn a_plan_can_be_shown() {
    let shown = program()
        .with("fill -h localhost -c --keys 9 --command mset:4 --dry-run")
        .run();
    shown.succeeds().prints(["mset:4"]);
}
