//! Watches a server while it is filled: what it refuses, its memory, its CPU, whether it is still
//! the same process. Its purpose is to act early; the audit decides what is true.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::control::Control;
use crate::error::Result;
use crate::refusal::is_about_topology;
use crate::reply::{error_class, is_final};
use crate::statistics::{Change, Snapshot};

/// Time between two looks.
const POLL: Duration = Duration::from_millis(250);
/// What a server does instead of taking keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It takes no write of ours: class and message.
    RefusesAll(String),
    /// It says that its cluster is down.
    ClusterDown,
    /// It says that keys belong elsewhere, or it is gone, or another process by now.
    Unknown,
}

impl Trouble {
    /// What the errors of late mean, the worst first.
    pub(crate) fn of(errors: &BTreeMap<String, u64>, is_in_cluster: bool) -> Option<Self> {
        let refuses_all = |class: &&String| match class.as_str() {
            "OOM" | "MISCONF" | "NOREPLICAS" => true,
            // In a cluster, a master that became a replica.
            "READONLY" => !is_in_cluster,
            _ => false,
        };
        if let Some(class) = errors.keys().find(refuses_all) {
            return Some(Self::RefusesAll(class.clone()));
        }
        if !is_in_cluster {
            return None;
        }
        if errors.contains_key("CLUSTERDOWN") {
            return Some(Self::ClusterDown);
        }
        let is_about_topology = errors.keys().any(|class| is_about_topology(class));
        is_about_topology.then_some(Self::Unknown)
    }

    /// What it means that SETs were refused of late. Errors may be those of other clients, or not
    /// be told apart: what the server says to a write of ours counts.
    fn of_refusals(
        errors: &BTreeMap<String, u64>,
        control: &mut Control,
        key: &[u8],
    ) -> Option<Self> {
        let is_in_cluster = control.is_in_cluster();
        let said = control.write_refusal(key).ok().flatten();
        match (Self::of(errors, is_in_cluster), said) {
            (Some(Self::RefusesAll(class)), Some(said)) if error_class(&said) == class => {
                Some(Self::RefusesAll(said))
            }
            (None, Some(said)) => {
                let class = error_class(&said);
                let is_meant = is_final(class) && !(is_in_cluster && class == "READONLY");
                is_meant.then_some(Self::RefusesAll(said))
            }
            (trouble, _) => trouble,
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
    /// SETs that were tried, none of which wrote anything.
    probes: u64,
}

/// A thread that looks at one server until it is dropped.
pub struct Monitor {
    latest: Arc<Mutex<Latest>>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Monitor {
    /// Starts watching through `control` a server that is to get `key`, among others.
    ///
    /// # Errors
    /// As [`Snapshot::take`].
    pub fn start(mut control: Control, key: Vec<u8>) -> Result<Self> {
        let first = Snapshot::take(&mut control)?;
        let latest = Arc::new(Mutex::new(Latest::default()));
        let over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (latest, over) = (Arc::clone(&latest), Arc::clone(&over));
            move || watch(control, &key, first, &latest, &over)
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

    /// SETs that the monitor tried, all of which the server counts as refused.
    #[must_use]
    pub fn probes(&self) -> u64 {
        lock(&self.latest).probes
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

fn watch(
    mut control: Control,
    key: &[u8],
    mut last: Snapshot,
    latest: &Mutex<Latest>,
    over: &AtomicBool,
) {
    let mut tried = 0;
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
        // The last look's own attempts are among them.
        let refused = of_late.sets_refused.saturating_sub(tried);
        tried = 0;
        let trouble = match of_late.is_same_process {
            true if refused == 0 => None,
            true => {
                tried = 1;
                Trouble::of_refusals(&of_late.errors, &mut control, key)
            }
            false => Some(Trouble::Unknown),
        };
        {
            let mut latest = lock(latest);
            latest.probes += tried;
            latest.cpu_percent = of_late.is_same_process.then_some(of_late.cpu_percent);
            // What nobody has asked for yet stays, unless there is news.
            latest.trouble = trouble.or(latest.trouble.take());
        }
        last = now;
    }
}
