//! `redis-client doctor`: what it finds on this machine, what it says of servers that cannot be
//! reached, and the form of its reports. Servers in every state are in `doctor_servers.rs`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::fixtures::doctor::{
    Findings, doctor, doctor_cluster, doctor_of_machine, doctor_port, text,
};
use crate::fixtures::server::free_port;
use crate::fixtures::source::workspace;
use crate::fixtures::{Cluster, Fake, Server, jail, program};

/// Asserts that every field is there, of its promised type, and no other.
#[track_caller]
pub(crate) fn keeps_the_promise(found: &Findings) {
    let names = |value: &Value| -> Vec<String> {
        let fields = value.as_object().expect("it is an object");
        let mut names: Vec<String> = fields.keys().cloned().collect();
        names.sort();
        names
    };
    let whole = found.report.whole();
    let fields = [
        "engine", "fill", "machine", "network", "reason", "schema", "servers", "target", "verdict",
    ];
    assert_eq!(names(whole), fields);
    assert!(whole["target"].is_string() || whole["target"].is_null());
    for server in whole["servers"].as_array().expect("a list") {
        assert_eq!(names(server), ["address", "findings"]);
        assert!(server["address"].is_string());
    }
    for finding in found.all() {
        let fields = ["advice", "found", "name", "value", "verdict"];
        assert_eq!(names(finding), fields, "{finding}");
        assert!(!text(finding, "found").is_empty(), "{finding}");
        let value = &finding["value"];
        assert!(!value.is_object() && !value.is_array(), "{finding}");
        let has_advice = finding["advice"].as_str().is_some_and(|it| !it.is_empty());
        match text(finding, "verdict") {
            "hint" | "problem" => assert!(has_advice, "{finding}"),
            "ok" | "unknown" => assert!(finding["advice"].is_null(), "{finding}"),
            other => panic!("no such verdict: {other}"),
        }
    }
}

#[test]
fn a_machine_alone_is_looked_at() {
    let found = doctor_of_machine().judges(0, "ready");
    keeps_the_promise(&found);
    found.report.has([
        ("target", Value::Null),
        ("servers", json!([])),
        ("fill", json!([])),
    ]);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel");
    assert_eq!(found.named("machine", "kernel")["value"], kernel.trim());
    let send = found.finds("engine", "send", "ok");
    let both = text(send, "found");
    assert!(
        both.contains("here copy") && both.contains("elsewhere"),
        "{both}"
    );
}

#[test]
fn the_text_is_for_people() {
    let server = Server::start();
    let outcome = doctor(&server).run();
    outcome.succeeds().prints([
        "ready: a fill could run",
        "\nmachine\n",
        "\nengine\n",
        "ok       driver",
        &format!("\nserver {}\n", server.address()),
        "1,048,576 keys (1.00 GiB) could be written",
    ]);
    outcome.check(!outcome.stdout.contains('{'), "it is not for people");
    outcome.check(outcome.stderr.is_empty(), "standard error is not empty");
}

#[test]
fn without_io_uring_a_fill_would_use_sockets() {
    let server = Server::start();
    let command = doctor(&server).under(jail::without_io_uring());
    let found = command.judges(0, "ready");
    let ring = found.finds("machine", "io-uring", "hint");
    assert_eq!(ring["value"], false);
    assert!(text(ring, "advice").contains("io_uring_setup"), "{ring}");
    assert_eq!(found.finds("machine", "seccomp", "hint")["value"], "filter");
    assert_eq!(found.finds("engine", "driver", "ok")["value"], "socket");
}

#[test]
fn little_memory_to_lock_is_told() {
    let (_folder, copy) = jail::program_for_everybody();
    let command = doctor_of_machine()
        .from(&copy)
        .under(jail::with_limit("-l 64"));
    let found = command
        .under(jail::as_ordinary_user(60_011))
        .judges(0, "ready");
    let memlock = found.finds("machine", "memlock", "hint");
    assert_eq!(memlock["value"], 65_536);
    assert!(
        text(memlock, "found").contains("of 4.00 MiB could be registered"),
        "{memlock}"
    );
    assert!(text(memlock, "advice").contains("ulimit -l"), "{memlock}");
}

#[test]
fn too_few_open_files_are_told() {
    let command = doctor_of_machine().with("--preset fast");
    let found = command.under(jail::with_limit("-n 68")).judges(0, "ready");
    let files = found.finds("machine", "open-files", "hint");
    assert_eq!(files["value"], 68);
}

#[test]
fn one_core_for_both_is_told() {
    let server = Server::start();
    let found = doctor(&server).under(jail::on_core(0)).judges(0, "ready");
    assert_eq!(found.finds("machine", "cores", "hint")["value"], 1);
    let alone = doctor_of_machine()
        .under(jail::on_core(0))
        .judges(0, "ready");
    assert_eq!(alone.finds("machine", "cores", "ok")["value"], 1);
}

#[test]
fn the_way_to_another_machine_is_looked_at() {
    let Some(across) = jail::across_a_veth_pair() else {
        return;
    };
    let command = program().with("doctor -h").arg(jail::ELSEWHERE);
    let found = command.with("--output json").under(across).run();
    found.exits_with(0);
    let report = found.report();
    let network = report.at("network").as_array().expect("a list");
    let interface = network.iter().find(|it| it["name"] == "interface");
    let interface = interface.expect("there is one on the way");
    assert_eq!(interface["value"], "near");
    assert!(text(interface, "found").contains("MTU 1500"), "{interface}");
    let engine = report.at("engine").as_array().expect("a list");
    let send = engine.iter().find(|it| it["name"] == "send");
    assert_eq!(send.expect("there is a kind of send")["value"], "zc");
}

/// Asserts that this machine is reported although the server cannot be reached.
#[track_caller]
fn cannot_be_reached(found: &Findings, words: &[&str]) {
    keeps_the_promise(found);
    found.outcome.says(words.iter().copied()).is_prompt();
    found.named("machine", "kernel");
    found.named("engine", "driver");
    found.report.has([("servers", json!([]))]);
    found.finds("fill", "fill", "problem");
    let lines = found.outcome.stderr.lines();
    assert_eq!(lines.count(), 1, "{}", found.outcome.stderr);
}

#[test]
fn a_host_that_does_not_answer() {
    let silent = Fake::silent();
    let found = doctor_port(silent.port()).judges(3, "unreachable");
    cannot_be_reached(&found, &["did not answer", "-p"]);
    let port = free_port();
    let found = doctor_port(port).judges(3, "unreachable");
    cannot_be_reached(&found, &["refused", &port.to_string(), "-h"]);
    let command = doctor_of_machine().with("-h no-such-host.invalid");
    let found = command.judges(3, "unreachable");
    cannot_be_reached(&found, &["no-such-host.invalid", "-h"]);
    let outcome = doctor_port(port).run();
    outcome
        .exits_with(3)
        .prints(["unreachable", "kernel", "driver"]);
}

#[test]
fn something_else_that_answers() {
    for fake in [Fake::http(), Fake::closing(), Fake::answering(b"+OK\r\n")] {
        let found = doctor_port(fake.port()).judges(3, "unreachable");
        cannot_be_reached(&found, &["-p"]);
    }
}

#[test]
fn a_login_that_is_refused() {
    let server = Server::start();
    server.run("CONFIG SET requirepass opensesame");
    let found = doctor(&server).judges(3, "unreachable");
    cannot_be_reached(&found, &["requires a password"]);
    let found = doctor(&server)
        .with("-a openbarley")
        .judges(3, "unreachable");
    cannot_be_reached(&found, &["WRONGPASS"]);
    found.outcome.never_mentions("openbarley");
    for text in ["", "--output json"] {
        let outcome = doctor(&server).with("-a opensesame").with(text).run();
        outcome.succeeds().never_mentions("opensesame");
        let command = doctor(&server).with(text);
        let outcome = command.env("REDISCLI_AUTH", "opensesame").run();
        outcome.succeeds().never_mentions("opensesame");
    }
}

#[test]
fn wrong_usage() {
    for (args, words) in [
        ("-p 7000", ["-p", "-h is missing"]),
        ("-c", ["-c", "-h is missing"]),
        ("--db 3", ["--db", "-h is missing"]),
        ("--output yaml", ["--output", "text or json"]),
        ("-h x -n 4", ["-n", "option of fill"]),
        ("-h x -p 0", ["-p", "65535"]),
        ("-d 1 --keys 5", ["-d", "--keys"]),
        ("--key-size 1 -d 1", ["--key-size", "1"]),
        ("--preset fats", ["--preset", "fast"]),
        ("-h x -a y --ask-password", ["-a", "--ask-password"]),
    ] {
        let outcome = doctor_of_machine().with(args).run();
        outcome.is_refused(2, words);
    }
}

#[test]
fn every_finding_is_documented_and_every_documented_one_exists() {
    let page = std::fs::read_to_string(workspace().join("docs/DOCTOR.md")).expect("a page");
    let (_, page) = page
        .split_once("## Findings of")
        .expect("a part on findings");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let server = Server::start();
    let cluster = Cluster::start(1);
    let reports = [
        doctor_of_machine().judges(0, "ready"),
        doctor(&server).judges(0, "ready"),
        doctor_cluster(&cluster).judges(0, "ready"),
    ];
    let found: BTreeSet<&str> = reports
        .iter()
        .flat_map(Findings::all)
        .map(|finding| text(finding, "name"))
        .collect();
    assert_eq!(found, documented);
}
