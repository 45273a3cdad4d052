//! `fill(plan) -> Report`: starts reactors, watches them, joins them, audits.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, UsageWho, getrlimit, setrlimit};

use crate::audit::{Before, Finding, Sent, audit};
use crate::control::Control;
use crate::driver::contract::{LaneEnd, Shared, Tally};
use crate::error::{Error, Result};
pub use crate::event::{Event, Progress};
use crate::handshake::Greeting;
use crate::lane::{Lane, Replies};
use crate::monitor::{Monitor, Snapshot};
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::reactor::{self, ReactorResult, cpu_time};
use crate::report::Report;
use crate::stop::Halt;
pub use crate::stop::Stop;
use crate::summary;
use crate::target::Target;

/// Time between two reports of progress.
const TELL: Duration = Duration::from_millis(100);
/// How long an interrupted fill waits for one answer of the server.
const INTERRUPTED_PATIENCE: Duration = Duration::from_secs(1);
/// Files that are open beside the connections: rings, control connections, standard streams.
const FILES_BESIDE_CONNECTIONS: u64 = 64;

/// Fills the server behind `control` and looks whether everything arrived.
///
/// # Errors
/// The server is gone before the start, or the driver cannot be set up. Refusals, losses and
/// interruptions are no errors: the report tells of them.
pub fn fill(
    plan: &Plan,
    target: &Target,
    control: &mut Control,
    stop: &Stop,
    observe: &mut dyn FnMut(Event),
) -> Result<Report> {
    let before = Before {
        keys: control.key_count()?,
        snapshot: Snapshot::take(control).ok(),
    };
    raise_open_files(plan, observe);
    let halt = Halt::default();
    let monitor = watch_server(control, &before, &halt, observe);
    let greeting = Greeting {
        address: control.address(),
        login: target.login.clone(),
        db: target.db,
        replies: plan.replies,
    };
    let cpu_before = cpu_time(UsageWho::RUSAGE_SELF).unwrap_or_default();
    let started_at = Instant::now();
    let crew = Crew::start(plan, stop, &halt, &greeting);
    crew.watch(plan, started_at, monitor.as_ref(), observe);
    let seconds = started_at.elapsed();
    let cpu_after = cpu_time(UsageWho::RUSAGE_SELF).unwrap_or_default();
    let reconnects = crew.reconnects();
    let reactors = crew.join()?;
    drop(monitor);
    tell_outcomes(plan, &reactors, observe);
    let sent = sent(&reactors, stop.signal().is_some());
    let audit_at = Instant::now();
    if sent.interrupted {
        control.set_patience(INTERRUPTED_PATIENCE);
    }
    let (finding, audit_error) = match audit(control, plan, &before, &sent, stop, observe) {
        Ok(finding) => (finding, None),
        Err(error) => (Finding::default(), Some(error.to_string())),
    };
    Ok(summary::report(&summary::Facts {
        plan,
        target,
        server: control.facts(),
        before: &before,
        finding: &finding,
        audit_error: audit_error.as_deref(),
        reactors: &reactors,
        fill: seconds,
        audit: audit_at.elapsed(),
        cpu: (cpu_after.0 - cpu_before.0, cpu_after.1 - cpu_before.1),
        reconnects,
        halt: halt.get().map(String::as_str),
        signal: stop.signal(),
    }))
}

/// Starts the monitor, where the server lets itself be watched.
fn watch_server(
    control: &Control,
    before: &Before,
    halt: &Halt,
    observe: &mut dyn FnMut(Event),
) -> Option<Monitor> {
    let why = match (&before.snapshot, control.reconnect()) {
        (Some(snapshot), Ok(second)) => {
            return Some(Monitor::start(second, snapshot.clone(), Halt::clone(halt)));
        }
        (None, _) => "INFO is not permitted".to_owned(),
        (_, Err(error)) => error.to_string(),
    };
    observe(Event::Warning(format!(
        "the server is not watched during the fill: {why}"
    )));
    None
}

/// Tells what the drivers had to do otherwise than planned, each thing once.
fn tell_outcomes(plan: &Plan, reactors: &[ReactorResult], observe: &mut dyn FnMut(Event)) {
    let notices: BTreeSet<_> = reactors
        .iter()
        .flat_map(|reactor| &reactor.outcome.notices)
        .collect();
    for notice in notices {
        observe(Event::Notice(notice.clone()));
    }
    let mut lanes = reactors.iter().flat_map(|reactor| &reactor.lanes);
    if plan.replies == Replies::Fenced && lanes.any(|lane| lane.replies == Replies::Each) {
        observe(Event::Notice(
            "CLIENT REPLY is refused here: each reply was read".into(),
        ));
    }
}

fn sent(reactors: &[ReactorResult], interrupted: bool) -> Sent {
    let heads: Vec<_> = reactors
        .iter()
        .flat_map(|reactor| reactor.lanes.iter().map(|lane| lane.sent.clone()))
        .collect();
    let resent: u64 = reactors.iter().map(|reactor| reactor.resent).sum();
    let commands = heads.iter().map(KeySequence::count).sum::<u64>() + resent;
    Sent {
        heads,
        commands,
        resent,
        interrupted,
        is_all_acknowledged: reactors
            .iter()
            .flat_map(|reactor| &reactor.lanes)
            .all(|lane| lane.end == LaneEnd::Done),
    }
}

/// Raises the limit of open files as far as the plan needs and the system allows.
fn raise_open_files(plan: &Plan, observe: &mut dyn FnMut(Event)) {
    let needed = plan.connections as u64 + FILES_BESIDE_CONNECTIONS;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    if soft < needed && setrlimit(Resource::RLIMIT_NOFILE, needed.min(hard), hard).is_err()
        || hard < needed
    {
        observe(Event::Warning(format!(
            "only {hard} files may be open (`ulimit -Hn`), {needed} are needed: some connections will fail; use fewer (-n)"
        )));
    }
}

/// The reactors at work.
struct Crew {
    threads: Vec<JoinHandle<Result<ReactorResult>>>,
    tallies: Vec<Arc<Tally>>,
    ended: Receiver<()>,
}

impl Crew {
    /// Deals the lanes out and starts a thread per reactor.
    fn start(plan: &Plan, stop: &Stop, halt: &Halt, greeting: &Greeting) -> Self {
        let plan = Arc::new(plan.clone());
        let reactors = plan.reactor_cores.len();
        let mut lanes_of_reactor: Vec<Vec<Lane>> = (0..reactors).map(|_| Vec::new()).collect();
        for (number, sequence) in plan.lane_sequences().into_iter().enumerate() {
            lanes_of_reactor[number % reactors].push(Lane::new(plan.lane_shape(), sequence));
        }
        let (ending, ended) = channel();
        let mut tallies = Vec::new();
        let mut threads = Vec::new();
        for (lanes, core) in lanes_of_reactor.into_iter().zip(plan.reactor_cores.clone()) {
            let tally = Arc::new(Tally::default());
            let shared = Shared {
                stop: stop.clone(),
                halt: Arc::clone(halt),
                tally: Arc::clone(&tally),
                greeting: greeting.clone(),
            };
            tallies.push(tally);
            let (plan, ending, halt) = (Arc::clone(&plan), ending.clone(), Arc::clone(halt));
            threads.push(std::thread::spawn(move || {
                let result = reactor::run(&plan, core, lanes, shared);
                if let Err(error) = &result {
                    // The first reason stands.
                    let _ = halt.set(error.to_string());
                }
                // The watching thread waits for this; it cannot be gone.
                let _ = ending.send(());
                result
            }));
        }
        Self {
            threads,
            tallies,
            ended,
        }
    }

    /// Tells how far the fill is until every reactor has ended.
    fn watch(
        &self,
        plan: &Plan,
        started_at: Instant,
        monitor: Option<&Monitor>,
        observe: &mut dyn FnMut(Event),
    ) {
        let mut running = self.threads.len();
        let bytes_per_key = (plan.keyspace().key_size() + plan.values().value_size()) as u64;
        while running > 0 {
            match self.ended.recv_timeout(TELL) {
                Ok(()) => running -= 1,
                Err(RecvTimeoutError::Timeout) => {}
                // A reactor panicked; joining it says so.
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let keys_acked = self
                .tallies
                .iter()
                .map(|tally| tally.keys_acked.load(Ordering::Relaxed))
                .sum();
            let latest = monitor.map(Monitor::latest).unwrap_or_default();
            observe(Event::Progress(Progress {
                elapsed: started_at.elapsed(),
                keys_acked,
                payload_bytes_acked: keys_acked * bytes_per_key,
                payload_bytes_planned: plan.payload_bytes(),
                server_cpu_percent: latest.cpu_percent,
            }));
        }
    }

    fn reconnects(&self) -> u64 {
        self.tallies
            .iter()
            .map(|tally| tally.reconnects.load(Ordering::Relaxed))
            .sum()
    }

    fn join(self) -> Result<Vec<ReactorResult>> {
        self.threads
            .into_iter()
            .map(|thread| {
                thread.join().unwrap_or_else(|_| {
                    Err(Error::Setup {
                        what: "a reactor",
                        message: "its thread panicked".into(),
                        cure: "please report this",
                    })
                })
            })
            .collect()
    }
}
