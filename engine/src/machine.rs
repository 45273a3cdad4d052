//! What the plan has to know about this machine: cores, io_uring, and whether servers run here
//! too. `observe.rs` finds it out.

use std::net::{IpAddr, SocketAddr, UdpSocket};

/// Why io_uring cannot be used, and what would change that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable {
    /// What stands in the way.
    pub cause: String,
    /// What an administrator would have to change.
    pub cure: String,
}

/// Where the servers of a fill run, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// All on this machine.
    Here,
    /// All on other machines.
    Elsewhere,
    /// Some here and some not.
    Both,
}

impl Whereabouts {
    /// Where those with these addresses run; nobody's are elsewhere.
    #[must_use]
    pub fn at(addresses: &[SocketAddr]) -> Self {
        let here = addresses
            .iter()
            .filter(|address| is_local(**address))
            .count();
        match here {
            0 => Self::Elsewhere,
            here if here == addresses.len() => Self::Here,
            _ => Self::Both,
        }
    }
}

/// Facts of this machine, observed once.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Cores that this process may run on, in ascending order.
    pub cores: Vec<usize>,
    /// Whether io_uring can be used.
    pub io_uring: Result<(), Unavailable>,
    /// Where the servers run, which share the cores where they run here.
    pub servers: Whereabouts,
}

/// Whether `address` belongs to this machine: the route to a local address starts at that same
/// address.
#[must_use]
pub fn is_local(address: SocketAddr) -> bool {
    if address.ip().is_loopback() {
        return true;
    }
    route_start(address).is_some_and(|start| start == address.ip())
}

/// The address at which the route to `address` starts; `None` where there is no route. Connecting
/// a datagram socket asks for it and sends nothing.
#[must_use]
pub fn route_start(address: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => [0, 0, 0, 0].into(),
        SocketAddr::V6(_) => [0_u16; 8].into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(address).ok()?;
    socket.local_addr().ok().map(|start| start.ip())
}
