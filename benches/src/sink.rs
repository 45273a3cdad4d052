//! A sink that takes a lane's stream as fast as the kernel can throw it away.
//!
//! It is a process of its own (the bench called again), pinned to another core. It answers the
//! greeting, and then discards with `MSG_TRUNC`, which never copies a byte to user space. It needs
//! not look at the stream to answer its fences, for where they stand follows from its geometry.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::str::FromStr;

use core_affinity::CoreId;
use engine::Plan;
use engine::segment::FENCE_BYTES;
use nix::errno::Errno;
use nix::sys::resource::UsageWho;
use nix::sys::socket::{MsgFlags, recv};

use crate::Result;
use crate::process::cpu_time;

/// Bytes discarded per call at most.
const DISCARD_BYTES: usize = 1 << 20;

/// Where the fences stand in the stream of one lane, after its greeting and first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    frame_bytes: u64,
    batch_frames: u64,
    /// Frames behind the first one.
    frames: u64,
}

impl Stream {
    /// The stream of a plan with a single lane.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        assert_eq!(plan.connections, 1, "a sink takes one lane at a time");
        Self {
            frame_bytes: plan.segment.frame().bytes() as u64,
            batch_frames: plan.batch_frames,
            frames: plan.keys() - 1,
        }
    }

    /// Position behind fence number `number`; `None` where there is no such fence.
    fn fence_end(&self, number: u64) -> Option<u64> {
        let frames = ((number + 1) * self.batch_frames).min(self.frames);
        (number * self.batch_frames < self.frames)
            .then(|| frames * self.frame_bytes + (number + 1) * FENCE_BYTES as u64)
    }

    /// All its bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.frames * self.frame_bytes
            + self.frames.div_ceil(self.batch_frames) * FENCE_BYTES as u64
    }
}

impl FromStr for Stream {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers: Vec<u64> = text
            .split(',')
            .filter_map(|number| number.parse().ok())
            .collect();
        match numbers[..] {
            [frame_bytes, batch_frames, frames] => Ok(Self {
                frame_bytes,
                batch_frames,
                frames,
            }),
            _ => Err(format!(
                "'{text}' is not <frame bytes>,<frames per batch>,<frames>"
            )),
        }
    }
}

/// What the sink says of one connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Swallowed {
    /// Bytes after the greeting and the first frame.
    pub bytes: u64,
    /// CPU time that it spent, in seconds.
    pub cpu_seconds: f64,
}

/// A running sink, which ends with this value.
#[derive(Debug)]
pub struct Sink {
    process: Child,
    says: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Sink {
    /// Calls this program again as a sink on `core`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(core: usize, stream: &Stream) -> Result<Self> {
        let Stream {
            frame_bytes,
            batch_frames,
            frames,
        } = stream;
        let mut process = Command::new(std::env::current_exe()?)
            .arg(format!("--sink={frame_bytes},{batch_frames},{frames}"))
            .arg(format!("--sink-core={core}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut says = BufReader::new(process.stdout.take().ok_or("the sink says nothing")?);
        let mut port = String::new();
        says.read_line(&mut port)?;
        let address = (Ipv4Addr::LOCALHOST, port.trim().parse()?).into();
        Ok(Self {
            process,
            says,
            address,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the connection that was last made has ended; what became of it.
    ///
    /// # Errors
    /// The sink is gone; it has said why.
    pub fn swallowed(&mut self) -> Result<Swallowed> {
        let mut line = String::new();
        self.says.read_line(&mut line)?;
        let (bytes, cpu) = line.trim().split_once(' ').ok_or("the sink has ended")?;
        Ok(Swallowed {
            bytes: bytes.parse()?,
            cpu_seconds: cpu.parse()?,
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        // It fails only where the process is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The sink's own main loop: one connection after the other, until it is killed.
///
/// # Errors
/// It cannot be pinned or cannot listen, or a connection breaks.
pub fn serve(core: usize, stream: &Stream) -> Result<()> {
    if !core_affinity::set_for_current(CoreId { id: core }) {
        return Err(format!("the sink may not be pinned to core {core}").into());
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    // Never touched: MSG_TRUNC only takes its length.
    let mut room = vec![0; DISCARD_BYTES];
    for connection in listener.incoming() {
        let connection = connection?;
        connection.set_nodelay(true)?;
        let before = cpu_time(UsageWho::RUSAGE_SELF);
        let surplus = greet(&connection, stream.frame_bytes as usize)?;
        let bytes = discard(&connection, stream, surplus, &mut room)?;
        let cpu = cpu_time(UsageWho::RUSAGE_SELF).saturating_sub(before);
        println!("{bytes} {}", cpu.as_secs_f64());
    }
    Ok(())
}

/// Says yes to every command up to and including `CLIENT REPLY OFF`, which has no answer. Returns
/// how many bytes behind it were read.
fn greet(mut connection: &TcpStream, frame_bytes: usize) -> Result<u64> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; frame_bytes];
    loop {
        let length = connection.read(&mut piece)?;
        if length == 0 {
            return Err("the client left during the greeting".into());
        }
        bytes.extend_from_slice(&piece[..length]);
        while let Some((command_bytes, is_last)) = command(&bytes) {
            let answer = echoed(&bytes[..command_bytes]);
            bytes.drain(..command_bytes);
            if is_last {
                return Ok(bytes.len() as u64);
            }
            connection.write_all(&answer)?;
        }
    }
}

/// The answer to a command of the greeting: its argument for ECHO, else `+OK`.
fn echoed(command: &[u8]) -> Vec<u8> {
    command
        .strip_prefix(b"*2\r\n$4\r\nECHO\r\n")
        .map_or_else(|| b"+OK\r\n".to_vec(), <[u8]>::to_vec)
}

/// The length of the command at the start of `bytes`, and whether it is `CLIENT REPLY OFF`;
/// `None` while it is incomplete.
fn command(bytes: &[u8]) -> Option<(usize, bool)> {
    let number = |at: usize| {
        let end = at + bytes[at..].iter().position(|byte| *byte == b'\n')? + 1;
        let digits = std::str::from_utf8(&bytes[at + 1..end - 2]).ok()?;
        Some((digits.parse::<usize>().ok()?, end))
    };
    let (arguments, mut at) = bytes.first().and_then(|_| number(0))?;
    let mut last = 0..0;
    for _ in 0..arguments {
        let (length, begin) = bytes.get(at).and_then(|_| number(at))?;
        last = begin..begin + length;
        at = last.end + 2;
    }
    (at <= bytes.len()).then(|| (at, arguments == 3 && bytes[last] == *b"OFF"))
}

/// Discards until the client leaves, and echoes every fence that has gone by. Returns the bytes
/// discarded, `surplus` of them being read already.
fn discard(
    mut connection: &TcpStream,
    stream: &Stream,
    surplus: u64,
    room: &mut [u8],
) -> Result<u64> {
    let mut position = surplus;
    let mut fence = 0;
    let mut fence_end = stream.fence_end(fence);
    loop {
        while let Some(end) = fence_end
            && position >= end
        {
            write!(connection, "+OK\r\n$16\r\n{fence:016x}\r\n")?;
            fence += 1;
            fence_end = stream.fence_end(fence);
        }
        match recv(connection.as_raw_fd(), room, MsgFlags::MSG_TRUNC) {
            Ok(0) | Err(Errno::ECONNRESET) => return Ok(position),
            Ok(length) => position += length as u64,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_batch_may_be_short() {
        let stream: Stream = "100,10,25".parse().unwrap();
        let fence = FENCE_BYTES as u64;
        let ends: Vec<_> = (0..).map_while(|number| stream.fence_end(number)).collect();
        assert_eq!(ends, [1_000 + fence, 2_000 + 2 * fence, 2_500 + 3 * fence]);
        assert_eq!(ends.last(), Some(&stream.bytes()));
        assert_eq!(
            Stream {
                frames: 20,
                ..stream
            }
            .fence_end(2),
            None
        );
    }

    #[test]
    fn commands_are_told_apart_at_any_byte() {
        let set = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nvv\r\n";
        let off = b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n";
        assert_eq!(command(set), Some((set.len(), false)));
        assert_eq!(command(off), Some((off.len(), true)));
        assert_eq!(
            command(&[set as &[u8], off].concat()),
            Some((set.len(), false))
        );
        for end in 0..set.len() {
            assert_eq!(command(&set[..end]), None, "{end}");
        }
    }
}
