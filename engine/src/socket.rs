//! TCP connections: every address in turn, with the options a fill wants.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use crate::error::{Error, Result};
use crate::target::Target;

/// How long all addresses together may take to accept.
const CONNECT_SECONDS_MAX: Duration = Duration::from_secs(4);
/// A peer that is gone without a word is noticed after about this long.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(15);

/// Connects to the first address of `target` that accepts.
///
/// # Errors
/// [`Error::Unreachable`], with what each address answered.
pub fn connect(target: &Target) -> Result<(TcpStream, SocketAddr)> {
    let timeout = CONNECT_SECONDS_MAX / target.addresses().len().max(1) as u32;
    let mut tried = Vec::new();
    for address in target.addresses() {
        match connect_to(*address, timeout, KEEPALIVE) {
            Ok(stream) => return Ok((stream, *address)),
            Err(error) => tried.push(format!("{}: {}", address.ip(), describe(&error))),
        }
    }
    Err(Error::Unreachable {
        host: target.host.clone(),
        port: target.port,
        tried: tried.join(", "),
    })
}

/// Connects to one address. Nagle's algorithm is off; the send buffer is left to the kernel's
/// autotuning, which setting a size would end. A peer that takes nothing and acknowledges nothing
/// for `silence_max` ends the connection (tcp(7), `TCP_USER_TIMEOUT`).
///
/// # Errors
/// Those of connect(2), or a timeout.
pub fn connect_to(
    address: SocketAddr,
    timeout: Duration,
    silence_max: Duration,
) -> io::Result<TcpStream> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.connect_timeout(&address.into(), timeout.max(Duration::from_millis(1)))?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(silence_max))?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE / 3),
    )?;
    Ok(socket.into())
}

/// An error in words, without the number of the operating system.
#[must_use]
pub fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no answer in time".into(),
        io::ErrorKind::ConnectionReset => "the server closed the connection".into(),
        io::ErrorKind::BrokenPipe => "the connection is closed".into(),
        _ => error.to_string(),
    }
}
