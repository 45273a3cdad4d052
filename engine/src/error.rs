//! The engine's one error type. Variants are grouped by the phase in which they arise, because
//! the phase decides what the user can do about them.

use std::net::SocketAddr;

/// One line on what may be written, for error messages and `--help`.
pub const AMOUNT_SYNTAX: &str = "write a number of GiB (1, 0.5) or a number with a unit: \
     b, k m g t (powers of 1000), kb mb gb tb and KiB MiB GiB TiB (powers of 1024)";

/// When an error arose; decides the program's exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The options contradict each other or cannot work; nothing was contacted.
    Plan,
    /// The server could not be reached, or did not let us in.
    Connect,
    /// The server is there but cannot take this fill.
    Server,
    /// The fill itself broke off.
    Driver,
}

/// Everything that can stop a fill. Messages name what was wrong, what is allowed and which flag
/// to change; they never contain a password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A number outside its range.
    #[error("{flag} {given} is out of range: {min} to {max} {unit} are allowed")]
    OutOfRange {
        /// The flag as the user types it.
        flag: &'static str,
        /// What was given.
        given: String,
        /// Smallest allowed value.
        min: u64,
        /// Largest allowed value.
        max: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// An amount of data that cannot be read.
    #[error("cannot read the amount '{given}': {why}; {}", AMOUNT_SYNTAX)]
    Amount {
        /// What was given.
        given: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The keys do not fit into the key size.
    #[error(
        "--key-size {key_size} can name {capacity} keys{with_prefix}, but the fill needs {needed} \
         ({keys} from --start-key {start_key}): {cure}"
    )]
    KeysDoNotFit {
        /// Bytes per key.
        key_size: usize,
        /// The most keys this size can name.
        capacity: u64,
        /// `" after the prefix '…'"` or empty.
        with_prefix: String,
        /// Highest index needed, plus one.
        needed: u128,
        /// Number of keys planned.
        keys: u64,
        /// First index.
        start_key: u64,
        /// What to change: names the smallest key size that works.
        cure: String,
    },
    /// Some other contradiction in the options.
    #[error("{what}; {cure}")]
    Options {
        /// What is wrong.
        what: String,
        /// What to change.
        cure: String,
    },
    /// The driver asked for cannot run here.
    #[error("--driver {driver} cannot run here: {cause}; {cure}, or use --driver socket")]
    DriverUnavailable {
        /// The driver asked for.
        driver: &'static str,
        /// Why not.
        cause: String,
        /// What would help.
        cure: String,
    },
    /// The host name has no address.
    #[error("cannot find host '{host}': {source}; check -h")]
    UnknownHost {
        /// The name as given.
        host: String,
        /// The resolver's answer.
        source: std::io::Error,
    },
    /// No address of the host accepted a connection.
    #[error(
        "cannot connect to {host} port {port} ({tried}); check -h and -p, and that a server runs there"
    )]
    Unreachable {
        /// The host as given.
        host: String,
        /// The port.
        port: u16,
        /// Each address tried, with its error.
        tried: String,
    },
    /// Something accepted the connection but did not answer.
    #[error(
        "{address} accepted the connection but did not answer {what} within {seconds} s; is it a Redis or Valkey server? check -p"
    )]
    Silent {
        /// The peer.
        address: SocketAddr,
        /// What was asked.
        what: &'static str,
        /// How long we waited.
        seconds: u64,
    },
    /// A server that answered before does not any more.
    #[error("{address} did not answer {what} within {seconds} s")]
    Stuck {
        /// The peer.
        address: SocketAddr,
        /// What was asked.
        what: &'static str,
        /// How long we waited.
        seconds: u64,
    },
    /// The server has no room for another connection.
    #[error("{address} accepts no more connections; raise its maxclients, or use fewer with -n")]
    TooManyClients {
        /// The peer.
        address: SocketAddr,
    },
    /// Something answered, but not in RESP.
    #[error(
        "{address} does not speak the Redis protocol (RESP): {saw}; check -p (a TLS or HTTP port?)"
    )]
    NotRedis {
        /// The peer.
        address: SocketAddr,
        /// What it said instead.
        saw: String,
    },
    /// AUTH was refused.
    #[error(
        "{address} refused the login{user}: {message}; check -u and -a (or --password-file, REDISCLI_AUTH)"
    )]
    LoginRefused {
        /// The peer.
        address: SocketAddr,
        /// `" as 'name'"` or empty.
        user: String,
        /// The server's words.
        message: String,
    },
    /// The server wants a password and none was given.
    #[error(
        "{address} requires a password: give -a, --password-file, --ask-password or REDISCLI_AUTH (and -u for an ACL user)"
    )]
    PasswordRequired {
        /// The peer.
        address: SocketAddr,
    },
    /// The user may not run a command that a fill needs.
    #[error(
        "{address}: the user may not run {command}: {message}; a fill needs +set +exists +dbsize +info +select +strlen +getrange (with -c also +cluster, with -f +flushdb; +client and +echo make it faster), verify +getrange +exists +dbsize: ACL SETUSER, or log in as another user with -u and -a"
    )]
    NotPermitted {
        /// The peer.
        address: SocketAddr,
        /// The command that was refused.
        command: &'static str,
        /// The server's words.
        message: String,
    },
    /// The server has something else to do just now.
    #[error("{address} {what}; {cure}")]
    NotNow {
        /// The peer.
        address: SocketAddr,
        /// What it does.
        what: &'static str,
        /// What to wait for.
        cure: &'static str,
    },
    /// The server cannot take this fill in its present state or mode.
    #[error("{address} {what}; {cure}")]
    Server {
        /// The peer.
        address: SocketAddr,
        /// What is the matter.
        what: String,
        /// What to change.
        cure: String,
    },
    /// A cluster announces masters under addresses that lead nowhere from here.
    #[error(
        "cannot reach {masters}, as announced by {seed}; where the cluster is reached under other addresses from here (NAT, containers), give --host-map {example}=HOST:PORT; to fill only what can be reached: --allow-partial"
    )]
    AnnouncedUnreachable {
        /// Who announced them.
        seed: SocketAddr,
        /// Each with the cause.
        masters: String,
        /// One of them.
        example: String,
    },
    /// A node of a cluster takes another login than the one that was asked first.
    #[error(
        "{node} does not take the login that {seed} takes: {message}; all nodes of the cluster must take the same -u and -a"
    )]
    NodeLogin {
        /// The node.
        node: String,
        /// The node that the user named.
        seed: SocketAddr,
        /// What it said.
        message: String,
    },
    /// Some masters of a cluster were emptied, others were not.
    #[error("{flushed} keys of the cluster were flushed, others were not: {cause}")]
    FlushedInPart {
        /// Keys that went.
        flushed: u64,
        /// Why the others did not.
        cause: String,
    },
    /// A connection failed while a command was under way.
    #[error("lost the connection to {address} during {what}: {message}")]
    ConnectionLost {
        /// The peer.
        address: SocketAddr,
        /// What was asked.
        what: String,
        /// The cause.
        message: String,
    },
    /// A driver or reactor could not be set up.
    #[error("cannot set up {what}: {message}; {cure}")]
    Setup {
        /// Which part.
        what: &'static str,
        /// The cause.
        message: String,
        /// What to change.
        cure: &'static str,
    },
}

impl Error {
    /// The cause alone, in a few words, where the message is part of a longer one.
    pub(crate) fn in_brief(&self) -> String {
        match self {
            Self::UnknownHost { source, .. } => source.to_string(),
            Self::Unreachable { tried, .. } => tried.clone(),
            Self::Silent { what, .. } => format!("it does not answer {what}"),
            Self::NotRedis { saw, .. } => saw.clone(),
            Self::LoginRefused { message, .. } | Self::ConnectionLost { message, .. } => {
                message.clone()
            }
            Self::PasswordRequired { .. } => "it requires a password".into(),
            error => error.to_string(),
        }
    }

    /// The phase in which this error arises.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self {
            Self::OutOfRange { .. }
            | Self::Amount { .. }
            | Self::KeysDoNotFit { .. }
            | Self::Options { .. }
            | Self::DriverUnavailable { .. } => Phase::Plan,
            Self::UnknownHost { .. }
            | Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::Stuck { .. }
            | Self::TooManyClients { .. }
            | Self::NotRedis { .. }
            | Self::LoginRefused { .. }
            | Self::NodeLogin { .. }
            | Self::AnnouncedUnreachable { .. }
            | Self::PasswordRequired { .. }
            | Self::NotPermitted { .. } => Phase::Connect,
            Self::Server { .. } | Self::NotNow { .. } => Phase::Server,
            Self::ConnectionLost { .. } | Self::Setup { .. } | Self::FlushedInPart { .. } => {
                Phase::Driver
            }
        }
    }
}

/// The engine's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;
