//! Where the answers to control commands end, and what of them may be shown. Bounds come first:
//! an answer is given to the parser only when it is whole, well formed and within them. No I/O.

use redis::Value;

/// Most bytes of all answers to one request. The largest honest one is CLUSTER SLOTS of a cluster
/// whose nodes own every other slot, about 5 MiB.
pub const ANSWERS_BYTES_MAX: usize = 8 << 20;
/// Most values in all answers to one request: 16,384 ranges of slots, each with a master and two
/// replicas under names of their own, are 393,216.
const VALUES_MAX: usize = 400_000;
/// Longest status, number or error.
const LINE_BYTES_MAX: usize = 16 << 10;
/// Deepest nesting; CLUSTER SLOTS has four levels.
const DEPTH_MAX: usize = 8;
/// So much of a server's words is shown.
const SHOWN_CHARS_MAX: usize = 512;
/// So much of what is no answer is shown.
const SHOWN_BYTES_MAX: usize = 64;

/// What no server that speaks RESP 2 sends within the bounds, in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub String);

/// Finds the ends of answers in a buffer that grows, looking at each byte once.
///
/// Invariants: an open aggregate has something to come; there are at most `DEPTH_MAX` of them
/// and `VALUES_MAX` values in all.
#[derive(Debug)]
pub struct AnswerScanner {
    bytes_left: usize,
    values_left: usize,
    /// Values still to come of each aggregate under way, the innermost last.
    open: Vec<usize>,
    /// Where the next value begins, and how far its first line was searched for its end.
    at: usize,
    searched: usize,
}

impl AnswerScanner {
    /// For all answers to one request, of at most `bytes_max` bytes.
    #[must_use]
    pub fn within(bytes_max: usize) -> Self {
        Self {
            bytes_left: bytes_max,
            values_left: VALUES_MAX,
            open: Vec::new(),
            at: 0,
            searched: 0,
        }
    }

    /// The answer at the start of `buffer`, and its length there, once it is whole. Until then,
    /// call it again with more behind the same bytes; afterwards, without that answer.
    ///
    /// # Errors
    /// It is too long, or no answer at all.
    pub fn next(&mut self, buffer: &[u8]) -> Result<Option<(Value, usize)>, Malformed> {
        let Some(length) = self.end(buffer)? else {
            if buffer.len() > self.bytes_left {
                return Err(too_long());
            }
            return Ok(None);
        };
        self.bytes_left = self.bytes_left.checked_sub(length).ok_or_else(too_long)?;
        (self.at, self.searched) = (0, 0);
        let value = redis::parse_redis_value(&buffer[..length]);
        let value = value.map_err(|_| foreign(&buffer[..length]))?;
        Ok(Some((value, length)))
    }

    /// Length of the answer at the start of `buffer`, once it is whole.
    fn end(&mut self, buffer: &[u8]) -> Result<Option<usize>, Malformed> {
        loop {
            let Some(line) = self.line(buffer)? else {
                return Ok(None);
            };
            let mut end = self.at + line.len() + 2;
            let mut members = 0;
            match line {
                [b'+' | b'-' | b':', ..] => {}
                [b'$', length @ ..] => {
                    if let Some(length) = number(length).ok_or_else(|| foreign(line))? {
                        // Refused at once, not when so much has come in.
                        if length > self.bytes_left {
                            return Err(too_long());
                        }
                        end += length + 2;
                        if buffer.len() < end {
                            return Ok(None);
                        }
                        if &buffer[end - 2..end] != b"\r\n" {
                            return Err(foreign(line));
                        }
                    }
                }
                [b'*', count @ ..] => {
                    members = number(count).ok_or_else(|| foreign(line))?.unwrap_or(0);
                }
                line => return Err(foreign(line)),
            }
            (self.at, self.searched) = (end, end);
            self.enter(members)?;
            if self.open.is_empty() {
                return Ok(Some(end));
            }
        }
    }

    /// The line at `at`, without its end, once it is whole.
    fn line<'a>(&mut self, buffer: &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
        let searched = self.searched.min(buffer.len());
        let end = buffer[searched..].iter().position(|byte| *byte == b'\n');
        let end = end.map(|end| searched + end);
        // The search begins again at the line feed while a bulk string is incomplete.
        self.searched = end.unwrap_or(buffer.len());
        let line = &buffer[self.at.min(buffer.len())..self.searched];
        if line.len() > LINE_BYTES_MAX {
            return Err(Malformed(format!(
                "a line that does not end: {}",
                start(line)
            )));
        }
        if end.is_none() {
            // Not waited for: what comes behind a byte that begins no value.
            let begins_well = line.first().is_none_or(|first| b"+-:$*".contains(first));
            return if begins_well {
                Ok(None)
            } else {
                Err(foreign(line))
            };
        }
        line.strip_suffix(b"\r")
            .map(Some)
            .ok_or_else(|| foreign(line))
    }

    /// A value was read, or, with members, begun.
    fn enter(&mut self, members: usize) -> Result<(), Malformed> {
        self.values_left = self.values_left.checked_sub(members).ok_or_else(too_long)?;
        if members > 0 {
            if self.open.len() == DEPTH_MAX {
                return Err(Malformed(format!("more than {DEPTH_MAX} nested arrays")));
            }
            self.open.push(members);
            return Ok(());
        }
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                break;
            }
            self.open.pop();
        }
        Ok(())
    }
}

/// The number of a header: none for -1.
#[expect(
    clippy::option_option,
    reason = "no number is something else than no value"
)]
fn number(digits: &[u8]) -> Option<Option<usize>> {
    let number: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match number {
        -1 => Some(None),
        number => usize::try_from(number).ok().map(Some),
    }
}

fn too_long() -> Malformed {
    Malformed("more than any answer has".into())
}

fn foreign(bytes: &[u8]) -> Malformed {
    Malformed(start(bytes))
}

/// The first bytes of something foreign, fit to be shown, in quotes.
#[must_use]
pub fn start(bytes: &[u8]) -> String {
    let bytes = bytes.trim_ascii_end();
    format!(
        "'{}'",
        bytes[..bytes.len().min(SHOWN_BYTES_MAX)].escape_ascii()
    )
}

/// A server's words, fit for a terminal: cut short, and without control characters, which could
/// move the cursor, change colours or pretend to be output of ours.
#[must_use]
pub fn shown(words: &str) -> String {
    let mut shown = String::with_capacity(words.len().min(SHOWN_CHARS_MAX));
    for (position, character) in words.chars().enumerate() {
        if position == SHOWN_CHARS_MAX {
            shown.push_str("...");
            break;
        }
        match character {
            character if is_unseen(character) => shown.extend(character.escape_unicode()),
            character => shown.push(character),
        }
    }
    shown
}

/// Control characters, and those that turn the direction of what follows.
pub(crate) fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
