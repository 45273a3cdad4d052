//! Fills of a server to which something happens meanwhile: connections are lost or stuck, it hangs,
//! it comes back with its data or without, or it is gone for good. What can be mended is mended,
//! and afterwards every planned key is there; else the report says why not.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::fixtures::check::{Found, Planned};
use crate::fixtures::network::{Cut, Network};
use crate::fixtures::program::{Outcome, Running, fill_port};
use crate::fixtures::rebirth::Rebirth;
use crate::fixtures::report::Report;
use crate::fixtures::{Server, eventually, fill};

/// What is planned; through a network of [`PACE`] it takes some three seconds.
const PLANNED: Planned = Planned {
    keys: 100_000,
    key_size: 20,
    value_size: 40,
    seed: 0,
};
/// Bytes per second of a network that leaves time for something to happen.
const PACE: u64 = 3_000_000;
/// Every way of driving connections, and of reading replies.
const WAYS: [&str; 4] = [
    "",
    "-n 8 --replies each",
    "--driver socket",
    "--driver tokio-uring",
];

/// A fill of a server through a network, after a good part of its way.
struct Underway {
    fill: Running,
    server: Server,
    network: Network,
}

impl Underway {
    /// The server has written to disk whatever it acknowledges.
    fn with(flags: &str) -> Self {
        let server = Server::with("appendonly", "yes");
        let server = server.and("appendfsync", "always").start();
        let network = Network::before([server.port()]);
        network.throttle(PACE);
        let fill = fill_port(network.port_to(server.port())).with(&format!(
            "--keys {} --key-size {} --value-size {} --output json",
            PLANNED.keys, PLANNED.key_size, PLANNED.value_size
        ));
        let depth = match flags.contains("--pipeline-depth") {
            true => "",
            false => "--pipeline-depth 1000",
        };
        let mut underway = Self {
            fill: fill.with(depth).with(flags).start(),
            server,
            network,
        };
        underway.reaches(20_000);
        underway
    }

    /// Waits until the server has so many keys.
    fn reaches(&mut self, keys: u64) {
        eventually("the fill gets on", || {
            // While it loads its data it does not say.
            let present = self.server.try_ask::<u64>("DBSIZE");
            present.is_ok_and(|present| present >= keys) || self.fill.has_ended()
        });
        assert!(!self.fill.has_ended(), "it ended before anything happened");
    }

    /// Asserts that in the end everything is there, by the report's account and by the server's.
    #[track_caller]
    fn ends_complete(self) -> (Outcome, Report) {
        self.network.throttle(0);
        let outcome = self.fill.wait();
        let report = outcome.succeeds().report();
        // A server that is loading its data may have refused a greeting or two.
        report.has([
            ("verdict", "complete".into()),
            ("reason", Value::Null),
            ("keys.sent", PLANNED.keys.into()),
            ("keys.present", PLANNED.keys.into()),
        ]);
        let everything = Found {
            present: PLANNED.keys,
            ..Found::default()
        };
        assert_eq!(PLANNED.at(&self.server), everything);
        (outcome, report)
    }
}

#[test]
fn connections_that_the_server_kills() {
    for way in WAYS {
        let underway = Underway::with(way);
        // Data, control and monitor alike.
        underway.server.run("CLIENT KILL TYPE normal");
        let (outcome, report) = underway.ends_complete();
        let reconnects = report.number("reconnects");
        outcome.check(reconnects > 0, "no connection was lost");
    }
}

#[test]
fn connections_that_the_network_cuts() {
    for how in [Cut::Reset, Cut::Fin] {
        let underway = Underway::with("");
        underway.network.cut(how);
        let (outcome, report) = underway.ends_complete();
        let reconnects = report.number("reconnects");
        outcome.check(reconnects > 0, "no connection was lost");
    }
}

#[test]
fn a_server_that_hangs_for_a_while() {
    for way in WAYS {
        let underway = Underway::with(way);
        underway.server.pause(Duration::from_secs(2));
        underway.ends_complete();
    }
}

#[test]
fn a_server_that_hangs_while_the_fill_connects() {
    let server = Server::start();
    server.signal(Signal::SIGSTOP);
    let fill = fill(&server).with("--keys 5000 --output json").start();
    std::thread::sleep(Duration::from_secs(2));
    server.signal(Signal::SIGCONT);
    fill.wait().succeeds().report().is_complete(5000);
    assert_eq!(server.dbsize(), 5000);
}

#[test]
fn a_network_that_is_silent_for_a_while() {
    let underway = Underway::with("");
    underway.network.goes_silent();
    std::thread::sleep(Duration::from_secs(3));
    underway.network.heals();
    underway.ends_complete();
}

/// Neither end is told that these connections lead nowhere.
#[track_caller]
fn half_open(way: &str) {
    let underway = Underway::with(way);
    underway.network.forgets_connections();
    let (outcome, report) = underway.ends_complete();
    let reconnects = report.number("reconnects");
    outcome.check(reconnects > 0, "it did not connect again");
}

#[test]
fn half_open_connections() {
    half_open("");
}

#[test]
fn half_open_connections_where_each_reply_is_read() {
    half_open("--driver socket --replies each");
}

/// All that was sent had arrived: nothing is repeated that the kernel could miss an answer to.
#[test]
fn half_open_connections_on_which_nothing_is_under_way() {
    half_open("-n 1 --pipeline-depth 50");
}

#[test]
fn a_server_that_comes_back_with_its_data() {
    for way in WAYS {
        let underway = Underway::with(way);
        underway.server.restart(Rebirth::WithItsData);
        underway.ends_complete();
    }
}

/// What was acknowledged before counts as nothing.
#[test]
fn a_server_that_comes_back_empty() {
    for way in WAYS {
        let underway = Underway::with(way);
        underway.server.restart(Rebirth::Empty);
        let (outcome, report) = underway.ends_complete();
        let resent = report.number("keys.resent");
        outcome.check(resent >= 15_000, "what was lost was not sent again");
    }
}

#[test]
fn a_server_that_comes_back_twice() {
    for (first, second) in [
        (Rebirth::WithItsData, Rebirth::Empty),
        (Rebirth::Empty, Rebirth::Empty),
    ] {
        let mut underway = Underway::with("");
        underway.server.restart(first);
        underway.reaches(10_000);
        underway.server.restart(second);
        underway.ends_complete();
    }
}

#[test]
fn a_server_that_is_away_for_some_seconds() {
    let underway = Underway::with("");
    underway.server.crash();
    std::thread::sleep(Duration::from_secs(3));
    underway.server.come_back(Rebirth::WithItsData);
    underway.ends_complete();
}

#[test]
fn a_server_that_is_gone_for_good() {
    for way in WAYS {
        let underway = Underway::with(&format!("--stall-timeout 2 {way}"));
        underway.server.crash();
        let outcome = underway.fill.wait();
        let report = outcome.exits_with(1).is_prompt().report();
        // How many keys are there is not known, and it does not say that it is.
        report
            .is_incomplete()
            .has([("keys.present", Value::Null), ("keys.created", Value::Null)]);
        let reason = report.text("reason");
        outcome.check(reason.contains("connect"), "the reason is the connection");
    }
}

/// Lost again and again while it looks for the keys.
#[test]
fn connections_that_are_killed_during_the_audit() {
    let mut underway = Underway::with("");
    // What was lost once has to be looked for key by key.
    underway.server.restart(Rebirth::WithItsData);
    underway.reaches(PLANNED.keys - 20_000);
    underway.network.throttle(PACE / 10);
    let mut kills: u64 = 0;
    while !underway.fill.has_ended() && kills < 20 {
        let killed: u64 = underway.server.ask("CLIENT KILL TYPE normal");
        kills += u64::from(killed > 0);
        std::thread::sleep(Duration::from_millis(150));
    }
    underway.ends_complete();
}
