//! The control connection of one server: what the server is, whether it can be filled at all, FLUSHDB, INFO and DBSIZE. Never writes a key.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use redis::{Cmd, Value, cmd};

use crate::answer::{ANSWERS_BYTES_MAX, start};
use crate::cluster::topology::Topology;
use crate::error::{Error, Result};
use crate::handshake::{self, ANSWER_SECONDS_MAX, error_text};
pub use crate::info::{Info, ServerFacts};
use crate::machine::is_local;
use crate::reply::error_class;
use crate::talk::{Failure, Talk};
use crate::target::{Login, Target};
use crate::{refusal, socket};

/// How long a server may take for one answer, unless there are others to ask.
const PATIENCE: Duration = Duration::from_secs(ANSWER_SECONDS_MAX);
/// Most bytes of one answer to a single command, CLUSTER SLOTS excepted. The largest honest one is
/// INFO commandstats, some 40 KiB.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// How long a server may take to free what was flushed.
const FLUSH_SECONDS_MAX: Duration = Duration::from_secs(600);
/// How often it is asked whether it is done.
const FLUSH_POLL: Duration = Duration::from_millis(20);

/// One control connection.
pub struct Control {
    talk: Talk,
    target: Target,
    pub(crate) facts: ServerFacts,
    is_logged_in: bool,
    patience: Duration,
    /// An answer was not waited for, or not understood; whatever is read next could be that one.
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
        let stream = socket::connect_to(address, patience, socket::KEEPALIVE)
            .map_err(|error| handshake::failed(address, "connecting", error.into()))?;
        let facts = ServerFacts::of(address);
        let mut control = Self {
            talk: Talk::new(stream),
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
            Value::ServerError(error) => Err(self.refusal("INFO", &error_text(error))),
            other => Err(self.foreign("INFO", other)),
        }
    }

    /// Sends a pipeline of commands, packed, and reads `answers` answers, of at most
    /// [`ANSWERS_BYTES_MAX`] together; again on a new connection where the old one was lost.
    ///
    /// # Errors
    /// The server is gone or silent.
    pub fn pipeline(
        &mut self,
        what: &'static str,
        packed: &[u8],
        answers: usize,
    ) -> Result<Vec<Value>> {
        self.pipeline_within(ANSWERS_BYTES_MAX, what, packed, answers)
    }

    /// As [`pipeline`](Self::pipeline), the answers having at most `bytes_max` bytes.
    fn pipeline_within(
        &mut self,
        bytes_max: usize,
        what: &'static str,
        packed: &[u8],
        answers: usize,
    ) -> Result<Vec<Value>> {
        if !self.is_out_of_step {
            match self.exchange(bytes_max, what, packed, answers) {
                Err(Error::ConnectionLost { .. }) if self.is_logged_in => {}
                outcome => return outcome,
            }
        }
        *self = self.reconnect()?;
        self.exchange(bytes_max, what, packed, answers)
    }

    fn exchange(
        &mut self,
        bytes_max: usize,
        what: &'static str,
        packed: &[u8],
        answers: usize,
    ) -> Result<Vec<Value>> {
        let deadline = Instant::now() + self.patience;
        let exchanged = self.talk.exchange(packed, answers, bytes_max, deadline);
        self.is_out_of_step = exchanged.is_err();
        let address = self.facts.address;
        exchanged.map_err(|failure| match failure {
            Failure::Late if self.is_logged_in => Error::Stuck {
                address,
                what,
                seconds: self.patience.as_secs(),
            },
            failure => handshake::failed(address, what, failure),
        })
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
            other => return Err(self.foreign("PING", &other)),
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

    /// What it is, and whether that is what the target says; unknown where INFO is refused.
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
            Err(Error::NotPermitted { .. } | Error::Server { .. }) => {
                self.facts.software = "Redis or Valkey".into();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// A section of INFO, where the server lets us see it.
    fn optional_info(&mut self, section: &str) -> Result<Option<Info>> {
        match self.info(section) {
            Ok(info) => Ok(Some(info)),
            Err(Error::NotPermitted { .. } | Error::Server { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Mode, role and size. Where INFO is not permitted the checks that need it are left out.
    fn check_state(&mut self) -> Result<()> {
        self.check_software()?;
        if let Some(replication) = self.optional_info("replication")?
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
            .optional_info("persistence")?
            .is_some_and(|info| info.text("loading") == Some("1"))
        {
            return Err(self.refusal("PING", "LOADING"));
        }
        self.facts.keys = self.key_count()?;
        if let Some(memory) = self.optional_info("memory")? {
            self.facts.remember_memory(&memory);
        }
        if let Some(keyspace) = self.optional_info("keyspace")? {
            self.facts.keys_elsewhere = keyspace.keys_beside(self.target.db);
        }
        Ok(())
    }

    /// Asks one thing; errors of the server are values. A connection that was lost is made again
    /// once: everything asked here may be asked twice.
    pub(crate) fn ask(&mut self, what: &'static str, command: &Cmd) -> Result<Value> {
        let packed = command.get_packed_command();
        let bytes_max = match what {
            "CLUSTER SLOTS" => ANSWERS_BYTES_MAX,
            _ => ANSWER_BYTES_MAX,
        };
        let mut answers = self.pipeline_within(bytes_max, what, &packed, 1)?;
        Ok(answers.pop().unwrap_or(Value::Nil))
    }

    /// Asks for a number.
    pub(crate) fn number(&mut self, what: &'static str, command: &Cmd) -> Result<u64> {
        match self.ask(what, command)? {
            Value::Int(number @ 0..) => Ok(number.unsigned_abs()),
            Value::ServerError(error) => Err(self.refusal(what, &error_text(&error))),
            other => Err(self.foreign(what, &other)),
        }
    }

    /// The error that an answer of the wrong type means.
    pub(crate) fn foreign(&self, what: &'static str, answer: &Value) -> Error {
        let saw = format!("{answer:?}");
        Error::NotRedis {
            address: self.facts.address,
            saw: format!("it answered {what} with {}", start(saw.as_bytes())),
        }
    }
}
