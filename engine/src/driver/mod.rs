//! Drivers: three ways to move the bytes of the same lanes. A driver owns sockets and blocks; it
//! asks its [`Desk`](desk::Desk) what to send and tells it what arrived.

pub mod desk;
pub mod socket;
pub mod tokio_uring;
pub mod uring;

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::plan::{Driver, Plan, Send};

use self::desk::Desk;

/// Longest wait for the kernel before the desk is asked again.
const WAIT: Duration = Duration::from_millis(50);
/// Bytes read from a connection at a time.
const RECEIVE_BYTES: usize = 2048;

/// A connection and the number of its lane.
pub type Connection = (usize, TcpStream);

/// How a driver went about it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The kind of send in use at the end.
    pub send: Send,
    /// What the user should know about it.
    pub notices: Vec<String>,
}

/// Connects the lanes of `desk` and runs them until all have ended.
///
/// # Errors
/// The driver cannot be set up; nothing was connected then.
pub fn run(plan: &Arc<Plan>, mut desk: Desk) -> Result<(Desk, Outcome)> {
    let outcome = match plan.driver {
        Driver::Uring => uring::run(plan, &mut desk)?,
        Driver::TokioUring => return tokio_uring::run(plan, desk),
        Driver::Socket => socket::run(plan, &mut desk),
    };
    Ok((desk, outcome))
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
