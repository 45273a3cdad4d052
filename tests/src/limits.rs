//! What the program may take of the client's machine: memory that does not grow with the work,
//! and nothing that an ordinary user does not have.

use crate::fixtures::{Server, fill, jail};

const MIB: u64 = 1 << 20;

/// Asserts that a fill of an empty server stays below a resident set of so many bytes.
#[track_caller]
fn stays_below(limit: u64, args: &str) {
    let server = Server::start();
    let report = fill(&server).with(args).report();
    report.is_complete(server.dbsize());
    let peak = report.number("client.peak_rss_bytes");
    assert!(
        peak <= limit,
        "{:.1} MiB at the peak of {args}",
        peak as f64 / MIB as f64
    );
    assert!(peak > MIB, "a peak of {peak} bytes is none");
}

#[test]
fn memory_does_not_depend_on_the_amount() {
    for amount in ["-d 1mb", "-d 30mb", "-d 400mb"] {
        stays_below(24 * MIB, amount);
    }
}

#[test]
fn memory_does_not_depend_on_connections() {
    for connections in [1, 2, 8, 64] {
        stays_below(24 * MIB, &format!("-d 40mb -n {connections}"));
    }
}

#[test]
fn memory_does_not_depend_on_the_depth() {
    for depth in [1, 31, 32, 1000, 100_000] {
        stays_below(24 * MIB, &format!("-d 10mb --pipeline-depth {depth}"));
        stays_below(24 * MIB, &format!("-d 10mb --pipeline-depth {depth} -n 64"));
    }
    stays_below(24 * MIB, "-d 200mb --pipeline-depth 100000");
    stays_below(24 * MIB, "-d 200mb --pipeline-depth 100000 --replies each");
}

#[test]
fn memory_does_not_depend_on_the_send_path() {
    for path in [
        "--send zc",
        "--send fixed",
        "--send copy",
        "--driver socket",
    ] {
        stays_below(24 * MIB, &format!("-d 40mb -n 64 {path}"));
    }
}

#[test]
fn memory_does_not_depend_on_what_is_looked_for_afterwards() {
    let server = Server::start();
    fill(&server)
        .with("--keys 200000 --key-size 64 --value-size 64")
        .completes(200_000);
    server.run("RENAME key:000000000007xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx other");
    let again = fill(&server)
        .with("--keys 300000 --key-size 64 --value-size 64")
        .report();
    again.is_complete(300_000);
    let peak = again.number("client.peak_rss_bytes");
    assert!(peak <= 24 * MIB, "{peak} bytes");
}

#[test]
fn memory_for_the_largest_keys_and_values() {
    for path in ["", "--send zc", "--send copy", "--driver socket"] {
        let sizes = "--keys 120 --key-size 65536 --value-size 524288 -n 8";
        stays_below(64 * MIB, &format!("{sizes} {path}"));
    }
}

#[test]
fn an_ordinary_user_may_fill() {
    let server = Server::start();
    let (_folder, copy) = jail::program_for_everybody();
    for driver in ["uring", "tokio-uring", "socket"] {
        let command = fill(&server)
            .with("-f --keys 5000 -n 4 --driver")
            .with(driver)
            .from(&copy);
        let report = command.under(jail::as_ordinary_user(60_001)).report();
        report
            .is_complete(5000)
            .has([("plan.driver", driver.into())]);
        assert_eq!(server.dbsize(), 5000);
    }
}

#[test]
fn an_ordinary_user_with_little_memory_to_lock_may_fill() {
    let server = Server::start();
    let (_folder, copy) = jail::program_for_everybody();
    for send in ["auto", "zc", "fixed", "copy"] {
        let command = fill(&server)
            .with("-f --keys 5000 -n 4 --send")
            .with(send)
            .from(&copy);
        let user = jail::as_ordinary_user(60_002);
        let report = command
            .under(jail::with_limit("-l 64"))
            .under(user)
            .report();
        report
            .is_complete(5000)
            .has([("plan.driver", "uring".into())]);
        assert_eq!(server.dbsize(), 5000, "{send}");
    }
}

#[test]
fn little_memory_to_lock_does_for_many_connections_too() {
    let server = Server::start();
    let (_folder, copy) = jail::program_for_everybody();
    for connections in [1, 64, 200, 1024] {
        let flags = format!("-f --keys 5000 -n {connections}");
        let command = fill(&server).with(&flags).from(&copy);
        let user = jail::as_ordinary_user(60_005);
        let limited = command.under(jail::with_limit("-l 64")).under(user);
        limited.report().is_complete(5000);
        assert_eq!(server.dbsize(), 5000, "{connections}");
    }
}

#[test]
fn too_little_memory_to_lock_is_told() {
    let server = Server::start();
    let (_folder, copy) = jail::program_for_everybody();
    let command = fill(&server)
        .with("--keys 5000 --driver uring --send fixed")
        .from(&copy);
    let limited = command
        .under(jail::with_limit("-l 64"))
        .under(jail::as_ordinary_user(60_003));
    limited
        .run()
        .succeeds()
        .says(["RLIMIT_MEMLOCK", "ulimit -l", "plain copies"]);
}

#[test]
fn no_memory_to_lock_is_told_too() {
    let server = Server::start();
    let (_folder, copy) = jail::program_for_everybody();
    // Some kernels count a ring itself, others do not; whichever it is, the fill is complete.
    let command = fill(&server)
        .with("--keys 5000")
        .from(&copy)
        .under(jail::with_limit("-l 0"));
    let outcome = command.under(jail::as_ordinary_user(60_004)).run();
    outcome.succeeds().says(["RLIMIT_MEMLOCK", "ulimit -l"]);
    assert_eq!(server.dbsize(), 5000);
}

#[test]
fn the_limit_of_open_files_is_raised_where_it_can_be() {
    let server = Server::start();
    let command = fill(&server)
        .with("--keys 5000 -n 300")
        .under(jail::with_limit("-Sn 64"));
    command.completes(5000);
}

#[test]
fn too_few_open_files_are_told() {
    let server = Server::start();
    let command = fill(&server).with("--keys 5000 -n 300 --output json");
    let outcome = command.under(jail::with_limit("-n 64")).run();
    outcome.says(["files", "-n"]).is_prompt();
    // Connections that found no room may be made when others have ended; whichever it is, it is
    // told as it is.
    let report = outcome.report();
    report.has([("keys.present", server.dbsize().into())]);
    if server.dbsize() == 5000 {
        outcome.succeeds();
        report.is_complete(5000);
    } else {
        outcome.exits_with(1);
        report.is_incomplete();
    }
}
