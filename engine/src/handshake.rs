//! What every new connection says first: AUTH, SELECT, a name, the reply mode, and the first
//! frame by itself, so that a refusal shows before anything else happens.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use redis::{Cmd, Value, cmd};

use crate::answer::{self, shown};
use crate::error::{Error, Result};
use crate::lane::Replies;
use crate::reply::error_class;
use crate::socket;
use crate::talk::{Failure, Patient, Talk};
use crate::target::Login;

/// How long a server may take for one answer before it counts as silent.
pub const ANSWER_SECONDS_MAX: u64 = 5;

/// A connection for questions is given up when the peer takes nothing for so long.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// What a server is asked to echo, to see whether it does.
const ECHO_PROBE: &str = "fence";
/// A primer is sent in parts of this size.
const PRIMER_PART_BYTES: usize = 16 << 10;
/// Most bytes of the answers to one greeting.
const ANSWERS_BYTES_MAX: usize = 64 << 10;

/// What a data connection is to become.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// The node.
    pub address: SocketAddr,
    /// Who logs in.
    pub login: Login,
    /// The database to select.
    pub db: u32,
    /// How the server shall acknowledge, if it lets us choose.
    pub replies: Replies,
    /// The connection is given up when the peer takes nothing for so long.
    pub silence_max: Duration,
    /// Bytes sent under `CLIENT REPLY OFF` before the keys, so that the server reads more at a
    /// time; 0 for none.
    pub primer_bytes: usize,
}

/// How a greeting went.
#[derive(Debug)]
pub enum Greeted {
    /// The connection is ready for the second frame, the first being acknowledged.
    Ready(TcpStream, Replies),
    /// As `Ready`, but the slot of the first key is being moved just now: the key is refused (class
    /// and message), the others are not.
    Skipped(TcpStream, Replies, String),
    /// The server refused the first frame: class and message.
    Refused(String),
}

impl Greeting {
    /// Connects, introduces itself and sends `first_frame`, all within [`ANSWER_SECONDS_MAX`].
    ///
    /// # Errors
    /// The connection, the login or the database was refused, or the server does not answer.
    pub fn dial(&self, first_frame: &[u8]) -> Result<Greeted> {
        self.dial_within(Duration::from_secs(ANSWER_SECONDS_MAX), first_frame)
    }

    /// As [`dial`](Self::dial), within `timeout`. Where that is too short, the server may have
    /// got the frame.
    pub(crate) fn dial_within(&self, timeout: Duration, first_frame: &[u8]) -> Result<Greeted> {
        let deadline = Instant::now() + timeout;
        let stream =
            socket::connect_to(self.address, timeout, self.silence_max).map_err(|error| {
                Error::ConnectionLost {
                    address: self.address,
                    what: "connecting".into(),
                    message: socket::describe(&error),
                }
            })?;
        let mut talk = Dialogue {
            talk: Talk::new(stream),
            address: self.address,
            deadline,
        };
        if let Some(auth) = auth(&self.login) {
            let answer = talk.ask("AUTH", &[&auth])?.remove(0);
            check_auth(self.address, &self.login, &answer)?;
        }
        let replies = self.introduce(&mut talk)?;
        let answer = talk.exchange("SET", first_frame, 1)?.remove(0);
        let refusal = match &answer {
            Value::ServerError(error) => Some(error_text(error)),
            _ => None,
        };
        let is_moving = |error: &String| matches!(error_class(error), "ASK" | "TRYAGAIN");
        if let Some(error) = refusal.clone().filter(|error| !is_moving(error)) {
            return Ok(Greeted::Refused(error));
        }
        if replies == Replies::Fenced {
            let off = cmd("CLIENT").arg("REPLY").arg("OFF").get_packed_command();
            talk.exchange("CLIENT REPLY", &off, 0)?;
            self.prime(&mut talk)?;
        }
        let stream = talk.into_stream()?;
        Ok(match refusal {
            None => Greeted::Ready(stream, replies),
            Some(error) => Greeted::Skipped(stream, replies, error),
        })
    }

    /// Has the server's buffer for this connection grow.
    fn prime(&self, talk: &mut Dialogue) -> Result<()> {
        if self.primer_bytes == 0 {
            return Ok(());
        }
        // It is no question, and takes a slow network as long as other data of its size.
        talk.deadline = Instant::now() + self.silence_max;
        let head = format!("*2\r\n$4\r\nECHO\r\n${}\r\n", self.primer_bytes);
        talk.exchange("ECHO", head.as_bytes(), 0)?;
        let part = [b'-'; PRIMER_PART_BYTES];
        let mut left = self.primer_bytes;
        while left > 0 {
            let bytes = left.min(part.len());
            talk.exchange("ECHO", &part[..bytes], 0)?;
            left -= bytes;
        }
        talk.exchange("ECHO", b"\r\n", 0).map(|_| ())
    }

    /// SELECT, CLIENT SETNAME, and whether CLIENT REPLY may be used.
    fn introduce(&self, talk: &mut Dialogue) -> Result<Replies> {
        let mut select = cmd("SELECT");
        select.arg(self.db);
        let mut name = cmd("CLIENT");
        name.arg("SETNAME").arg("redis-client-fill");
        let mut reply_on = cmd("CLIENT");
        reply_on.arg("REPLY").arg("ON");
        let mut echo = cmd("ECHO");
        echo.arg(ECHO_PROBE);
        let mut greetings = vec![&name];
        if self.db != 0 {
            greetings.push(&select);
        }
        if self.replies == Replies::Fenced {
            greetings.push(&reply_on);
            greetings.push(&echo);
        }
        let answers = talk.ask("CLIENT SETNAME, SELECT", &greetings)?;
        let is_refused = |answer: &&Value| match answer {
            Value::ServerError(error) => is_full(&error_text(error)),
            _ => false,
        };
        if answers.iter().any(|answer| is_refused(&answer)) {
            return Err(Error::TooManyClients {
                address: self.address,
            });
        }
        if self.db != 0 {
            check_select(self.address, self.db, &answers[1])?;
        }
        // An ACL or a proxy may refuse what a fence is made of; then each reply is read.
        let is_fence = matches!(
            &answers[..],
            [.., Value::Okay, Value::BulkString(echo)] if echo == ECHO_PROBE.as_bytes()
        );
        let fenced = self.replies == Replies::Fenced && is_fence;
        Ok(if fenced {
            Replies::Fenced
        } else {
            Replies::Each
        })
    }
}

/// Opens a connection for questions, within `timeout`: logged in, the database selected, named.
///
/// # Errors
/// The connection, the login or the database was refused, or the server does not answer.
pub(crate) fn open(
    address: SocketAddr,
    login: &Login,
    db: u32,
    timeout: Duration,
) -> Result<TcpStream> {
    let deadline = Instant::now() + timeout;
    let stream = socket::connect_to(address, timeout, SILENCE_MAX)
        .map_err(|error| failed(address, "connecting", error.into()))?;
    let mut talk = Dialogue {
        talk: Talk::new(stream),
        address,
        deadline,
    };
    if let Some(auth) = auth(login) {
        let answer = talk.ask("AUTH", &[&auth])?.remove(0);
        check_auth(address, login, &answer)?;
    }
    // Without the right to name itself a connection is as good.
    let mut name = cmd("CLIENT");
    name.arg("SETNAME").arg("redis-client-verify");
    let named = talk.ask("CLIENT SETNAME", &[&name])?.remove(0);
    if matches!(&named, Value::ServerError(error) if is_full(&error_text(error))) {
        return Err(Error::TooManyClients { address });
    }
    if db != 0 {
        let mut select = cmd("SELECT");
        select.arg(db);
        let answer = talk.ask("SELECT", &[&select])?.remove(0);
        check_select(address, db, &answer)?;
    }
    talk.into_stream()
}

/// Whether a server says that it has no room for another connection.
pub(crate) fn is_full(message: &str) -> bool {
    message.contains("max number of clients")
}

/// The AUTH command, if there is a password.
pub(crate) fn auth(login: &Login) -> Option<Cmd> {
    let password = login.password.as_ref()?;
    let mut auth = cmd("AUTH");
    if let Some(username) = &login.username {
        auth.arg(username);
    }
    auth.arg(password.reveal());
    Some(auth)
}

/// Judges the answer to AUTH.
pub(crate) fn check_auth(address: SocketAddr, login: &Login, answer: &Value) -> Result<()> {
    match answer {
        Value::ServerError(error) => Err(Error::LoginRefused {
            address,
            user: login
                .username
                .as_ref()
                .map(|name| format!(" as '{name}'"))
                .unwrap_or_default(),
            // The password goes before anything else is changed or cut.
            message: shown(&without_arguments(login, &raw_text(error))),
        }),
        _ => Ok(()),
    }
}

/// A server's words without the arguments that it repeats of a command unknown to it.
fn without_arguments(login: &Login, message: &str) -> String {
    let words = message.split(", with args").next().unwrap_or_default();
    match login
        .password
        .as_ref()
        .filter(|password| !password.is_empty())
    {
        Some(password) => words.replace(password.reveal(), "***"),
        None => words.to_owned(),
    }
}

/// Judges the answer to SELECT.
pub(crate) fn check_select(address: SocketAddr, db: u32, answer: &Value) -> Result<()> {
    match answer {
        Value::ServerError(error) => Err(Error::Server {
            address,
            what: format!("refused --db {db}: {}", error_text(error)),
            cure: "choose a database that the server has (its `databases` setting, 0 to 15 by default)".into(),
        }),
        _ => Ok(()),
    }
}

/// A server's error, class, then message, fit to be shown.
#[must_use]
pub fn error_text(error: &redis::ServerError) -> String {
    shown(&raw_text(error))
}

/// A server's error as it stood on the wire.
fn raw_text(error: &redis::ServerError) -> String {
    match error.details() {
        Some(details) => format!("{} {details}", error.code()),
        None => error.code().to_owned(),
    }
}

/// Says PING on a fresh connection and looks at the first bytes of the answer: enough to tell a
/// Redis server from one that is silent, speaks something else, or never stops.
///
/// # Errors
/// It is none, or does not answer in time.
pub fn sniff(stream: &TcpStream, address: SocketAddr) -> Result<()> {
    let lost = |error: std::io::Error| failed(address, "PING", error.into());
    let mut patient = Patient {
        stream,
        deadline: Instant::now() + Duration::from_secs(ANSWER_SECONDS_MAX),
    };
    patient
        .write_all(&cmd("PING").get_packed_command())
        .map_err(lost)?;
    // Whatever a server answers to PING is one short line.
    let mut bytes = [0; 512];
    let mut length = 0;
    while length < bytes.len() && !bytes[..length].contains(&b'\n') {
        match patient.read(&mut bytes[length..]).map_err(lost)? {
            0 => break,
            more => length += more,
        }
    }
    let line = bytes[..length]
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.trim_ascii_end();
    let saw = match line {
        [b'+' | b'-', ..] if bytes[..length].contains(&b'\n') => return Ok(()),
        [] => "it closed the connection".into(),
        line => format!("it answered PING with {}", answer::start(line)),
    };
    Err(Error::NotRedis { address, saw })
}

/// A conversation on a fresh connection, all of it up to one deadline.
struct Dialogue {
    talk: Talk,
    address: SocketAddr,
    deadline: Instant,
}

impl Dialogue {
    /// Sends commands and reads as many answers.
    fn ask(&mut self, what: &'static str, commands: &[&Cmd]) -> Result<Vec<Value>> {
        let packed: Vec<u8> = commands
            .iter()
            .flat_map(|command| command.get_packed_command())
            .collect();
        self.exchange(what, &packed, commands.len())
    }

    /// Sends bytes and reads `answers` answers.
    fn exchange(&mut self, what: &'static str, bytes: &[u8], answers: usize) -> Result<Vec<Value>> {
        self.talk
            .exchange(bytes, answers, ANSWERS_BYTES_MAX, self.deadline)
            .map_err(|failure| failed(self.address, what, failure))
    }

    /// The connection, nothing being left on it.
    fn into_stream(self) -> Result<TcpStream> {
        let stream = self.talk.into_stream();
        stream.map_err(|failure| failed(self.address, "the greeting", failure))
    }
}

/// What it means that there is no answer to `what`.
pub(crate) fn failed(address: SocketAddr, what: &'static str, failure: Failure) -> Error {
    let saw = match failure {
        Failure::Late => {
            return Error::Silent {
                address,
                what,
                seconds: ANSWER_SECONDS_MAX,
            };
        }
        Failure::Gone(error) => {
            return Error::ConnectionLost {
                address,
                what: what.into(),
                message: socket::describe(&error),
            };
        }
        Failure::Foreign(saw) => format!("it answered {what} with {saw}"),
        Failure::Unasked(saw) => format!("it sent {saw}, which nobody had asked for"),
    };
    Error::NotRedis { address, saw }
}
