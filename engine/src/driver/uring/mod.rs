//! The default driver: one raw ring per reactor, sends from registered blocks, exactly one send
//! in flight per connection. This folder holds all the `unsafe` of the project: `arena` (memory
//! the kernel may touch), `ring` (submissions and completions), `token` (their cookies), and
//! `queue` (one ioctl(2) for all drivers). What is sent when is decided here, safely.

#![allow(
    unsafe_code,
    reason = "the one place that talks to the kernel about memory"
)]

mod abilities;
mod arena;
mod availability;
pub(super) mod queue;
mod ring;
mod token;
mod trial;

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

pub use self::abilities::{Abilities, abilities};
use self::arena::Block;
pub use self::availability::availability;
use self::ring::{Completion, Ring, SendMode};
use self::trial::Measurement;
use super::contract::{Outcome, RECEIVE_BYTES, WAIT};
use super::desk::Desk;
use crate::error::{Error, Result};
use crate::plan::send_choice::Chooser;
use crate::plan::{Driver, Plan, Send};
use crate::socket::describe;

/// A send or poll and a receive, twice over: a kernel may leave entries for the next turn.
const ENTRIES_PER_LANE: u32 = 4;
/// How long connections that were shut down may take to end.
const FINISH_PATIENCE: Duration = Duration::from_secs(1);
/// Fewest and most entries of the submission queue.
const ENTRIES: (u32, u32) = (64, 4096);

/// Connects the lanes of `desk` and runs them until all have ended.
pub(super) fn run(plan: &Plan, desk: &mut Desk) -> Result<Outcome> {
    let lanes = desk.lane_count();
    let mut io = set_up(lanes).map_err(|error| setup_error(&error))?;
    let send_blocks = std::iter::repeat_n(plan.segment.block_bytes(), plan.blocks_per_reactor);
    let receive_blocks = std::iter::repeat_n(RECEIVE_BYTES, lanes);
    let mut blocks = arena::carve(send_blocks.chain(receive_blocks));
    let receive_blocks = blocks.split_off(plan.blocks_per_reactor);
    let ring = Ring::new(&mut io, lanes, plan.blocks_per_reactor + lanes);
    let mut notices = Vec::new();
    let mut send = register(&ring, plan, lanes, &mut blocks, &mut notices);
    let trial = measurement(&ring, plan, lanes, blocks.len(), send);
    if trial.is_some() {
        send = Send::Copy;
    }
    for block in &mut blocks {
        plan.segment.render(block);
    }
    let mut uring = Uring {
        ring,
        free: blocks,
        wires: receive_blocks.into_iter().map(Wire::new).collect(),
        ready: VecDeque::with_capacity(lanes),
        mode: SendMode {
            send,
            nowait: false,
            reports: false,
        },
        trial,
        notices,
    };
    uring.mode.nowait = send != Send::Zc && lanes > uring.free.len();
    if let Err(error) = uring.drive(desk) {
        desk.fail(&format!("io_uring: {}", describe(&error)));
    }
    Ok(Outcome {
        driver: Driver::Uring,
        send: uring.mode.send,
        notices: std::mem::take(&mut uring.notices),
    })
}

/// A ring with room for what `lanes` lanes may want at once, or as much as the kernel has memory
/// for.
fn set_up(lanes: usize) -> io::Result<io_uring::IoUring> {
    let mut entries = (lanes as u32 * ENTRIES_PER_LANE)
        .next_power_of_two()
        .clamp(ENTRIES.0, ENTRIES.1);
    loop {
        match ring::set_up(entries) {
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) && entries > ENTRIES.0 => {
                entries /= 2;
            }
            outcome => return outcome,
        }
    }
}

/// Registers as many of `blocks` as the kernel allows and drops the others; without any, sends
/// are plain copies. Returns the kind of send that is possible.
fn register(
    ring: &Ring<'_>,
    plan: &Plan,
    lanes: usize,
    blocks: &mut Vec<Block>,
    notices: &mut Vec<String>,
) -> Send {
    let planned = blocks.len();
    if !plan.registers_blocks {
        return Send::Copy;
    }
    let mut count = planned;
    while count > 0 && ring.register(&blocks[..count]).is_err() {
        count /= 2;
    }
    if count == 0 {
        notices.push(format!(
            "no memory may be registered with the kernel (RLIMIT_MEMLOCK, see `ulimit -l`; {} KiB would do): sending with plain copies",
            (planned * blocks[0].len()) >> 10
        ));
        return Send::Copy;
    }
    if count < planned {
        notices.push(format!(
            "only {count} of {planned} blocks could be registered with the kernel (RLIMIT_MEMLOCK, see `ulimit -l`)"
        ));
        blocks.truncate(count);
    }
    match plan.send {
        // What is possible is told by the trial.
        Send::Zc if plan.trial.is_some() => Send::Zc,
        Send::Zc if !ring.has_send_zc() => {
            notices.push(
                "this kernel has no zero-copy send (Linux 6.0 has it): using --send fixed".into(),
            );
            Send::Fixed
        }
        Send::Zc if count <= lanes => {
            notices.push("too few blocks for zero-copy sends: using --send fixed".into());
            Send::Fixed
        }
        send => send,
    }
}

/// What is left to find out about kinds of send, where the plan leaves that to the driver.
fn measurement(
    ring: &Ring<'_>,
    plan: &Plan,
    lanes: usize,
    blocks: usize,
    send: Send,
) -> Option<Measurement> {
    let trial = plan.trial.as_ref()?;
    // With plain copies alone, `register` could not register anything.
    let is_registered = send != Send::Copy;
    let without_zc = match () {
        () if !is_registered => Some("no memory may be registered with the kernel"),
        () if !ring.has_send_zc() => Some("this kernel has no zero-copy send (Linux 6.0 has it)"),
        () if blocks <= lanes => Some("too few blocks could be registered for zero-copy sends"),
        () => None,
    };
    let chooser = Chooser::new(without_zc.map(str::to_owned), !is_registered);
    Some(Measurement::new(trial, chooser, lanes))
}

fn setup_error(error: &io::Error) -> Error {
    Error::Setup {
        what: "io_uring",
        message: describe(error),
        cure: "use --driver socket",
    }
}

/// What is under way on one lane's connection.
struct Wire {
    /// The block that receives; `None` while the kernel has it.
    receive_block: Option<Block>,
    /// Bytes and kind of the send in flight.
    sending: Option<(usize, Send)>,
    is_polling: bool,
    is_attached: bool,
    is_queued: bool,
    /// Why the connection is being closed.
    closing: Option<String>,
}

impl Wire {
    fn new(receive_block: Block) -> Self {
        Self {
            receive_block: Some(receive_block),
            sending: None,
            is_polling: false,
            is_attached: false,
            is_queued: false,
            closing: None,
        }
    }

    /// Whether the kernel has nothing of this connection in hand.
    fn is_idle(&self) -> bool {
        self.receive_block.is_some() && self.sending.is_none() && !self.is_polling
    }
}

/// One reactor's ring and what is going on in it.
struct Uring<'a> {
    ring: Ring<'a>,
    free: Vec<Block>,
    wires: Vec<Wire>,
    /// Lanes that may have something to send, in turn.
    ready: VecDeque<usize>,
    mode: SendMode,
    /// While it is found out which kind of send is best.
    trial: Option<Measurement>,
    notices: Vec<String>,
}

impl Uring<'_> {
    fn drive(&mut self, desk: &mut Desk) -> io::Result<()> {
        let mut arrived = desk.dial_all();
        loop {
            for (lane, stream) in arrived {
                self.attach(desk, lane, stream);
            }
            if desk.is_over() {
                return self.finish(desk);
            }
            if let Some(found) = self.trial.as_mut().and_then(Measurement::found) {
                self.mode.send = found;
                self.trial = None;
                (0..desk.lane_count()).for_each(|lane| self.queue(lane));
            }
            self.submit(desk);
            self.ring.wait(WAIT)?;
            while let Some(completion) = self.ring.next_completion() {
                self.complete(desk, completion);
            }
            arrived = desk.tick();
            if desk.take_nudged() {
                (0..desk.lane_count()).for_each(|lane| self.queue(lane));
            }
        }
    }

    /// Ends the connections that are left and hears how much of their last sends was taken.
    fn finish(&mut self, desk: &mut Desk) -> io::Result<()> {
        for lane in 0..self.wires.len() {
            if self.wires[lane].is_attached {
                self.close(lane, "the fill has ended".to_owned());
            }
        }
        let deadline = Instant::now() + FINISH_PATIENCE;
        while self.wires.iter().any(|wire| wire.is_attached) && Instant::now() < deadline {
            self.ring.wait(WAIT)?;
            while let Some(completion) = self.ring.next_completion() {
                self.complete(desk, completion);
            }
        }
        Ok(())
    }

    fn attach(&mut self, desk: &mut Desk, lane: usize, stream: TcpStream) {
        if let Err(error) = self.ring.attach(lane, stream) {
            self.ring.detach(lane);
            desk.lost(lane, &describe(&error));
            return;
        }
        self.wires[lane].is_attached = true;
        self.receive(lane);
        self.queue(lane);
    }

    /// Gives every ready lane's next chunk to the ring, while there are blocks.
    fn submit(&mut self, desk: &mut Desk) {
        while let Some(lane) = self.ready.pop_front() {
            let wire = &mut self.wires[lane];
            wire.is_queued = false;
            if !wire.is_attached || wire.sending.is_some() || wire.is_polling {
                continue;
            }
            if !desk.can_send(lane) || wire.closing.is_some() {
                continue;
            }
            if self.trial.as_ref().is_some_and(|trial| trial.holds(lane)) {
                continue;
            }
            let Some(mut block) = self.free.pop() else {
                wire.is_queued = true;
                self.ready.push_front(lane);
                return;
            };
            match desk.next(lane, &mut block) {
                Some(part) => {
                    let mut mode = self.mode;
                    if let Some(trial) = &mut self.trial {
                        (mode.send, mode.reports) = trial.next(lane, block.number());
                    }
                    self.wires[lane].sending = Some((part.len(), mode.send));
                    self.ring.send(lane, block, part, mode);
                }
                None => self.free.push(block),
            }
        }
    }

    fn complete(&mut self, desk: &mut Desk, completion: Completion) {
        match completion {
            Completion::Sent(lane, result, block) => {
                let bytes = *result.as_ref().unwrap_or(&0);
                if let (Some(trial), Some((_, send))) = (&mut self.trial, self.wires[lane].sending)
                {
                    trial.sent(lane, send, bytes, block.is_some());
                }
                self.free.extend(block);
                self.sent(desk, lane, result);
                self.close_if_idle(desk, lane);
            }
            Completion::Received(lane, result, block) => {
                self.received(desk, lane, result, block);
                self.close_if_idle(desk, lane);
            }
            Completion::Writable(lane) => {
                self.wires[lane].is_polling = false;
                self.queue(lane);
                self.close_if_idle(desk, lane);
            }
            Completion::Released(lane, block, is_copied) => {
                if let Some(trial) = &mut self.trial {
                    trial.released(block.number(), is_copied);
                }
                self.free.push(block);
                self.queue(lane);
            }
        }
    }

    fn sent(&mut self, desk: &mut Desk, lane: usize, result: io::Result<usize>) {
        let Some((asked, kind)) = self.wires[lane].sending.take() else {
            return;
        };
        match result {
            Ok(bytes) => {
                desk.sent(lane, bytes);
                if bytes < asked && self.mode.nowait {
                    self.poll_out(lane);
                } else {
                    self.queue(lane);
                }
            }
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN) => self.poll_out(lane),
                Some(libc::EINTR) => self.queue(lane),
                // Such sockets do not take this kind of send; others may be under way still.
                Some(libc::EOPNOTSUPP | libc::EINVAL) if kind != Send::Copy => {
                    if let Some(trial) = &mut self.trial {
                        trial.refused(kind);
                    } else if self.mode.send == kind {
                        self.notices.push(format!(
                            "the kernel refused --send {}: using --send copy",
                            kind.name()
                        ));
                        self.mode.send = Send::Copy;
                    }
                    self.queue(lane);
                }
                _ => self.close(lane, describe(&error)),
            },
        }
    }

    fn received(&mut self, desk: &mut Desk, lane: usize, result: io::Result<usize>, block: Block) {
        let going_on = match result {
            Ok(0) => Err("the server closed the connection".to_owned()),
            Ok(bytes) if desk.received(lane, &block[..bytes]) => Ok(()),
            Ok(_) => Err("the lane has ended".to_owned()),
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => Ok(()),
            Err(error) => Err(describe(&error)),
        };
        self.wires[lane].receive_block = Some(block);
        match going_on {
            Ok(()) => {
                self.receive(lane);
                self.queue(lane);
            }
            Err(cause) => self.close(lane, cause),
        }
    }

    fn receive(&mut self, lane: usize) {
        if self.wires[lane].closing.is_none()
            && let Some(block) = self.wires[lane].receive_block.take()
        {
            self.ring.receive(lane, block);
        }
    }

    fn poll_out(&mut self, lane: usize) {
        if self.wires[lane].closing.is_none() {
            self.wires[lane].is_polling = true;
            self.ring.poll_out(lane);
        }
    }

    /// Puts a lane into the line of those that may have something to send.
    fn queue(&mut self, lane: usize) {
        let wire = &mut self.wires[lane];
        if !wire.is_queued {
            wire.is_queued = true;
            self.ready.push_back(lane);
        }
    }

    fn close(&mut self, lane: usize, cause: String) {
        let wire = &mut self.wires[lane];
        if wire.closing.is_none() {
            wire.closing = Some(cause);
            self.ring.shut_down(lane);
        }
    }

    /// Tells the desk that a connection is gone, once the kernel has nothing of it in hand.
    fn close_if_idle(&mut self, desk: &mut Desk, lane: usize) {
        let wire = &mut self.wires[lane];
        if wire.is_idle()
            && let Some(cause) = wire.closing.take()
        {
            wire.is_attached = false;
            self.trial.iter_mut().for_each(|trial| trial.lost(lane));
            self.ring.detach(lane);
            desk.lost(lane, &cause);
        }
    }
}
