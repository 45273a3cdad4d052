//! Servers that send what no server should: the program ends with an error that says so, in its
//! time, without a panic and without taking much memory. And odd ones that are to be filled.

use std::time::{Duration, Instant};

use crate::fixtures::program::{Invocation, Outcome, fill_port};
use crate::fixtures::scripted::Scripted;
use crate::fixtures::{Act, Script};

/// Memory beyond which no server may drive the program.
const RSS_BYTES_MAX: u64 = 64 << 20;
/// So long memory is watched; the fixture ends a program that takes longer.
const PATIENCE: Duration = Duration::from_secs(90);
/// Keys of a fill with several fences.
const KEYS: u64 = 5_000;

/// A fill of several fences that loses patience soon.
fn fill(server: &Scripted) -> Invocation<'static> {
    let args = format!("--keys {KEYS} --pipeline-depth 500 -n 1 --stall-timeout 2");
    fill_port(server.port()).with(&args)
}

/// How a fill ended, which may not have taken much memory.
#[track_caller]
fn run(invocation: &Invocation<'_>) -> Outcome {
    let mut running = invocation.start();
    let begin = Instant::now();
    let mut peak_rss_bytes = 0;
    while !running.has_ended() && begin.elapsed() < PATIENCE {
        peak_rss_bytes = peak_rss_bytes_of(running.id()).max(peak_rss_bytes);
        std::thread::sleep(Duration::from_millis(1));
    }
    let outcome = running.wait();
    let what = format!("it took {} MiB of memory", peak_rss_bytes >> 20);
    outcome.check((1..RSS_BYTES_MAX).contains(&peak_rss_bytes), &what);
    outcome.never_mentions("\u{1b}");
    outcome
}

/// The most memory that a process has had so far, in bytes; 0 once it has ended.
fn peak_rss_bytes_of(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// A fill of this server ends promptly, with this status and an error that has these words.
#[track_caller]
fn fails(script: &Script, code: i32, words: &[&str]) -> Scripted {
    let server = script.clone().start();
    let outcome = run(&fill(&server));
    outcome.exits_with(code).is_prompt();
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    for word in words {
        outcome.check(
            said.contains(word),
            &format!("it does not mention '{word}' of {script:?}"),
        );
    }
    server
}

/// A fill of this server sees all keys there.
#[track_caller]
fn completes(script: Script) -> Scripted {
    let server = script.start();
    let outcome = run(&fill(&server).with("--output json"));
    outcome.succeeds().report().is_complete(KEYS);
    assert_eq!(server.dbsize(), KEYS);
    server
}

/// What is no answer to anything, or too much of one.
fn monsters() -> Vec<Act> {
    vec![
        Act::say("\0\u{ff}\u{1b}[2J garbage\r\n"),
        Act::say("$1000000000\r\n"),
        Act::say("*1000000000\r\n"),
        Act::say("%1000000000\r\n"),
        Act::say("*9223372036854775807\r\n"),
        Act::flood("+", "x"),
        Act::flood("$1000000\r\n", "x"),
        Act::flood("", "*1\r\n"),
        Act::flood("*390000\r\n", "+\r\n"),
    ]
}

#[test]
fn monstrous_answers_before_the_fill() {
    for command in ["INFO server", "INFO memory", "DBSIZE", "EXISTS"] {
        for monster in monsters() {
            let server = fails(&Script::redis().on(command, monster), 3, &["RESP"]);
            assert_eq!(server.sets(), 0);
        }
    }
}

#[test]
fn answers_that_drip_before_the_fill() {
    for command in ["INFO server", "INFO memory", "DBSIZE"] {
        for drip in [
            Act::drip("+", b'x'),
            Act::drip("$90000\r\n", b'x'),
            Act::drip("*90000\r\n", b'*'),
        ] {
            fails(&Script::redis().on(command, drip.clone()), 3, &[]);
        }
    }
}

#[test]
fn answers_that_nobody_asked_for() {
    for command in ["PING", "INFO server", "DBSIZE"] {
        let script = Script::redis().on(command, Act::also("+PONG\r\n:7\r\n"));
        fails(&script, 3, &["nobody had asked for"]);
    }
}

#[test]
fn answers_of_the_wrong_type() {
    for (command, answer) in [
        ("PING", ":1\r\n"),
        ("INFO server", ":1\r\n"),
        ("DBSIZE", "+many\r\n"),
        ("DBSIZE", ":-7\r\n"),
    ] {
        let words = ["RESP", command.split(' ').next().expect("it has a word")];
        fails(&Script::redis().on(command, Act::say(answer)), 3, &words);
    }
}

#[test]
fn words_that_would_change_the_terminal() {
    let nasty = "ERR \u{1b}]0;owned\u{7}\u{1b}[2J\rredis-client: complete";
    fails(
        &Script::redis().on("PING", Act::refuse(nasty)),
        2,
        &[r"\u{1b}"],
    );
    let at_the_fill =
        Script::redis().after(1, "CLIENT REPLY ON", Act::say(format!("-{nasty}\r\n")));
    fails(&at_the_fill, 1, &[r"\u{1b}"]);
    completes(
        Script::redis()
            .field("redis_version", "7\u{1b}[2J")
            .field("maxmemory_policy", "\u{1b}[2J"),
    );
}

#[test]
fn monstrous_answers_to_a_new_connection() {
    for monster in [
        Act::say("$1000000000\r\n"),
        Act::flood("+", "x"),
        Act::drip("+", b'x'),
        Act::say_and_close("+O"),
        Act::also("+OK\r\n"),
    ] {
        let server = fails(
            &Script::redis().on("CLIENT SETNAME", monster),
            1,
            &["incomplete"],
        );
        assert_eq!(server.sets(), 0);
    }
}

#[test]
fn monstrous_echoes() {
    for monster in monsters() {
        fails(
            &Script::redis().nth(3, "ECHO 0", monster),
            1,
            &["incomplete"],
        );
    }
}

#[test]
fn echoes_that_never_come() {
    for silence in [
        Act::Nothing,
        Act::drip("$16\r\n", b'0'),
        Act::drip("+", b'x'),
    ] {
        fails(
            &Script::redis().on("ECHO 0", silence),
            1,
            &["incomplete", "2 s"],
        );
    }
    fails(
        &Script::redis().on("ECHO", Act::Nothing),
        1,
        &["incomplete"],
    );
}

#[test]
fn echoes_out_of_turn() {
    for (echo, words) in [
        ("$16\r\n00000000000000ff\r\n", "out of turn"),
        ("+OK\r\n+OK\r\n+OK\r\n+OK\r\n", "wants none"),
    ] {
        fails(
            &Script::redis().nth(2, "ECHO 0", Act::say(echo)),
            1,
            &[words],
        );
    }
    let twice = Act::also("$16\r\n0000000000000000\r\n");
    fails(
        &Script::redis().nth(1, "ECHO 0", twice),
        1,
        &["out of turn"],
    );
    fails(
        &Script::redis().nth(4, "ECHO 0", Act::flood("", "+OK\r\n")),
        1,
        &["incomplete"],
    );
}

#[test]
fn a_connection_that_is_closed_at_every_fence() {
    let script = Script::redis().on("ECHO 0", Act::say_and_close("$16\r\n0000"));
    let server = script.start();
    let outcome = run(&fill(&server));
    outcome.exits_with(1);
    outcome.check(
        outcome.stdout.contains("in a row"),
        "it does not say how often",
    );
}

#[test]
fn a_connection_that_is_closed_once_in_mid_reply() {
    completes(Script::redis().nth(2, "ECHO 0", Act::say_and_close("$16\r\n0000")));
}

#[test]
fn monstrous_replies_where_each_is_read() {
    let server = |act| Script::proxy().after(100, "SET ", act);
    for monster in monsters() {
        fails(&server(monster), 1, &["incomplete"]);
    }
    fails(
        &server(Act::also("+OK\r\n")),
        1,
        &["more replies than commands"],
    );
    fails(&server(Act::say(":1\r\n")), 1, &["unexpected reply"]);
    fails(&server(Act::Nothing), 1, &["2 s"]);
    fails(&server(Act::drip("+", b'O')), 1, &["2 s"]);
}

#[test]
fn monstrous_statistics_during_the_fill() {
    let junk = vec![0xfe; 1 << 20];
    let lines = format!(
        "${}\r\n{}\r\n",
        1_000_000,
        "errorstat_A:\r\n".repeat(71_429)
    )
    .into_bytes();
    let bulk = [format!("${}\r\n", junk.len()).as_bytes(), &junk, b"\r\n"].concat();
    for act in monsters()
        .into_iter()
        .chain([Act::Say(bulk), Act::Say(lines)])
    {
        // Keys are looked for one by one where the statistics say nothing.
        completes(Script::redis().after(1, "INFO", act));
    }
}

#[test]
fn monstrous_answers_to_the_look() {
    for command in ["DBSIZE", "EXISTS"] {
        for monster in monsters() {
            let script = Script::redis()
                .after(KEYS, "INFO", Act::refuse("NOPERM no"))
                .after(KEYS, command, monster);
            fails(&script, 1, &["incomplete"]);
        }
    }
}

#[test]
fn wrong_answers_to_the_look() {
    for answer in [":1001\r\n", ":-1\r\n", "$1\r\n1\r\n", "*0\r\n", "+OK\r\n"] {
        let script = Script::redis()
            .after(KEYS, "INFO", Act::refuse("NOPERM no"))
            .after(KEYS, "EXISTS", Act::say(answer));
        fails(&script, 1, &["incomplete", "EXISTS"]);
    }
}

#[test]
fn numbers_at_their_limits() {
    let most = u64::MAX.to_string();
    let script = Script::redis();
    let script = [
        "used_memory_startup",
        "total_system_memory",
        "evicted_keys",
        "expired_keys",
    ]
    .into_iter()
    .fold(script, |script, field| script.field(field, &most));
    completes(script);
    let full = Script::redis()
        .field("used_memory", &most)
        .field("maxmemory", "1");
    fails(&full, 2, &["maxmemory"]);
    let script = Script::redis().on("DBSIZE", Act::say(":9223372036854775807\r\n"));
    let outcome = run(&fill(&script.start()));
    outcome.check(!outcome.stderr.contains("overflow"), "a sum was too large");
}

#[test]
fn a_server_that_forgets_some_of_what_it_acknowledged() {
    // Those of the keys 1200 to 1299.
    let script = Script::redis().on("SET key:0000000012", Act::Forget);
    let server = script.start();
    let outcome = run(&fill(&server).with("--output json"));
    outcome.exits_with(1);
    outcome
        .report()
        .is_incomplete()
        .has([("keys.present", (KEYS - 100).into())]);
    assert_eq!(server.dbsize(), KEYS - 100);
}

#[test]
fn a_server_before_6_2() {
    completes(Script::before_6_2());
}

#[test]
fn a_proxy_without_client_reply() {
    let server = completes(Script::proxy());
    assert_eq!(server.sets(), KEYS);
}

#[test]
fn a_proxy_that_knows_neither_client_nor_info() {
    let unknown = Act::refuse("ERR unknown command 'INFO'");
    let server = completes(Script::proxy().on("INFO", unknown));
    assert_eq!(server.sets(), KEYS);
}

#[test]
fn monstrous_topologies() {
    let range = |slots: &str, host: &str, port: u16| {
        let host = format!("${}\r\n{host}\r\n", host.len());
        format!("*3\r\n{slots}*3\r\n{host}:{port}\r\n$1\r\na\r\n")
    };
    let whole = ":0\r\n:16383\r\n";
    let many: String = (0..5_000)
        .map(|slot| range(&format!(":{slot}\r\n:{slot}\r\n"), "127.0.0.1", 1 + slot))
        .collect();
    let answers = [
        (
            "two masters",
            format!("*2\r\n{}{}", range(whole, "a", 1), range(whole, "b", 2)),
        ),
        ("more than", format!("*5000\r\n{many}")),
        (
            "control characters",
            format!("*1\r\n{}", range(whole, "\u{1b}[2J", 1)),
        ),
        (
            "no slots",
            format!("*1\r\n{}", range(":0\r\n:99999\r\n", "a", 1)),
        ),
        ("RESP", "*1000000000\r\n".to_owned()),
    ];
    for (words, answer) in answers {
        let script = Script::redis()
            .field("redis_mode", "cluster")
            .on("CLUSTER SLOTS", Act::say(answer));
        let server = script.start();
        let outcome = run(&fill(&server).with("-c"));
        outcome.says([words]).is_prompt();
        outcome.check(outcome.stdout.is_empty(), "it went on");
    }
}
