//! Interviews with a server that is a map, over a line that cuts bytes anywhere and breaks.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::plan::keyspace::KeyLayout;

const KEY_SIZE: usize = 16;

/// What the server holds under a key, or says instead.
#[derive(Clone, Debug)]
enum Held {
    Nothing,
    Value(Vec<u8>),
    List,
    Refused(&'static str),
}

/// Reads whole commands off a stream and answers as a server does.
#[derive(Default)]
struct Server {
    held: HashMap<Vec<u8>, Held>,
    unread: Vec<u8>,
    answers: Vec<u8>,
    questions: usize,
}

impl Server {
    fn read(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        while let Some((arguments, length)) = command(&self.unread) {
            self.unread.drain(..length);
            self.questions += 1;
            let answer = self.answer(&arguments);
            self.answers.extend(answer);
        }
    }

    fn answer(&self, arguments: &[Vec<u8>]) -> Vec<u8> {
        let held = &self.held[&arguments[1]];
        let bulk = |value: &[u8]| {
            let mut bulk = format!("${}\r\n", value.len()).into_bytes();
            bulk.extend_from_slice(value);
            bulk.extend_from_slice(b"\r\n");
            bulk
        };
        match (&arguments[0][..], held) {
            (_, Held::Refused(message)) => format!("-{message}\r\n").into_bytes(),
            (b"EXISTS", Held::Nothing) => b":0\r\n".to_vec(),
            (b"EXISTS", _) => b":1\r\n".to_vec(),
            (b"GETRANGE", Held::Nothing) => bulk(b""),
            (b"GETRANGE", Held::List) => b"-WRONGTYPE Operation against\r\n".to_vec(),
            (b"GETRANGE", Held::Value(value)) => {
                assert_eq!(arguments[2], b"0");
                let end: usize = String::from_utf8_lossy(&arguments[3]).parse().unwrap();
                bulk(&value[..value.len().min(end + 1)])
            }
            (other, _) => panic!("{}", other.escape_ascii()),
        }
    }
}

/// The arguments of the first command, and its length.
fn command(bytes: &[u8]) -> Option<(Vec<Vec<u8>>, usize)> {
    let mut at = 0;
    let mut number = |sign: u8| {
        let end = at + bytes[at..].windows(2).position(|two| two == b"\r\n")?;
        assert_eq!(bytes[at], sign);
        let number: usize = std::str::from_utf8(&bytes[at + 1..end])
            .unwrap()
            .parse()
            .unwrap();
        at = end + 2;
        Some((number, at))
    };
    let (count, mut begin) = number(b'*')?;
    let mut arguments = Vec::new();
    for _ in 0..count {
        let rest = &bytes[begin..];
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let length: usize = std::str::from_utf8(&rest[1..end]).unwrap().parse().unwrap();
        arguments.push(rest.get(end + 2..end + 2 + length)?.to_vec());
        rest.get(end + 2 + length..end + 4 + length)?;
        begin += end + 4 + length;
    }
    Some((arguments, begin))
}

fn keyspace() -> Keyspace {
    Keyspace::new(KEY_SIZE, None, KeyLayout::Plain).unwrap()
}

fn key(index: u64) -> Vec<u8> {
    let mut key = vec![0; KEY_SIZE];
    keyspace().render(index, &mut key);
    key
}

fn value(values: &ValueLayout, index: u64) -> Vec<u8> {
    let mut value = vec![0; values.value_size()];
    values.render(index, (index % 7) as u32, &mut value);
    value
}

/// Talks until it is over; the line takes and gives `pieces` bytes at a time, and breaks once,
/// before one of them.
fn talk(
    interview: &mut Interview,
    server: &mut Server,
    pieces: &[usize],
    break_at: Option<usize>,
) -> Result<(), Trouble> {
    let mut pieces = pieces.iter().cycle().enumerate();
    let mut received = Vec::new();
    while !interview.is_over() {
        let (number, piece) = pieces.next().unwrap();
        if Some(number) == break_at {
            interview.disconnected();
            (server.unread, server.answers) = (Vec::new(), Vec::new());
            received.clear();
            continue;
        }
        let bytes = interview.outgoing();
        let length = bytes.len().min(*piece);
        server.read(&bytes[..length]);
        interview.sent(length);
        let length = server.answers.len().min(*piece);
        received.extend(server.answers.drain(..length));
        assert!(received.len() <= interview.answer_bytes_max() + piece);
        let read = interview.received(&received)?;
        received.drain(..read);
    }
    Ok(())
}

/// What a key is like: an index into these.
fn held(kind: usize, values: &ValueLayout, index: u64) -> Held {
    let right = value(values, index);
    match kind {
        1 => Held::Nothing,
        2 => Held::Value(Vec::new()),
        3 => Held::Value(right[1..].to_vec()),
        4 => Held::Value([&right[..], b"more than that"].concat()),
        5 => Held::Value(value(values, index + 1)),
        6 => Held::List,
        7 => Held::Refused("ASK 7 host:1"),
        _ => Held::Value(right),
    }
}

proptest! {
    #[test]
    fn every_key_is_told_as_it_is(
        kinds in proptest::collection::vec(0_usize..20, 1..400),
        value_size in prop_oneof![Just(16), 20_usize..70, Just(40_000)],
        pieces in proptest::collection::vec(
            prop_oneof![20_usize..200, 30_000..90_000_usize, Just(100_000)], 1..8),
        break_at in 0_usize..300,
    ) {
        let values = ValueLayout::new(value_size, KEY_SIZE, 3);
        let first = 1000;
        let mut server = Server::default();
        for (index, kind) in (first..).zip(&kinds) {
            server.held.insert(key(index), held(*kind, &values, index));
        }
        let keys = KeySequence::new(first, kinds.len() as u64);
        let mut interview = Interview::new(&keyspace(), &values, keys);
        talk(&mut interview, &mut server, &pieces, Some(break_at)).unwrap();
        prop_assert!(interview.is_over());
        let (seen, left, class) = interview.end();
        let of = |wanted: &[usize]| -> Vec<u64> {
            let kinds = (first..).zip(&kinds).filter(|(_, kind)| wanted.contains(kind));
            kinds.map(|(index, _)| index).collect()
        };
        let right: Vec<usize> = [0].into_iter().chain(8..20).collect();
        prop_assert_eq!(seen.right, of(&right).len() as u64);
        prop_assert_eq!(seen.missing, of(&[1]).len() as u64);
        prop_assert_eq!(seen.wrong, of(&[2, 3, 4, 5, 6]).len() as u64);
        let mut open: Vec<u64> = (0..left.count()).map(|at| left.at(at)).collect();
        open.sort_unstable();
        prop_assert_eq!(&open, &of(&[7]));
        prop_assert_eq!(class.as_deref(), (!open.is_empty()).then_some("ASK"));
        let missing = &seen.missing_examples;
        prop_assert_eq!(&missing[..], &of(&[1])[..missing.len()]);
    }
}

fn asked(value_size: usize, keys: u64) -> Interview {
    let values = ValueLayout::new(value_size, KEY_SIZE, 3);
    let mut interview = Interview::new(&keyspace(), &values, KeySequence::new(0, keys));
    let length = interview.outgoing().len();
    interview.sent(length);
    interview
}

#[test]
fn what_is_no_answer_ends_the_interview() {
    let endless = vec![b'-'; LINE_BYTES_MAX + 1];
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n"[..],
        b"+OK\r\n",
        b"*1\r\n",
        b"$-1\r\n",
        b"$22\r\n",
        b"$9223372036854775807\r\n",
        b"$99999999999999999999999\r\n",
        b"$+5\r\nabcde\r\n",
        b"$5\r\nabcdefg",
        b"$20\r\n12345678901234567890xx",
        b"$20\n",
        b"\0",
        b"x",
        &endless,
    ] {
        let mut interview = asked(20, 3);
        let outcome = interview.received(answer);
        let is_nonsense = matches!(outcome, Err(Trouble::Nonsense(_)));
        assert!(is_nonsense, "{}: {outcome:?}", answer.escape_ascii());
        assert_eq!(interview.seen().checked(), 0);
    }
}

#[test]
fn more_answers_than_questions_are_nonsense() {
    let mut interview = asked(20, 1);
    let outcome = interview.received(b"$1\r\na\r\n$1\r\na\r\n");
    assert!(matches!(outcome, Err(Trouble::Nonsense(_))), "{outcome:?}");
    assert_eq!(interview.seen().wrong, 1);
}

#[test]
fn a_refusal_for_good_ends_the_interview() {
    for message in [
        "NOPERM no",
        "NOAUTH Authentication required.",
        "ERR unknown command",
    ] {
        let outcome = asked(20, 3).received(format!("-{message}\r\n").as_bytes());
        assert_eq!(outcome, Err(Trouble::Refused(message.into())));
    }
}

#[test]
fn a_node_that_refuses_every_key_is_left_in_peace() {
    let values = ValueLayout::new(20, KEY_SIZE, 3);
    let keys = 1_000_000;
    let mut server = Server::default();
    for index in 0..10_000 {
        server.held.insert(key(index), Held::Refused("CLUSTERDOWN"));
    }
    let mut interview = Interview::new(&keyspace(), &values, KeySequence::new(0, keys));
    talk(&mut interview, &mut server, &[100_000], None).unwrap();
    let (seen, left, _) = interview.end();
    assert_eq!((seen.checked(), left.count()), (0, keys));
    assert!(server.questions < 10_000);
}

#[test]
fn no_more_is_on_its_way_than_can_be_borne() {
    for value_size in [1, 512, 100_000, 524_288] {
        let values = ValueLayout::new(value_size, KEY_SIZE, 3);
        let keys = KeySequence::new(0, 1 << 40);
        let mut interview = Interview::new(&keyspace(), &values, keys);
        let mut sent = 0;
        loop {
            let length = interview.outgoing().len();
            if length == 0 {
                break;
            }
            assert!(length <= PIECE_BYTES);
            interview.sent(length);
            sent += length;
        }
        let questions = sent / interview.of_value.bytes();
        let answers = questions * (interview.header.len() + value_size + 2);
        let bound = PIECES_MAX as usize * PIECE_BYTES.max(value_size + 12);
        assert!(answers <= bound && questions >= 4, "{value_size}");
    }
}
