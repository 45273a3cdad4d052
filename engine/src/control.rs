//! The control connection of one server, through the `redis` crate: what the server is, whether
//! can be filled at all, FLUSHDB, INFO and DBSIZE. Never writes a key.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use redis::{Cmd, Connection, ConnectionLike, RedisConnectionInfo, Value, cmd};

use crate::cluster::topology::Topology;
use crate::error::{Error, Result};
use crate::handshake::{self, ANSWER_SECONDS_MAX, error_text};
pub use crate::info::{Info, ServerFacts};
use crate::machine::is_local;
use crate::reply::error_class;
use crate::target::{Login, Target};
use crate::{refusal, socket};

/// How long a server may take for one answer, unless there are others to ask.
const PATIENCE: Duration = Duration::from_secs(ANSWER_SECONDS_MAX);
/// How long a server may take to free what was flushed.
const FLUSH_SECONDS_MAX: Duration = Duration::from_secs(600);
/// How often it is asked whether it is done.
const FLUSH_POLL: Duration = Duration::from_millis(20);

/// One control connection.
pub struct Control {
    connection: Connection,
    target: Target,
    facts: ServerFacts,
    is_logged_in: bool,
    patience: Duration,
    /// An answer was not waited for; whatever is read next would be that one.
    is_out_of_step: bool,
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
        let mut control = Self::connect_to(target, address, PATIENCE)?;
        control.facts.is_local = is_local(address);
        control.check_state()?;
        Ok(control)
    }

    /// As [`connect`](Self::connect), to a node of a cluster that may be a replica: one that is
    /// asked for the topology, no more.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), replicas excepted.
    pub fn connect_seed(target: &Target) -> Result<Self> {
        let (stream, address) = socket::connect(target)?;
        handshake::sniff(&stream, address)?;
        let mut control = Self::connect_to(target, address, PATIENCE)?;
        control.check_software()?;
        Ok(control)
    }

    /// A second connection to the same server, for another thread.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn reconnect(&self) -> Result<Self> {
        let mut control = Self::connect_to(&self.target, self.facts.address, self.patience)?;
        control.facts = self.facts.clone();
        Ok(control)
    }

    fn connect_to(target: &Target, address: SocketAddr, patience: Duration) -> Result<Self> {
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        let timeout = Some(patience);
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
            .and_then(|client| client.get_connection_with_timeout(patience))
            .and_then(|connection| {
                connection.set_read_timeout(timeout)?;
                connection.set_write_timeout(timeout)?;
                Ok(connection)
            })
            .map_err(|error| failed(&error))?;
        let facts = ServerFacts::of(address);
        let mut control = Self {
            connection,
            target: target.clone(),
            facts,
            is_logged_in: false,
            patience,
            is_out_of_step: false,
        };
        control.log_in()?;
        control.is_logged_in = true;
        Ok(control)
    }

    /// Does something with less patience than usual.
    pub(crate) fn with_patience<R>(
        &mut self,
        patience: Duration,
        work: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let usual = std::mem::replace(&mut self.patience, patience);
        self.set_patience(patience);
        let result = work(self);
        self.set_patience(usual);
        result
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

    /// Whether it was reached as a node of a cluster.
    pub(crate) fn is_in_cluster(&self) -> bool {
        self.target.is_cluster
    }

    /// Who logs in there.
    pub(crate) fn login(&self) -> &Login {
        &self.target.login
    }

    /// The selected database.
    pub(crate) fn db(&self) -> u32 {
        self.target.db
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
                self.facts.remember_memory(&memory);
                break;
            }
            std::thread::sleep(FLUSH_POLL);
        }
        Ok(keys)
    }

    /// Who owns which slot, as this node sees it.
    ///
    /// # Errors
    /// It is no node of a cluster, does not permit CLUSTER SLOTS, or is gone.
    pub fn topology(&mut self) -> Result<Topology> {
        let asked = self.target.bare_host().to_owned();
        match self.ask("CLUSTER SLOTS", cmd("CLUSTER").arg("SLOTS"))? {
            Value::ServerError(error) => {
                let message = error_text(&error);
                if message.contains("cluster support disabled") {
                    self.check_mode(false)?;
                }
                Err(self.refusal("CLUSTER SLOTS", &message))
            }
            reply => Topology::of_slots_reply(&reply, &asked).map_err(|what| Error::Server {
                address: self.facts.address,
                what: format!("answered CLUSTER SLOTS with something else: {what}"),
                cure: "is it a Redis or Valkey cluster?".into(),
            }),
        }
    }

    /// Whether this node says that its cluster takes writes; so it is where it keeps that to
    /// itself.
    ///
    /// # Errors
    /// It is gone.
    pub fn cluster_is_up(&mut self) -> Result<bool> {
        match self.ask("CLUSTER INFO", cmd("CLUSTER").arg("INFO"))? {
            Value::BulkString(bytes) => {
                let info = Info::parse(&String::from_utf8_lossy(&bytes));
                Ok(info.text("cluster_state") != Some("fail"))
            }
            _ => Ok(true),
        }
    }

    /// Number of keys in the selected database.
    ///
    /// # Errors
    /// DBSIZE is not permitted, or the server is gone.
    pub fn key_count(&mut self) -> Result<u64> {
        self.number("DBSIZE", &cmd("DBSIZE"))
    }

    /// Whether this server would take a write to `key` now: the error with which it refuses, if
    /// it does. Writes nothing: NX and XX exclude each other, which is found out after all other
    /// checks.
    ///
    /// # Errors
    /// The server is gone.
    pub(crate) fn write_refusal(&mut self, key: &[u8]) -> Result<Option<String>> {
        let mut probe = cmd("SET");
        probe.arg(key).arg("").arg("NX").arg("XX");
        Ok(match self.ask("SET", &probe)? {
            Value::ServerError(error) => {
                Some(error_text(&error)).filter(|message| error_class(message) != "ERR")
            }
            _ => None,
        })
    }

    /// One section of INFO.
    ///
    /// # Errors
    /// INFO is not permitted, or the server is gone.
    pub fn info(&mut self, section: &str) -> Result<Info> {
        let answer = self.ask("INFO", cmd("INFO").arg(section))?;
        self.read_info(&answer)
    }

    /// Reads the answer to INFO.
    ///
    /// # Errors
    /// It is not permitted.
    pub(crate) fn read_info(&self, answer: &Value) -> Result<Info> {
        match answer {
            Value::BulkString(bytes) => Ok(Info::parse(&String::from_utf8_lossy(bytes))),
            Value::VerbatimString { text, .. } => Ok(Info::parse(text)),
            Value::ServerError(error) => Err(self.refusal("INFO", &error_text(error))),
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
        if !self.is_out_of_step {
            match self.exchange(what, packed, answers) {
                Err(Error::ConnectionLost { .. }) if self.is_logged_in => {}
                outcome => return outcome,
            }
        }
        *self = self.reconnect()?;
        self.exchange(what, packed, answers)
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
        self.is_out_of_step = failure.is_timeout();
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
        let is_replica = ["READONLY", "MASTERDOWN"].contains(&error_class(message));
        if is_replica && self.is_in_cluster() {
            return Error::NotNow {
                address: self.facts.address,
                what: "has just become a replica",
                cure: "run the same command again, once `redis-cli --cluster check` finds nothing",
            };
        }
        let of_cluster =
            ["MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT"].contains(&error_class(message));
        if of_cluster && let Err(wrong_mode) = self.check_mode(true) {
            return wrong_mode;
        }
        refusal::error(self.facts.address, command, message)
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

    /// Whether the server is what the target says: a cluster's node, or none.
    fn check_mode(&self, is_cluster_node: bool) -> Result<()> {
        let (what, cure) = match (self.target.is_cluster, is_cluster_node) {
            (true, false) => (
                "is a standalone server, no node of a cluster",
                "drop -c to fill it by itself, or give -h and -p of a node of the cluster",
            ),
            (false, true) => (
                "is a node of a cluster",
                "give -c to fill the whole cluster",
            ),
            _ => return Ok(()),
        };
        Err(Error::Server {
            address: self.facts.address,
            what: what.into(),
            cure: cure.into(),
        })
    }

    /// What it is, and whether that is what the target says.
    fn check_software(&mut self) -> Result<()> {
        match self.info("server") {
            Ok(server) => {
                self.facts.software = server.software();
                // Valkey calls it by its own name.
                let mode = server.text("redis_mode").or(server.text("server_mode"));
                if let Some(mode) = mode {
                    self.check_mode(mode == "cluster")?;
                }
                Ok(())
            }
            Err(Error::NotPermitted { .. }) => {
                self.facts.software = "Redis or Valkey".into();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Mode, role and size. Where INFO is not permitted the checks that need it are left out.
    fn check_state(&mut self) -> Result<()> {
        self.check_software()?;
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
            self.facts.remember_memory(&memory);
        }
        if let Ok(keyspace) = self.info("keyspace") {
            self.facts.keys_elsewhere = keyspace.keys_beside(self.target.db);
        }
        Ok(())
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
