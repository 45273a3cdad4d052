//! The plain driver: non-blocking sockets and poll(2). It runs where io_uring is forbidden, and
//! is what the others are measured against. One block serves all lanes, since a write has copied
//! its bytes when it returns.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::contract::{Outcome, RECEIVE_BYTES, WAIT};
use super::desk::Desk;
use crate::plan::{Driver, Plan, Send};
use crate::socket::describe;

/// One lane's socket.
struct Wire {
    stream: TcpStream,
    /// The last write did not fit; wait until the socket is writable.
    is_full: bool,
}

/// Runs the lanes of `desk` until all have ended.
pub(super) fn run(plan: &Plan, desk: &mut Desk) -> Outcome {
    let mut wires: Vec<Option<Wire>> = (0..desk.lane_count()).map(|_| None).collect();
    let mut block = vec![0; plan.segment.block_bytes()];
    plan.segment.render(&mut block);
    let mut arrived = desk.dial_all();
    loop {
        for (lane, stream) in arrived {
            wires[lane] = match stream.set_nonblocking(true) {
                Ok(()) => Some(Wire {
                    stream,
                    is_full: false,
                }),
                Err(error) => {
                    desk.lost(lane, &describe(&error));
                    None
                }
            };
        }
        if desk.is_over() {
            return Outcome {
                driver: Driver::Socket,
                send: Send::Copy,
                notices: Vec::new(),
            };
        }
        for (lane, place) in wires.iter_mut().enumerate() {
            let wire = place.as_mut();
            if let Some(cause) = wire.and_then(|wire| write(desk, lane, wire, &mut block)) {
                *place = None;
                desk.lost(lane, &cause);
            }
        }
        for lane in wait(desk, &mut wires) {
            if let Some(cause) = wires[lane].as_mut().and_then(|wire| read(desk, lane, wire)) {
                wires[lane] = None;
                desk.lost(lane, &cause);
            }
        }
        arrived = desk.tick();
    }
}

/// Writes one chunk of a lane, so that all lanes take turns. Returns why the connection is gone.
fn write(desk: &mut Desk, lane: usize, wire: &mut Wire, block: &mut [u8]) -> Option<String> {
    if wire.is_full {
        return None;
    }
    let range = desk.next(lane, block)?;
    match wire.stream.write(&block[range.clone()]) {
        Ok(bytes) => {
            desk.sent(lane, bytes);
            wire.is_full = bytes < range.len();
            None
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            wire.is_full = true;
            None
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => None,
        Err(error) => Some(describe(&error)),
    }
}

/// Waits until something can be read or written, unless a lane can go on at once. Returns the
/// lanes that have something to read.
fn wait(desk: &Desk, wires: &mut [Option<Wire>]) -> Vec<usize> {
    let mut goes_on = false;
    let mut lanes = Vec::with_capacity(wires.len());
    let mut polled = Vec::with_capacity(wires.len());
    for (lane, wire) in wires.iter().enumerate() {
        let Some(wire) = wire else { continue };
        let mut interest = PollFlags::POLLIN;
        if wire.is_full {
            interest |= PollFlags::POLLOUT;
        } else {
            goes_on |= desk.can_send(lane);
        }
        lanes.push(lane);
        polled.push(PollFd::new(wire.stream.as_fd(), interest));
    }
    let patience = if goes_on {
        PollTimeout::ZERO
    } else {
        PollTimeout::from(WAIT.as_millis() as u16)
    };
    // Interrupted by a signal: nothing is ready, and the desk is asked again.
    if poll(&mut polled, patience).is_err() {
        return Vec::new();
    }
    let ready: Vec<PollFlags> = polled
        .iter()
        .map(|polled| polled.revents().unwrap_or(PollFlags::empty()))
        .collect();
    let mut readable = Vec::new();
    for (lane, ready) in lanes.into_iter().zip(ready) {
        if ready.contains(PollFlags::POLLOUT)
            && let Some(wire) = &mut wires[lane]
        {
            wire.is_full = false;
        }
        if ready.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR) {
            readable.push(lane);
        }
    }
    readable
}

/// Reads what has arrived. Returns why the connection is gone.
fn read(desk: &mut Desk, lane: usize, wire: &mut Wire) -> Option<String> {
    let mut bytes = [0; RECEIVE_BYTES];
    match wire.stream.read(&mut bytes) {
        Ok(0) => Some("the server closed the connection".into()),
        Ok(length) => {
            (!desk.received(lane, &bytes[..length])).then(|| "the lane has ended".to_owned())
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            None
        }
        Err(error) => Some(describe(&error)),
    }
}
