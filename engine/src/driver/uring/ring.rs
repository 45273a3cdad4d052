//! The ring: set-up, submissions, completions. It owns the sockets, and every block while the
//! kernel has it.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use io_uring::types::{Fixed, SubmitArgs, Timespec};
use io_uring::{
    CompletionQueue, IoUring, Probe, SubmissionQueue, Submitter, cqueue, opcode, squeue,
};

use super::arena::Block;
use super::token::{Operation, Token};
use crate::plan::Send;

/// How long a ring that is closed waits for what the kernel still has.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);
/// How often a full queue is submitted before the kernel is given up.
const PUSH_ATTEMPTS: u32 = 1000;
/// `RWF_NOWAIT` of uio.h: fail with EAGAIN rather than wait. The libc crate has it as well, but
/// not for every target.
const RWF_NOWAIT: i32 = 0x08;
/// `IORING_SEND_ZC_REPORT_USAGE` and `IORING_NOTIF_USAGE_ZC_COPIED` of io_uring.h, which the
/// io-uring crate keeps to itself.
const REPORT_USAGE: u16 = 1 << 3;
const USAGE_COPIED: u32 = 1 << 31;

/// The flags that a ring is set up with, the best first.
const RUNGS: [&str; 5] = [
    "single issuer, deferred task work, no index array",
    "single issuer, deferred task work",
    "single issuer, cooperative task work",
    "cooperative task work",
    "no flags",
];

/// Sets a ring up with the best flags that this kernel takes.
///
/// # Errors
/// What io_uring_setup(2) says to a ring without any flags.
pub(super) fn set_up(entries: u32) -> io::Result<IoUring> {
    climb_down(entries).map(|(ring, _)| ring)
}

/// As [`set_up`]; tells which of [`RUNGS`] was taken, too.
///
/// # Errors
/// As [`set_up`].
pub(super) fn climb_down(entries: u32) -> io::Result<(IoUring, &'static str)> {
    let ladder: [fn(&mut io_uring::Builder) -> &mut io_uring::Builder; 5] = [
        // Linux 6.6
        |builder| {
            builder
                .setup_single_issuer()
                .setup_defer_taskrun()
                .setup_taskrun_flag();
            builder.setup_submit_all().setup_no_sqarray()
        },
        // Linux 6.1
        |builder| {
            builder
                .setup_single_issuer()
                .setup_defer_taskrun()
                .setup_taskrun_flag();
            builder.setup_submit_all()
        },
        // Linux 6.0
        |builder| builder.setup_single_issuer().setup_coop_taskrun(),
        // Linux 5.19
        |builder| builder.setup_coop_taskrun(),
        |builder| builder,
    ];
    let mut outcome = Err(io::ErrorKind::InvalidInput.into());
    for (rung, name) in ladder.into_iter().zip(RUNGS) {
        let mut builder = IoUring::builder();
        builder.dontfork().setup_clamp();
        outcome = rung(&mut builder).build(entries).map(|ring| (ring, name));
        match &outcome {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
            _ => break,
        }
    }
    outcome
}

/// Something that happened.
pub(super) enum Completion {
    /// A send ended; its block is back, unless the kernel still reads it.
    Sent(usize, io::Result<usize>, Option<Block>),
    /// Bytes arrived in the block.
    Received(usize, io::Result<usize>, Block),
    /// The socket takes more.
    Writable(usize),
    /// The kernel is done with a block of an earlier zero-copy send.
    /// tells whether it copied, where it was asked to (`reports`).
    Released(usize, Block, bool),
}

/// How a send is submitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendMode {
    pub(super) send: Send,
    /// Fail with EAGAIN rather than hold the block until the socket takes more.
    pub(super) nowait: bool,
    /// Have the kernel tell whether a zero-copy send was copied all the same.
    pub(super) reports: bool,
}

/// Builds an entry for the lane's registered file, or for its descriptor.
macro_rules! with_descriptor {
    ($ring:expr, $lane:expr, |$fd:ident| $entry:expr) => {
        if $ring.has_fixed_files {
            let $fd = Fixed($lane as u32);
            $entry
        } else {
            let $fd = io_uring::types::Fd($ring.descriptor($lane));
            $entry
        }
    };
}

/// A ring and what it was given.
pub(super) struct Ring<'a> {
    submitter: Submitter<'a>,
    submissions: SubmissionQueue<'a>,
    completions: CompletionQueue<'a>,
    sockets: Vec<Option<TcpStream>>,
    has_fixed_files: bool,
    /// By block number: blocks that the kernel has.
    held: Vec<Option<Block>>,
    /// Completions still to come.
    in_flight: usize,
}

impl<'a> Ring<'a> {
    /// A ring over `io` for so many lanes, with blocks numbered below `blocks`.
    pub(super) fn new(io: &'a mut IoUring, lanes: usize, blocks: usize) -> Self {
        let (mut submitter, submissions, completions) = io.split();
        // Both are savings that older kernels lack; without them plain descriptors are used.
        let _ = submitter.register_ring_fd();
        let has_fixed_files = submitter.register_files_sparse(lanes as u32).is_ok();
        Self {
            submitter,
            submissions,
            completions,
            sockets: (0..lanes).map(|_| None).collect(),
            has_fixed_files,
            held: (0..blocks).map(|_| None).collect(),
            in_flight: 0,
        }
    }

    /// Whether sockets can be registered.
    pub(super) fn has_fixed_files(&self) -> bool {
        self.has_fixed_files
    }

    /// Whether the kernel knows `SEND_ZC`.
    pub(super) fn has_send_zc(&self) -> bool {
        let mut probe = Probe::new();
        self.submitter.register_probe(&mut probe).is_ok()
            && probe.is_supported(opcode::SendZc::CODE)
    }

    /// Registers `blocks`, whose numbers count up from zero.
    ///
    /// # Errors
    /// ENOMEM where RLIMIT_MEMLOCK does not allow it.
    pub(super) fn register(&self, blocks: &[Block]) -> io::Result<()> {
        debug_assert!(
            blocks
                .iter()
                .enumerate()
                .all(|(n, block)| n == usize::from(block.number()))
        );
        let vectors: Vec<libc::iovec> = blocks
            .iter()
            .map(|block| libc::iovec {
                iov_base: block.address().cast(),
                iov_len: block.len(),
            })
            .collect();
        // SAFETY: the vectors describe initialised memory of an arena. The kernel pins the pages
        // for as long as they are registered, so that they stay valid for it even if the arena is
        // freed first; it reads them only for submissions, whose blocks `held` keeps.
        unsafe { self.submitter.register_buffers(&vectors) }
    }

    /// Takes over the connection of a lane, which has none.
    pub(super) fn attach(&mut self, lane: usize, stream: TcpStream) -> io::Result<()> {
        debug_assert!(self.sockets[lane].is_none());
        if self.has_fixed_files {
            self.submitter
                .register_files_update(lane as u32, &[stream.as_raw_fd()])?;
        }
        self.sockets[lane] = Some(stream);
        Ok(())
    }

    /// Ends a connection: whatever is under way on it completes soon.
    pub(super) fn shut_down(&self, lane: usize) {
        if let Some(stream) = &self.sockets[lane] {
            // Fails only where the connection is gone already, which is what is wanted.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Closes a connection on which nothing is under way.
    pub(super) fn detach(&mut self, lane: usize) {
        if self.sockets[lane].take().is_some() && self.has_fixed_files {
            // An entry that stays behind is replaced by the next connection.
            let _ = self.submitter.register_files_update(lane as u32, &[-1]);
        }
    }

    /// Sends a part of `block` on the connection of `lane`.
    pub(super) fn send(&mut self, lane: usize, block: Block, part: Range<usize>, mode: SendMode) {
        let token = Token {
            operation: Operation::Send,
            block: block.number(),
            lane: lane as u32,
        };
        let bytes = &block[part];
        let (begin, length) = (bytes.as_ptr(), bytes.len() as u32);
        let wait = if mode.nowait { libc::MSG_DONTWAIT } else { 0 };
        let entry = with_descriptor!(self, lane, |fd| match mode.send {
            Send::Fixed => opcode::WriteFixed::new(fd, begin, length, block.number())
                .rw_flags(if mode.nowait { RWF_NOWAIT } else { 0 })
                .build(),
            Send::Copy => opcode::Send::new(fd, begin, length)
                .flags(libc::MSG_NOSIGNAL | wait)
                .build(),
            Send::Zc => opcode::SendZc::new(fd, begin, length)
                .buf_index(Some(block.number()))
                .flags(libc::MSG_NOSIGNAL | wait)
                .zc_flags(if mode.reports { REPORT_USAGE } else { 0 })
                .build(),
        });
        self.hold(block);
        self.push(&entry, token);
    }

    /// Receives into `block` from the connection of `lane`.
    pub(super) fn receive(&mut self, lane: usize, block: Block) {
        let token = Token {
            operation: Operation::Receive,
            block: block.number(),
            lane: lane as u32,
        };
        let (begin, length) = (block.address(), block.len() as u32);
        let entry = with_descriptor!(self, lane, |fd| opcode::Recv::new(fd, begin, length)
            .build());
        self.hold(block);
        self.push(&entry, token);
    }

    /// Waits until the connection of `lane` takes more.
    pub(super) fn poll_out(&mut self, lane: usize) {
        let token = Token {
            operation: Operation::PollOut,
            block: 0,
            lane: lane as u32,
        };
        let entry = with_descriptor!(self, lane, |fd| opcode::PollAdd::new(
            fd,
            libc::POLLOUT as u32
        )
        .build());
        self.push(&entry, token);
    }

    /// Submits what was pushed and waits for a completion, at most for `patience`.
    pub(super) fn wait(&mut self, patience: Duration) -> io::Result<()> {
        self.submissions.sync();
        let timeout = Timespec::from(patience);
        let arguments = SubmitArgs::new().timespec(&timeout);
        let outcome = self.submitter.submit_with_args(1, &arguments);
        self.submissions.sync();
        self.completions.sync();
        match outcome {
            Ok(_) => Ok(()),
            // Time is up; interrupted; or completions must be taken before more fit.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The next thing that happened.
    pub(super) fn next_completion(&mut self) -> Option<Completion> {
        loop {
            let entry = self.completions.next()?;
            let more = cqueue::more(entry.flags());
            if !more {
                self.in_flight -= 1;
            }
            let Some(token) = Token::unpack(entry.user_data()) else {
                continue;
            };
            let lane = token.lane as usize;
            let result = match entry.result() {
                // A notification's result is flags, whose highest bit is the sign.
                error if error < 0 => Err(io::Error::from_raw_os_error(error.wrapping_neg())),
                bytes => Ok(bytes as usize),
            };
            return Some(match token.operation {
                Operation::PollOut => Completion::Writable(lane),
                Operation::Receive => Completion::Received(lane, result, self.release(token.block)),
                Operation::Send if cqueue::notif(entry.flags()) => {
                    let is_copied = entry.result().cast_unsigned() & USAGE_COPIED != 0;
                    Completion::Released(lane, self.release(token.block), is_copied)
                }
                Operation::Send => {
                    let block = (!more).then(|| self.release(token.block));
                    Completion::Sent(lane, result, block)
                }
            });
        }
    }

    fn hold(&mut self, block: Block) {
        let place = &mut self.held[usize::from(block.number())];
        debug_assert!(place.is_none(), "a block has one owner");
        *place = Some(block);
    }

    fn release(&mut self, number: u16) -> Block {
        self.held[usize::from(number)]
            .take()
            .expect("a block comes back once per submission")
    }

    fn push(&mut self, entry: &squeue::Entry, token: Token) {
        let entry = entry.clone().user_data(token.pack());
        for _ in 0..PUSH_ATTEMPTS {
            // SAFETY: buffers of the entry belong to a block that `held` keeps until the completion
            // after which the kernel no longer uses it; the descriptor is kept by `sockets`.
            if unsafe { self.submissions.push(&entry) }.is_ok() {
                self.in_flight += 1;
                return;
            }
            // The queue is shorter than what all lanes want at once: submitting empties it.
            self.submissions.sync();
            let _ = self.submitter.submit();
            self.submissions.sync();
        }
        panic!("the kernel takes no submissions");
    }

    fn descriptor(&self, lane: usize) -> RawFd {
        self.sockets[lane].as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }
}

impl Drop for Ring<'_> {
    /// Waits for what the kernel still has; where that fails, its memory is left to it.
    fn drop(&mut self) {
        for lane in 0..self.sockets.len() {
            self.shut_down(lane);
        }
        let deadline = Instant::now() + DRAIN_PATIENCE;
        while self.in_flight > 0 && Instant::now() < deadline {
            if self.wait(DRAIN_PATIENCE / 10).is_err() {
                break;
            }
            while self.next_completion().is_some() {}
        }
        self.held
            .iter_mut()
            .filter_map(Option::take)
            .for_each(Block::forget);
    }
}
