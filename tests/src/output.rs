//! What is printed where, for people: help and version, what will happen, progress, questions;
//! quiet and verbose; and readers who go away.

use crate::fixtures::program::on_a_terminal;
use crate::fixtures::{Server, eventually, fill, jail, program};

#[test]
fn help_mentions_every_flag() {
    let flags = [
        "-h, --host",
        "-p, --port",
        "-u, --username",
        "-a, --password",
        "--password-file",
        "--ask-password",
        "--db",
        "-d, --data",
        "--keys",
        "-f, --flush",
        "-y, --yes",
        "-n, --connections",
        "-s, --serial",
        "--key-size",
        "--value-size",
        "--pipeline-depth",
        "--preset",
        "--key-prefix",
        "--start-key",
        "--seed",
        "--key-layout",
        "--replies",
        "--driver",
        "--send",
        "--reactors",
        "--no-pin",
        "--output",
        "-q, --quiet",
        "--no-progress",
        "--dry-run",
        "--force",
        "-v, --verbose",
        "--help",
    ];
    let outcome = program().with("fill --help").run();
    outcome.succeeds().prints(flags);
    outcome.check(outcome.stderr.is_empty(), "standard error is not empty");
}

#[test]
fn help_holds_ranges_presets_examples_recommendations_and_precedence() {
    program().with("fill --help").run().prints([
        "1 to 65536",
        "1 to 524288",
        "1 to 100000",
        "1 to 1024",
        "fast",
        "balanced",
        "memory-efficient",
        "session-cache",
        "object-cache",
        "redis-client fill -h",
        "recommended",
        "precedence",
        "REDIS_CLIENT_FILL_CHUNK_KB",
        "REDISCLI_AUTH",
    ]);
}

#[test]
fn every_example_of_the_help_is_a_valid_command_line() {
    let help = program().with("fill --help").run().stdout;
    let examples = help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("redis-client fill -h localhost"));
    let mut count = 0;
    for example in examples {
        let args = example.split("  ").next().unwrap_or_default();
        let args = args.split('|').next().unwrap_or_default();
        program()
            .with("fill -h localhost --dry-run")
            .with(args)
            .run()
            .succeeds();
        count += 1;
    }
    assert!(count >= 5, "{count} examples");
}

#[test]
fn the_version_is_that_of_the_package() {
    let outcome = program().with("--version").run();
    let version = format!("redis-client {}\n", env!("CARGO_PKG_VERSION"));
    outcome
        .succeeds()
        .check(outcome.stdout == version, "it is not the package's version");
    outcome.check(outcome.stderr.is_empty(), "standard error is not empty");
}

#[test]
fn help_needs_no_host() {
    for args in ["--help", "fill --help"] {
        let outcome = program().with(args).run();
        outcome.succeeds().prints(["usage", "fill"]);
    }
}

#[test]
fn before_it_starts_it_says_what_it_will_do() {
    let server = Server::start();
    let outcome = fill(&server).with("--keys 1500 --value-size 100").run();
    outcome
        .succeeds()
        .says(["1,500 keys", &server.address(), "memory"]);
}

#[test]
fn quiet_leaves_standard_error_empty() {
    let server = Server::start();
    let outcome = fill(&server).with("-f --keys 1500 -q").run();
    outcome.succeeds().prints(["complete", "1,500"]);
    outcome.check(outcome.stderr.is_empty(), "standard error is not empty");
    let outcome = fill(&server).with("-f --keys 1500 -q --output json").run();
    outcome.succeeds().report().is_complete(1500);
    outcome.check(outcome.stderr.is_empty(), "standard error is not empty");
}

#[test]
fn verbose_says_more() {
    let server = Server::start();
    let lines = |args| {
        fill(&server)
            .with("--keys 1500")
            .with(args)
            .run()
            .stderr
            .lines()
            .count()
    };
    server.clear();
    let usual = lines("");
    server.clear();
    assert!(lines("-v") > usual);
}

#[test]
fn while_it_runs_it_tells_how_far_it_is() {
    for (args, tells) in [("", true), ("--no-progress", false), ("-q", false)] {
        let server = Server::start();
        let command = fill(&server)
            .with("--keys 400000 --value-size 100")
            .with(args);
        let running = command.start();
        eventually("the fill is under way", || server.dbsize() > 1000);
        server.run("CLIENT PAUSE 3500 WRITE");
        let outcome = running.wait();
        outcome
            .succeeds()
            .check(outcome.stderr.contains(" % ") == tells, "progress is wrong");
    }
}

#[test]
fn on_a_terminal_it_shows_a_bar() {
    let server = Server::start();
    let fill = fill(&server)
        .with("--keys 400000 --value-size 100")
        .command_line();
    let outcome = on_a_terminal(&format!("stty cols 120; {fill}")).run();
    outcome.succeeds().prints([
        "% [",
        "MiB",
        "keys/s",
        "MB/s",
        "ETA",
        "server CPU",
        "complete",
    ]);
    assert_eq!(server.dbsize(), 400_000);
}

#[test]
fn who_stops_reading_does_no_harm() {
    let ignored = ["sh", "-c", "\"$@\" | true", "sh"];
    program()
        .with("fill --help")
        .under(ignored)
        .run()
        .succeeds();
    let server = Server::start();
    fill(&server)
        .with("--keys 500")
        .under(ignored)
        .run()
        .succeeds();
    assert_eq!(server.dbsize(), 500);
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure() {
    let server = Server::start();
    let full = ["sh", "-c", "\"$@\" > /dev/full", "sh"];
    let outcome = fill(&server)
        .with("--keys 500 --output json")
        .under(full)
        .run();
    outcome.exits_with(1).says(["standard output"]);
}

#[test]
fn on_another_machine_a_flush_asks_first() {
    for (answer, status, left) in [("n\n", 2, 37), ("\n", 2, 37), ("y\n", 0, 0)] {
        let Some(elsewhere) = jail::elsewhere() else {
            return;
        };
        let command = program()
            .with("fill -f -p 6379 -h")
            .arg(jail::ELSEWHERE)
            .command_line();
        let mut terminal = on_a_terminal(&command).under(elsewhere).start();
        terminal.answer("[y/N]", answer);
        let outcome = terminal.wait();
        outcome
            .exits_with(status)
            .prints([jail::ELSEWHERE, "database 0", "37 keys"]);
        outcome.prints([format!("left on the server: {left}").as_str()]);
    }
}

#[test]
fn on_another_machine_a_flush_does_not_ask_who_has_said_yes() {
    let Some(elsewhere) = jail::elsewhere() else {
        return;
    };
    let command = program()
        .with("fill -f -y -p 6379 -h")
        .arg(jail::ELSEWHERE)
        .command_line();
    let outcome = on_a_terminal(&command).under(elsewhere).run();
    outcome
        .succeeds()
        .prints(["flushed 37 keys", "left on the server: 0"]);
}
