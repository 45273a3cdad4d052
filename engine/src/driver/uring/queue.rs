//! How much of what a socket was given its peer has not acknowledged. No part of the ring; it is
//! here because ioctl(2) is unsafe to call.

use std::net::TcpStream;
use std::os::fd::AsRawFd;

/// Bytes in the send queue of a connection, sent ones without an acknowledgement included
/// (`SIOCOUTQ` of tcp(7)).
pub(crate) fn unacknowledged_bytes(line: &TcpStream) -> Option<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open as long as `line` is borrowed, and this request writes one
    // int to the address it is given, which is that of `bytes`.
    let result = unsafe { libc::ioctl(line.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    (result == 0).then(|| u64::try_from(bytes).unwrap_or(0))
}
