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
