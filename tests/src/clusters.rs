//! The clusters that tests run against are what they claim to be. Redis commands alone are used
//! here; filling them is the subject of other files.

use std::iter::zip;

use redis::{Pipeline, RedisResult};

use crate::fixtures::cluster_setup::SLOTS;
use crate::fixtures::oracle::slot_of_key;
use crate::fixtures::{Cluster, Server, eventually};

/// A key for each of these slots.
fn keys_in(slots: impl IntoIterator<Item = u16>) -> Vec<String> {
    let mut keys = vec![None; SLOTS.into()];
    let mut left = SLOTS;
    for key in (0_u64..).map(|n| format!("key:{n}")) {
        let key_of_slot = &mut keys[usize::from(slot_of_key(key.as_bytes()))];
        if key_of_slot.is_none() {
            *key_of_slot = Some(key);
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    let key_of = |slot: u16| keys[usize::from(slot)].clone();
    slots.into_iter().filter_map(key_of).collect()
}

/// Sets these keys, each at its slot's owner.
fn put(cluster: &Cluster, keys: &[String]) {
    let owners = cluster.owners_seen_by(cluster.node(0));
    for node in cluster.live() {
        let mut commands = Pipeline::new();
        for key in keys {
            if owners[usize::from(slot_of_key(key.as_bytes()))] == Some(node.port()) {
                commands.cmd("SET").arg(key).arg("value");
            }
        }
        node.ask_all::<redis::Value>(&commands);
    }
}

/// The answer to a GET, or the code of the error.
fn get(node: &Server, key: &str, is_asked_to: bool) -> Result<Option<String>, String> {
    let mut connection = node.connect();
    if is_asked_to {
        let asking: RedisResult<()> = redis::cmd("ASKING").query(&mut connection);
        asking.expect("a node takes ASKING");
    }
    let answer = redis::cmd("GET").arg(key).query(&mut connection);
    answer.map_err(|error| error.code().unwrap_or_default().to_owned())
}

#[test]
fn slots_are_divided_evenly() {
    let cluster = Cluster::start(5);
    assert_eq!(cluster.nodes().count(), 5);
    let owners = cluster.owners_seen_by(cluster.node(4));
    for node in cluster.nodes() {
        let own = owners.iter().filter(|owner| **owner == Some(node.port()));
        assert!([3276, 3277].contains(&own.count()));
    }
    assert_eq!(cluster.owner_of(0), cluster.node(0).port());
    assert_eq!(cluster.owner_of(SLOTS - 1), cluster.node(4).port());
    put(&cluster, &keys_in(0..SLOTS));
    cluster.holds_evenly(SLOTS.into());
    assert!([3276, 3277].contains(&cluster.keys_at(2)));
}

#[test]
fn a_test_can_tell_an_uneven_fill() {
    let cluster = Cluster::start(3);
    put(&cluster, &keys_in(0..SLOTS));
    put(&cluster, &["{key:0}1".to_owned(), "{key:0}2".to_owned()]);
    assert_eq!(cluster.dbsize(), u64::from(SLOTS) + 2);
    let judged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        cluster.holds_evenly(u64::from(SLOTS) + 2);
    }));
    assert!(judged.is_err());
}

#[test]
fn a_fill_is_told_of_any_node() {
    let cluster = Cluster::start(3);
    for (fill, node) in [(cluster.fill(), 0), (cluster.fill_from(2), 2)] {
        let port = cluster.node(node).port();
        let end = format!(" fill -c -h 127.0.0.1 -p {port}");
        assert!(fill.command_line().ends_with(&end));
    }
}

#[test]
fn fragmented_slots() {
    let odd = (0..SLOTS).filter(|slot| slot % 2 == 1);
    let owning = vec![
        odd.map(|slot| slot..=slot).collect(),
        (0..SLOTS).step_by(2).map(|slot| slot..=slot).collect(),
        vec![],
    ];
    let cluster = Cluster::setup().owning(owning).start();
    assert_eq!(cluster.owner_of(4711), cluster.node(0).port());
    assert_eq!(cluster.owner_of(4712), cluster.node(1).port());
    put(&cluster, &keys_in(0..SLOTS));
    cluster.holds_evenly(SLOTS.into());
    assert_eq!(cluster.keys_at(2), 0);
}

#[test]
fn slots_without_an_owner() {
    let owning = vec![vec![0..=5000], vec![6000..=6000, 7000..=16_383]];
    let [key] = &keys_in([4711])[..] else {
        panic!("one slot, one key")
    };
    for (required, answer) in [("yes", Err("CLUSTERDOWN".to_owned())), ("no", Ok(None))] {
        let setup = Cluster::setup().owning(owning.clone());
        let cluster = setup.and("cluster-require-full-coverage", required);
        let cluster = cluster.start();
        let owners = cluster.owners_seen_by(cluster.node(0));
        assert_eq!(owners[5000], Some(cluster.node(0).port()));
        assert_eq!(owners[5001], None);
        assert_eq!(owners[6000], Some(cluster.node(1).port()));
        assert_eq!(cluster.is_settled(), required == "no");
        assert_eq!(get(cluster.node(0), key, false), answer);
        assert_eq!(cluster.keys_in_slots(), vec![0; SLOTS.into()]);
    }
}

#[test]
fn replicas_take_over_when_told() {
    let cluster = Cluster::setup().masters(3).with_replicas().start();
    let keys = keys_in((0..SLOTS).step_by(64));
    put(&cluster, &keys);
    for i in 0..3 {
        let (master, replica) = (cluster.node(i), cluster.replica(i));
        let slot = zip(0.., cluster.owners_seen_by(master))
            .find_map(|(slot, owner)| (owner == Some(master.port())).then_some(slot));
        let slot: u16 = slot.expect("a master owns slots");
        cluster.failover(i);
        cluster.wait_until_settled();
        assert_eq!(cluster.owner_of(slot), replica.port());
    }
    assert_eq!(cluster.dbsize(), keys.len() as u64);
    assert_eq!(
        cluster.keys_in_slots().iter().sum::<u64>(),
        cluster.dbsize()
    );
}

#[test]
fn a_replica_takes_over_when_its_master_is_killed() {
    let setup = Cluster::setup().masters(3).with_replicas();
    let cluster = setup.and("cluster-node-timeout", "500").start();
    let keys = keys_in((0..SLOTS).step_by(64));
    put(&cluster, &keys);
    eventually("the replica has every key", || {
        cluster.replica(0).dbsize() == cluster.keys_at(0)
    });
    cluster.kill(0);
    assert!(!cluster.is_settled());
    cluster.wait_until_settled();
    assert_eq!(cluster.owner_of(0), cluster.replica(0).port());
    assert_eq!(cluster.dbsize(), keys.len() as u64);
}

#[test]
fn slots_move_with_their_keys() {
    let cluster = Cluster::start(3);
    put(&cluster, &keys_in(0..SLOTS));
    let before = cluster.keys_at(2);
    cluster.reshard(0, 2, 100);
    assert_eq!(cluster.keys_at(2), before + 100);
    cluster.holds_evenly(SLOTS.into());
    let resharding = cluster.start_reshard(2, 1, 50);
    eventually("the first slot arrives", || {
        cluster.keys_at(2) < before + 100
    });
    resharding.wait();
    cluster.wait_until_settled();
    assert_eq!(cluster.keys_at(2), before + 50);
    cluster.holds_evenly(SLOTS.into());
}

#[test]
fn a_slot_on_the_move_answers_ask() {
    let cluster = Cluster::start(3);
    let keys = ["{a}1".to_owned(), "{a}2".to_owned()];
    let slot = slot_of_key(b"a");
    let from = (0..3).find(|i| cluster.node(*i).port() == cluster.owner_of(slot));
    let from = from.expect("one of them owns it");
    let to = (from + 1) % 3;
    put(&cluster, &keys);
    let (old, new) = (cluster.node(from), cluster.node(to));
    cluster.set_migrating(slot, from, to);
    assert_eq!(get(old, "{a}1", false), Ok(Some("value".to_owned())));
    assert_eq!(get(old, "{a}3", false), Err("ASK".to_owned()));
    assert_eq!(get(new, "{a}3", false), Err("MOVED".to_owned()));
    assert_eq!(get(new, "{a}3", true), Ok(None));
    cluster.finish_migrating(slot, from, to);
    assert_eq!(cluster.owner_of(slot), new.port());
    assert_eq!(get(old, "{a}1", false), Err("MOVED".to_owned()));
    assert_eq!(get(new, "{a}1", false), Ok(Some("value".to_owned())));
    assert_eq!(cluster.keys_in_slots()[usize::from(slot)], 2);
}
