//! Looks at this machine: which cores may be used, whether io_uring works, where the server is.

use std::net::SocketAddr;

use crate::driver;
use crate::machine::{Machine, Unavailable, is_local};

/// Looks at the machine, with a server that has these addresses.
#[must_use]
pub fn machine(server: &[SocketAddr]) -> Machine {
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
        server_is_local: !server.is_empty() && server.iter().all(|address| is_local(*address)),
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
