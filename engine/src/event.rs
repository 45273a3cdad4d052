//! What a running fill tells.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Time between two reports of progress.
const TELL: Duration = Duration::from_millis(100);

/// What a running fill tells.
#[derive(Clone, Debug)]
pub enum Event {
    /// How far it is; several times a second.
    Progress(Progress),
    /// A choice that was made for the user, in one line.
    Notice(String),
    /// How many of so many planned keys the audit has looked for.
    Audit(u64, u64),
    /// Something that is likely to go wrong, in one line.
    Warning(String),
}

/// How far a fill is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// Time since the first byte.
    pub elapsed: Duration,
    /// Keys acknowledged so far.
    pub keys_acked: u64,
    /// Bytes of key plus value acknowledged so far.
    pub payload_bytes_acked: u64,
    /// Bytes of key plus value planned.
    pub payload_bytes_planned: u64,
    /// Each node.
    pub nodes: Vec<NodeProgress>,
}

/// How far one node is.
#[derive(Clone, Debug)]
pub struct NodeProgress {
    /// `host:port`.
    pub address: String,
    /// Keys it acknowledged so far.
    pub keys_acked: u64,
    /// Keys it shall get, as things are.
    pub keys_planned: u64,
    /// Its CPU of late, in percent of one core.
    pub cpu_percent: Option<f64>,
}

/// Does something, and tells of it several times a second meanwhile.
pub(crate) fn tell_while<R: Send>(mut tell: impl FnMut(), work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let (working, is_done) = channel::<()>();
        let worker = scope.spawn(move || {
            let result = work();
            drop(working);
            result
        });
        while is_done.recv_timeout(TELL) == Err(RecvTimeoutError::Timeout) {
            tell();
        }
        worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
