//! The control connection of one server, through the `redis` crate: what the server is, whether
//! can be filled at all, FLUSHDB, INFO and DBSIZE. Never writes a key.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use redis::{Cmd, Connection, ConnectionLike, RedisConnectionInfo, Value, cmd};

use crate::error::{Error, Result};
use crate::handshake::{self, ANSWER_SECONDS_MAX, error_text};
use crate::machine::is_local;
use crate::reply::error_class;
use crate::socket;
use crate::target::Target;

/// How long a server may take to free what was flushed.
const FLUSH_SECONDS_MAX: Duration = Duration::from_secs(600);
/// How often it is asked whether it is done.
const FLUSH_POLL: Duration = Duration::from_millis(20);

/// What a server says of itself before a fill.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// The address that accepted the connection.
    pub address: SocketAddr,
    /// Name and version, such as `Redis 7.0.15`.
    pub software: String,
    /// Whether it runs on this machine.
    pub is_local: bool,
    /// Keys in the selected database.
    pub keys: u64,
    /// Keys in all other databases.
    pub keys_elsewhere: u64,
    /// Memory in use, in bytes.
    pub used_memory: Option<u64>,
    /// Memory in use at its start, in bytes.
    pub used_memory_at_start: Option<u64>,
    /// Limit of its memory, in bytes; 0 for none.
    pub maxmemory: Option<u64>,
    /// What it does at the limit.
    pub maxmemory_policy: Option<String>,
    /// Memory of its machine, in bytes.
    pub total_system_memory: Option<u64>,
}

/// The fields of one INFO section.
#[derive(Clone, Debug, Default)]
pub struct Info(HashMap<String, String>);

impl Info {
    fn parse(text: &str) -> Self {
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        Self(
            fields
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                .collect(),
        )
    }

    /// A field as it stands.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// A numeric field.
    #[must_use]
    pub fn number<T: std::str::FromStr>(&self, field: &str) -> Option<T> {
        self.text(field)?.parse().ok()
    }

    /// All fields.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// One control connection.
pub struct Control {
    connection: Connection,
    target: Target,
    facts: ServerFacts,
    is_logged_in: bool,
    patience: Duration,
}

impl Control {
    /// Connects to the first address that accepts, logs in, selects the database, and looks
    /// whether this server can be filled at all.
    ///
    /// # Errors
    /// Nothing answers, the login is refused, the server is loading, a replica, or part of a
    /// cluster.
    pub fn connect(target: &Target) -> Result<Self> {
        let (stream, address) = socket::connect(target)?;
        handshake::sniff(&stream, address)?;
        let mut control = Self::connect_to(target, address)?;
        control.facts.is_local = is_local(address);
        control.check_state()?;
        Ok(control)
    }

    /// A second connection to the same server, for another thread.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn reconnect(&self) -> Result<Self> {
        let mut control = Self::connect_to(&self.target, self.facts.address)?;
        control.facts = self.facts.clone();
        Ok(control)
    }

    fn connect_to(target: &Target, address: SocketAddr) -> Result<Self> {
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        let timeout = Duration::from_secs(ANSWER_SECONDS_MAX);
        let failed = |error: &redis::RedisError| handshake::answer_error(address, "PING", error);
        // Without credentials and library name the crate sends nothing by itself, so that the
        // time-out is in place before anything is awaited.
        let host = match address {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            _ => address.ip().to_string(),
        };
        let info = redis::ConnectionAddr::Tcp(host, address.port());
        let info = redis::IntoConnectionInfo::into_connection_info(info)
            .map_err(|error| failed(&error))?
            .set_redis_settings(settings);
        let connection = redis::Client::open(info)
            .and_then(|client| client.get_connection_with_timeout(timeout))
            .and_then(|connection| {
                connection.set_read_timeout(Some(timeout))?;
                connection.set_write_timeout(Some(timeout))?;
                Ok(connection)
            })
            .map_err(|error| failed(&error))?;
        let facts = ServerFacts {
            address,
            software: String::new(),
            is_local: false,
            keys: 0,
            keys_elsewhere: 0,
            used_memory: None,
            used_memory_at_start: None,
            maxmemory: None,
            maxmemory_policy: None,
            total_system_memory: None,
        };
        let mut control = Self {
            connection,
            target: target.clone(),
            facts,
            is_logged_in: false,
            patience: timeout,
        };
        control.log_in()?;
        control.is_logged_in = true;
        Ok(control)
    }

    /// Changes how long the server may take for one answer.
    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
        // The connection is open and the duration not zero, so this cannot fail.
        let _ = self.connection.set_read_timeout(Some(patience));
    }

    /// What the server said of itself.
    #[must_use]
    pub fn facts(&self) -> &ServerFacts {
        &self.facts
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.facts.address
    }

    /// Empties the selected database and waits until its memory is free; how many keys went.
    ///
    /// # Errors
    /// The server refuses FLUSHDB, or is gone.
    pub fn flush(&mut self) -> Result<u64> {
        let keys = self.key_count()?;
        if let Value::ServerError(error) = self.ask("FLUSHDB", cmd("FLUSHDB").arg("ASYNC"))? {
            return Err(self.refusal("FLUSHDB", &error_text(&error)));
        }
        self.facts.keys = 0;
        let deadline = Instant::now() + FLUSH_SECONDS_MAX;
        while Instant::now() < deadline {
            // Without INFO nobody can see when the memory is free: the fill goes on at once.
            let Ok(memory) = self.info("memory") else {
                return Ok(keys);
            };
            if memory.number("lazyfree_pending_objects").unwrap_or(0_u64) == 0 {
                self.remember_memory(&memory);
                break;
            }
            std::thread::sleep(FLUSH_POLL);
        }
        Ok(keys)
    }

    /// Number of keys in the selected database.
    ///
    /// # Errors
    /// DBSIZE is not permitted, or the server is gone.
    pub fn key_count(&mut self) -> Result<u64> {
        self.number("DBSIZE", &cmd("DBSIZE"))
    }

    /// One section of INFO.
    ///
    /// # Errors
    /// INFO is not permitted, or the server is gone.
    pub fn info(&mut self, section: &str) -> Result<Info> {
        match self.ask("INFO", cmd("INFO").arg(section))? {
            Value::BulkString(bytes) => Ok(Info::parse(&String::from_utf8_lossy(&bytes))),
            Value::VerbatimString { text, .. } => Ok(Info::parse(&text)),
            Value::ServerError(error) => Err(self.refusal("INFO", &error_text(&error))),
            _ => Ok(Info::default()),
        }
    }

    /// Sends a pipeline of commands, packed, and reads `answers` answers; again on a new
    /// connection where the old one was lost.
    ///
    /// # Errors
    /// The server is gone or silent.
    pub fn pipeline(
        &mut self,
        what: &'static str,
        packed: &[u8],
        answers: usize,
    ) -> Result<Vec<Value>> {
        match self.exchange(what, packed, answers) {
            Err(Error::ConnectionLost { .. }) if self.is_logged_in => {
                let patience = self.patience;
                *self = self.reconnect()?;
                self.set_patience(patience);
                self.exchange(what, packed, answers)
            }
            outcome => outcome,
        }
    }

    fn exchange(
        &mut self,
        what: &'static str,
        packed: &[u8],
        answers: usize,
    ) -> Result<Vec<Value>> {
        let failure = match self.connection.req_packed_commands(packed, 0, answers) {
            Ok(values) => return Ok(values),
            Err(error) => error,
        };
        let address = self.facts.address;
        if failure.is_timeout() && self.is_logged_in {
            return Err(Error::Stuck {
                address,
                what,
                seconds: self.patience.as_secs(),
            });
        }
        Err(handshake::answer_error(address, what, &failure))
    }

    /// The error that a refused command means for a fill.
    pub(crate) fn refusal(&self, command: &'static str, message: &str) -> Error {
        let address = self.facts.address;
        if handshake::is_full(message) {
            return Error::TooManyClients { address };
        }
        let (what, cure) = match error_class(message) {
            "NOAUTH" => return Error::PasswordRequired { address },
            "NOPERM" => {
                return Error::NotPermitted {
                    address,
                    command,
                    message: message.to_owned(),
                };
            }
            "LOADING" => (
                "is still loading its data".to_owned(),
                "wait until `redis-cli ping` answers PONG, then run the same command again",
            ),
            "MASTERDOWN" | "READONLY" => (
                format!("is a replica and takes no writes ({message})"),
                "give -h and -p of its master",
            ),
            "BUSY" => (
                "is busy with a script".to_owned(),
                "wait for it, or end it with SCRIPT KILL, then run the same command again",
            ),
            "OOM" => (
                "is full: its memory has reached maxmemory".to_owned(),
                "raise maxmemory, empty it with -f, or choose an eviction policy",
            ),
            "MISCONF" => (
                format!("refuses writes because its last snapshot failed ({message})"),
                "mend its disk, or set stop-writes-on-bgsave-error no",
            ),
            "NOREPLICAS" => (
                format!("refuses writes because too few replicas are connected ({message})"),
                "connect them, or lower its min-replicas-to-write",
            ),
            "MOVED" | "ASK" | "CLUSTERDOWN" | "CROSSSLOT" => (
                "runs in cluster mode, which takes -c, and this version does not have that yet"
                    .to_owned(),
                "give a standalone server with -h and -p",
            ),
            _ => (
                format!("refused {command}: {message}"),
                "see the server's log",
            ),
        };
        Error::Server {
            address,
            what,
            cure: cure.to_owned(),
        }
    }

    fn log_in(&mut self) -> Result<()> {
        let address = self.facts.address;
        if let Some(auth) = handshake::auth(&self.target.login) {
            let answer = self.ask("AUTH", &auth)?;
            handshake::check_auth(address, &self.target.login, &answer)?;
        }
        match self.ask("PING", &cmd("PING"))? {
            // An ACL may forbid PING; it is an answer all the same.
            Value::ServerError(error) if error_text(&error).starts_with("NOPERM") => {}
            Value::ServerError(error) => return Err(self.refusal("PING", &error_text(&error))),
            Value::SimpleString(pong) if pong == "PONG" => {}
            other => {
                return Err(Error::NotRedis {
                    address,
                    saw: format!("it answered PING with {other:?}"),
                });
            }
        }
        if self.target.db != 0 {
            let answer = self.ask("SELECT", cmd("SELECT").arg(self.target.db))?;
            handshake::check_select(address, self.target.db, &answer)?;
        }
        Ok(())
    }

    /// Role, mode and size. Where INFO is not permitted the checks that need it are left out.
    fn check_state(&mut self) -> Result<()> {
        match self.info("server") {
            Ok(server) => {
                self.facts.software = software(&server);
                if server.text("redis_mode") == Some("cluster") {
                    return Err(self.refusal("INFO", "MOVED"));
                }
            }
            Err(Error::NotPermitted { .. }) => self.facts.software = "Redis or Valkey".into(),
            Err(error) => return Err(error),
        }
        if let Ok(replication) = self.info("replication")
            && replication.text("role") == Some("slave")
        {
            let master = replication
                .text("master_host")
                .unwrap_or("its master")
                .to_owned();
            let port = replication
                .text("master_port")
                .unwrap_or_default()
                .to_owned();
            return Err(self.refusal("SET", &format!("READONLY replica of {master}:{port}")));
        }
        if self
            .info("persistence")
            .is_ok_and(|info| info.text("loading") == Some("1"))
        {
            return Err(self.refusal("PING", "LOADING"));
        }
        self.facts.keys = self.key_count()?;
        if let Ok(memory) = self.info("memory") {
            self.remember_memory(&memory);
        }
        if let Ok(keyspace) = self.info("keyspace") {
            let count = |(name, value): (&str, &str)| {
                let database = name.strip_prefix("db")?.parse::<u32>().ok()?;
                let keys = value
                    .strip_prefix("keys=")?
                    .split(',')
                    .next()?
                    .parse::<u64>()
                    .ok()?;
                (database != self.target.db).then_some(keys)
            };
            self.facts.keys_elsewhere = keyspace.fields().filter_map(count).sum();
        }
        Ok(())
    }

    fn remember_memory(&mut self, memory: &Info) {
        let facts = &mut self.facts;
        facts.used_memory = memory.number("used_memory");
        facts.used_memory_at_start = memory.number("used_memory_startup");
        facts.maxmemory = memory.number("maxmemory");
        facts.maxmemory_policy = memory.text("maxmemory_policy").map(str::to_owned);
        facts.total_system_memory = memory.number("total_system_memory");
    }

    /// Asks one thing; errors of the server are values. A connection that was lost is made again
    /// once: everything asked here may be asked twice.
    pub(crate) fn ask(&mut self, what: &'static str, command: &Cmd) -> Result<Value> {
        let packed = command.get_packed_command();
        let mut answers = self.pipeline(what, &packed, 1)?;
        Ok(answers.pop().unwrap_or(Value::Nil))
    }

    /// Asks for a number.
    pub(crate) fn number(&mut self, what: &'static str, command: &Cmd) -> Result<u64> {
        match self.ask(what, command)? {
            Value::Int(number) => Ok(u64::try_from(number).unwrap_or(0)),
            Value::ServerError(error) => Err(self.refusal(what, &error_text(&error))),
            _ => Ok(0),
        }
    }
}

/// Name and version from INFO server.
fn software(server: &Info) -> String {
    match (server.text("valkey_version"), server.text("redis_version")) {
        (Some(version), _) => format!("Valkey {version}"),
        (None, Some(version)) => format!("Redis {version}"),
        (None, None) => "Redis or Valkey".into(),
    }
}
