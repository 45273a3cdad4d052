//! Every driver over socket pairs with tiny buffers, so that sends come out short: what arrives
//! must be the naive rendering of the plan, byte for byte.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::SockRef;

use super::contract::{LaneEnd, NodeLane, Shared, Tally};
use super::desk::Desk;
use crate::handshake::Greeting;
use crate::lane::{Lane, Replies};
use crate::observe;
use crate::plan::amount::Amount;
use crate::plan::keyspace::KeyLayout;
use crate::plan::sequence::KeySequence;
use crate::plan::{
    DriverChoice, Plan, PlanOptions, ReactorChoice, RepliesChoice, Send, SendChoice,
};
use crate::stop::{Halt, Stop};
use crate::target::Login;

/// Far less than a block, so that every driver meets full sockets.
const SOCKET_BUFFER_BYTES: usize = 4096;
const KEYS: u64 = 3_000;

fn plan(
    driver: DriverChoice,
    send: SendChoice,
    replies: RepliesChoice,
    connections: usize,
) -> Plan {
    let options = PlanOptions {
        amount: Amount::Keys(KEYS),
        key_size: 40,
        value_size: 300,
        pipeline_depth: 700,
        connections,
        key_prefix: None,
        start_key: 0,
        seed: 1,
        key_layout: KeyLayout::Plain,
        replies,
        driver,
        send,
        reactors: ReactorChoice::Count(1),
        pin: false,
        stall_timeout: Duration::from_secs(30),
        resume: false,
        only_missing: false,
        force: false,
        append: false,
        until: None,
        tune: None,
        command: crate::plan::command::Command::Set,
    };
    Plan::new(&options, &observe::machine(&[])).unwrap()
}

/// Both ends of a connection with tiny buffers.
fn pair() -> (TcpStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    for end in [SockRef::from(&ours), SockRef::from(&theirs)] {
        end.set_send_buffer_size(SOCKET_BUFFER_BYTES).unwrap();
        end.set_recv_buffer_size(SOCKET_BUFFER_BYTES).unwrap();
    }
    // Drivers read, write and poll descriptors; that this one is no TCP socket is all the same.
    (TcpStream::from(OwnedFd::from(ours)), theirs)
}

/// Reads commands until the connection ends, answers as a server would, and returns the frames.
fn serve(mut socket: UnixStream, replies: Replies, frame_bytes: usize) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let (mut frames, mut unread, mut bytes) = (Vec::new(), Vec::new(), vec![0; 1500]);
        loop {
            let length = socket.read(&mut bytes).unwrap_or(0);
            if length == 0 {
                assert!(unread.is_empty(), "the stream ended within a command");
                return frames;
            }
            unread.extend_from_slice(&bytes[..length]);
            let mut at = 0;
            while let Some(answer) = answer(&unread[at..], replies, frame_bytes) {
                if answer.is_frame {
                    frames.extend_from_slice(&unread[at..at + answer.command_bytes]);
                }
                at += answer.command_bytes;
                if socket.write_all(&answer.text).is_err() {
                    return frames;
                }
            }
            unread.drain(..at);
        }
    })
}

struct Answer {
    command_bytes: usize,
    is_frame: bool,
    text: Vec<u8>,
}

/// The answer to the first command of `bytes`, once it is whole.
fn answer(bytes: &[u8], replies: Replies, frame_bytes: usize) -> Option<Answer> {
    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n";
    if bytes.starts_with(SET) {
        let text = if replies == Replies::Each {
            b"+OK\r\n".to_vec()
        } else {
            Vec::new()
        };
        return (bytes.len() >= frame_bytes).then_some(Answer {
            command_bytes: frame_bytes,
            is_frame: true,
            text,
        });
    }
    let fence = bytes.get(..crate::segment::FENCE_BYTES)?;
    if fence.starts_with(&SET[..SET.len() - 3]) {
        return None;
    }
    let digits_at = fence
        .windows(5)
        .position(|window| window == b"$16\r\n")
        .unwrap();
    let echo = &fence[digits_at..digits_at + 5 + 16 + 2];
    let text = [b"+OK\r\n", echo].concat();
    Some(Answer {
        command_bytes: fence.len(),
        is_frame: false,
        text,
    })
}

/// The frames of a lane without their values' bodies, which depend on the place in the block.
fn keys_and_counters(plan: &Plan, frames: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let frame_bytes = plan.segment.frame().bytes();
    let key_at = b"*3\r\n$3\r\nSET\r\n$40\r\n".len();
    let value_at = key_at + 40 + b"\r\n$300\r\n".len();
    frames
        .chunks_exact(frame_bytes)
        .map(|frame| {
            (
                frame[key_at..key_at + 40].to_vec(),
                frame[value_at..value_at + 300].to_vec(),
            )
        })
        .collect()
}

fn check(plan: &Plan, sequence: &KeySequence, frames: &[u8]) {
    let read = keys_and_counters(plan, frames);
    assert_eq!(read.len() as u64, sequence.count());
    for (position, (key, value)) in (0..).zip(read) {
        let index = sequence.at(position);
        assert_eq!(
            key,
            format!("{:x<40}", format!("key:{index:012}")).into_bytes()
        );
        assert!(plan.values().is_value(index, &value), "value of {index}");
    }
}

/// Runs a plan over socket pairs and checks what arrives.
fn run(driver: DriverChoice, send: SendChoice, replies: RepliesChoice, connections: usize) -> Send {
    let plan = Arc::new(plan(driver, send, replies, connections));
    let frame_bytes = plan.segment.frame().bytes();
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..connections).map(|_| pair()).unzip();
    let servers: Vec<_> = theirs
        .into_iter()
        .map(|socket| serve(socket, plan.replies, frame_bytes))
        .collect();
    let greeting = Arc::new(Greeting {
        address: (Ipv4Addr::LOCALHOST, 1).into(),
        login: Login::default(),
        db: 0,
        replies: plan.replies,
        silence_max: plan.silence_max(),
        primer_bytes: 0,
    });
    let sequences = plan.sequence().split(connections);
    // Two nodes, so that their counts have to be kept apart.
    let lanes = sequences
        .iter()
        .enumerate()
        .map(|(number, sequence)| NodeLane {
            lane: Lane::new(plan.lane_shape(), sequence.clone()),
            node: number % 2,
            greeting: Arc::clone(&greeting),
        });
    let shared = Shared {
        stop: Stop::default(),
        halt: Halt::default(),
        tally: Arc::new(Tally::new(2)),
        stall_timeout: plan.stall_timeout,
        silence_max: plan.silence_max(),
    };
    let desk = Desk::new(lanes.collect(), shared).with_connections(ours);
    let (desk, outcome) = super::run(&plan, desk).unwrap();
    for (lane, (server, sequence)) in servers.into_iter().zip(sequences).enumerate() {
        assert_eq!(desk.end(lane), Some(&LaneEnd::Done));
        assert_eq!(desk.lane(lane).frames_acked(), sequence.count());
        check(&plan, &sequence, &server.join().unwrap());
    }
    outcome.send
}

/// One, a few, and more connections than blocks.
const CONNECTIONS: [usize; 3] = [1, 3, 20];

fn run_all(driver: DriverChoice, send: SendChoice, expected: Send) {
    for replies in [RepliesChoice::Fenced, RepliesChoice::Each] {
        for connections in CONNECTIONS {
            let used = run(driver, send, replies, connections);
            assert_eq!(used, expected, "{replies:?} {connections}");
        }
    }
}

#[test]
fn socket_delivers_every_byte() {
    run_all(DriverChoice::Socket, SendChoice::Auto, Send::Copy);
}

#[test]
fn tokio_uring_delivers_every_byte() {
    run_all(DriverChoice::TokioUring, SendChoice::Auto, Send::Fixed);
}

#[test]
fn uring_with_plain_sends_delivers_every_byte() {
    run_all(DriverChoice::Uring, SendChoice::Copy, Send::Copy);
}

#[test]
fn uring_with_registered_blocks_delivers_every_byte() {
    run_all(DriverChoice::Uring, SendChoice::Fixed, Send::Fixed);
}

#[test]
fn uring_falls_back_where_a_socket_takes_no_zero_copy() {
    for connections in CONNECTIONS {
        run(
            DriverChoice::Uring,
            SendChoice::Zc,
            RepliesChoice::Fenced,
            connections,
        );
    }
}
