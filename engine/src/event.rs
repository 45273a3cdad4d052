//! What a running fill tells.

use std::time::Duration;

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
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Time since the first byte.
    pub elapsed: Duration,
    /// Keys acknowledged so far.
    pub keys_acked: u64,
    /// Bytes of key plus value acknowledged so far.
    pub payload_bytes_acked: u64,
    /// Bytes of key plus value planned.
    pub payload_bytes_planned: u64,
    /// The server's CPU of late, in percent of one core.
    pub server_cpu_percent: Option<f64>,
}
