//! Lanes against a server made of a few lines: it answers what a real one would, byte by byte.

use proptest::prelude::*;

use super::*;
use crate::frame::Frame;
use crate::plan::keyspace::{KeyLayout, Keyspace};
use crate::plan::values::ValueLayout;
use crate::segment::FENCE_BYTES;

fn lane(replies: Replies, segment_frames: usize, batch_frames: u64, keys: u64) -> Lane {
    let keyspace = Keyspace::new(16, None, KeyLayout::Plain).unwrap();
    let frame = Frame::new(keyspace, ValueLayout::new(3, 16, 1), false);
    let segment = Arc::new(Segment::new(frame, segment_frames));
    Lane::new(
        LaneShape {
            segment,
            batch_frames,
            replies,
        },
        KeySequence::new(0, keys),
    )
}

fn block(lane: &Lane) -> Vec<u8> {
    let mut block = vec![0; lane.segment().block_bytes()];
    lane.segment().render(&mut block);
    block
}

fn receive(lane: &mut Lane, bytes: &[u8]) -> Result<(), LaneError> {
    lane.received(bytes, Instant::now(), &mut Latencies::default())
}

/// Reads whole commands off a stream, carries out SETs, and answers.
#[derive(Default)]
struct Server {
    unread: Vec<u8>,
    sets: Vec<Vec<u8>>,
    reply_off: bool,
    answers: Vec<u8>,
}

impl Server {
    fn read(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        while let Some((arguments, length)) = parse(&self.unread) {
            self.unread.drain(..length);
            let answer = match &arguments[..] {
                [set, key, _] if set == b"SET" => {
                    self.sets.push(key.clone());
                    b"+OK\r\n".to_vec()
                }
                [client, reply, on] if client == b"CLIENT" && reply == b"REPLY" => {
                    self.reply_off = on == b"OFF";
                    b"+OK\r\n".to_vec()
                }
                [echo, text] if echo == b"ECHO" => [b"$16\r\n", &text[..], b"\r\n"].concat(),
                other => panic!("{other:?}"),
            };
            if !self.reply_off {
                self.answers.extend(answer);
            }
        }
    }
}

/// The first whole command and its length.
fn parse(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    let mut at = 0;
    let mut number = |sign: u8| {
        let end = at + bytes[at..].iter().position(|byte| *byte == b'\n')?;
        assert_eq!(bytes[at], sign);
        let number = std::str::from_utf8(&bytes[at + 1..end - 1])
            .unwrap()
            .parse()
            .unwrap();
        at = end + 1;
        Some((number, at))
    };
    let (count, mut at_argument): (usize, usize) = number(b'*')?;
    let mut arguments = Vec::new();
    for _ in 0..count {
        let tail = bytes.get(at_argument..)?;
        let end = tail.iter().position(|byte| *byte == b'\n')?;
        let length: usize = std::str::from_utf8(&tail[1..end - 1])
            .unwrap()
            .parse()
            .unwrap();
        arguments.push(tail.get(end + 1..end + 1 + length)?.to_vec());
        tail.get(end + 1 + length + 1)?;
        at_argument += end + 1 + length + 2;
    }
    Some((arguments, at_argument))
}

#[test]
fn a_short_batch_is_one_write_with_its_fence() {
    let mut lane = lane(Replies::Fenced, 10, 3, 3);
    let mut block = block(&lane);
    let range = lane.next(&mut block).unwrap();
    assert_eq!(
        range.len(),
        3 * lane.segment().frame().bytes() + FENCE_BYTES
    );
    lane.sent(range.len(), Instant::now());
    assert!(!lane.is_done() && !lane.wants_to_send());
    receive(&mut lane, b"+OK\r\n$16\r\n0000000000000000\r\n").unwrap();
    assert!(lane.is_done());
}

#[test]
fn the_third_batch_waits_for_the_first_echo() {
    let mut lane = lane(Replies::Fenced, 2, 2, 10);
    let mut block = block(&lane);
    for _ in 0..2 {
        let bytes = lane.next(&mut block).unwrap().len();
        lane.sent(bytes, Instant::now());
    }
    assert_eq!(lane.next(&mut block), None);
    receive(&mut lane, b"$16\r\n0000000000000000\r\n").unwrap();
    assert!(
        lane.next(&mut block).is_some(),
        "an echo alone acknowledges, its +OK may be lost"
    );
}

#[test]
fn a_lost_echo_is_made_up_for_by_a_later_one() {
    let mut lane = lane(Replies::Fenced, 2, 2, 4);
    let mut block = block(&lane);
    for _ in 0..2 {
        let bytes = lane.next(&mut block).unwrap().len();
        lane.sent(bytes, Instant::now());
    }
    lane.nudge();
    let range = lane.next(&mut block).unwrap();
    assert_eq!(range.len(), FENCE_BYTES);
    assert!(lane.is_nudging());
    lane.sent(range.len(), Instant::now());
    assert!(!lane.wants_to_send());
    receive(&mut lane, b"+OK\r\n$16\r\n0000000000000002\r\n").unwrap();
    assert!(lane.is_done());
}

#[test]
fn a_foreign_echo_acknowledges_nothing() {
    let mut lane = lane(Replies::Fenced, 2, 2, 10);
    let mut block = block(&lane);
    let bytes = lane.next(&mut block).unwrap().len();
    lane.sent(bytes, Instant::now());
    let error = receive(&mut lane, b"$16\r\n0000000000000007\r\n").unwrap_err();
    assert!(matches!(error, LaneError::Protocol(_)));
    assert_eq!(lane.frames_acked(), 0);
}

#[test]
fn refused_frames_are_counted_and_not_acknowledged() {
    let mut lane = lane(Replies::Each, 8, 8, 8);
    let mut block = block(&lane);
    for _ in 0..2 {
        let bytes = lane.next(&mut block).unwrap().len();
        lane.sent(bytes, Instant::now());
    }
    receive(&mut lane, b"+OK\r\n-LOADING a\r\n+OK\r\n").unwrap();
    assert_eq!((lane.frames_acked(), lane.refused()["LOADING"]), (2, 1));
    let error = receive(&mut lane, b"-OOM b\r\n").unwrap_err();
    assert_eq!(error, LaneError::Refused("OOM b".into()));
    assert!(
        receive(&mut lane, &b"+OK\r\n".repeat(5)).is_err(),
        "too many replies"
    );
}

#[test]
fn with_a_depth_of_one_a_single_command_is_under_way() {
    let mut lane = lane(Replies::Each, 8, 1, 3);
    let mut block = block(&lane);
    let bytes = lane.next(&mut block).unwrap().len();
    assert_eq!(bytes, lane.segment().frame().bytes());
    lane.sent(bytes, Instant::now());
    assert_eq!(lane.next(&mut block), None);
}

/// What may happen to a lane between two steps.
#[derive(Clone, Debug)]
enum Step {
    Send(f64),
    Receive(f64),
    Disconnect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0.0..1.2_f64).prop_map(Step::Send),
        10 => (0.0..1.2_f64).prop_map(Step::Receive),
        1 => Just(Step::Disconnect),
    ]
}

/// The part of `length` that a step covers.
fn part(share: f64, length: usize) -> usize {
    ((share * length as f64) as usize).min(length)
}

proptest! {
    #[test]
    fn whatever_happens_every_key_arrives(
        replies in prop_oneof![Just(Replies::Fenced), Just(Replies::Each)],
        segment_frames in 1_usize..9,
        batch_frames in 1_u64..40,
        keys in 1_u64..200,
        steps in proptest::collection::vec(step(), 0..200),
    ) {
        let mut lane = lane(replies, segment_frames, batch_frames, keys);
        let mut blocks = [block(&lane), block(&lane)];
        let mut server = Server { reply_off: replies == Replies::Fenced, ..Server::default() };
        let calm = std::iter::repeat_n([Step::Send(1.0), Step::Receive(1.0)], 500).flatten();
        for (n, step) in steps.into_iter().chain(calm).enumerate() {
            match step {
                Step::Send(share) => {
                    let block = &mut blocks[n % 2];
                    if let Some(range) = lane.next(block) {
                        let bytes = part(share, range.len());
                        server.read(&block[range][..bytes]);
                        lane.sent(bytes, Instant::now());
                    }
                }
                Step::Receive(share) => {
                    let bytes = part(share, server.answers.len());
                    let answers: Vec<u8> = server.answers.drain(..bytes).collect();
                    receive(&mut lane, &answers).unwrap();
                }
                Step::Disconnect if lane.is_done() => {}
                Step::Disconnect => {
                    lane.disconnected();
                    // The last echo may be back before the end of its fence is sent.
                    if lane.is_done() {
                        continue;
                    }
                    let sets = std::mem::take(&mut server.sets);
                    server = Server { sets, reply_off: replies == Replies::Fenced, ..Server::default() };
                    let index = lane.first_unacknowledged().unwrap().at(0);
                    server.sets.push(format!("key:{index:012}").into_bytes());
                    lane.connected(replies);
                }
            }
            let acked = lane.frames_acked() as usize;
            prop_assert!(server.sets.len() >= acked, "acknowledged before it was carried out");
        }
        prop_assert!(lane.is_done());
        let keys_seen: std::collections::BTreeSet<_> = server.sets.into_iter().collect();
        prop_assert_eq!(keys_seen.len() as u64, keys);
    }

    #[test]
    fn a_closed_lane_learns_how_far_the_server_has_come(
        replies in prop_oneof![Just(Replies::Fenced), Just(Replies::Each)],
        segment_frames in 1_usize..9,
        batch_frames in 1_u64..40,
        steps in proptest::collection::vec((0.0..1.2_f64, 0.0..1.2_f64), 0..60),
    ) {
        let mut lane = lane(replies, segment_frames, batch_frames, 300);
        let mut block = block(&lane);
        let mut server = Server { reply_off: replies == Replies::Fenced, ..Server::default() };
        let close_at = steps.len();
        let calm = std::iter::repeat_n((1.0, 1.0), 20);
        for (n, (sent, received)) in steps.into_iter().chain(calm).enumerate() {
            if n == close_at {
                lane.close();
            }
            if let Some(range) = lane.next(&mut block) {
                let bytes = part(sent, range.len());
                server.read(&block[range][..bytes]);
                lane.sent(bytes, Instant::now());
            }
            let bytes = part(received, server.answers.len());
            let answers: Vec<u8> = server.answers.drain(..bytes).collect();
            receive(&mut lane, &answers).unwrap();
        }
        prop_assert!(!lane.wants_to_send() && !lane.is_waiting() && !lane.is_mid_chunk());
        prop_assert_eq!(lane.frames_acked(), server.sets.len() as u64);
        prop_assert_eq!(lane.frames_acked(), lane.frames_seen_max());
    }
}
