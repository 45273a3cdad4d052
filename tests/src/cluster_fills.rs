//! A cluster holds exactly the keys that were asked for, every slot the same number of them,
//! whatever the sizes, the owners of slots, and the way in which the keys are sent.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::fixtures::cluster_setup::SLOTS;
use crate::fixtures::report::Report;
use crate::fixtures::{Cluster, Server, eventually, fill, oracle};

/// A master's share of any number of keys is exact but for so many.
const SHARE_TOLERANCE: u64 = 10;

/// Empties a cluster, fills it, and looks where its keys are.
#[track_caller]
fn fills(cluster: &Cluster, args: &str, keys: u64) -> Report {
    let report = cluster.fill().with("-f").with(args).completes(keys);
    cluster.holds_evenly(keys);
    report
}

/// The same with keys and values of these sizes, which every one of them must have.
#[track_caller]
fn fills_with(cluster: &Cluster, (key_size, value_size): (usize, usize), keys: u64) {
    let sizes = format!("--keys {keys} --key-size {key_size} --value-size {value_size}");
    fills(cluster, &sizes, keys);
    let misfits = cluster
        .nodes()
        .map(|node| node.misfits(key_size, value_size));
    assert_eq!(misfits.sum::<u64>(), 0, "keys that are not as in {sizes}");
}

/// Asserts that every master holds a part of the keys that is in proportion to its slots.
#[track_caller]
fn shares_are_fair(cluster: &Cluster, keys: u64) {
    let owners = cluster.owners_seen_by(cluster.node(0));
    for node in cluster.nodes() {
        let slots = owners.iter().filter(|owner| **owner == Some(node.port()));
        let share = keys * slots.count() as u64 / u64::from(SLOTS);
        let held = node.dbsize();
        let is_fair = held.abs_diff(share) <= SHARE_TOLERANCE;
        assert!(is_fair, "{held} keys of {keys} where {share} are its share");
    }
}

/// Asserts that a key stands for the index that its value's stamp names, and ends in that slot.
fn is_stamped(key: &[u8], value: &[u8]) {
    let stamp = value[..8].try_into().expect("a stamp has sixteen bytes");
    let index = u64::from_le_bytes(stamp);
    let plain = oracle::default_key(index, key.len() - 4);
    assert_eq!(&key[..plain.len()], plain, "key of index {index}");
    assert_eq!(oracle::slot_of_key(key), oracle::slot_of_index(index));
    oracle::assert_value(value, index, (key.len(), value.len()), 0);
}

#[test]
fn key_sizes_from_the_smallest_on() {
    let cluster = Cluster::start(3);
    for (key_size, keys) in [(5, 64), (6, 4096), (7, 20_000), (9, 20_000), (15, 20_000)] {
        fills_with(&cluster, (key_size, 20), keys);
    }
    for (key_size, keys) in [
        (16, 33_000),
        (20, 33_000),
        (64, 33_000),
        (512, 9000),
        (2048, 9000),
    ] {
        fills_with(&cluster, (key_size, 20), keys);
    }
}

#[test]
fn value_sizes() {
    let cluster = Cluster::start(3);
    for (value_size, keys) in [(1, 33_000), (15, 33_000), (16, 33_000), (17, 33_000)] {
        fills_with(&cluster, (24, value_size), keys);
    }
    for (value_size, keys) in [(512, 9000), (4096, 5001), (65_536, 501)] {
        fills_with(&cluster, (24, value_size), keys);
    }
}

#[test]
fn pipeline_depths() {
    let cluster = Cluster::start(5);
    for (depth, keys) in [
        (1, 3001),
        (2, 3001),
        (31, 33_000),
        (32, 33_000),
        (1000, 100_001),
    ] {
        let args = format!("--keys {keys} --key-size 20 --value-size 20 --pipeline-depth {depth}");
        fills(&cluster, &args, keys);
    }
    // Enough for each master that a batch is full.
    let args = "--keys 550000 --key-size 16 --value-size 1 --pipeline-depth 100000 -n 1";
    fills(&cluster, args, 550_000);
}

#[test]
fn connections_drivers_and_replies() {
    let cluster = Cluster::start(5);
    for connections in [1, 2, 3, 8, 16] {
        fills(
            &cluster,
            &format!("--keys 20003 --key-size 64 -n {connections}"),
            20_003,
        );
    }
    fills(&cluster, "--keys 20003 --key-size 64 -s", 20_003);
    for driver in [
        "uring --send zc",
        "uring --send fixed",
        "tokio-uring",
        "socket",
    ] {
        for replies in ["each", "fenced -n 16"] {
            let args = format!("--keys 20003 --key-size 64 --driver {driver} --replies {replies}");
            fills(&cluster, &args, 20_003);
        }
    }
}

#[test]
fn few_keys_are_shared_fairly() {
    for masters in [3, 5] {
        let cluster = Cluster::start(masters);
        for keys in [1000, 777, 33_001] {
            fills(&cluster, &format!("--keys {keys} --key-size 40"), keys);
            shares_are_fair(&cluster, keys);
        }
        for keys in [1, 2, 7] {
            fills(&cluster, &format!("--keys {keys}"), keys);
        }
    }
}

#[test]
fn owners_of_few_and_of_many_slots() {
    let owning = vec![vec![0..=99], vec![100..=5099], vec![5100..=SLOTS - 1]];
    holds_what_belongs_there(owning);
}

#[test]
fn owners_of_every_third_slot() {
    let every_third = |first| (first..SLOTS).step_by(3).map(|slot| slot..=slot).collect();
    holds_what_belongs_there((0..3).map(every_third).collect());
}

#[track_caller]
fn holds_what_belongs_there(owning: Vec<Vec<RangeInclusive<u16>>>) {
    let cluster = Cluster::setup().owning(owning).start();
    for (keys, flags) in [(1000, ""), (50_000, ""), (50_000, "--replies each -n 3")] {
        fills(
            &cluster,
            &format!("--keys {keys} --key-size 40 {flags}"),
            keys,
        );
        shares_are_fair(&cluster, keys);
    }
}

#[test]
fn any_node_can_be_named_replicas_too() {
    let cluster = Cluster::setup().masters(3).with_replicas().start();
    for i in 0..3 {
        let report = cluster.fill_from(i).with("-f --keys 5003").completes(5003);
        report.has([("plan.target", cluster.node(i).address().into())]);
        cluster.holds_evenly(5003);
    }
    let report = cluster
        .fill_from_replica(1)
        .with("-f --keys 7001")
        .completes(7001);
    cluster.holds_evenly(7001);
    // It was asked who owns what, not filled.
    let filled = addresses(&report);
    assert_eq!(filled.len(), 3);
    assert!(!filled.contains(&&*cluster.replica(1).address()));
    for replica in cluster.replicas() {
        eventually("replicas follow", || replica.dbsize() > 7001 / 3 - 10);
    }
}

#[test]
fn the_keys_of_a_server_with_slotted_keys() {
    let (server, cluster) = (Server::start(), Cluster::start(3));
    for sizes in [
        "",
        "--key-size 6",
        "--key-size 64 --value-size 33 --seed 5",
        "--value-size 9",
    ] {
        server.clear();
        let args = format!("--keys 3001 {sizes}");
        fill(&server)
            .with("--key-layout slotted")
            .with(&args)
            .completes(3001);
        fills(&cluster, &args, 3001);
        let (mut of_server, mut of_cluster) = (server.contents(), cluster.contents());
        for value in of_server.values_mut().chain(of_cluster.values_mut()) {
            // Whose value it is; the body behind that depends on how keys are dealt out.
            value.truncate(12);
        }
        assert!(of_cluster == of_server, "other keys or values with {args}");
    }
}

#[test]
fn values_are_true() {
    let cluster = Cluster::start(3);
    for sizes in [
        "--key-size 20 --value-size 16",
        "--key-size 512 --value-size 700",
    ] {
        fills(&cluster, &format!("--keys 2003 {sizes}"), 2003);
        let contents = cluster.contents();
        assert_eq!(contents.len(), 2003);
        contents
            .iter()
            .for_each(|(key, value)| is_stamped(key, value));
    }
}

#[test]
fn a_flush_empties_every_master() {
    let cluster = Cluster::start(3);
    fills(&cluster, "--keys 12345", 12_345);
    let outcome = cluster.fill().with("-f").run();
    outcome.succeeds().prints(["flushed", "12,345 keys"]);
    assert_eq!(cluster.nodes().map(Server::dbsize).max(), Some(0));
    fills(&cluster, "--keys 2345", 2345);
    let outcome = cluster.fill().with("-f --output json").run();
    outcome.succeeds().report().has([("flushed", 2345.into())]);
    assert_eq!(cluster.nodes().map(Server::dbsize).max(), Some(0));
}

#[test]
fn a_flush_before_a_fill() {
    let cluster = Cluster::start(3);
    cluster.add_foreign_keys(37);
    let outcome = cluster.fill().with("-f --keys 5003").run();
    outcome.succeeds().says(["flushed 37 keys"]);
    cluster.holds_evenly(5003);
}

#[test]
fn the_same_fill_again_and_a_larger_one() {
    let cluster = Cluster::start(3);
    let fill = |flags: &str| {
        let sizes = "--key-size 32 --value-size 40 --output json";
        cluster.fill().with(sizes).with(flags).run()
    };
    fill("--keys 20000").succeeds().report().is_complete(20_000);
    let again = fill("--keys 20000");
    again
        .succeeds()
        .says(["exist already", "-f"])
        .report()
        .is_complete(20_000)
        .has([("keys.created", 0.into()), ("keys.existed", 20_000.into())]);
    cluster.holds_evenly(20_000);
    fill("--keys 50000 -n 5")
        .succeeds()
        .report()
        .is_complete(50_000)
        .has([
            ("keys.created", 30_000.into()),
            ("keys.existed", 20_000.into()),
        ]);
    cluster.holds_evenly(50_000);
    let other_values = fill("--keys 50000 --seed 9").succeeds().report();
    other_values
        .is_complete(50_000)
        .has([("keys.created", 0.into())]);
    let contents = cluster.contents();
    let (key, value) = contents.first_key_value().expect("it was filled");
    let stamp = value[..8].try_into().expect("a stamp has sixteen bytes");
    oracle::assert_value(value, u64::from_le_bytes(stamp), (key.len(), 40), 9);
}

#[test]
fn keys_of_others_stay() {
    let cluster = Cluster::start(3);
    cluster.add_foreign_keys(37);
    let report = cluster.fill().with("--keys 5003").report();
    report
        .is_complete(5003)
        .has([("keys.created", 5003.into())]);
    cluster.keeps_foreign_keys(37);
    assert_eq!(cluster.dbsize(), 5003 + 37);
}

/// The addresses of the nodes in a report.
fn addresses(report: &Report) -> Vec<&str> {
    let nodes = report.at("nodes").as_array().expect("nodes are a list");
    let addresses = nodes.iter().map(|node| node["address"].as_str());
    addresses
        .map(|address| address.expect("a node has an address"))
        .collect()
}

#[test]
fn the_report_tells_of_each_node() {
    let cluster = Cluster::start(3);
    let report = fills(&cluster, "-d 100mb", 102_400);
    report.has([
        ("plan.cluster", true.into()),
        ("rounds", 0.into()),
        ("topology_changes", 0.into()),
        ("keys.resent", 0.into()),
    ]);
    let known: BTreeSet<String> = cluster.nodes().map(Server::address).collect();
    let told: BTreeSet<String> = addresses(&report).into_iter().map(str::to_owned).collect();
    assert_eq!(told, known);
    assert!(known.contains(report.text("slowest_node")));
    for i in 0..3 {
        let number = |field: &str| {
            let value = report.at(&format!("nodes.{i}.{field}"));
            value
                .as_f64()
                .unwrap_or_else(|| panic!("{field} is {value}"))
        };
        let address = report.text(&format!("nodes.{i}.address"));
        let node = cluster.nodes().find(|node| node.address() == address);
        let keys = node.expect("it is one of ours").dbsize() as f64;
        assert_eq!((number("keys"), number("created")), (keys, keys));
        let grown = number("used_memory_after") - number("used_memory_before");
        assert!(
            grown > keys * 1024.0,
            "{keys} keys of 1 KiB in {grown} bytes"
        );
        assert!(number("server_cpu_percent") > 0.0);
        let (seconds, fill) = (number("seconds"), report.at("seconds.fill"));
        assert!(seconds > 0.0 && seconds <= fill.as_f64().expect("a time") + 0.1);
        assert!((number("keys_per_second") * seconds - keys).abs() < 1.0);
    }
}

#[test]
fn a_cluster_is_reported_in_the_same_fields() {
    let fields = |report: &Report, path: &str| -> Vec<String> {
        let object = report.at(path).as_object().expect("an object");
        object.keys().cloned().collect()
    };
    let (server, cluster) = (Server::start(), Cluster::start(3));
    let of_server = fill(&server).with("--keys 500").completes(500);
    let of_cluster = fills(&cluster, "--keys 500", 500);
    let names = |report: &Report| Vec::from_iter(report.whole().as_object().cloned().expect("one"));
    let names = |report| {
        names(report)
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&of_cluster), names(&of_server));
    for path in ["plan", "keys", "nodes.0", "nodes.2"] {
        let one = if path == "nodes.2" { "nodes.0" } else { path };
        assert_eq!(fields(&of_cluster, path), fields(&of_server, one));
    }
}

#[test]
fn words_name_each_node() {
    let cluster = Cluster::start(3);
    let outcome = cluster.fill().with("--keys 12345").run();
    outcome
        .succeeds()
        .prints(["complete", "12,345", "cluster", "slowest"]);
    for node in cluster.nodes() {
        outcome.prints([&*format!(
            "{}: {} keys",
            node.address(),
            thousands(node.dbsize())
        )]);
    }
}

/// A number below a million as people read it.
fn thousands(number: u64) -> String {
    format!("{},{:03}", number / 1000, number % 1000)
}

#[test]
fn progress_names_the_node_that_is_behind() {
    let cluster = Cluster::start(3);
    let flags = "--keys 200000 --key-size 20 --value-size 16 --pipeline-depth 200";
    let fill = cluster.fill().with(flags).start();
    eventually("the fill is under way", || cluster.keys_at(1) > 0);
    // Longer than the three seconds after which progress is told.
    cluster.hold_up(1, 3600);
    let outcome = fill.wait();
    outcome.succeeds();
    let behind = format!("slowest {}", cluster.node(1).address());
    let is_told = |line: &str| line.contains('%') && line.contains(&behind);
    outcome.check(
        outcome.stderr.lines().any(is_told),
        "the paused node is not named",
    );
    cluster.holds_evenly(200_000);
}
