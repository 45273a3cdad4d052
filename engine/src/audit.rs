//! Which planned keys are on the server. The only source of the verdict: an acknowledgement is
//! not proof.

use std::time::{Duration, Instant};

use redis::{Value, cmd};

use crate::control::Control;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::handshake::error_text;
use crate::monitor::{Change, Snapshot};
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::plan::values::STAMP_BYTES;
use crate::stop::Stop;

/// Most keys in one EXISTS, so that no single command blocks the server for long.
const BLOCK_KEYS_MAX: u64 = 1_000;
/// Most bytes of keys in one request.
const BLOCK_BYTES_MAX: u64 = 256 << 10;

/// How long a server may work on what it was sent before connections were closed.
const SETTLE_MAX: Duration = Duration::from_secs(2);
/// Time between two looks at it, and how many equal ones mean that it is done.
const SETTLE_POLL: Duration = Duration::from_millis(40);
const SETTLED_LOOKS: u32 = 3;

/// What was known before the fill.
#[derive(Clone, Debug)]
pub struct Before {
    /// Keys in the database.
    pub keys: u64,
    /// Statistics, where INFO is permitted.
    pub snapshot: Option<Snapshot>,
}

/// What the audit found.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    /// Planned keys on the server; unknown when the audit was cut short.
    pub present: Option<u64>,
    /// Keys by which the database grew; unknown where others changed it too.
    pub created: Option<u64>,
    /// What happened on the server meanwhile.
    pub change: Option<Change>,
    /// Its memory afterwards, in bytes.
    pub used_memory: Option<u64>,
}

/// What was sent, for the audit to look for.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The part of each lane's sequence that was handed to the kernel.
    pub heads: Vec<KeySequence>,
    /// SET commands sent, those sent again included.
    pub commands: u64,
    /// Those among them that were sent again.
    pub resent: u64,
    /// Whether every lane ended with all its keys acknowledged. If not, the server may still be
    /// working on what it was sent.
    pub is_all_acknowledged: bool,
    /// Whether the fill was interrupted, so that nobody waits for a long look.
    pub interrupted: bool,
}

/// Looks which planned keys exist: by DBSIZE where its growth equals the plan on an undisturbed
/// keyspace; by EXISTS where none of them can have been there before; by length and stamp else.
///
/// # Errors
/// The server is gone, or does not permit a command.
pub fn audit(
    control: &mut Control,
    plan: &Plan,
    before: &Before,
    sent: &Sent,
    stop: &Stop,
    observe: &mut dyn FnMut(Event),
) -> Result<Finding> {
    let is_settled = sent.is_all_acknowledged || settle(control)?;
    let keys_after = control.key_count()?;
    let after = before
        .snapshot
        .as_ref()
        .and_then(|_| Snapshot::take(control).ok());
    let change = before
        .snapshot
        .as_ref()
        .zip(after.as_ref())
        .map(|(b, a)| Change::between(b, a));
    // A server that does not come to rest works for others too.
    let undisturbed = is_settled
        && change
            .as_ref()
            .is_some_and(|change| change.is_ours_alone(sent.commands));
    let growth = keys_after.checked_sub(before.keys);
    // Every SET on the server was one of ours and was carried out once, so none of the new keys
    // can stand for a planned one that is missing.
    let accounted = sent.resent == 0
        && change
            .as_ref()
            .is_some_and(|change| change.sets_refused == 0 && change.sets_done == sent.commands);
    let mut finding = Finding {
        present: None,
        created: growth.filter(|_| undisturbed),
        change,
        used_memory: after.map(|snapshot| snapshot.used_memory),
    };
    if undisturbed && accounted && growth == Some(plan.keys()) {
        finding.present = growth;
    } else if sent.interrupted {
        finding.present = growth.filter(|_| undisturbed && before.keys == 0);
    } else if before.keys == 0 {
        if sent.heads.iter().map(KeySequence::count).sum::<u64>() == plan.keys() {
            observe(Event::Notice(format!(
                "DBSIZE ({keys_after}) does not prove the {} planned keys: looking for each of them",
                plan.keys()
            )));
        }
        finding.present = count_sent(control, plan, sent, stop, observe)?;
    } else {
        observe(Event::Notice(format!(
            "DBSIZE (which grew by {}) does not prove the {} planned keys: comparing each of them",
            i128::from(keys_after) - i128::from(before.keys),
            plan.keys()
        )));
        finding.present = count(
            control,
            plan,
            &[plan.sequence().clone()],
            stop,
            &Look::Stamp,
            observe,
        )?;
    }
    // More new keys than planned ones that are there: some are not ours.
    if finding
        .created
        .zip(finding.present)
        .is_some_and(|(created, present)| created > present)
    {
        finding.created = None;
    }
    Ok(finding)
}

/// Counts the keys that were sent and exist, none of which was there before.
fn count_sent(
    control: &mut Control,
    plan: &Plan,
    sent: &Sent,
    stop: &Stop,
    observe: &mut dyn FnMut(Event),
) -> Result<Option<u64>> {
    let existing = count(control, plan, &sent.heads, stop, &Look::Exists, observe)?;
    // A full server may evict keys in the middle of the look.
    let keys = control.key_count()?;
    Ok(existing.map(|existing| existing.min(keys)))
}

/// Waits until the server has carried out what it was sent before its connections were closed.
/// `false` where it has not after [`SETTLE_MAX`].
fn settle(control: &mut Control) -> Result<bool> {
    let deadline = Instant::now() + SETTLE_MAX;
    let (mut last, mut equal) = (None, 0);
    while Instant::now() < deadline {
        let sets = match Snapshot::take(control) {
            Ok(snapshot) => Some(snapshot.sets()),
            Err(Error::NotPermitted { .. }) => None,
            Err(error) => return Err(error),
        };
        let now = Some((control.key_count()?, sets));
        equal = if now == last { equal + 1 } else { 0 };
        if equal == SETTLED_LOOKS {
            return Ok(true);
        }
        last = now;
        std::thread::sleep(SETTLE_POLL);
    }
    Ok(false)
}

/// How to look at a key.
enum Look {
    /// Does it exist.
    Exists,
    /// Has it the right length and stamp.
    Stamp,
}

/// Counts the planned keys among `parts`; `None` once a stop is asked for.
fn count(
    control: &mut Control,
    plan: &Plan,
    parts: &[KeySequence],
    stop: &Stop,
    look: &Look,
    observe: &mut dyn FnMut(Event),
) -> Result<Option<u64>> {
    let key_size = plan.keyspace().key_size() as u64;
    let block_keys = (BLOCK_BYTES_MAX / key_size).clamp(1, BLOCK_KEYS_MAX);
    let planned = parts.iter().map(KeySequence::count).sum();
    let (mut present, mut looked) = (0, 0);
    let mut key = vec![0; plan.keyspace().key_size()];
    plan.keyspace().render(0, &mut key);
    for part in parts {
        let mut begin = 0;
        while begin < part.count() {
            if stop.signal().is_some() {
                return Ok(None);
            }
            let end = (begin + block_keys).min(part.count());
            let indices = (begin..end).map(|position| part.at(position));
            present += match look {
                Look::Exists => count_existing(control, plan, indices, &mut key)?,
                Look::Stamp => count_stamped(control, plan, indices, &mut key)?,
            };
            looked += end - begin;
            begin = end;
            observe(Event::Audit(looked, planned));
        }
    }
    Ok(Some(present))
}

fn count_existing(
    control: &mut Control,
    plan: &Plan,
    indices: impl Iterator<Item = u64>,
    key: &mut [u8],
) -> Result<u64> {
    let mut exists = cmd("EXISTS");
    for index in indices {
        plan.keyspace().patch(index, key);
        exists.arg(&*key);
    }
    match control
        .pipeline("EXISTS", &exists.get_packed_command(), 1)?
        .pop()
    {
        Some(Value::Int(count)) => Ok(u64::try_from(count).unwrap_or(0)),
        Some(Value::ServerError(error)) => Err(control.refusal("EXISTS", &error_text(&error))),
        _ => Ok(0),
    }
}

fn count_stamped(
    control: &mut Control,
    plan: &Plan,
    indices: impl Iterator<Item = u64> + Clone,
    key: &mut [u8],
) -> Result<u64> {
    let values = plan.values();
    // Short values are compared whole; of longer ones the stamp, and the length.
    let last = values.value_size().min(STAMP_BYTES) - 1;
    let mut packed = Vec::new();
    let mut answers = 0;
    for index in indices.clone() {
        plan.keyspace().patch(index, key);
        cmd("STRLEN").arg(&*key).write_packed_command(&mut packed);
        cmd("GETRANGE")
            .arg(&*key)
            .arg(0)
            .arg(last)
            .write_packed_command(&mut packed);
        answers += 2;
    }
    let answers = control.pipeline("GETRANGE", &packed, answers)?;
    let mut present = 0;
    for (index, answer) in indices.zip(answers.chunks_exact(2)) {
        match answer {
            [Value::Int(length), Value::BulkString(start)] => {
                let right = usize::try_from(*length) == Ok(values.value_size())
                    && values.starts_right(index, start);
                present += u64::from(right);
            }
            [Value::ServerError(error), _] if !error_text(error).starts_with("WRONGTYPE") => {
                return Err(control.refusal("GETRANGE", &error_text(error)));
            }
            _ => {}
        }
    }
    Ok(present)
}
