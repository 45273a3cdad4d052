//! What must hold whatever bytes a server sends. Each function is a fuzz target, and runs over
//! the committed corpus with the ordinary tests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::answer::{ANSWERS_BYTES_MAX, AnswerScanner, Malformed, shown};
use engine::cluster::topology::Topology;
use engine::frame::Frame;
use engine::info::{Info, ServerFacts};
use engine::lane::{Lane, LaneShape, Replies};
use engine::latency::Latencies;
use engine::memory::Reading;
use engine::plan::keyspace::{KeyLayout, Keyspace};
use engine::plan::sequence::KeySequence;
use engine::plan::values::ValueLayout;
use engine::reply::{Reply, ReplyScanner};
use engine::segment::Segment;
use engine::statistics::{Change, Snapshot};
use redis::Value;

/// More than any reply may keep of what came in.
const KEPT_BYTES_MAX: usize = 8 << 10;

/// Replies are short, and the same wherever reads split them.
pub(crate) fn reply_scanner(bytes: &[u8]) {
    let (cuts, stream) = cut(bytes);
    let whole = replies([stream].into_iter());
    let split = replies(pieces(stream, cuts));
    assert_eq!(whole, split);
    for reply in whole {
        if let Reply::Error(text) | Reply::Unexpected(text) = reply {
            assert!(text.len() <= KEPT_BYTES_MAX && !text.contains('\u{1b}'));
        }
    }
}

fn replies<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Reply> {
    let mut scanner = ReplyScanner::default();
    let mut replies: Vec<Reply> = Vec::new();
    for piece in pieces {
        scanner.scan(piece, |reply| match (replies.last_mut(), &reply) {
            (Some(Reply::Ok(run)), Reply::Ok(more)) => *run += more,
            _ => replies.push(reply),
        });
    }
    replies
}

/// Answers end within their bounds, the same wherever reads split them, and everything that the
/// scanner takes for an answer the parser understands or refuses.
pub(crate) fn answers(bytes: &[u8]) {
    let (cuts, stream) = cut(bytes);
    let whole = read_answers([stream].into_iter(), 4_096);
    let split = read_answers(pieces(stream, cuts), 4_096);
    assert_eq!(whole.0, split.0);
    // Too much is noticed at the latest when it has come in, at times before.
    if whole.1.is_none() {
        assert!(split.1.is_none(), "{:?}", split.1);
    }
}

fn read_answers<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    bytes_max: usize,
) -> (Vec<Value>, Option<Malformed>) {
    let mut scanner = AnswerScanner::within(bytes_max);
    let mut buffer = Vec::new();
    let mut values = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match scanner.next(&buffer) {
                Ok(None) => break,
                Ok(Some((value, length))) => {
                    assert!(length > 0, "an answer of nothing");
                    buffer.drain(..length);
                    values.push(value);
                }
                Err(malformed) => return (values, Some(malformed)),
            }
        }
        assert!(buffer.len() <= bytes_max, "it keeps what is too much");
    }
    (values, None)
}

/// A topology is refused, or every slot has one owner or none, under a name that may be shown.
pub(crate) fn topology(bytes: &[u8]) {
    for value in read_answers([bytes].into_iter(), ANSWERS_BYTES_MAX).0 {
        let Ok(topology) = Topology::of_slots_reply(&value, "asked") else {
            continue;
        };
        let owned: usize = topology
            .masters()
            .map(|(_, slots)| slots.iter().count())
            .sum();
        let covered = topology.covered().iter().count();
        assert_eq!(owned, covered);
        assert_eq!(covered + topology.uncovered().iter().count(), 16_384);
        for (master, _) in topology.masters() {
            assert_eq!(shown(&master.host).replace("...", ""), {
                let shown: String = master.host.chars().take(512).collect();
                shown.replace("...", "")
            });
        }
    }
}

/// Any INFO can be read, and what is taken from it may be shown. The bytes are the six sections of
/// one snapshot and of the next, separated by zeros.
pub(crate) fn info(bytes: &[u8]) {
    let mut sections = bytes
        .split(|byte| *byte == 0)
        .map(|section| Info::parse(&String::from_utf8_lossy(section)));
    let mut snapshot = || {
        let sections: [Info; 6] = std::array::from_fn(|_| sections.next().unwrap_or_default());
        for info in &sections {
            let software = info.software();
            assert!(!software.contains(|c: char| c.is_control()), "{software:?}");
            let mut facts = ServerFacts::of(([127, 0, 0, 1], 6379).into());
            facts.remember_memory(info);
            let _ = (info.keys_beside(0), info.number::<f64>("used_cpu_sys"));
        }
        let [commands, errors, stats, cpu, memory, server] = &sections;
        Snapshot::of(
            commands,
            errors,
            stats,
            cpu,
            server,
            Reading::parse(memory, 7),
        )
    };
    let (before, after) = (snapshot(), snapshot());
    for (before, after) in [(&before, &after), (&after, &before), (&before, &before)] {
        let change = Change::between(before, after);
        let refused = change.refused();
        assert_eq!(refused.is_empty(), change.refusals() == 0);
        let _ = change.is_ours_alone(1, 1);
    }
}

/// Whatever a server sends at whatever time, a lane's counters keep their order, and it neither
/// sends nor claims more keys than it has.
pub(crate) fn lane(bytes: &[u8]) {
    let [mode, depth, keys, bytes @ ..] = bytes else {
        return;
    };
    let replies = match mode % 2 {
        0 => Replies::Fenced,
        _ => Replies::Each,
    };
    let mut lane = new_lane(replies, u64::from(*depth) % 40 + 1, u64::from(*keys));
    let mut block = vec![0; lane.segment().block_bytes()];
    lane.segment().render(&mut block);
    let mut latencies = Latencies::default();
    let mut now = Instant::now();
    let mut bytes = bytes.iter().copied();
    while let Some(step) = bytes.next() {
        now += Duration::from_micros(7);
        match step % 8 {
            // The kernel takes some of what is to be sent.
            0 | 1 => {
                if let Some(range) = lane.next(&mut block) {
                    let taken = bytes.next().map_or(range.len(), |part| {
                        (range.len() * (usize::from(part) + 1)).div_ceil(256)
                    });
                    lane.sent(taken, now);
                }
            }
            2 => lane.nudge(),
            3 if step == 3 => lane.close(),
            3 => reconnect(&mut lane, replies),
            // The server says something: bytes, the echo of some fence, or +OK.
            said => {
                let length = bytes.next().unwrap_or(0);
                let said: Vec<u8> = match said {
                    4 => bytes.by_ref().take(length.into()).collect(),
                    5 => format!("+OK\r\n$16\r\n{length:016x}\r\n").into_bytes(),
                    6 => format!("$16\r\n{length:016x}\r\n").into_bytes(),
                    _ => b"+OK\r\n".repeat(length.into()),
                };
                if lane.received(&said, now, &mut latencies).is_err() {
                    reconnect(&mut lane, replies);
                }
            }
        }
        check_order(&lane);
    }
}

fn new_lane(replies: Replies, batch_frames: u64, keys: u64) -> Lane {
    let keyspace = Keyspace::new(16, None, KeyLayout::Plain).expect("16 bytes name enough keys");
    let frame = Frame::new(keyspace, ValueLayout::new(3, 16, 1), false);
    let shape = LaneShape {
        segment: Arc::new(Segment::new(frame, 7)),
        batch_frames,
        replies,
    };
    Lane::new(shape, KeySequence::new(0, keys))
}

fn reconnect(lane: &mut Lane, replies: Replies) {
    lane.disconnected();
    check_order(lane);
    if lane.first_unacknowledged().is_some() {
        lane.connected(replies);
    }
}

fn check_order(lane: &Lane) {
    let counts = [
        lane.frames_acked(),
        lane.frames_replied(),
        lane.frames_sent(),
        lane.frames_seen_max(),
        lane.sequence().count(),
    ];
    assert!(counts.is_sorted(), "{counts:?}");
    assert!(lane.refused().len() <= 64);
    let is_acknowledged = lane.first_unacknowledged().is_none();
    assert_eq!(lane.is_done(), is_acknowledged && !lane.is_mid_chunk());
}

/// The first byte says how often the others are split, so many more say where.
fn cut(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some((count, rest)) = bytes.split_first() else {
        return (&[], &[]);
    };
    rest.split_at(usize::from(*count % 16).min(rest.len()))
}

/// `stream` in pieces whose lengths are `cuts`, again and again.
fn pieces<'a>(mut stream: &'a [u8], cuts: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let lengths = cuts.iter().cycle().map(|cut| usize::from(*cut) + 1);
    let mut lengths = lengths.chain(std::iter::repeat(usize::MAX));
    std::iter::from_fn(move || {
        let length = lengths.next()?.min(stream.len());
        let (piece, rest) = stream.split_at(length);
        stream = rest;
        (!piece.is_empty()).then_some(piece)
    })
}
