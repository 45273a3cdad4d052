//! Looks on one node which keys are there, block by block: whether they exist, or whether their
//! values are ours. Says which ones are missing.

use std::sync::atomic::{AtomicU64, Ordering};

use redis::{Value, cmd};

use crate::control::Control;
use crate::error::Result;
use crate::handshake::error_text;
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::plan::values::STAMP_BYTES;
use crate::refusal::is_about_topology;
use crate::reply::error_class;
use crate::stop::Stop;

/// Most keys in one EXISTS, so that no single command blocks the server for long.
const BLOCK_KEYS_MAX: u64 = 1_000;
/// Most bytes of keys in one request.
const REQUEST_BYTES_MAX: u64 = 256 << 10;

/// How to look at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Does it exist.
    Exists,
    /// Has its value the right length and stamp.
    Stamp,
}

/// A look at keys of a plan.
pub(crate) struct Look<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) how: How,
    pub(crate) stop: &'a Stop,
    /// Keys looked for so far, by all looks together.
    pub(crate) looked: &'a AtomicU64,
    /// Runs of missing keys that the look at one node tells apart; beyond, whole blocks count as
    /// missing.
    pub(crate) runs_max: usize,
}

/// What was seen of one group of keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Keys that are there.
    pub(crate) present: u64,
    /// Those that are not; at times a few more, where telling them apart would take too long.
    pub(crate) missing: Vec<KeySequence>,
    /// The node cannot say at the moment: the class of its error.
    pub(crate) unsettled: Option<String>,
}

/// Keys that are looked for with one command: a part of one group.
struct Block {
    group: usize,
    keys: KeySequence,
}

impl Look<'_> {
    /// Looks for every key of `groups`, what was seen of each. In a cluster, the keys of a group
    /// are those of one slot. `None` once a stop is asked for.
    ///
    /// # Errors
    /// The node is gone, or does not permit a command.
    pub(crate) fn at(
        &self,
        control: &mut Control,
        groups: &[KeySequence],
    ) -> Result<Option<Vec<Seen>>> {
        let mut seen = vec![Seen::default(); groups.len()];
        let mut runs = 0;
        let key_size = self.plan.keyspace().key_size() as u64;
        let block_keys = (REQUEST_BYTES_MAX / key_size).clamp(1, BLOCK_KEYS_MAX);
        let blocks = groups.iter().enumerate().flat_map(|(group, keys)| {
            (0..keys.count())
                .step_by(block_keys as usize)
                .map(move |begin| Block {
                    group,
                    keys: keys.part(begin, block_keys.min(keys.count() - begin)),
                })
        });
        let mut request = Vec::new();
        let mut request_bytes = 0;
        let mut blocks = blocks.peekable();
        while let Some(block) = blocks.next() {
            if self.stop.signal().is_some() {
                return Ok(None);
            }
            request_bytes += block.keys.count() * key_size;
            request.push(block);
            let next_bytes = blocks
                .peek()
                .map_or(u64::MAX, |next| next.keys.count() * key_size);
            if request_bytes.saturating_add(next_bytes) > REQUEST_BYTES_MAX {
                self.look(control, &request, &mut seen, &mut runs)?;
                request.clear();
                request_bytes = 0;
            }
        }
        Ok(Some(seen))
    }

    /// Asks for several blocks at once.
    fn look(
        &self,
        control: &mut Control,
        blocks: &[Block],
        seen: &mut [Seen],
        runs: &mut usize,
    ) -> Result<()> {
        let counts = match self.how {
            How::Exists => self.count_existing(control, blocks)?,
            // Values are compared one by one anyway.
            How::Stamp => blocks.iter().map(|_| Ok(None)).collect(),
        };
        for (block, count) in blocks.iter().zip(counts) {
            let seen = &mut seen[block.group];
            self.looked.fetch_add(block.keys.count(), Ordering::Relaxed);
            let is_there: Vec<Result<bool, String>> = match count {
                Err(class) => {
                    seen.unsettled = Some(class);
                    continue;
                }
                Ok(Some(count)) if count == block.keys.count() => {
                    seen.present += count;
                    continue;
                }
                Ok(Some(count)) if count == 0 || *runs > self.runs_max => {
                    seen.present += count;
                    note_missing(seen, &block.keys, runs);
                    continue;
                }
                Ok(Some(_)) => self.each_exists(control, &block.keys)?,
                Ok(None) => self.each_is_stamped(control, &block.keys)?,
            };
            let mut begin = 0;
            for (position, is_there) in (0..).zip(is_there) {
                match is_there {
                    Ok(false) => continue,
                    Ok(true) => seen.present += 1,
                    Err(class) => seen.unsettled = Some(class),
                }
                note_missing(seen, &block.keys.part(begin, position - begin), runs);
                begin = position + 1;
            }
            note_missing(seen, &block.keys.tail(begin), runs);
        }
        Ok(())
    }

    /// How many keys of each block exist.
    fn count_existing(
        &self,
        control: &mut Control,
        blocks: &[Block],
    ) -> Result<Vec<Result<Option<u64>, String>>> {
        let mut packed = Vec::new();
        for block in blocks {
            self.exists(&block.keys).write_packed_command(&mut packed);
        }
        let answers = control.pipeline("EXISTS", &packed, blocks.len())?;
        answers
            .iter()
            .zip(blocks)
            .map(|(answer, block)| Ok(existing(control, answer, block.keys.count())?.map(Some)))
            .collect()
    }

    /// Whether each key exists.
    fn each_exists(
        &self,
        control: &mut Control,
        keys: &KeySequence,
    ) -> Result<Vec<Result<bool, String>>> {
        let mut packed = Vec::new();
        for position in 0..keys.count() {
            self.exists(&keys.part(position, 1))
                .write_packed_command(&mut packed);
        }
        let answers = control.pipeline("EXISTS", &packed, keys.count() as usize)?;
        answers
            .iter()
            .map(|answer| Ok(existing(control, answer, 1)?.map(|count| count > 0)))
            .collect()
    }

    fn exists(&self, keys: &KeySequence) -> redis::Cmd {
        let mut exists = cmd("EXISTS");
        let mut key = self.rendered_key();
        for position in 0..keys.count() {
            self.plan.keyspace().patch(keys.at(position), &mut key);
            exists.arg(&key);
        }
        exists
    }

    /// Whether the value of each key has the right length and stamp.
    fn each_is_stamped(
        &self,
        control: &mut Control,
        keys: &KeySequence,
    ) -> Result<Vec<Result<bool, String>>> {
        let values = self.plan.values();
        // Short values are compared whole; of longer ones the stamp, and the length.
        let last = values.value_size().min(STAMP_BYTES) - 1;
        let mut packed = Vec::new();
        let mut key = self.rendered_key();
        for position in 0..keys.count() {
            self.plan.keyspace().patch(keys.at(position), &mut key);
            cmd("STRLEN").arg(&*key).write_packed_command(&mut packed);
            cmd("GETRANGE")
                .arg(&*key)
                .arg(0)
                .arg(last)
                .write_packed_command(&mut packed);
        }
        let answers = control.pipeline("GETRANGE", &packed, 2 * keys.count() as usize)?;
        (0..keys.count())
            .zip(answers.chunks_exact(2))
            .map(|(position, answer)| match answer {
                [Value::Int(length), Value::BulkString(start)] => {
                    let is_right = usize::try_from(*length) == Ok(values.value_size())
                        && values.starts_right(keys.at(position), start);
                    Ok(Ok(is_right))
                }
                [Value::ServerError(error), _] | [_, Value::ServerError(error)] => {
                    let message = error_text(error);
                    match error_class(&message) {
                        "WRONGTYPE" => Ok(Ok(false)),
                        class if is_waited_for(control, class) => Ok(Err(class.to_owned())),
                        _ => Err(control.refusal("GETRANGE", &message)),
                    }
                }
                [Value::Int(_), other] | [other, ..] => Err(control.foreign("GETRANGE", other)),
                [] => Ok(Ok(false)),
            })
            .collect()
    }

    fn rendered_key(&self) -> Vec<u8> {
        let mut key = vec![0; self.plan.keyspace().key_size()];
        self.plan.keyspace().render(0, &mut key);
        key
    }
}

/// Reads the answer to EXISTS of so many keys: a count, or why there is none just now.
fn existing(control: &Control, answer: &Value, keys: u64) -> Result<Result<u64, String>> {
    match answer {
        Value::Int(count @ 0..) if count.unsigned_abs() <= keys => Ok(Ok(count.unsigned_abs())),
        Value::ServerError(error) => {
            let message = error_text(error);
            match error_class(&message) {
                class if is_waited_for(control, class) => Ok(Err(class.to_owned())),
                _ => Err(control.refusal("EXISTS", &message)),
            }
        }
        other => Err(control.foreign("EXISTS", other)),
    }
}

/// Whether a node that answers with this error can be asked again later.
fn is_waited_for(control: &Control, class: &str) -> bool {
    control.is_in_cluster() && is_about_topology(class)
}

/// Adds missing keys, to the last run where they follow it.
fn note_missing(seen: &mut Seen, keys: &KeySequence, runs: &mut usize) {
    if keys.count() == 0 {
        return;
    }
    match seen
        .missing
        .last_mut()
        .and_then(|last| last.followed_by(keys))
    {
        Some(longer) => {
            seen.missing.pop();
            seen.missing.push(longer);
        }
        None => {
            *runs += 1;
            seen.missing.push(keys.clone());
        }
    }
}
