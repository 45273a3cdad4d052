//! A sink that takes the streams of lanes as fast as the kernel can throw them away.
//!
//! It is a process of its own (the bench called again), pinned to another core. It answers the
//! greeting, and then discards with `MSG_TRUNC`, which never copies a byte to user space. It needs
//! not look at a stream to answer its fences, for where they stand follows from its geometry: that
//! of the port, so that all lanes to one port send as many keys. One thread serves all
//! connections: a sleeping one for each would have to be woken by the client, at its expense, which
//! nodes on other machines need not.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::str::FromStr;

use clap::Args;
use core_affinity::CoreId;
use engine::Plan;
use engine::segment::FENCE_BYTES;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::UsageWho;
use nix::sys::socket::{MsgFlags, recv};

use crate::Result;
use crate::process::cpu_time;

/// Bytes discarded per call at most.
const DISCARD_BYTES: usize = 1 << 20;
/// Connections looked after per turn at most; the others come in the next one.
const EVENTS: usize = 64;

/// Where the fences stand in the stream of one lane, after its greeting and first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    frame_bytes: u64,
    batch_frames: u64,
    /// Frames behind the first one.
    frames: u64,
}

impl Stream {
    /// The stream of a lane of `plan` that sends `keys` keys.
    #[must_use]
    pub fn of(plan: &Plan, keys: u64) -> Self {
        assert!(keys > 0, "every lane sends a first frame");
        Self {
            frame_bytes: plan.segment.frame().bytes() as u64,
            batch_frames: plan.batch_frames,
            frames: keys - 1,
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

impl fmt::Display for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            frame_bytes,
            batch_frames,
            frames,
        } = self;
        write!(formatter, "{frame_bytes},{batch_frames},{frames}")
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

/// What makes a bench a sink, as [`Sink::start`] says it.
#[derive(Clone, Debug, Args)]
pub struct SinkRole {
    /// Be a sink with a port for lanes of each of these streams
    #[arg(long, hide = true, requires = "sink_core")]
    sink: Vec<Stream>,
    /// On this core
    #[arg(long, hide = true)]
    sink_core: Option<usize>,
}

impl SinkRole {
    /// Serves until it is killed, if this process is to be a sink; `None` if not.
    pub fn play(&self) -> Option<Result<()>> {
        Some(serve(self.sink_core?, &self.sink))
    }
}

/// What the sink says of connections that have ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Swallowed {
    /// Bytes after the greetings and the first frames.
    pub bytes: u64,
    /// CPU time that it spent, in seconds.
    pub cpu_seconds: f64,
}

/// A running sink, which ends with this value.
#[derive(Debug)]
pub struct Sink {
    process: Child,
    says: BufReader<ChildStdout>,
    ports: Vec<u16>,
    /// CPU time that it had spent at the end of the last run.
    cpu_seconds: f64,
}

impl Sink {
    /// Calls this program again as a sink on `core`, with a port for each of `streams`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(core: usize, streams: &[Stream]) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(streams.iter().map(|stream| format!("--sink={stream}")))
            .arg(format!("--sink-core={core}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut says = BufReader::new(process.stdout.take().ok_or("the sink says nothing")?);
        let mut line = String::new();
        says.read_line(&mut line)?;
        let ports = line.split_whitespace().map(str::parse);
        let ports: Vec<u16> = ports.collect::<std::result::Result<_, _>>()?;
        if ports.len() != streams.len() {
            return Err("the sink has not started".into());
        }
        Ok(Self {
            process,
            says,
            ports,
            cpu_seconds: 0.0,
        })
    }

    /// Where it listens on 127.0.0.1, stream by stream.
    #[must_use]
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Waits until the `lanes` connections of a run have ended; what became of them.
    ///
    /// # Errors
    /// The sink is gone; it has said why.
    pub fn swallowed(&mut self, lanes: usize) -> Result<Swallowed> {
        let (mut all_bytes, cpu_before) = (0, self.cpu_seconds);
        for _ in 0..lanes {
            let mut line = String::new();
            self.says.read_line(&mut line)?;
            let (bytes, cpu) = line.trim().split_once(' ').ok_or("the sink has ended")?;
            all_bytes += bytes.parse::<u64>()?;
            self.cpu_seconds = cpu.parse()?;
        }
        Ok(Swallowed {
            bytes: all_bytes,
            cpu_seconds: self.cpu_seconds - cpu_before,
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

/// A port of the sink on this machine.
#[must_use]
pub fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The sink's own main loop: says its ports, then of each connection that ends how many bytes came,
/// and the CPU time of the process so far.
fn serve(core: usize, streams: &[Stream]) -> Result<()> {
    if !core_affinity::set_for_current(CoreId { id: core }) {
        return Err(format!("the sink may not be pinned to core {core}").into());
    }
    let ready = Epoll::new(EpollCreateFlags::empty())?;
    let watch = |fd: BorrowedFd<'_>, number: usize| {
        ready.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, number as u64))
    };
    let listeners: Vec<TcpListener> = streams
        .iter()
        .map(|_| TcpListener::bind(address(0)))
        .collect::<std::io::Result<_>>()?;
    let mut ports = Vec::new();
    for (number, listener) in listeners.iter().enumerate() {
        ports.push(listener.local_addr()?.port().to_string());
        watch(listener.as_fd(), number)?;
    }
    println!("{}", ports.join(" "));
    // Connections are numbered behind the listeners.
    let mut intakes: Vec<Option<Intake>> = Vec::new();
    let mut events = [EpollEvent::empty(); EVENTS];
    // Never touched: MSG_TRUNC only takes its length.
    let mut room = vec![0; DISCARD_BYTES];
    loop {
        let count = wait(&ready, &mut events)?;
        for event in &events[..count] {
            let number = event.data() as usize;
            let Some(place) = number.checked_sub(listeners.len()) else {
                let accepted = Intake::accept(&listeners[number], streams[number])?;
                let Some(intake) = accepted else { continue };
                let place = free_place(&mut intakes);
                watch(intake.connection.as_fd(), listeners.len() + place)?;
                intakes[place] = Some(intake);
                continue;
            };
            let Some(intake) = &mut intakes[place] else {
                continue;
            };
            if intake.discard(&mut room)? {
                let cpu = cpu_time(UsageWho::RUSAGE_SELF).as_secs_f64();
                println!("{} {cpu}", intake.position);
                // Closing it ends the watch.
                intakes[place] = None;
            }
        }
    }
}

/// Waits until something can be read; how many events there are.
fn wait(ready: &Epoll, events: &mut [EpollEvent]) -> Result<usize> {
    loop {
        match ready.wait(events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            outcome => return Ok(outcome?),
        }
    }
}

/// A place that no connection has.
fn free_place(intakes: &mut Vec<Option<Intake>>) -> usize {
    let free = intakes.iter().position(Option::is_none);
    free.unwrap_or_else(|| {
        intakes.push(None);
        intakes.len() - 1
    })
}

/// A connection behind its greeting.
struct Intake {
    connection: TcpStream,
    stream: Stream,
    /// Bytes discarded.
    position: u64,
    /// Number of the fence to come.
    fence: u64,
}

impl Intake {
    /// Takes a connection; `None` where the client lost patience and makes another one.
    fn accept(listener: &TcpListener, stream: Stream) -> Result<Option<Self>> {
        let (connection, _) = listener.accept()?;
        connection.set_nodelay(true)?;
        // The client greets on one connection after the other; the others can wait for that.
        let Some(position) = greet(&connection, stream.frame_bytes as usize)? else {
            return Ok(None);
        };
        let mut intake = Self {
            connection,
            stream,
            position,
            fence: 0,
        };
        intake.echo()?;
        Ok(Some(intake))
    }

    /// Discards what has arrived. Whether the client has left.
    fn discard(&mut self, room: &mut [u8]) -> Result<bool> {
        let flags = MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT;
        match recv(self.connection.as_raw_fd(), room, flags) {
            Ok(0) | Err(Errno::ECONNRESET) => return Ok(true),
            Ok(length) => self.position += length as u64,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        self.echo()?;
        Ok(false)
    }

    /// Echoes every fence that has gone by.
    fn echo(&mut self) -> Result<()> {
        while let Some(end) = self.stream.fence_end(self.fence)
            && self.position >= end
        {
            write!(self.connection, "+OK\r\n$16\r\n{:016x}\r\n", self.fence)?;
            self.fence += 1;
        }
        Ok(())
    }
}

/// Says yes to every command up to and including `CLIENT REPLY OFF`, which has no answer. Returns
/// how many bytes behind it were read, or `None` where the client has left.
fn greet(mut connection: &TcpStream, frame_bytes: usize) -> Result<Option<u64>> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; frame_bytes];
    loop {
        let length = connection.read(&mut piece).unwrap_or(0);
        if length == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece[..length]);
        while let Some((command_bytes, is_last)) = command(&bytes) {
            let answer = echoed(&bytes[..command_bytes]);
            bytes.drain(..command_bytes);
            if is_last {
                return Ok(Some(bytes.len() as u64));
            }
            if connection.write_all(&answer).is_err() {
                return Ok(None);
            }
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
        assert_eq!(stream.to_string().parse(), Ok(stream));
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
