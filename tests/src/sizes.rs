//! Exactly the keys that were asked for, of exactly the sizes that were asked for, whatever the
//! sizes, the depth, the number of connections and the way the amount was given.

use crate::fixtures::{Server, fill};

/// Fills an empty server with each row and looks at every key on it.
#[track_caller]
fn fills(server: &Server, args: &str, keys: u64, (key_size, value_size): (usize, usize)) {
    server.clear();
    let sizes = format!("--key-size {key_size} --value-size {value_size}");
    fill(server).with(args).with(&sizes).completes(keys);
    let misfits = server.misfits(key_size, value_size);
    assert_eq!(
        misfits, 0,
        "keys that are not {key_size}/{value_size} after {args}"
    );
}

#[test]
fn documented_key_sizes() {
    let server = Server::start();
    for key_size in [64, 128, 256, 512] {
        fills(&server, "--keys 3001", 3001, (key_size, 512));
    }
}

#[test]
fn any_other_key_size() {
    let server = Server::start();
    for key_size in [2, 3, 5, 6, 11, 12, 15, 16, 17, 100, 1024] {
        fills(&server, "--keys 3001", 3001, (key_size, 64));
    }
    fills(&server, "--keys 97", 97, (65_536, 64));
}

#[test]
fn the_shortest_keys_name_as_many_as_they_can() {
    let server = Server::start();
    fills(&server, "--keys 256", 256, (1, 20));
    fills(&server, "--keys 65536", 65_536, (2, 1));
}

#[test]
fn any_value_size() {
    let server = Server::start();
    for value_size in [1, 15, 16, 17, 44, 45, 100] {
        fills(&server, "--keys 3001", 3001, (32, value_size));
    }
    fills(&server, "--keys 501", 501, (32, 8192));
    fills(&server, "--keys 101", 101, (32, 65_536));
    fills(&server, "--keys 23", 23, (32, 524_288));
}

#[test]
fn the_largest_keys_and_values() {
    let server = Server::start();
    fills(&server, "--keys 17 -n 3", 17, (65_536, 524_288));
}

#[test]
fn any_pipeline_depth() {
    let server = Server::start();
    for depth in [1, 2, 31, 32, 100, 1000] {
        fills(
            &server,
            &format!("--keys 2003 --pipeline-depth {depth}"),
            2003,
            (20, 30),
        );
    }
}

#[test]
fn batches_of_a_hundred_thousand_commands() {
    let server = Server::start();
    fills(
        &server,
        "--keys 250001 --pipeline-depth 100000",
        250_001,
        (16, 1),
    );
    fills(
        &server,
        "--keys 20001 --pipeline-depth 100000",
        20_001,
        (512, 512),
    );
}

#[test]
fn one_command_at_a_time() {
    let server = Server::start();
    fills(&server, "--keys 501 --pipeline-depth 1 -n 1", 501, (16, 1));
    fills(
        &server,
        "--keys 501 --pipeline-depth 1 --replies fenced",
        501,
        (16, 1),
    );
}

#[test]
fn any_number_of_connections() {
    let server = Server::start();
    for connections in [1, 2, 3, 8, 64] {
        fills(
            &server,
            &format!("--keys 5003 -n {connections}"),
            5003,
            (64, 200),
        );
    }
}

#[test]
fn as_many_connections_as_are_allowed() {
    let server = Server::start();
    fills(&server, "--keys 5003 -n 1024", 5003, (64, 200));
}

#[test]
fn more_connections_than_keys() {
    let server = Server::start();
    for keys in [1, 2, 7] {
        fills(&server, &format!("--keys {keys} -n 64"), keys, (64, 200));
    }
}

#[test]
fn numbers_of_keys_around_the_edges_of_batches() {
    let server = Server::start();
    for keys in [99, 100, 101, 199, 200, 201, 202] {
        fills(
            &server,
            &format!("--keys {keys} --pipeline-depth 100 -n 1"),
            keys,
            (64, 64),
        );
        fills(
            &server,
            &format!("--keys {keys} --pipeline-depth 100 -n 2"),
            keys,
            (64, 64),
        );
    }
}

#[test]
fn amounts_of_data_in_every_unit() {
    let server = Server::start();
    for (amount, keys) in [
        ("10mb", 10_240),
        ("10MiB", 10_240),
        ("10m", 9_766),
        ("300kb", 300),
        ("300k", 293),
        ("0.01", 10_486),
        ("1025b", 2),
        ("1024b", 1),
        ("1b", 1),
    ] {
        fills(&server, &format!("-d {amount}"), keys, (512, 512));
    }
}

#[test]
fn amounts_of_data_with_other_sizes() {
    let server = Server::start();
    for (amount, sizes, keys) in [
        ("5mb", (256, 1024), 4_096),
        ("1mb", (64, 128), 5_462),
        ("9mb", (512, 8192), 1_085),
        ("1mb", (512, 524_288), 2),
    ] {
        fills(&server, &format!("-d {amount}"), keys, sizes);
    }
}

#[test]
fn the_documented_numbers_of_keys_are_planned() {
    let server = Server::start();
    for (sizes, keys) in [
        ("--key-size 256 --value-size 1024", 838_861),
        ("--key-size 64 --value-size 128", 5_592_406),
        ("--key-size 512 --value-size 8192", 123_362),
        ("", 1_048_576),
    ] {
        let plan = fill(&server).with("-d 1 --dry-run").with(sizes).report();
        assert_eq!(plan.number("keys"), keys, "{sizes}");
    }
    assert_eq!(server.dbsize(), 0);
}
