//! Command lines that cannot work: each is refused at once with exit status 2 and one message that
//! names the flag and what it takes, before anybody is contacted.

use crate::fixtures::{Fake, Server, fill, jail, program, program::fill_port};
use crate::presets;

/// What no flag that takes a number understands.
const NO_NUMBERS: [&str; 9] = [
    "-1",
    "abc",
    "1.5",
    "",
    " ",
    "0x10",
    "1k",
    "--",
    "99999999999999999999999999",
];

/// Asserts that a fill with these arguments is refused with these words, and that the server never
/// hears of it.
#[track_caller]
fn refuses<'a>(args: &str, words: impl IntoIterator<Item = &'a str>) {
    let nobody = Fake::silent();
    let outcome = fill_port(nobody.port()).with(args).run();
    outcome.is_refused(2, words);
    outcome.check(nobody.heard().is_empty(), "something was sent");
}

/// Asserts that a flag takes numbers of this range and nothing else.
#[track_caller]
fn takes(flag: &str, (min, max): (u64, u64)) {
    let nobody = Fake::silent();
    let port = if flag == "-p" {
        String::new()
    } else {
        format!("-p {}", nobody.port())
    };
    let amount = if flag == "--keys" { "" } else { "--keys 10" };
    let fill = program()
        .with("fill -h 127.0.0.1")
        .with(&port)
        .with(amount)
        .with(flag);
    let range = format!("{min} to {max}");
    let too_large = (u128::from(max) + 1).to_string();
    let zero = (min > 0).then_some("0");
    for given in NO_NUMBERS
        .into_iter()
        .chain([too_large.as_str()])
        .chain(zero)
    {
        fill.clone().arg(given).run().is_refused(2, [flag, &range]);
    }
    assert!(nobody.heard().is_empty(), "something was sent");
}

#[test]
fn sizes_out_of_range() {
    takes("--key-size", (1, 65_536));
    takes("--value-size", (1, 524_288));
}

#[test]
fn depths_and_connections_out_of_range() {
    takes("--pipeline-depth", (1, 100_000));
    takes("-n", (1, 1024));
}

#[test]
fn ports_and_databases_out_of_range() {
    takes("-p", (1, 65_535));
    takes("--db", (0, 2_147_483_647));
}

#[test]
fn numbers_of_keys_out_of_range() {
    takes("--keys", (1, u64::MAX - 1));
    takes("--start-key", (0, u64::MAX));
    takes("--seed", (0, u64::MAX));
}

#[test]
fn numbers_of_reactors_out_of_range() {
    takes("--reactors", (1, 256));
    let more = std::thread::available_parallelism()
        .expect("a number of cores")
        .get()
        + 1;
    refuses(
        &format!("--keys 1000 -n 64 --reactors {more}"),
        ["--reactors", "1 to", "--no-pin"],
    );
}

#[test]
fn amounts_that_are_none() {
    for amount in [
        "0",
        "0.0",
        "-1",
        "-1gb",
        "abc",
        "gb",
        "1x",
        "1.2.3",
        ".",
        "nan",
        "inf",
        "1e3",
        "0.1b",
        "99999999999999999999",
        "9999999999t",
        "--",
    ] {
        refuses(&format!("-d {amount}"), ["-d", "amount", "GiB"]);
    }
    let nobody = Fake::silent();
    fill_port(nobody.port())
        .with("-d")
        .arg("")
        .run()
        .is_refused(2, ["-d", "amount", "GiB"]);
}

#[test]
fn amounts_that_nobody_can_name() {
    refuses("-d 9000000t", ["--key-size", "1000000000000 keys"]);
    refuses(
        "--keys 18446744073709551614",
        ["1000000000000 keys", "--key-size 11"],
    );
    refuses("--keys 2 --start-key 999999999999", ["--start-key"]);
    refuses("--keys 2 --start-key 18446744073709551615", ["--start-key"]);
}

#[test]
fn no_amount_or_two() {
    refuses("", ["-d", "--keys", "-f"]);
    refuses("-d 1 --keys 1000", ["-d", "--keys"]);
    refuses("-f -d 1 --keys 1000", ["-d", "--keys"]);
}

#[test]
fn a_flush_with_flags_that_need_an_amount() {
    refuses("-f --key-size 64", ["-d", "--key-size"]);
    refuses("-f --preset fast", ["-d", "--preset"]);
}

#[test]
fn key_sizes_that_cannot_name_so_many_keys() {
    refuses("--key-size 1 --keys 257", ["256 keys", "--key-size 2"]);
    refuses("--key-size 2 -d 1gb", ["65536 keys", "--key-size 3"]);
    refuses(
        "--key-size 1 --keys 1 --start-key 256",
        ["--start-key 256", "--key-size 2"],
    );
    refuses(
        "--key-size 5 --key-layout slotted --keys 65",
        ["64 keys", "--key-size 6"],
    );
    refuses(
        "--key-size 4 --key-layout slotted --keys 1",
        ["steer", "--key-size 5"],
    );
}

#[test]
fn prefixes_that_do_not_fit() {
    refuses(
        "--keys 10 --key-size 8 --key-prefix session:",
        ["--key-prefix", "--key-size 20"],
    );
    refuses(
        "--keys 300 --key-size 9 --key-prefix session:",
        ["--key-size 10", "256 keys"],
    );
    refuses(
        "--keys 10 --key-layout slotted --key-prefix {a}:",
        ["--key-prefix", "hash tag"],
    );
}

#[test]
fn environment_variables_that_are_no_chunk() {
    let server = Server::start();
    for given in [
        "0",
        "-8192",
        "abc",
        "8192kb",
        "8.5",
        "",
        "99999999999999999999999999",
    ] {
        let command = fill(&server)
            .with("--keys 1000")
            .env("REDIS_CLIENT_FILL_CHUNK_KB", given);
        let words = ["REDIS_CLIENT_FILL_CHUNK_KB", "1 to", "--pipeline-depth"];
        command.run().is_refused(2, words);
    }
    assert_eq!(server.changes(), 0);
}

#[test]
fn unknown_names_are_met_with_the_known_ones() {
    for (args, words) in [
        (
            "--preset fats",
            ["--preset", "balanced", "did you mean fast?"],
        ),
        ("--preset redis", ["--preset", "fast", "memory-efficient"]),
        (
            "--driver urin",
            ["--driver", "tokio-uring", "did you mean uring?"],
        ),
        ("--send zerocopy", ["--send", "fixed", "copy"]),
        ("--replies all", ["--replies", "fenced", "each"]),
        ("--key-layout hashed", ["--key-layout", "plain", "slotted"]),
        ("--output xml", ["--output", "text", "json"]),
    ] {
        refuses(&format!("--keys 10 {args}"), words);
    }
}

#[test]
fn every_preset_is_named_to_who_gives_an_unknown_one() {
    let presets = presets::all();
    let names = presets.iter().map(|preset| preset.name.as_str());
    refuses("--keys 10 --preset unknown", names);
}

#[test]
fn commands_that_are_none() {
    for (given, why) in [
        ("mset:", "lacks the number of keys"),
        ("mset:x", "has no number of keys: 'x'"),
        ("mset:-4", "has no number of keys: '-4'"),
        ("mset:0", "has too few keys: 0"),
        ("mset:1", "has too few keys: 1"),
        ("mset:129", "has too many keys: 129"),
        ("mset:500", "has too many keys: 500"),
        ("MSET:8", "is not known"),
        ("mset", "is not known"),
        ("hset", "is not known"),
    ] {
        let args = format!("--keys 10 --command {given}");
        let named = format!("--command '{given}'");
        refuses(&args, [&named, why, "set, or mset:N with N from 2 to 128"]);
    }
}

#[test]
fn flags_that_contradict_each_other() {
    for (args, words) in [
        ("-s -n 4", ["-s", "-n 4"]),
        ("-s --reactors 2", ["-s", "--reactors 2"]),
        ("-q -v", ["--quiet", "--verbose"]),
        ("--no-pin --reactors cores=0", ["--no-pin", "--reactors"]),
        ("-a one --ask-password", ["-a", "--ask-password"]),
        ("-a one --password-file two", ["-a", "--password-file"]),
        (
            "--driver socket --send zc",
            ["--driver socket", "--send copy"],
        ),
        (
            "--driver socket --send fixed",
            ["--driver socket", "--send copy"],
        ),
        (
            "--driver tokio-uring --send zc",
            ["--driver tokio-uring", "--send fixed"],
        ),
        (
            "--driver tokio-uring -n 1024 --value-size 524288",
            ["--driver tokio-uring", "-n"],
        ),
    ] {
        refuses(&format!("--keys 5000 {args}"), words);
    }
}

#[test]
fn cores_that_may_not_be_used() {
    refuses("--keys 10 --reactors cores=999", ["--reactors", "core 999"]);
    refuses(
        "--keys 10 -n 2 --reactors cores=0,999",
        ["--reactors", "core 999"],
    );
    for list in ["cores=", "cores=x", "cores=0,,1", "cores=-1", "cores=0,0"] {
        refuses(
            &format!("--keys 10 --reactors {list}"),
            ["--reactors", "core"],
        );
    }
    let nobody = Fake::silent();
    let elsewhere = fill_port(nobody.port()).with("--keys 10 --reactors cores=1");
    elsewhere
        .under(jail::on_core(0))
        .run()
        .is_refused(2, ["core 1", "taskset"]);
}

#[test]
fn the_uring_driver_without_io_uring() {
    let nobody = Fake::silent();
    for driver in ["uring", "tokio-uring"] {
        let command = fill_port(nobody.port())
            .with("--keys 10 --driver")
            .with(driver);
        let words = ["--driver", driver, "seccomp", "--driver socket"];
        command
            .under(jail::without_io_uring())
            .run()
            .is_refused(2, words);
    }
    assert!(nobody.heard().is_empty());
}

#[test]
fn habits_from_other_programs_are_explained() {
    for (args, words) in [
        (
            "--keys 10 -u redis://user:secret@localhost:6379",
            ["-u", "-h"],
        ),
        ("--keys 10 -n 0", ["-n 0", "--db 0"]),
        ("--keys 10 -s /tmp/redis.sock", ["-s", "socket"]),
        ("--keys 10 --pass secret", ["--pass", "-a"]),
        ("--keys 10 --user me", ["--user", "-u"]),
        ("--keys 10 -P 16", ["-P", "--pipeline-depth"]),
    ] {
        refuses(args, words);
        let outcome = fill_port(1).with(args).run();
        outcome.never_mentions("secret");
    }
}

#[test]
fn command_lines_that_are_none() {
    for (args, words) in [
        ("", ["command", "fill"]),
        ("fil -h localhost -d 1", ["fil", "fill"]),
        ("fill -d 1", ["-h", "missing"]),
        ("fill -h", ["-h", "host"]),
        ("fill -h localhost -d", ["-d", "value"]),
        (
            "fill -h localhost -d 1 --key-sise 64",
            ["--key-sise", "--key-size"],
        ),
        ("fill -h localhost -d 1 -d 2", ["-d", "more than once"]),
        ("fill -h localhost -d 1 5", ["5", "unexpected"]),
        ("fill -h localhost:6379 -d 1", ["-h localhost", "-p 6379"]),
        ("fill -h redis://localhost -d 1", ["-h", "URI"]),
        ("fill -h /var/run/redis.sock -d 1", ["-h", "socket"]),
    ] {
        program().with(args).run().is_refused(2, words);
    }
}

#[test]
fn an_empty_host() {
    program()
        .with("fill --keys 10 -h")
        .arg("")
        .run()
        .is_refused(2, ["-h", "empty"]);
}

#[test]
fn passwords_that_cannot_be_read() {
    refuses(
        "--keys 10 --password-file /no/such/file",
        ["--password-file", "/no/such/file"],
    );
    refuses(
        "--keys 10 --password-file /dev/null",
        ["--password-file", "empty"],
    );
    refuses("--keys 10 --password-file /", ["--password-file"]);
    refuses(
        "--keys 10 -u somebody",
        ["-u needs a password", "-a", "REDISCLI_AUTH"],
    );
    refuses("--keys 10 --password=", ["-a", "empty"]);
}

#[test]
fn asking_for_a_password_without_a_terminal() {
    let nobody = Fake::silent();
    // In a session of its own a process has no terminal to open.
    let command = fill_port(nobody.port()).with("--keys 10 --ask-password");
    command
        .under(["setsid", "--wait"])
        .run()
        .is_refused(2, ["--ask-password", "terminal"]);
    assert!(nobody.heard().is_empty());
}
