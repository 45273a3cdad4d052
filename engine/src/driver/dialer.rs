//! Connects lanes in the background, one after the other, each when it is due: control-plane
//! waiting, kept off the reactor's thread.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::handshake::{Greeted, Greeting};
use crate::plan::sequence::KeySequence;
use crate::segment::Segment;

/// A connection and the number of its lane.
pub type Connection = (usize, TcpStream);

/// A lane and what became of dialing it.
pub(super) type Dialed = (usize, Result<Greeted, String>);

/// A lane that wants a connection.
pub(super) struct Job {
    pub(super) lane: usize,
    /// The keys of the frame that the connection sends by itself.
    pub(super) keys: KeySequence,
    pub(super) due: Instant,
    /// What that frame is made from.
    pub(super) segment: Arc<Segment>,
    /// How the connection introduces itself, and where.
    pub(super) greeting: Arc<Greeting>,
}

impl Job {
    /// Connects, introduces itself, and sends the first frame.
    fn run(&self) -> Dialed {
        let greeted = self.greeting.dial(&self.frame());
        (self.lane, greeted.map_err(|error| error.to_string()))
    }

    /// As [`run`](Self::run), within `patience`; `None` where that does not succeed.
    pub(super) fn run_within(&self, patience: Duration) -> Option<Greeted> {
        self.greeting.dial_within(patience, &self.frame()).ok()
    }

    fn frame(&self) -> Vec<u8> {
        let frame = self.segment.frame();
        let mut bytes = vec![0; frame.bytes()];
        frame.render_each(|key| self.keys.at(key as u64), 0, &mut bytes);
        bytes
    }
}

/// The thread that dials, started with the first job and ended with this value.
pub(super) struct Dialer {
    jobs: Option<Sender<Job>>,
    is_stopped: Arc<AtomicBool>,
    done: (Sender<Dialed>, Receiver<Dialed>),
}

impl Dialer {
    pub(super) fn new() -> Self {
        Self {
            jobs: None,
            is_stopped: Arc::default(),
            done: channel(),
        }
    }

    /// No further job is begun.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Takes a job on; its outcome comes with [`next`](Self::next).
    pub(super) fn push(&mut self, job: Job) {
        let lane = job.lane;
        let jobs = self.jobs.take().map_or_else(|| self.start(), Ok);
        let failure = match jobs {
            Ok(jobs) => {
                let failure = jobs
                    .send(job)
                    .err()
                    .map(|_| "the dialing thread is gone".to_owned());
                self.jobs = Some(jobs);
                failure
            }
            Err(error) => Some(format!("no thread to dial with: {error}")),
        };
        if let Some(failure) = failure {
            // This end of the channel is ours, so it cannot be closed.
            let _ = self.done.0.send((lane, Err(failure)));
        }
    }

    /// The next outcome, if there is one.
    pub(super) fn next(&mut self) -> Option<Dialed> {
        self.done.1.try_recv().ok()
    }

    fn start(&self) -> std::io::Result<Sender<Job>> {
        let (jobs, accepted) = channel();
        let done = self.done.0.clone();
        let is_stopped = Arc::clone(&self.is_stopped);
        std::thread::Builder::new()
            .name("dialer".into())
            .spawn(move || serve(&accepted, &done, &is_stopped))?;
        Ok(jobs)
    }
}

/// Runs jobs as they fall due, until nobody can give or take any more.
fn serve(accepted: &Receiver<Job>, done: &Sender<Dialed>, is_stopped: &AtomicBool) {
    let mut waiting: Vec<Job> = Vec::new();
    loop {
        let now = Instant::now();
        let next = (0..waiting.len()).min_by_key(|job| waiting[*job].due);
        let patience = next.map_or(Duration::MAX, |job| {
            waiting[job].due.saturating_duration_since(now)
        });
        match accepted.recv_timeout(patience.min(Duration::from_secs(3600))) {
            Ok(job) => {
                waiting.push(job);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if is_stopped.load(Ordering::Relaxed) {
            return;
        }
        if let Some(job) = next
            && done.send(waiting.swap_remove(job).run()).is_err()
        {
            return;
        }
    }
}
