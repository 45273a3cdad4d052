//! What may go wrong on a server while it is filled although it has passed every check: snapshots,
//! the append-only file, replicas that cannot follow, others who write. Words the warnings; refuses
//! nothing, changes nothing. What may not be asked, or is not answered, is not warned of.

use std::collections::{BTreeSet, HashMap};

use redis::{Value, cmd};

use crate::commands::may_change_keys;
use crate::control::Control;
use crate::info::Info;

/// From this payload on, in bytes, snapshots and the append-only file are worth a warning.
const LARGE_BYTES: u64 = 256 << 20;
/// A client that has been idle for longer, in seconds, is not writing at the moment.
const IDLE_SECONDS_MAX: u64 = 2;
/// So many different commands of others are named.
const COMMANDS_SHOWN_MAX: usize = 4;

pub(crate) const SAVE: &str = "save";
pub(crate) const APPEND: &str = "appendonly";
pub(crate) const SYNC: &str = "appendfsync";
const GROWTH: &str = "auto-aof-rewrite-percentage";
const REWRITE_MIN: &str = "auto-aof-rewrite-min-size";
const LIMITS: &str = "client-output-buffer-limit";
const BACKLOG: &str = "repl-backlog-size";

/// What a fill brings to one server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) keys: u64,
    /// Keys and values, in bytes.
    pub(crate) payload_bytes: u64,
    /// The commands, in bytes: what the server sends on to replicas and to its append-only file.
    pub(crate) wire_bytes: u64,
}

/// What a hazard is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Snapshots that the server starts by itself.
    Snapshots,
    /// The append-only file, and its rewrites.
    AppendOnlyFile,
    /// A fork that is under way.
    Fork,
    /// Replicas that cannot follow.
    Replicas,
    /// Others who write.
    OtherClients,
}

/// Something that may go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hazard {
    /// What it is about.
    pub subject: Subject,
    /// What may happen, and behind the last semicolon what would help.
    pub sentence: String,
}

impl Hazard {
    /// What may happen, and what would help.
    #[must_use]
    pub fn parts(&self) -> (&str, &str) {
        self.sentence
            .rsplit_once("; ")
            .unwrap_or((&self.sentence, ""))
    }
}

/// One sentence for each hazard of this load on a server.
pub(crate) fn of(control: &mut Control, load: &Load) -> Vec<String> {
    let hazards = look(control, load).into_iter();
    hazards.map(|hazard| hazard.sentence).collect()
}

/// Each hazard of this load on a server.
pub(crate) fn look(control: &mut Control, load: &Load) -> Vec<Hazard> {
    let mut hazards = Vec::new();
    let mut add = |subject, sentence: Option<String>| {
        hazards.extend(sentence.map(|sentence| Hazard { subject, sentence }));
    };
    if load.payload_bytes >= LARGE_BYTES {
        let settings = settings(control, &[SAVE, APPEND, SYNC, GROWTH, REWRITE_MIN]);
        let persistence = control.info("persistence").unwrap_or_default();
        add(Subject::Snapshots, snapshots(&settings, &persistence, load));
        add(Subject::AppendOnlyFile, append_only_file(&settings));
        add(
            Subject::AppendOnlyFile,
            rewrites(&settings, &persistence, load),
        );
        add(Subject::Fork, under_way(&persistence));
    }
    let replication = control.info("replication").unwrap_or_default();
    let replicas = replication.number("connected_slaves").unwrap_or(0);
    if replicas > 0 {
        let settings = settings(control, &[LIMITS, BACKLOG]);
        add(
            Subject::Replicas,
            lagging_replicas(&settings, replicas, load),
        );
    }
    // This process does not show up there: before the first key it has control connections alone,
    // and the last command of the one that tried SET is this one. Other fills are others who write.
    let clients = cmd("CLIENT").arg("LIST").arg("TYPE").arg("normal").clone();
    if let Ok(Some(clients)) = control.ask("CLIENT LIST", &clients).map(text) {
        add(Subject::OtherClients, others_writing(&clients));
    }
    hazards
}

/// Settings of a server, by name, as far as it tells them.
pub(crate) type Settings = HashMap<String, String>;

/// Asks for each by itself: before version 7 CONFIG GET takes one name.
pub(crate) fn settings(control: &mut Control, names: &[&str]) -> Settings {
    let questions = names.iter().map(|name| {
        let mut question = cmd("CONFIG");
        question.arg("GET").arg(name);
        question.get_packed_command()
    });
    let packed = questions.collect::<Vec<_>>().concat();
    let answers = control
        .pipeline("CONFIG", &packed, names.len())
        .unwrap_or_default();
    let pairs = answers.into_iter().filter_map(|answer| {
        let Value::Array(pair) = answer else {
            return None;
        };
        let [name, value] = <[Value; 2]>::try_from(pair).ok()?;
        Some((text(name)?, text(value)?))
    });
    pairs.collect()
}

/// An answer that is a text.
fn text(answer: Value) -> Option<String> {
    match answer {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Value::VerbatimString { text, .. } => Some(text),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// Snapshots that the server will start by itself. A rule such as `60 10000` asks for one as soon
/// as the last one is 60 s old and 10,000 changes have been made since.
fn snapshots(settings: &Settings, persistence: &Info, load: &Load) -> Option<String> {
    let changes = persistence
        .number("rdb_changes_since_last_save")
        .unwrap_or(0_u64)
        .saturating_add(load.keys);
    let numbers: Option<Vec<u64>> = settings
        .get(SAVE)?
        .split_ascii_whitespace()
        .map(|number| number.parse().ok())
        .collect();
    let rules: Vec<String> = numbers?
        .chunks_exact(2)
        .filter(|rule| rule[1] <= changes)
        .map(|rule| format!("{} {}", rule[0], rule[1]))
        .collect();
    (!rules.is_empty()).then(|| {
        format!(
            "the server may start snapshots during the fill (save {}): each forks it and slows it down; `CONFIG SET save ''` switches them off",
            rules.join(" ")
        )
    })
}

/// Every write goes to a file too.
fn append_only_file(settings: &Settings) -> Option<String> {
    if settings.get(APPEND)? != "yes" {
        return None;
    }
    Some(match settings.get(SYNC).map(String::as_str) {
        Some("always") => "the server writes every key to its append-only file and waits for the disk before it answers (appendfsync always), which slows the fill down; `CONFIG SET appendfsync everysec` spares it the waiting, `CONFIG SET appendonly no` the file".into(),
        _ => "the server writes every key to its append-only file too (appendonly yes), which slows the fill down; `CONFIG SET appendonly no` switches that off".into(),
    })
}

/// The file is written anew once it has grown by so many percent.
fn rewrites(settings: &Settings, persistence: &Info, load: &Load) -> Option<String> {
    let number = |setting| settings.get(setting)?.parse::<u64>().ok();
    let percent = number(GROWTH).filter(|percent| *percent > 0)?;
    if settings.get(APPEND)? != "yes" {
        return None;
    }
    let bytes = |field| persistence.number(field).unwrap_or(0_u64);
    let grown = bytes("aof_current_size").saturating_add(load.wire_bytes);
    let limit = u128::from(bytes("aof_base_size")) * u128::from(100 + percent) / 100;
    let is_due = u128::from(grown) >= limit && grown > number(REWRITE_MIN).unwrap_or(0);
    is_due.then(|| {
        format!(
            "the server will rewrite its append-only file during the fill (auto-aof-rewrite-percentage {percent}): each rewrite forks it and slows it down; `CONFIG SET auto-aof-rewrite-percentage 0` puts that off"
        )
    })
}

/// The server has forked already.
fn under_way(persistence: &Info) -> Option<String> {
    let works = [
        ("rdb_bgsave_in_progress", "a snapshot"),
        (
            "aof_rewrite_in_progress",
            "a rewrite of its append-only file",
        ),
    ];
    let (field, work) = works
        .into_iter()
        .find(|(field, _)| persistence.text(field) == Some("1"))?;
    Some(format!(
        "the server has forked for {work}: until that is done, memory which the fill changes is copied, which takes more of it and slows the server down; wait until INFO persistence says {field}:0"
    ))
}

/// How far replicas may lag behind, in bytes, before their master cuts them off; of one class of
/// clients, from a setting such as `normal 0 0 0 slave 268435456 67108864 60 pubsub 0 0 0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BufferLimit {
    hard_bytes: u64,
    soft_bytes: u64,
    /// For so long they may lag behind by more than the soft limit.
    soft_seconds: u64,
}

impl BufferLimit {
    /// That of replicas, under their old name or the new one.
    fn of_replicas(limits: &str) -> Option<Self> {
        let words: Vec<&str> = limits.split_ascii_whitespace().collect();
        let class = words
            .chunks_exact(4)
            .find(|class| ["slave", "replica"].contains(&class[0]))?;
        let number = |word: &str| word.parse().ok();
        Some(Self {
            hard_bytes: number(class[1])?,
            soft_bytes: number(class[2])?,
            soft_seconds: number(class[3])?,
        })
    }

    /// The least lag, in bytes, at which replicas are cut off that a fill of so many bytes may bring
    /// them into; `None` where it is too small for that. It keeps them beyond the soft limit for
    /// its time where it sends as much as that every second.
    fn cuts_off_at(self, backlog_bytes: u64, wire_bytes: u64) -> Option<u64> {
        // A hard limit below the backlog does not count (redis.conf).
        let hard = (self.hard_bytes > 0).then(|| self.hard_bytes.max(backlog_bytes));
        let soft = (self.soft_bytes > 0).then_some(self.soft_bytes);
        let in_all = self.soft_bytes.saturating_mul(self.soft_seconds.max(1));
        soft.filter(|_| in_all < wire_bytes)
            .into_iter()
            .chain(hard.filter(|hard| *hard < wire_bytes))
            .min()
    }
}

/// Replicas that fall behind are cut off.
fn lagging_replicas(settings: &Settings, replicas: u64, load: &Load) -> Option<String> {
    let limit = BufferLimit::of_replicas(settings.get(LIMITS)?)?;
    let backlog = settings.get(BACKLOG).and_then(|bytes| bytes.parse().ok());
    let lag = limit.cuts_off_at(backlog.unwrap_or(0), load.wire_bytes)?;
    let BufferLimit {
        hard_bytes,
        soft_bytes,
        soft_seconds,
    } = limit;
    Some(format!(
        "the server cuts off replicas (it has {replicas}) that are {lag} bytes behind (client-output-buffer-limit replica {hard_bytes} {soft_bytes} {soft_seconds}), and they copy everything anew, perhaps again and again; the fill sends {} bytes; lift that with `CONFIG SET client-output-buffer-limit 'replica 0 0 0'`, at the price of the server's memory, or make repl-backlog-size as large as the fill",
        load.wire_bytes
    ))
}

/// Others who write at the moment, from CLIENT LIST.
fn others_writing(clients: &str) -> Option<String> {
    let mut commands = BTreeSet::new();
    let mut addresses = Vec::new();
    for client in clients.lines().filter_map(Client::parse) {
        if client.idle_seconds <= IDLE_SECONDS_MAX && may_change_keys(client.command) {
            commands.insert(client.command.to_ascii_uppercase());
            addresses.push(client.address);
        }
    }
    let first = printable(addresses.first()?);
    let mut shown: Vec<String> = commands
        .iter()
        .take(COMMANDS_SHOWN_MAX)
        .map(|command| printable(command))
        .collect();
    if commands.len() > shown.len() {
        shown.push("...".into());
    }
    let shown = shown.join(", ");
    let who = match addresses.len() {
        1 => format!("another client ({first}) sends"),
        count => format!("{count} other clients (one is {first}) send"),
    };
    Some(format!(
        "{who} commands that may change keys ({shown}): what they add takes memory too, and since the number of keys then proves nothing, every planned key is looked for at the end, which takes longer; stop them for the time of the fill"
    ))
}

/// One line of CLIENT LIST.
#[derive(Debug, PartialEq, Eq)]
struct Client<'a> {
    address: &'a str,
    idle_seconds: u64,
    /// The last command, in lower case.
    command: &'a str,
}

impl<'a> Client<'a> {
    /// `None` for what is no ordinary client, has said nothing yet, or cannot be read.
    fn parse(line: &'a str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = line.split(' ').filter_map(|field| field.split_once('='));
            fields.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        // Masters, replicas and monitors.
        let is_ordinary = !field("flags")?.contains(['M', 'S', 'O']);
        let command = field("cmd").filter(|command| *command != "NULL")?;
        let client = Self {
            address: field("addr")?,
            idle_seconds: field("idle")?.parse().ok()?,
            command,
        };
        is_ordinary.then_some(client)
    }
}

/// What a server says, fit for a terminal.
fn printable(text: &str) -> String {
    text.escape_default().to_string()
}

#[cfg(test)]
#[path = "hazards_tests.rs"]
mod tests;
