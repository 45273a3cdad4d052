//! Looks at this machine: which cores may be used, whether io_uring works, where the servers are.

use std::net::SocketAddr;

use crate::driver;
use crate::machine::{Machine, Unavailable, Whereabouts};

/// Looks at the machine, with servers that have these addresses.
#[must_use]
pub fn machine(servers: &[SocketAddr]) -> Machine {
    let mut cores: Vec<usize> = core_affinity::get_core_ids()
        .unwrap_or_default()
        .iter()
        .map(|core| core.id)
        .collect();
    if cores.is_empty() {
        cores.push(0);
    }
    cores.sort_unstable();
    Machine {
        cores,
        io_uring: io_uring_availability(),
        servers: Whereabouts::at(servers),
    }
}

/// Tries a ring in a thread of its own: while the kernel takes a ring down it interrupts the
/// thread that had it, and a read with a time-out would fail for that.
fn io_uring_availability() -> Result<(), Unavailable> {
    std::thread::spawn(driver::uring::availability)
        .join()
        .unwrap_or_else(|_| {
            Err(Unavailable {
                cause: "the attempt panicked".into(),
                cure: "please report this".into(),
            })
        })
}
