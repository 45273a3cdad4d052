//! A blocking conversation in requests and answers. However a server behaves, an exchange ends
//! within its time and its bytes: a line without end, a length that is never delivered or an
//! answer that nobody asked for is an error.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use redis::Value;

use crate::answer::{AnswerScanner, start};

/// Read at a time.
const READ_BYTES: usize = 16 << 10;
/// Answers that come in slower than this, once the patience is over, are not waited for.
const BYTES_PER_SECOND_MIN: f64 = (1 << 20) as f64;

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// It did not come in time.
    Late,
    /// The connection is gone.
    Gone(io::Error),
    /// What came is no answer, or is too much: what it was, in a few words.
    Foreign(String),
    /// Something came that was not asked for: what it was.
    Unasked(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Self::Late,
            _ => Self::Gone(error),
        }
    }
}

/// One connection, and what came in on it.
#[derive(Debug)]
pub struct Talk {
    stream: TcpStream,
    /// The beginning of an answer.
    buffer: Vec<u8>,
    /// Nothing was asked yet. Until then a server may say why it will not talk.
    is_fresh: bool,
}

impl Talk {
    /// A conversation on a new connection.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            is_fresh: true,
        }
    }

    /// Sends `packed` and reads so many answers, of at most `bytes_max` bytes together. The time
    /// is over at `deadline`, or as much later as a slow network needs for what did come in. After
    /// a failure the connection is of no use.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn exchange(
        &mut self,
        packed: &[u8],
        answers: usize,
        bytes_max: usize,
        deadline: Instant,
    ) -> Result<Vec<Value>, Failure> {
        if !std::mem::take(&mut self.is_fresh) {
            self.check_silence()?;
        }
        let mut patient = Patient {
            stream: &self.stream,
            deadline,
        };
        patient.write_all(packed)?;
        let mut scanner = AnswerScanner::within(bytes_max);
        let mut values = Vec::with_capacity(answers.min(READ_BYTES));
        let mut chunk = [0; READ_BYTES];
        while values.len() < answers {
            match scanner
                .next(&self.buffer)
                .map_err(|what| Failure::Foreign(what.0))?
            {
                Some((value, length)) => {
                    values.push(value);
                    self.buffer.drain(..length);
                }
                None => match patient.read(&mut chunk)? {
                    0 => return Err(Failure::Gone(ErrorKind::ConnectionReset.into())),
                    read => {
                        self.buffer.extend_from_slice(&chunk[..read]);
                        patient.deadline +=
                            Duration::from_secs_f64(read as f64 / BYTES_PER_SECOND_MIN);
                    }
                },
            }
        }
        self.buffer.shrink_to(READ_BYTES);
        if self.buffer.is_empty() {
            Ok(values)
        } else {
            Err(Failure::Unasked(start(&self.buffer)))
        }
    }

    /// Whether nothing came in since the last answer: it would be taken for the next one.
    fn check_silence(&self) -> Result<(), Failure> {
        let mut bytes = [0; 64];
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        loop {
            return match recv(self.stream.as_raw_fd(), &mut bytes, flags) {
                Ok(0) => Err(Failure::Gone(ErrorKind::ConnectionReset.into())),
                Ok(read) => Err(Failure::Unasked(start(&bytes[..read]))),
                Err(Errno::EAGAIN) => Ok(()),
                Err(Errno::EINTR) => continue,
                Err(error) => Err(Failure::Gone(error.into())),
            };
        }
    }

    /// The connection, waiting without limits again.
    ///
    /// # Errors
    /// Something came in that was not asked for, or the connection is gone.
    pub fn into_stream(self) -> Result<TcpStream, Failure> {
        self.check_silence()?;
        self.stream.set_read_timeout(None)?;
        self.stream.set_write_timeout(None)?;
        Ok(self.stream)
    }
}

/// Reads and writes up to a deadline, however slowly the bytes drip, and on when a signal
/// interrupts.
pub struct Patient<'a> {
    /// The connection.
    pub stream: &'a TcpStream,
    /// When the time is over.
    pub deadline: Instant,
}

impl Patient<'_> {
    fn until_deadline(
        &self,
        set: impl Fn(Option<Duration>) -> io::Result<()>,
        mut work: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            let patience = self.deadline.saturating_duration_since(Instant::now());
            if patience.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            set(Some(patience))?;
            match work(self.stream) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                outcome => return outcome,
            }
        }
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.until_deadline(
            |patience| self.stream.set_read_timeout(patience),
            |mut stream| stream.read(bytes),
        )
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.until_deadline(
            |patience| self.stream.set_write_timeout(patience),
            |mut stream| stream.write(bytes),
        )
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
