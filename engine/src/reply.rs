//! What comes back: bytes in, acknowledgements or errors out. No I/O, no allocation while all is
//! well.

use std::collections::BTreeMap;

use crate::answer::{shown, start};
use crate::segment::FENCE_DIGITS;

/// The reply to a SET that was carried out.
const OK: &[u8; 5] = b"+OK\r\n";
/// A page of [`OK`]s, long enough to be compared at any phase.
static OK_PAGE: [u8; OK.len() * 820] = {
    let mut page = [0; OK.len() * 820];
    let mut at = 0;
    while at < page.len() {
        page[at] = OK[at % OK.len()];
        at += 1;
    }
    page
};
/// Longest line kept while a reply is incomplete; the rest of a longer one is dropped.
const LINE_BYTES_MAX: usize = 512;
/// A line of which so much was dropped is not an answer to anything.
const DROPPED_BYTES_MAX: usize = 64 << 10;
/// Classes of errors told apart; real servers have a dozen or two.
const CLASSES_MAX: usize = 32;

/// One reply other than `+OK`, or a run of `+OK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// So many `+OK` in a row.
    Ok(u64),
    /// A SET with NX whose key exists: nothing was written, as asked.
    Kept,
    /// The echo of a fence: its number.
    Echo([u8; FENCE_DIGITS]),
    /// An error, without the leading `-`: class, then message.
    Error(String),
    /// Something no command of ours is answered with.
    Unexpected(String),
}

/// Splits a stream of replies at any byte boundary.
#[derive(Debug, Default)]
pub struct ReplyScanner {
    /// Bytes of `+OK\r\n` already seen of the current reply; 0 while `line` is in use.
    phase: usize,
    /// The start of a reply that is not `+OK`.
    line: Vec<u8>,
    /// How much of that line was dropped.
    dropped: usize,
    /// A bulk header was read; the next line is its content.
    in_bulk: bool,
}

impl ReplyScanner {
    /// Reads `bytes` and hands on each reply, runs of `+OK` as one.
    pub fn scan(&mut self, mut bytes: &[u8], mut each: impl FnMut(Reply)) {
        while !bytes.is_empty() {
            if self.line.is_empty() && !self.in_bulk {
                bytes = self.scan_oks(bytes, &mut each);
            }
            if !self.line.is_empty() || self.in_bulk {
                bytes = self.scan_line(bytes, &mut each);
            }
        }
    }

    /// Consumes `+OK` replies up to the first byte that differs; that byte's reply so far moves
    /// into `line`.
    fn scan_oks<'a>(&mut self, bytes: &'a [u8], each: &mut impl FnMut(Reply)) -> &'a [u8] {
        let page = &OK_PAGE[self.phase..];
        let length = bytes.len().min(page.len() - page.len() % OK.len());
        let (head, page) = (&bytes[..length], &page[..length]);
        let equal = if head == page {
            length
        } else {
            head.iter()
                .zip(page)
                .take_while(|(byte, expected)| byte == expected)
                .count()
        };
        let seen = self.phase + equal;
        if seen >= OK.len() {
            each(Reply::Ok((seen / OK.len()) as u64));
        }
        self.phase = seen % OK.len();
        if equal < length {
            self.line.extend_from_slice(&OK[..self.phase]);
            self.line.push(bytes[equal]);
            self.phase = 0;
            if bytes[equal] == b'\n' {
                self.end_line(each);
            }
            return &bytes[equal + 1..];
        }
        &bytes[equal..]
    }

    /// Consumes up to and including the next line feed.
    fn scan_line<'a>(&mut self, bytes: &'a [u8], each: &mut impl FnMut(Reply)) -> &'a [u8] {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.keep(bytes, each);
            return &[];
        };
        self.keep(&bytes[..=end], each);
        self.end_line(each);
        &bytes[end + 1..]
    }

    /// Keeps the beginning of a line; tells once of one that does not seem to end.
    fn keep(&mut self, bytes: &[u8], each: &mut impl FnMut(Reply)) {
        let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
        let (kept, dropped) = bytes.split_at(bytes.len().min(room));
        self.line.extend_from_slice(kept);
        let was_endless = self.dropped > DROPPED_BYTES_MAX;
        self.dropped = self.dropped.saturating_add(dropped.len());
        if !was_endless && self.dropped > DROPPED_BYTES_MAX {
            each(Reply::Unexpected(format!(
                "a line that does not end: {}",
                start(&self.line)
            )));
        }
    }

    fn end_line(&mut self, each: &mut impl FnMut(Reply)) {
        let line = self.line.trim_ascii_end();
        let text = |line: &[u8]| shown(&String::from_utf8_lossy(line));
        let reply = if std::mem::take(&mut self.in_bulk) {
            Some(
                line.try_into()
                    .map_or_else(|_| Reply::Unexpected(text(line)), Reply::Echo),
            )
        } else {
            match line {
                b"+OK" => Some(Reply::Ok(1)),
                b"$-1" => Some(Reply::Kept),
                b"$16" => {
                    self.in_bulk = true;
                    None
                }
                [b'-', error @ ..] => Some(Reply::Error(text(error))),
                _ => Some(Reply::Unexpected(text(line))),
            }
        };
        self.line.clear();
        self.dropped = 0;
        if let Some(reply) = reply {
            each(reply);
        }
    }
}

/// The class of an error reply: its first word, as INFO errorstats has it.
#[must_use]
pub fn error_class(error: &str) -> &str {
    error.split_ascii_whitespace().next().unwrap_or("ERR")
}

/// Counts an error of this class; of a server that makes up ever new ones, those beyond
/// [`CLASSES_MAX`] as ERR.
pub(crate) fn count_class(counts: &mut BTreeMap<String, u64>, class: &str) {
    let is_told_apart = counts.len() < CLASSES_MAX || counts.contains_key(class);
    let class = if is_told_apart { class } else { "ERR" };
    *counts.entry(class.to_owned()).or_default() += 1;
}

/// Whether a refusal of this class will meet every further write too, until somebody changes
/// something on the server.
#[must_use]
pub fn is_final(class: &str) -> bool {
    matches!(
        class,
        "OOM" | "NOAUTH" | "NOPERM" | "MISCONF" | "NOREPLICAS" | "READONLY"
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(pieces: &[&[u8]]) -> Vec<Reply> {
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

    #[test]
    fn a_fence_is_an_ok_and_an_echo() {
        let replies = scan(&[b"+OK\r\n$16\r\n000000000000002a\r\n"]);
        assert_eq!(replies, [Reply::Ok(1), Reply::Echo(*b"000000000000002a")]);
    }

    #[test]
    fn long_lines_are_cut_short() {
        let line = format!("-ERR {}\r\n+OK\r\n", "x".repeat(5_000));
        let replies = scan(&[line.as_bytes()]);
        assert!(matches!(&replies[0], Reply::Error(error) if error.len() < LINE_BYTES_MAX));
        assert_eq!(replies[1], Reply::Ok(1));
    }

    fn reply() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            20 => (1_usize..3_000).prop_map(|run| OK.repeat(run)),
            2 => Just(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n".to_vec()),
            2 => Just(b"-MOVED 3999 127.0.0.1:6381\r\n".to_vec()),
            2 => any::<u64>().prop_map(|n| format!("$16\r\n{n:016x}\r\n").into_bytes()),
            2 => (1_usize..50).prop_map(|run| b"$-1\r\n".repeat(run)),
            1 => Just(b"+PONG\r\n".to_vec()),
            1 => Just(b"\r\n".to_vec()),
        ]
    }

    proptest! {
        #[test]
        fn replies_do_not_depend_on_where_reads_split_them(
            replies in proptest::collection::vec(reply(), 1..12),
            cuts in proptest::collection::vec(0.0..1.0_f64, 0..12),
        ) {
            let stream = replies.concat();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| (cut * stream.len() as f64) as usize).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &stream[cut[0]..cut[1]]).collect();
            prop_assert_eq!(scan(&pieces), scan(&[&stream]));
        }

        #[test]
        fn every_split_of_a_mixed_stream_is_read_alike(at in 0_usize..64) {
            let stream = b"+OK\r\n+OK\r\n-LOADING x\r\n+OK\r\n$16\r\n0123456789abcdef\r\n+OK\r\n";
            let at = at.min(stream.len());
            let expected = [
                Reply::Ok(2),
                Reply::Error("LOADING x".into()),
                Reply::Ok(1),
                Reply::Echo(*b"0123456789abcdef"),
                Reply::Ok(1),
            ];
            prop_assert_eq!(scan(&[&stream[..at], &stream[at..]]), expected);
        }
    }
}
