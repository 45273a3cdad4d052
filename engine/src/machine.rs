//! What the plan has to know about this machine: cores, io_uring, and whether the server runs
//! here too.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use crate::driver;

/// Why io_uring cannot be used, and what would change that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// What stands in the way.
    pub cause: String,
    /// What an administrator would have to change.
    pub cure: String,
}

/// Facts of this machine, observed once.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Cores that this process may run on, in ascending order.
    pub cores: Vec<usize>,
    /// Whether io_uring can be used.
    pub io_uring: Result<(), Unavailable>,
    /// Whether the server is on this machine.
    pub server_is_local: bool,
}

impl Machine {
    /// Looks at the machine, with a server that has these addresses.
    #[must_use]
    pub fn observe(server: &[SocketAddr]) -> Self {
        let mut cores: Vec<usize> = core_affinity::get_core_ids()
            .unwrap_or_default()
            .iter()
            .map(|core| core.id)
            .collect();
        if cores.is_empty() {
            cores.push(0);
        }
        cores.sort_unstable();
        Self {
            cores,
            io_uring: io_uring_availability(),
            server_is_local: !server.is_empty() && server.iter().all(|address| is_local(*address)),
        }
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

/// Whether `address` belongs to this machine: the route to a local address starts at that same
/// address. Connecting a datagram socket asks for the route and sends nothing.
fn is_local(address: SocketAddr) -> bool {
    if address.ip().is_loopback() {
        return true;
    }
    let any: IpAddr = match address {
        SocketAddr::V4(_) => [0, 0, 0, 0].into(),
        SocketAddr::V6(_) => [0_u16; 8].into(),
    };
    UdpSocket::bind((any, 0))
        .and_then(|socket| socket.connect(address).and_then(|()| socket.local_addr()))
        .is_ok_and(|route| route.ip() == address.ip())
}
