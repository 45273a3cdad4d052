//! What stands on the server afterwards, byte for byte: against the engine's own layouts, and
//! against an oracle that was written without them.

use engine::plan::keyspace::{KeyLayout, Keyspace};
use engine::plan::values::ValueLayout;

use crate::fixtures::oracle::{self, assert_value};
use crate::fixtures::{Server, fill};

/// Number of keys in most of these fills; every index of them is looked at.
const KEYS: u64 = 1503;

/// Asserts that the server holds the values of these indices under `key_of(index)`.
#[track_caller]
fn holds(
    server: &Server,
    indices: impl IntoIterator<Item = u64>,
    key_of: impl Fn(u64) -> Vec<u8>,
    sizes: (usize, usize),
    seed: u64,
) {
    let values = ValueLayout::new(sizes.1, sizes.0, seed);
    for index in indices {
        let key = key_of(index);
        let value = server.get(&key).unwrap_or_else(|| {
            panic!(
                "key {index} is missing: {}",
                key[..key.len().min(40)].escape_ascii()
            )
        });
        assert_value(&value, index, sizes, seed);
        assert!(
            values.is_value(index, &value),
            "the engine does not know its own value {index}"
        );
    }
}

/// The engine's key of an index.
fn key_of(keyspace: &Keyspace, index: u64) -> Vec<u8> {
    let mut key = vec![0; keyspace.key_size()];
    keyspace.render(index, &mut key);
    key
}

#[test]
fn default_keys_and_values() {
    let server = Server::start();
    fill(&server).with("--keys 1503").completes(KEYS);
    holds(
        &server,
        0..KEYS,
        |index| oracle::default_key(index, 512),
        (512, 512),
        default_seed(),
    );
}

#[test]
fn keys_with_just_enough_room() {
    let server = Server::start();
    for sizes in [(16, 16), (16, 15), (17, 17), (16, 1), (100, 24)] {
        server.clear();
        let flags = format!(
            "--keys 1503 --key-size {} --value-size {}",
            sizes.0, sizes.1
        );
        fill(&server).with(&flags).completes(KEYS);
        holds(
            &server,
            0..KEYS,
            |index| oracle::default_key(index, sizes.0),
            sizes,
            default_seed(),
        );
    }
}

#[test]
fn keys_without_room_for_a_prefix() {
    let server = Server::start();
    for key_size in [2, 3, 5, 6, 8, 11] {
        server.clear();
        fill(&server)
            .with(&format!(
                "--keys 1503 --value-size 20 --key-size {key_size}"
            ))
            .completes(KEYS);
        let key = |index| oracle::short_key(index, key_size);
        holds(&server, 0..KEYS, key, (key_size, 20), default_seed());
    }
}

#[test]
fn twelve_digits_without_a_prefix() {
    let server = Server::start();
    for key_size in [12, 13, 15] {
        server.clear();
        fill(&server)
            .with(&format!(
                "--keys 1503 --value-size 20 --key-size {key_size}"
            ))
            .completes(KEYS);
        let key = |index| format!("{index:012}{}", &"xxx"[..key_size - 12]).into_bytes();
        holds(&server, 0..KEYS, key, (key_size, 20), default_seed());
    }
}

#[test]
fn the_largest_keys_and_values() {
    let server = Server::start();
    let sizes = (65_536, 524_288);
    fill(&server)
        .with("--keys 9 --key-size 65536 --value-size 524288")
        .completes(9);
    holds(
        &server,
        0..9,
        |index| oracle::default_key(index, 65_536),
        sizes,
        default_seed(),
    );
}

#[test]
fn every_engine_writes_the_same_keys_and_true_values() {
    let server = Server::start();
    for driver in [
        "uring --send zc",
        "uring --send fixed",
        "uring --send copy",
        "tokio-uring",
        "socket",
    ] {
        for replies in ["fenced", "each"] {
            server.clear();
            let flags =
                format!("--keys 1503 --value-size 700 -n 3 --replies {replies} --driver {driver}");
            fill(&server).with(&flags).completes(KEYS);
            holds(
                &server,
                0..KEYS,
                |index| oracle::default_key(index, 512),
                (512, 700),
                default_seed(),
            );
        }
    }
}

#[test]
fn keys_do_not_depend_on_how_they_are_sent() {
    let server = Server::start();
    let keys = |flags: &str| {
        server.clear();
        fill(&server)
            .with("--keys 1503 --key-size 40")
            .with(flags)
            .completes(KEYS);
        server.keys()
    };
    let usual = keys("");
    for flags in [
        "",
        "-n 7 --pipeline-depth 13",
        "--seed 77",
        "--value-size 9",
        "--driver socket -s",
    ] {
        assert!(keys(flags) == usual, "other keys with '{flags}'");
    }
    assert!(keys("--start-key 1") != usual);
}

#[test]
fn a_larger_fill_keeps_the_keys_of_a_smaller_one() {
    let server = Server::start();
    for key_size in [2, 6, 12, 16, 50] {
        let sizes = format!("--key-size {key_size} --value-size 20");
        server.clear();
        fill(&server).with("--keys 500").with(&sizes).completes(500);
        let few = server.keys();
        server.clear();
        fill(&server)
            .with("--keys 60000")
            .with(&sizes)
            .completes(60_000);
        let many = server.keys();
        assert!(
            few.iter().all(|key| many.binary_search(key).is_ok()),
            "--key-size {key_size}"
        );
    }
}

#[test]
fn the_seed_changes_values_and_not_keys() {
    let server = Server::start();
    fill(&server).with("--keys 1503 --seed 1").completes(KEYS);
    let (keys, value) = (server.keys(), server.get(&oracle::default_key(7, 512)));
    server.clear();
    fill(&server)
        .with("--keys 1503 --seed 18446744073709551615")
        .completes(KEYS);
    assert!(server.keys() == keys);
    assert_ne!(server.get(&oracle::default_key(7, 512)), value);
    holds(
        &server,
        0..KEYS,
        |index| oracle::default_key(index, 512),
        (512, 512),
        u64::MAX,
    );
}

#[test]
fn values_too_short_for_a_stamp_follow_from_the_seed_alone() {
    let server = Server::start();
    for seed in [0, 5] {
        server.clear();
        fill(&server)
            .with(&format!("--keys 1503 --value-size 15 --seed {seed}"))
            .completes(KEYS);
        holds(
            &server,
            0..KEYS,
            |index| oracle::default_key(index, 512),
            (512, 15),
            seed,
        );
    }
}

#[test]
fn keys_start_where_they_are_told_to() {
    let server = Server::start();
    for start in [1, 999_999, 999_999_998_000] {
        server.clear();
        fill(&server)
            .with(&format!("--keys 1503 --start-key {start} --key-size 64"))
            .completes(KEYS);
        let key = |index| oracle::default_key(index, 64);
        holds(&server, start..start + KEYS, key, (64, 512), default_seed());
    }
}

#[test]
fn two_fills_side_by_side_are_one_large_fill() {
    let server = Server::start();
    fill(&server)
        .with("--keys 1000 --key-size 64")
        .completes(1000);
    fill(&server)
        .with("--keys 503 --key-size 64 --start-key 1000")
        .report()
        .is_complete(503);
    let pieces = server.keys();
    server.clear();
    fill(&server)
        .with("--keys 1503 --key-size 64")
        .completes(KEYS);
    assert!(server.keys() == pieces);
}

#[test]
fn a_prefix_stands_before_every_key() {
    let server = Server::start();
    for prefix in ["session:", "", "ключ:", "a b"] {
        server.clear();
        let command = fill(&server)
            .with("--keys 1503 --key-size 30 --key-prefix")
            .arg(prefix);
        command.completes(KEYS);
        let key = |index| {
            let mut key = format!("{prefix}{index:012}").into_bytes();
            key.resize(30, b'x');
            key
        };
        holds(&server, 0..KEYS, key, (30, 512), default_seed());
    }
}

#[test]
fn slotted_keys_are_the_engines_and_end_in_their_slot() {
    let server = Server::start();
    for key_size in [20, 64, 512] {
        server.clear();
        let flags =
            format!("--keys 1503 --key-layout slotted --value-size 30 --key-size {key_size}");
        fill(&server).with(&flags).completes(KEYS);
        let keyspace = Keyspace::new(key_size, None, KeyLayout::Slotted).expect("it is a size");
        let key = |index| key_of(&keyspace, index);
        holds(&server, 0..KEYS, key, (key_size, 30), default_seed());
        for index in 0..KEYS {
            assert_slotted(&key(index), index);
        }
    }
}

/// Asserts that a key consists of prefix, counter, padding and fix-up, and hashes to its slot.
fn assert_slotted(key: &[u8], index: u64) {
    let (plain, fix) = key.split_at(key.len() - 4);
    assert_eq!(
        plain,
        oracle::default_key(index, plain.len()),
        "key {index} before its fix-up"
    );
    assert!(
        fix.iter().all(|byte| (b'@'..=b'O').contains(byte)),
        "fix-up {}",
        fix.escape_ascii()
    );
    assert_eq!(
        oracle::slot_of_key(key),
        oracle::slot_of_index(index),
        "slot of key {index}"
    );
}

#[test]
fn every_slot_gets_as_many_keys_as_any_other() {
    let server = Server::start();
    for (keys, key_size) in [(16_384 * 2 + 1000, 48), (1000, 10), (20_000, 9)] {
        server.clear();
        let flags =
            format!("--keys {keys} --key-layout slotted --value-size 1 --key-size {key_size}");
        fill(&server).with(&flags).completes(keys);
        let mut keys_of_slot = vec![0_u64; 16_384];
        for key in server.keys() {
            keys_of_slot[usize::from(oracle::slot_of_key(&key))] += 1;
        }
        let (fewest, most) = (keys / 16_384, keys.div_ceil(16_384));
        assert!(
            keys_of_slot
                .iter()
                .all(|count| (fewest..=most).contains(count)),
            "{flags}"
        );
    }
}

/// The seed of a fill without `--seed`, as the plan tells it: values must follow from what the
/// user can know.
fn default_seed() -> u64 {
    DEFAULT_SEED
}

/// Part of the promise that the same flags write the same values next year.
const DEFAULT_SEED: u64 = 0;
