//! What a fill finds on one server: what it is, its settings, whether it takes writes, what the
//! user may do there. Asks only; changes nothing. What it may not ask is unknown.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use redis::cmd;

use super::rights::{self, Right};
use crate::answer::shown;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::hazards::{self, Hazard, Load};
use crate::info::{Info, ServerFacts};
use crate::machine::is_local;
use crate::preflight::Share;
use crate::refusal;

/// What ends like this in INFO server of Redis and Valkey.
const OWN_VERSIONS: [&str; 3] = ["redis_version", "valkey_version", "gcc_version"];
const IO_THREADS: &str = "io-threads";
/// So often a server is asked for a round trip, of which the shortest counts.
const PINGS: usize = 5;

/// What a server does with what it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes writes, and hands them to so many replicas.
    Master {
        /// Connected replicas.
        replicas: u64,
    },
    /// It follows another one, `host:port`.
    Replica {
        /// Its master.
        of: String,
    },
}

/// Facts of one server; each is `None` where it does not tell it, or this user may not ask.
#[derive(Clone, Debug)]
pub struct ServerState {
    /// Address, software, memory, and keys in the selected database.
    pub facts: ServerFacts,
    /// Version, as far as it is one.
    pub version: Option<(u64, u64)>,
    /// Whether it is a node of a cluster.
    pub is_in_cluster: Option<bool>,
    /// Hash slots that it owns; `None` for a server by itself.
    pub slots: Option<usize>,
    /// Keys in the selected database.
    pub keys: Option<u64>,
    /// Its role.
    pub role: Option<Role>,
    /// Connected clients, this one included, and most that there may be.
    pub clients: Option<(u64, Option<u64>)>,
    /// When it takes a snapshot by itself: `3600 1 300 100`, empty for never.
    pub save: Option<String>,
    /// When it writes its append-only file to disk; empty where it has none.
    pub append_only: Option<String>,
    /// Whether it has forked for a snapshot or a rewrite.
    pub has_forked: Option<bool>,
    /// Threads for input and output.
    pub io_threads: Option<u64>,
    /// The shortest of a few round trips.
    pub round_trip: Option<Duration>,
    /// What the user may do.
    pub rights: Vec<Right>,
    /// Why it would refuse every write now, and what would help.
    pub refusal: Option<(String, &'static str)>,
    /// What may go wrong in the fill.
    pub hazards: Vec<Hazard>,
    /// What is to be said of its memory and the fill.
    pub memory_warnings: Vec<String>,
}

impl ServerState {
    /// Looks at a server that shall get a share of a plan.
    ///
    /// # Errors
    /// The server is gone.
    pub(super) fn look(control: &mut Control, share: Share<'_>) -> Result<Self> {
        let mut info = |section| told(control.info(section));
        let server = info("server")?;
        let replication = info("replication")?;
        let clients = info("clients")?;
        let persistence = info("persistence")?;
        let memory = info("memory")?;
        let mut facts = control.facts().clone();
        facts.is_local = is_local(facts.address);
        if let Some(memory) = memory {
            facts.remember_memory(&memory);
        }
        let known = hazards::settings(
            control,
            &[hazards::SAVE, hazards::APPEND, hazards::SYNC, IO_THREADS],
        );
        let setting = |name: &str| known.get(name).map(|text| shown(text));
        let append_only = setting(hazards::APPEND)
            .map(|text| text == "yes")
            .or_else(|| Some(persistence.as_ref()?.text("aof_enabled")? == "1"));
        let keys = told(control.key_count())?;
        facts.keys = keys.unwrap_or(0);
        let probe = probe_key(share);
        let rights = rights::of(control, &probe, server.as_ref().is_some_and(is_genuine))?;
        let refusal = control.write_refusal(&probe)?;
        let has_room = refusal.is_none();
        let takes_keys = share.keys.count() > 0;
        Ok(Self {
            version: server.as_ref().and_then(version),
            is_in_cluster: server.as_ref().and_then(is_in_cluster),
            slots: None,
            keys,
            role: replication.as_ref().and_then(role),
            clients: clients.and_then(|clients| {
                let connected = clients.number("connected_clients")?;
                Some((connected, clients.number("maxclients")))
            }),
            save: setting(hazards::SAVE),
            append_only: append_only.map(|is_on| match is_on {
                true => setting(hazards::SYNC).unwrap_or_else(|| "yes".into()),
                false => String::new(),
            }),
            has_forked: persistence.as_ref().and_then(has_forked),
            io_threads: setting(IO_THREADS).and_then(|text| text.parse().ok()),
            round_trip: round_trip(control),
            rights,
            refusal: refusal.and_then(|message| refusal::explain(&message)),
            hazards: match takes_keys {
                true => hazards::look(control, &Load::of(share)),
                false => Vec::new(),
            },
            memory_warnings: match takes_keys && has_room {
                true => memory_warnings(control, share, &facts),
                false => Vec::new(),
            },
            facts,
        })
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.facts.address
    }
}

/// The first key that the server shall get, or one like it.
fn probe_key(share: Share<'_>) -> Vec<u8> {
    let keyspace = share.plan.keyspace();
    let index = match share.keys.count() {
        0 => share.plan.start_key,
        _ => share.keys.at(0),
    };
    let mut key = vec![0; keyspace.key_size()];
    keyspace.render(index, &mut key);
    key
}

/// What a fill would warn of for its memory.
fn memory_warnings(control: &mut Control, share: Share<'_>, facts: &ServerFacts) -> Vec<String> {
    control.facts = facts.clone();
    let checked = control.check(Some(share), false);
    checked.map(|found| found.warnings).unwrap_or_default()
}

/// What a server tells, or `None` where this user may not ask.
fn told<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::NotPermitted { .. } | Error::Server { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether it is Redis or Valkey, and not something that resembles them and gives its own version,
/// too.
fn is_genuine(server: &Info) -> bool {
    let mut versions = server.fields().map(|(name, _)| name);
    version(server).is_some()
        && versions.all(|name| !name.ends_with("_version") || OWN_VERSIONS.contains(&name))
}

fn version(server: &Info) -> Option<(u64, u64)> {
    let text = server
        .text("valkey_version")
        .or(server.text("redis_version"))?;
    let mut parts = text.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn is_in_cluster(server: &Info) -> Option<bool> {
    let mode = server.text("redis_mode").or(server.text("server_mode"))?;
    Some(mode == "cluster")
}

fn has_forked(persistence: &Info) -> Option<bool> {
    let snapshot = persistence.text("rdb_bgsave_in_progress")?;
    let rewrite = persistence.text("aof_rewrite_in_progress")?;
    Some([snapshot, rewrite].contains(&"1"))
}

fn role(replication: &Info) -> Option<Role> {
    Some(match replication.text("role")? {
        "master" => Role::Master {
            replicas: replication.number("connected_slaves").unwrap_or(0),
        },
        _ => Role::Replica {
            of: format!(
                "{}:{}",
                replication.text("master_host").unwrap_or("?"),
                replication.text("master_port").unwrap_or("?")
            ),
        },
    })
}

fn round_trip(control: &mut Control) -> Option<Duration> {
    let ping = |control: &mut Control| {
        let begin = Instant::now();
        control.ask("PING", &cmd("PING")).ok()?;
        Some(begin.elapsed())
    };
    (0..PINGS).filter_map(|_| ping(control)).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_itself() {
        let redis = Info::parse("redis_version:7.0.15\r\nredis_mode:standalone\r\n");
        assert_eq!(version(&redis), Some((7, 0)));
        assert_eq!(is_in_cluster(&redis), Some(false));
        let valkey =
            Info::parse("redis_version:7.2.4\r\nvalkey_version:8.1.0\r\nserver_mode:cluster\r\n");
        assert_eq!(version(&valkey), Some((8, 1)));
        assert_eq!(is_in_cluster(&valkey), Some(true));
        assert_eq!(version(&Info::parse("redis_version:unstable\r\n")), None);
    }

    #[test]
    fn a_fork_is_one_for_either_purpose() {
        let of = |snapshot, rewrite| {
            has_forked(&Info::parse(&format!(
                "rdb_bgsave_in_progress:{snapshot}\r\naof_rewrite_in_progress:{rewrite}\r\n"
            )))
        };
        assert_eq!(of(0, 0), Some(false));
        assert_eq!(of(1, 0), Some(true));
        assert_eq!(of(0, 1), Some(true));
        assert_eq!(has_forked(&Info::default()), None);
    }

    #[test]
    fn what_resembles_redis_is_told_from_it() {
        let is_redis = |text: &str| is_genuine(&Info::parse(text));
        assert!(is_redis("redis_version:7.0.15\r\ngcc_version:12.2.0\r\n"));
        assert!(is_redis("redis_version:7.2.4\r\nvalkey_version:8.1.0\r\n"));
        assert!(!is_redis(
            "redis_version:7.4.0\r\ndragonfly_version:df-v1.2\r\n"
        ));
        assert!(!is_redis(
            "redis_version:4.0.0\r\nkvrocks_version:2.9.0\r\n"
        ));
        assert!(!is_redis(""));
    }

    #[test]
    fn roles_by_their_old_names() {
        let master = Info::parse("role:master\r\nconnected_slaves:2\r\n");
        assert_eq!(role(&master), Some(Role::Master { replicas: 2 }));
        let replica = Info::parse("role:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\n");
        let of = "10.0.0.1:6379".to_owned();
        assert_eq!(role(&replica), Some(Role::Replica { of }));
        assert_eq!(role(&Info::default()), None);
    }
}
