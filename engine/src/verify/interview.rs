//! Asks one node about its keys: which bytes to send next, and what the bytes that come back
//! mean. No I/O; no allocation per key while all is well. Memory is bounded whatever a server
//! answers.

use std::collections::VecDeque;
use std::ops::Range;

use super::bodies::Bodies;
use super::question::Question;
use crate::plan::keyspace::Keyspace;
use crate::plan::sequence::KeySequence;
use crate::plan::values::ValueLayout;
use crate::refusal::is_about_topology;
use crate::reply::error_class;

/// Questions are sent in pieces of about this size, or so that their answers have it.
const PIECE_BYTES: usize = 128 << 10;
const PIECE_KEYS_MAX: usize = 1_024;
/// So many pieces may be on their way, so that the server always has something to do.
const PIECES_MAX: u64 = 8;
/// Longest line of a server that is read.
const LINE_BYTES_MAX: usize = 4 << 10;
/// So much of a foreign answer is shown.
const SHOWN_BYTES_MAX: usize = 64;
/// So many keys that a node does not answer for just now are remembered before others are asked
/// for them; and after so many in a row it is not worth going on.
const OPEN_MAX: usize = 8_192;
const OPEN_RUN_MAX: u64 = 1_024;
/// So many keys of each kind are named.
pub(crate) const EXAMPLES_MAX: usize = 5;

/// What was seen of keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Keys whose values are right.
    pub(crate) right: u64,
    /// Keys that are not there.
    pub(crate) missing: u64,
    /// Keys that hold something else.
    pub(crate) wrong: u64,
    /// The first missing ones, by index.
    pub(crate) missing_examples: Vec<u64>,
    /// The first wrong ones, by index, and what is wrong.
    pub(crate) wrong_examples: Vec<(u64, String)>,
}

impl Seen {
    /// Keys that are settled.
    pub(crate) fn checked(&self) -> u64 {
        self.right + self.missing + self.wrong
    }

    /// Takes in what was seen elsewhere, or later.
    pub(crate) fn add(&mut self, other: Self) {
        self.right += other.right;
        self.missing += other.missing;
        self.wrong += other.wrong;
        self.missing_examples.extend(other.missing_examples);
        self.missing_examples.sort_unstable();
        self.missing_examples.truncate(EXAMPLES_MAX);
        self.wrong_examples.extend(other.wrong_examples);
        self.wrong_examples.sort_unstable();
        self.wrong_examples.truncate(EXAMPLES_MAX);
    }

    fn is_missing(&mut self, index: u64) {
        self.missing += 1;
        if self.missing_examples.len() < EXAMPLES_MAX {
            self.missing_examples.push(index);
        }
    }

    fn is_wrong(&mut self, index: u64, what: impl FnOnce() -> String) {
        self.wrong += 1;
        if self.wrong_examples.len() < EXAMPLES_MAX {
            self.wrong_examples.push((index, what()));
        }
    }
}

/// An answer that ends an interview.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is none to what was asked: what it begins with.
    Nonsense(String),
    /// The command is refused for good: the server's words.
    Refused(String),
}

/// One node's keys, and how far they are looked at.
///
/// Positions up to `answered` are settled, open or in doubt; those up to `asked` are on their way.
pub(crate) struct Interview {
    keys: KeySequence,
    value_size: usize,
    bodies: Bodies,
    asked: u64,
    answered: u64,
    /// Keys that were answered with nothing: missing, or empty. They are asked for once more.
    doubts: VecDeque<u64>,
    /// Those of them, from the first on, that are on their way.
    doubts_asked: usize,
    /// Whether doubts are asked for, and nothing else.
    is_in_doubt: bool,
    of_value: Question,
    of_existence: Question,
    /// What the questions in `buffer` were rendered as.
    buffer_is_in_doubt: bool,
    buffer: Vec<u8>,
    unsent: Range<usize>,
    piece_keys: usize,
    /// What a right answer begins with.
    header: Vec<u8>,
    seen: Seen,
    /// Keys that the node does not answer for just now.
    open: Vec<u64>,
    open_run: u64,
    /// Why not.
    open_class: Option<String>,
}

impl Interview {
    /// About these keys, which should have these values.
    pub(crate) fn new(keyspace: &Keyspace, values: &ValueLayout, keys: KeySequence) -> Self {
        let value_size = values.value_size();
        let of_value = Question::of_value(keyspace, value_size);
        let of_existence = Question::of_existence(keyspace);
        let header = format!("${value_size}\r\n").into_bytes();
        let longest = of_value.bytes().max(header.len() + value_size + 2);
        let piece_keys = (PIECE_BYTES / longest).clamp(1, PIECE_KEYS_MAX);
        let mut buffer = vec![0; piece_keys * of_value.bytes()];
        of_value.render(&mut buffer);
        Self {
            keys,
            value_size,
            bodies: Bodies::new(values),
            asked: 0,
            answered: 0,
            doubts: VecDeque::new(),
            doubts_asked: 0,
            is_in_doubt: false,
            of_value,
            of_existence,
            buffer_is_in_doubt: false,
            buffer,
            unsent: 0..0,
            piece_keys,
            header,
            seen: Seen::default(),
            open: Vec::new(),
            open_run: 0,
            open_class: None,
        }
    }

    /// Bytes that hold any answer.
    pub(crate) fn answer_bytes_max(&self) -> usize {
        (self.header.len() + self.value_size + 4).max(LINE_BYTES_MAX)
    }

    /// What was seen so far.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Whether every key is settled, or nothing is to be gained from this node just now.
    pub(crate) fn is_over(&self) -> bool {
        let is_done = self.answered == self.keys.count() && self.doubts.is_empty();
        is_done || self.open.len() >= OPEN_MAX || self.open_run >= OPEN_RUN_MAX
    }

    /// Whether answers are still to come.
    pub(crate) fn is_waiting(&self) -> bool {
        self.asked > self.answered || self.doubts_asked > 0
    }

    /// What was seen, the keys that are not settled, and the class of errors because of which
    /// some are not.
    pub(crate) fn end(self) -> (Seen, KeySequence, Option<String>) {
        let mut left = self.open;
        left.extend(self.doubts);
        let left = KeySequence::join([KeySequence::listed(left), self.keys.tail(self.answered)]);
        (self.seen, left, self.open_class)
    }

    /// What is to be sent next; nothing where answers have to come first.
    pub(crate) fn outgoing(&mut self) -> &[u8] {
        if self.unsent.is_empty() {
            self.prepare();
        }
        &self.buffer[self.unsent.clone()]
    }

    /// So many bytes of that are on their way.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.unsent.start += bytes;
    }

    /// The connection is gone, and what was on its way with it.
    pub(crate) fn disconnected(&mut self) {
        self.asked = self.answered;
        self.doubts_asked = 0;
        self.unsent = 0..0;
    }

    fn prepare(&mut self) {
        let window = PIECES_MAX * self.piece_keys as u64;
        if self.is_in_doubt && self.doubts.is_empty() {
            self.is_in_doubt = false;
        } else if !self.is_in_doubt && !self.doubts.is_empty() && self.asked == self.answered {
            let is_due = self.doubts.len() as u64 >= window || self.asked == self.keys.count();
            self.is_in_doubt = is_due;
        }
        let question = match self.is_in_doubt {
            true => &self.of_existence,
            false => &self.of_value,
        };
        let bytes = question.bytes();
        if self.buffer_is_in_doubt != self.is_in_doubt {
            self.buffer_is_in_doubt = self.is_in_doubt;
            question.render(&mut self.buffer);
        }
        let count = if self.is_in_doubt {
            let count = (self.doubts.len() - self.doubts_asked).min(self.piece_keys);
            let indices = self.doubts.iter().skip(self.doubts_asked).take(count);
            question.patch(indices.copied(), &mut self.buffer[..count * bytes]);
            self.doubts_asked += count;
            count
        } else {
            let room = window - (self.asked - self.answered);
            let left = self.keys.count() - self.asked;
            let piece = left.min(self.piece_keys as u64);
            if piece > room || self.doubts.len() as u64 >= window {
                return;
            }
            let indices = (self.asked..self.asked + piece).map(|at| self.keys.at(at));
            let count = piece as usize;
            question.patch(indices, &mut self.buffer[..count * bytes]);
            self.asked += piece;
            count
        };
        self.unsent = 0..count * bytes;
    }

    /// Reads answers; how many bytes those were. The rest begins an answer that is not complete.
    ///
    /// # Errors
    /// The first answer that ends the interview; those before it count.
    pub(crate) fn received(&mut self, bytes: &[u8]) -> Result<usize, Trouble> {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            if rest.is_empty() {
                return Ok(at);
            }
            let length = if self.is_in_doubt {
                self.existence(rest)?
            } else {
                self.value(rest)?
            };
            match length {
                None => return Ok(at),
                Some(length) => at += length,
            }
        }
    }

    /// The answer about a value at the beginning of `bytes`; its length, once it is complete.
    fn value(&mut self, bytes: &[u8]) -> Result<Option<usize>, Trouble> {
        if self.answered == self.asked {
            return Err(nonsense(bytes));
        }
        let index = self.keys.at(self.answered);
        let body = self.header.len()..self.header.len() + self.value_size;
        let is_whole = bytes.get(body.end..body.end + 2) == Some(b"\r\n");
        if is_whole && bytes[..body.start] == self.header[..] {
            let value = &bytes[body.clone()];
            if self.bodies.is_value(index, value) {
                self.seen.right += 1;
            } else {
                let bodies = &mut self.bodies;
                self.seen
                    .is_wrong(index, || bodies.difference(index, value));
            }
            self.answered += 1;
            self.open_run = 0;
            return Ok(Some(body.end + 2));
        }
        let Some(line) = line(bytes)? else {
            return Ok(None);
        };
        let length = match line {
            [b'$', digits @ ..] => {
                let size = number(digits).filter(|size| *size <= self.value_size + 1);
                let size = size.ok_or_else(|| nonsense(bytes))?;
                let end = line.len() + 2 + size;
                match bytes.get(end..end + 2) {
                    None => return Ok(None),
                    Some(b"\r\n") => self.other_size(index, size),
                    Some(_) => return Err(nonsense(bytes)),
                }
                end + 2
            }
            [b'-', message @ ..] => {
                self.refused(index, message)?;
                line.len() + 2
            }
            _ => return Err(nonsense(bytes)),
        };
        self.answered += 1;
        Ok(Some(length))
    }

    /// A value that has another size than planned.
    fn other_size(&mut self, index: u64, size: usize) {
        self.open_run = 0;
        let planned = self.value_size;
        match size {
            0 => self.doubts.push_back(index),
            _ if size > planned => {
                let what = || format!("longer than {planned} bytes");
                self.seen.is_wrong(index, what);
            }
            _ => {
                let what = || format!("{size} bytes instead of {planned}");
                self.seen.is_wrong(index, what);
            }
        }
    }

    /// The answer about a doubt at the beginning of `bytes`; its length, once it is complete.
    fn existence(&mut self, bytes: &[u8]) -> Result<Option<usize>, Trouble> {
        let index = match self.doubts.front() {
            Some(index) if self.doubts_asked > 0 => *index,
            _ => return Err(nonsense(bytes)),
        };
        let Some(line) = line(bytes)? else {
            return Ok(None);
        };
        match line {
            b":0" => self.seen.is_missing(index),
            b":1" => self.seen.is_wrong(index, || "an empty string".into()),
            [b'-', message @ ..] => self.refused(index, message)?,
            _ => return Err(nonsense(bytes)),
        }
        self.doubts.pop_front();
        self.doubts_asked -= 1;
        Ok(Some(line.len() + 2))
    }

    /// A question was answered with an error.
    fn refused(&mut self, index: u64, message: &[u8]) -> Result<(), Trouble> {
        let message = String::from_utf8_lossy(message);
        let class = error_class(&message);
        if class == "WRONGTYPE" {
            self.seen.is_wrong(index, || "not a string".into());
            return Ok(());
        }
        if !is_about_topology(class) && class != "BUSY" {
            return Err(Trouble::Refused(message.into_owned()));
        }
        self.open.push(index);
        self.open_run += 1;
        if self.open_class.as_deref() != Some(class) {
            self.open_class = Some(class.to_owned());
        }
        Ok(())
    }
}

/// The first line of `bytes`, without its end; `None` while it is not complete.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, Trouble> {
    let head = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = head.iter().position(|byte| *byte == b'\n') else {
        let is_possible = bytes.len() < LINE_BYTES_MAX && matches!(bytes[0], b'$' | b'-' | b':');
        return if is_possible {
            Ok(None)
        } else {
            Err(nonsense(bytes))
        };
    };
    let line = head[..end].strip_suffix(b"\r");
    line.map(Some).ok_or_else(|| nonsense(bytes))
}

/// A number without a sign.
fn number(digits: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(digits).ok()?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

fn nonsense(bytes: &[u8]) -> Trouble {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.trim_ascii_end();
    let shown = &line[..line.len().min(SHOWN_BYTES_MAX)];
    Trouble::Nonsense(shown.escape_ascii().to_string())
}

#[cfg(test)]
#[path = "interview_tests.rs"]
mod tests;
