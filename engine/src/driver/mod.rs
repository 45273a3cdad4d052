//! Drivers: three ways to move the bytes of the same lanes. A driver owns sockets and blocks; it
//! asks its [`Desk`] what to send and tells it what arrived.

mod backoff;
pub mod contract;
pub mod desk;
mod dialer;
mod place;
pub mod socket;
pub mod tokio_uring;
pub mod uring;
pub mod waits;

use std::sync::Arc;

use crate::error::Result;
use crate::plan::{Driver, Plan};

use self::contract::Outcome;
use self::desk::Desk;

/// Connects the lanes of `desk` and runs them until all have ended.
///
/// # Errors
/// The driver cannot be set up; nothing was connected then.
pub fn run(plan: &Arc<Plan>, mut desk: Desk) -> Result<(Desk, Outcome)> {
    let outcome = match plan.driver {
        Driver::Uring => match uring::run(plan, &mut desk) {
            Err(error) if plan.driver_is_free => {
                let mut outcome = socket::run(plan, &mut desk);
                outcome
                    .notices
                    .push(format!("went on with --driver socket: {error}"));
                outcome
            }
            outcome => outcome?,
        },
        Driver::TokioUring => return tokio_uring::run(plan, desk),
        Driver::Socket => socket::run(plan, &mut desk),
    };
    Ok((desk, outcome))
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
