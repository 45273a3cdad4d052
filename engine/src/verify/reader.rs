//! Holds the connection on which one node is asked: dials it, moves bytes between it and an
//! [`Interview`], notices when nothing comes any more. Never waits without a bound, and never
//! writes to the server.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::interview::{Interview, Trouble};
use crate::answer::shown;
use crate::error::{Error, Result};
use crate::handshake::{self, ANSWER_SECONDS_MAX};
use crate::stop::Stop;
use crate::target::Login;
use crate::{refusal, socket};

/// Answers are read in pieces of at most this size, or of two answers.
const BUFFER_BYTES: usize = 256 << 10;
/// How often a reader looks whether it shall stop.
const TICK_MS: u16 = 100;
/// What is asked, in messages.
const COMMAND: &str = "GETRANGE";

/// Who is asked, and what ends that early.
pub(crate) struct Circumstances<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) login: &'a Login,
    pub(crate) db: u32,
    pub(crate) stop: &'a Stop,
    /// So long no answer may come.
    pub(crate) stall_timeout: Duration,
    /// Keys checked so far, for others to see.
    pub(crate) checked: &'a AtomicU64,
}

/// The connection to one node, kept from one interview to the next.
#[derive(Default)]
pub(crate) struct Reader {
    connection: Option<TcpStream>,
    buffer: Vec<u8>,
    /// Bytes at the beginning of the buffer that are not yet understood.
    filled: usize,
    /// Connections that were lost and made again.
    pub(crate) reconnects: u64,
    has_lost_one: bool,
}

impl Reader {
    /// Asks until the interview is over, or a stop is asked for.
    ///
    /// # Errors
    /// The node is gone, silent, refuses, or answers nonsense. What was seen before counts.
    pub(crate) fn ask(
        &mut self,
        interview: &mut Interview,
        circumstances: &Circumstances<'_>,
    ) -> Result<()> {
        self.buffer = vec![0; BUFFER_BYTES.max(2 * interview.answer_bytes_max())];
        let outcome = self.ask_on(interview, circumstances);
        // There may be many nodes, and few are asked at the same time.
        self.buffer = Vec::new();
        outcome
    }

    /// Asks, on another connection where one is lost after some answers.
    fn ask_on(
        &mut self,
        interview: &mut Interview,
        circumstances: &Circumstances<'_>,
    ) -> Result<()> {
        loop {
            let before = interview.seen().checked();
            let outcome = self.converse(interview, circumstances);
            if outcome.is_err() || interview.is_waiting() {
                // Whatever is still on its way must not be taken for an answer to something else.
                self.connection = None;
                self.filled = 0;
                interview.disconnected();
            }
            let has_moved = interview.seen().checked() > before;
            match outcome {
                Err(Error::ConnectionLost { .. }) if has_moved => self.has_lost_one = true,
                Err(error) => {
                    self.has_lost_one = true;
                    return Err(error);
                }
                Ok(()) => return Ok(()),
            }
        }
    }

    fn converse(
        &mut self,
        interview: &mut Interview,
        circumstances: &Circumstances<'_>,
    ) -> Result<()> {
        let address = circumstances.address;
        let lost = |error: std::io::Error| lost(address, &error);
        let mut moved_at = Instant::now();
        if self.connection.is_none() {
            self.connection = Some(dial(circumstances)?);
            self.reconnects += u64::from(std::mem::take(&mut self.has_lost_one));
        }
        while !interview.is_over() && circumstances.stop.signal().is_none() {
            let Some(stream) = &mut self.connection else {
                return Ok(());
            };
            let mut interest = PollFlags::POLLIN;
            let bytes = interview.outgoing();
            if !bytes.is_empty() {
                match stream.write(bytes) {
                    Ok(0) => return Err(lost(ErrorKind::BrokenPipe.into())),
                    Ok(length) => interview.sent(length),
                    Err(error) if is_passing(&error) => {}
                    Err(error) => return Err(lost(error)),
                }
                // What is left, or the next piece, once there is room for it.
                if !interview.outgoing().is_empty() {
                    interest |= PollFlags::POLLOUT;
                }
            }
            let mut descriptors = [PollFd::new(stream.as_fd(), interest)];
            match poll(&mut descriptors, PollTimeout::from(TICK_MS)) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(lost(error.into())),
            }
            match stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Err(lost(ErrorKind::ConnectionReset.into())),
                Ok(length) => {
                    self.filled += length;
                    if self.take_in(interview, circumstances)? {
                        moved_at = Instant::now();
                    }
                }
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(lost(error)),
            }
            if moved_at.elapsed() > circumstances.stall_timeout {
                return Err(Error::Stuck {
                    address: circumstances.address,
                    what: COMMAND,
                    seconds: circumstances.stall_timeout.as_secs(),
                });
            }
        }
        Ok(())
    }

    /// Hands what has arrived to the interview. Whether there was an answer.
    fn take_in(
        &mut self,
        interview: &mut Interview,
        circumstances: &Circumstances<'_>,
    ) -> Result<bool> {
        let before = interview.seen().checked();
        let outcome = interview.received(&self.buffer[..self.filled]);
        let checked = interview.seen().checked() - before;
        circumstances.checked.fetch_add(checked, Ordering::Relaxed);
        let address = circumstances.address;
        let read = outcome.map_err(|trouble| match trouble {
            Trouble::Nonsense(saw) => Error::NotRedis {
                address,
                saw: format!("it answered {COMMAND} with '{saw}'"),
            },
            Trouble::Refused(message) => refusal::error(address, COMMAND, &shown(&message)),
        })?;
        self.buffer.copy_within(read..self.filled, 0);
        self.filled -= read;
        Ok(read > 0)
    }
}

fn dial(circumstances: &Circumstances<'_>) -> Result<TcpStream> {
    let timeout = circumstances
        .stall_timeout
        .min(Duration::from_secs(ANSWER_SECONDS_MAX));
    let Circumstances {
        address, login, db, ..
    } = circumstances;
    let stream = handshake::open(*address, login, *db, timeout)?;
    stream
        .set_nonblocking(true)
        .map_err(|error| lost(*address, &error))?;
    Ok(stream)
}

fn is_passing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn lost(address: SocketAddr, error: &std::io::Error) -> Error {
    Error::ConnectionLost {
        address,
        what: COMMAND.into(),
        message: socket::describe(error),
    }
}
