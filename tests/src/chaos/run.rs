//! One run: a fill, what happens to it, and whether it told the truth.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::script::{FAULTS, Script};
use super::stage::Stage;
use crate::fixtures::check::Found;
use crate::fixtures::program::{Outcome, Running};

/// So long the fill takes where nothing happens.
const FILL_SECONDS: u64 = 6;
/// While something happens it is slower by this factor, so as not to run away meanwhile.
const SLOWER: u64 = 6;
/// A run that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(90);
/// A fill that a policy must end has ended by then.
const SOON: Duration = Duration::from_secs(15);

/// What a run was like.
pub(super) struct Run {
    pub(super) seed: u64,
    pub(super) is_cluster: bool,
    /// What happened, and how often.
    pub(super) happened: BTreeMap<&'static str, u64>,
    pub(super) verdict: Verdict,
    pub(super) took: Duration,
}

/// What is to be held of what the program said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It said so, and it is.
    Complete,
    /// It said so, for this reason, with the true number of keys.
    Incomplete(String),
    /// It said what is not so, or nothing in time.
    Lie(String),
    /// The run itself went wrong.
    Broken(String),
}

/// A fill that shall survive what happens to it.
pub(super) fn survive(seed: u64) -> Run {
    let mut script = Script::of(seed);
    let stage = Stage::set(&script);
    let pace = script.wire_bytes() / FILL_SECONDS;
    stage.network.throttle(pace);
    let mut happened = BTreeMap::new();
    let fill = stage.fill(&script);
    let mut fill = match script.begins_paused {
        true => {
            let server = stage.some_master(&mut script.dice);
            server.signal(nix::sys::signal::Signal::SIGSTOP);
            let fill = fill.start();
            std::thread::sleep(Duration::from_secs(2));
            server.signal(nix::sys::signal::Signal::SIGCONT);
            happened.insert("a server stopped while the fill connects", 1);
            fill
        }
        false => fill.start(),
    };
    // It may have had to wait for its turn.
    let begin = Instant::now();
    for (n, fault) in script.faults.clone().into_iter().enumerate() {
        let tenth = script.wire_bytes() * (2 * n as u64 + 1) / (2 * FAULTS as u64);
        if !has_reached(&stage, tenth, &mut fill, begin) {
            break;
        }
        stage.network.throttle(pace / SLOWER);
        let has_happened = stage.suffer(fault, &mut script.dice);
        stage.network.throttle(pace);
        *happened.entry(fault.name()).or_default() += u64::from(has_happened);
    }
    stage.network.throttle(0);
    let verdict = match end(fill, begin + DEADLINE) {
        Some(outcome) => judge(&outcome, &script, &stage.look(&script)),
        None => Verdict::Lie(format!("it hangs: no end after {DEADLINE:?}")),
    };
    Run {
        seed,
        is_cluster: script.is_cluster,
        happened,
        verdict,
        took: begin.elapsed(),
    }
}

/// A fill that must stop soon, and say which setting is the cause.
pub(super) fn be_refused(seed: u64) -> Run {
    let mut script = Script::of(seed);
    let stage = Stage::set(&script);
    let policy = script.policy;
    stage.network.throttle(script.wire_bytes() / FILL_SECONDS);
    stage.admits_user();
    let mut fill = Stage::as_user(&stage.fill(&script)).start();
    let begin = Instant::now();
    let progress = script.wire_bytes() * (20 + script.dice.below(60)) / 100;
    let is_under_way = has_reached(&stage, progress, &mut fill, begin);
    let words = stage.refuse(policy, &mut script.dice);
    let verdict = match end(fill, Instant::now() + SOON) {
        Some(outcome) => {
            let verdict = judge(&outcome, &script, &stage.look(&script));
            must_name(verdict, &words)
        }
        None => Verdict::Lie(format!("it goes on for more than {SOON:?}")),
    };
    Run {
        seed,
        is_cluster: script.is_cluster,
        happened: BTreeMap::from([(policy.name(), u64::from(is_under_way))]),
        verdict,
        took: begin.elapsed(),
    }
}

/// Waits until servers have got so many bytes; whether that happens before the fill ends.
fn has_reached(stage: &Stage, bytes: u64, fill: &mut Running, begin: Instant) -> bool {
    while stage.network.forwarded() < bytes && begin.elapsed() < DEADLINE {
        if fill.has_ended() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// How it ended; `None` where it has not by then.
fn end(mut fill: Running, deadline: Instant) -> Option<Outcome> {
    while !fill.has_ended() {
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Some(fill.wait())
}

/// Holds what the program said against what is there.
fn judge(outcome: &Outcome, script: &Script, found: &Found) -> Verdict {
    let lie = |what: &str| {
        let (stdout, stderr) = (&outcome.stdout, &outcome.stderr);
        let (code, flags) = (outcome.code(), &script.flags);
        Verdict::Lie(format!(
            "{what}\nflags: {flags}\nthere is: {found:?}\nstatus: {code:?}\nstdout: {stdout}\nstderr: {stderr}"
        ))
    };
    if outcome.stdout.is_empty() {
        let is_so = matches!(outcome.code(), Some(2 | 3)) && found.present == 0;
        let reason = outcome.stderr.lines().last().unwrap_or_default();
        return match is_so {
            true => Verdict::Incomplete(format!("before the first key: {reason}")),
            false => lie("no report"),
        };
    }
    let report = outcome.report();
    let (verdict, present) = (report.text("verdict"), report.at("keys.present"));
    let planned = script.planned.keys;
    if found.wrong > 0 || found.beyond > 0 {
        return lie("keys have other values than planned, or were not planned");
    }
    if report.number("keys.planned") != planned {
        return lie("another plan");
    }
    if present != found.present {
        return lie(&format!("it says that {present} keys are present"));
    }
    match (verdict, outcome.code()) {
        ("complete", Some(0)) if found.present == planned => Verdict::Complete,
        ("incomplete", Some(1)) if found.present < planned => {
            Verdict::Incomplete(report.text("reason").to_owned())
        }
        (verdict, _) => lie(&format!("the verdict is {verdict}")),
    }
}

/// The reason of an incomplete fill must name all of this.
fn must_name(verdict: Verdict, words: &[String]) -> Verdict {
    match verdict {
        Verdict::Incomplete(reason) if !words.iter().all(|word| reason.contains(word)) => {
            Verdict::Lie(format!("the reason does not name {words:?}: {reason}"))
        }
        Verdict::Complete => Verdict::Lie("it was complete before anything happened".to_owned()),
        verdict => verdict,
    }
}

/// The judge must not be blind: a report that was true becomes a lie when the server is changed
/// behind its back.
#[test]
fn a_lie_is_found_out() {
    use crate::fixtures::{Server, fill};
    let mut script = Script::of(1);
    script.planned.keys = 300;
    let server = Server::start();
    let fill = fill(&server).with("--output json --seed 1");
    let outcome = fill.with(&script.amount()).run();
    let keys = server.keys();
    let key = |n: usize| String::from_utf8(keys[n].clone()).expect("a key is text");
    let judged = || judge(&outcome, &script, &script.planned.at(&server));
    assert_eq!(judged(), Verdict::Complete);
    for change in [
        format!("SETRANGE {} 15 ~", key(7)),
        format!("DEL {}", key(7)),
        format!("RENAME {} {}", key(8), key(7)),
        format!("COPY {} other", key(9)),
    ] {
        server.run(&change);
        assert!(matches!(judged(), Verdict::Lie(_)), "after {change}");
    }
}
