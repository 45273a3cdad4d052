//! Watches a server while it is filled: what it refuses, its memory, its CPU, whether it is still
//! the same process. Its purpose is to act early; the audit decides what is true.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::control::Control;
use crate::error::Result;
use crate::machine::is_local;
use crate::memory::Reading;
use crate::meter::{Load, Meter};
use crate::refusal::is_about_topology;
use crate::statistics::{Change, Snapshot};

/// Time between two looks.
const POLL: Duration = Duration::from_millis(250);
/// Time between two looks whether it has looked.
const LOOK: Duration = Duration::from_millis(1);
/// What a server does instead of taking keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It takes no write from anybody: class, and message where it is known.
    RefusesAll(String),
    /// It refuses writes, perhaps those of other clients alone.
    Refuses,
    /// It says that its cluster is down.
    ClusterDown,
    /// It says that keys belong elsewhere, or it is gone, or another process by now.
    Unknown,
}

impl Trouble {
    /// What it means that writes were refused, with these errors: the worst first.
    pub(crate) fn of(errors: &BTreeMap<String, u64>, is_in_cluster: bool) -> Self {
        let refuses_all = |class: &&String| match class.as_str() {
            "OOM" | "MISCONF" | "NOREPLICAS" => true,
            // In a cluster, a master that became a replica.
            "READONLY" => !is_in_cluster,
            _ => false,
        };
        if let Some(class) = errors.keys().find(refuses_all) {
            return Self::RefusesAll(class.clone());
        }
        if is_in_cluster && errors.contains_key("CLUSTERDOWN") {
            return Self::ClusterDown;
        }
        match is_in_cluster && errors.keys().any(|class| is_about_topology(class)) {
            true => Self::Unknown,
            false => Self::Refuses,
        }
    }
}

/// What the monitor saw last.
#[derive(Clone, Debug, Default)]
struct Latest {
    /// The server's CPU between the last two looks, in percent of one core.
    cpu_percent: Option<f64>,
    /// Trouble that nobody has asked for yet.
    trouble: Option<Trouble>,
    /// Its memory and keys, where nobody has asked for them yet.
    reading: Option<Reading>,
    /// Refusals that the next look will see and that mean nothing.
    expected: u64,
    /// How busy the server is while it is filled.
    meter: Meter,
}

/// A thread that looks at one server until it is dropped.
pub struct Monitor {
    latest: Arc<Mutex<Latest>>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Monitor {
    /// Starts watching through `control`.
    ///
    /// # Errors
    /// As [`Snapshot::take`].
    pub fn start(mut control: Control) -> Result<Self> {
        let first = Snapshot::take(&mut control)?;
        let latest = Arc::new(Mutex::new(Latest::default()));
        let over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (latest, over) = (Arc::clone(&latest), Arc::clone(&over));
            move || watch(control, first, &latest, &over)
        });
        Ok(Self {
            latest,
            over,
            thread,
        })
    }

    /// The server's CPU between the last two looks, in percent of one core.
    #[must_use]
    pub fn cpu_percent(&self) -> Option<f64> {
        lock(&self.latest).cpu_percent
    }

    /// The fill sends from now on, or does not any more.
    pub(crate) fn note_filling(&self, is_filling: bool) {
        lock(&self.latest).meter.want(is_filling);
        self.thread.thread().unpark();
    }

    /// How busy the server was while it was filled; the last look may take until `deadline`.
    pub(crate) fn load(&self, deadline: Instant) -> Option<Load> {
        while lock(&self.latest).meter.is_behind() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        lock(&self.latest).meter.load()
    }

    /// Takes note that a SET was tried that the server counts as refused.
    pub(crate) fn expect_refusal(&self) {
        lock(&self.latest).expected += 1;
    }

    /// Its memory and keys, where there is news since the last call.
    #[must_use]
    pub(crate) fn take_reading(&self) -> Option<Reading> {
        lock(&self.latest).reading.take()
    }

    /// Trouble since the last call.
    #[must_use]
    pub fn take_trouble(&self) -> Option<Trouble> {
        lock(&self.latest).trouble.take()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // It ends by itself; waiting for it could mean waiting for a server that hangs.
        self.thread.thread().unpark();
    }
}

fn lock(latest: &Mutex<Latest>) -> MutexGuard<'_, Latest> {
    latest.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch(mut control: Control, mut last: Snapshot, latest: &Mutex<Latest>, over: &AtomicBool) {
    let is_local = is_local(control.address());
    while !over.load(Ordering::Relaxed) {
        std::thread::park_timeout(POLL);
        let Ok(now) = Snapshot::take(&mut control) else {
            // Gone, or too busy to answer: "unknown", not "clean". The lanes notice by themselves.
            let mut latest = lock(latest);
            latest.cpu_percent = None;
            latest.trouble = Some(Trouble::Unknown);
            drop(latest);
            match control.reconnect() {
                Ok(fresh) => control = fresh,
                Err(_) => std::thread::park_timeout(POLL),
            }
            continue;
        };
        let of_late = Change::between(&last, &now);
        let expected = std::mem::take(&mut lock(latest).expected);
        let refused = of_late.refusals().saturating_sub(expected);
        let trouble = match of_late.is_same_process {
            true if refused == 0 => None,
            true => Some(Trouble::of(&of_late.errors, control.is_in_cluster())),
            false => Some(Trouble::Unknown),
        };
        {
            let mut latest = lock(latest);
            latest.reading = Some(now.reading.clone());
            latest.meter.read(&now, is_local);
            latest.cpu_percent = of_late.is_same_process.then_some(of_late.cpu_percent);
            // What nobody has asked for yet stays, unless there is news.
            latest.trouble = trouble.or(latest.trouble.take());
        }
        last = now;
    }
}
