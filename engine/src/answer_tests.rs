//! Tests of the bounds of answers.

use proptest::prelude::*;

use super::*;

/// Reads one answer that comes in pieces of `piece` bytes; also how many bytes were looked at.
fn read(bytes: &[u8], piece: usize, bytes_max: usize) -> Result<Option<Value>, Malformed> {
    let mut scanner = AnswerScanner::within(bytes_max);
    for end in (0..bytes.len()).step_by(piece).chain([bytes.len()]) {
        if let Some((value, length)) = scanner.next(&bytes[..end])? {
            assert!(length <= end);
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn read_whole(bytes: &[u8]) -> Result<Option<Value>, Malformed> {
    read(bytes, usize::MAX, ANSWERS_BYTES_MAX)
}

#[test]
fn answers_are_read_one_by_one() {
    let mut scanner = AnswerScanner::within(1_000);
    let mut rest: &[u8] =
        b"+PONG\r\n:7\r\n$-1\r\n$4\r\na\r\nb\r\n*2\r\n*0\r\n*1\r\n-ERR x\r\n*-1\r\n";
    let mut values = Vec::new();
    while let Some((value, length)) = scanner.next(rest).unwrap() {
        values.push(value);
        rest = &rest[length..];
    }
    assert!(rest.is_empty());
    assert_eq!(
        values[..4],
        [
            Value::SimpleString("PONG".into()),
            Value::Int(7),
            Value::Nil,
            Value::BulkString(b"a\r\nb".to_vec()),
        ]
    );
    assert!(matches!(&values[4], Value::Array(members) if members.len() == 2));
    assert_eq!((values.len(), &values[5]), (6, &Value::Nil));
}

#[test]
fn lengths_that_would_take_memory_are_refused_at_once() {
    for header in [
        "$1000000000\r\n",
        "$9223372036854775807\r\n",
        "*1000000000\r\n",
        "*9223372036854775807\r\n",
        "*300000\r\n*300000\r\n",
    ] {
        let refused = read_whole(header.as_bytes());
        assert_eq!(refused, Err(too_long()), "{header}");
    }
}

#[test]
fn what_is_no_answer_is_refused_at_once() {
    for bytes in [
        &b"HTTP/1.1 400"[..],
        b"\x16\x03\x01",
        b"\r\n",
        b"$x\r\n",
        b"$-2\r\n",
        b"*-7\r\n",
        b"$2\r\nabc\r\n",
        b"%1\r\n+a\r\n+b\r\n",
        b">1\r\n+invalidate\r\n",
        b"+PONG\n",
        b":seven\r\n",
    ] {
        assert!(read_whole(bytes).is_err(), "{}", bytes.escape_ascii());
    }
}

#[test]
fn lines_end_and_nesting_too() {
    assert!(read_whole(&[b'+'; LINE_BYTES_MAX + 1]).is_err());
    assert_eq!(read_whole(&[b'+'; LINE_BYTES_MAX]), Ok(None));
    assert!(read_whole(&b"*1\r\n".repeat(DEPTH_MAX + 1)).is_err());
    assert_eq!(read_whole(&b"*1\r\n".repeat(DEPTH_MAX)), Ok(None));
}

#[test]
fn all_answers_to_a_request_share_its_bytes() {
    let mut scanner = AnswerScanner::within(12);
    assert!(scanner.next(b"+PONG\r\n").unwrap().is_some());
    assert_eq!(scanner.next(b"+PONG\r\n"), Err(too_long()));
}

#[test]
fn the_largest_answer_is_read_in_time() {
    // A cluster of which every slot is a range by itself.
    let node = "*3\r\n$15\r\n255.255.255.255\r\n:65535\r\n$40\r\n0123456789012345678901234567890123456789\r\n";
    let ranges: String = (0..16_384)
        .map(|slot| format!("*5\r\n:{slot}\r\n:{slot}\r\n{}", node.repeat(3)))
        .collect();
    let reply = format!("*16384\r\n{ranges}");
    let value = read(reply.as_bytes(), 16 << 10, ANSWERS_BYTES_MAX).unwrap();
    assert!(matches!(value, Some(Value::Array(ranges)) if ranges.len() == 16_384));
}

#[test]
fn what_is_shown_is_short_and_harmless() {
    assert_eq!(
        shown("ERR \u{1b}[2Jx\r\n\u{202e}"),
        r"ERR \u{1b}[2Jx\u{d}\u{a}\u{202e}"
    );
    assert_eq!(shown("Käse"), "Käse");
    assert!(shown(&"\u{1b}".repeat(1 << 20)).len() < 4_000);
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let scalar = prop_oneof![
        Just(b"+OK\r\n".to_vec()),
        any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
        Just(b"-ERR no\r\n".to_vec()),
        Just(b"$-1\r\n".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| {
            [format!("${}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat()
        }),
    ];
    scalar.prop_recursive(4, 40, 6, |inner| {
        proptest::collection::vec(inner, 0..6).prop_map(|members| {
            [
                format!("*{}\r\n", members.len()).into_bytes(),
                members.concat(),
            ]
            .concat()
        })
    })
}

proptest! {
    #[test]
    fn answers_do_not_depend_on_where_reads_split_them(bytes in value(), piece in 1_usize..50) {
        let expected = redis::parse_redis_value(&bytes).unwrap();
        prop_assert_eq!(read(&bytes, piece, ANSWERS_BYTES_MAX), Ok(Some(expected)));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1_usize..50) {
        let _ = read(&bytes, piece, 100);
    }
}
