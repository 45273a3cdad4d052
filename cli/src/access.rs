//! Which server, and as whom: the flags that every command has. Owns their defaults; contacts
//! nobody.

use engine::nodes::ClusterOptions;

use crate::environment::Environment;
use crate::exit::Failure;
use crate::flags::{DataFlags, ServerFlags};
use crate::ledger::{Ledger, Source};
use crate::login::LoginChoice;
use crate::value::number;
use crate::{cluster, value};

const PORT: u16 = 6379;
/// Databases are numbered by a C `int`.
const DB_MAX: u64 = i32::MAX as u64;

/// Which server, and as whom.
pub(crate) struct Access {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) db: u32,
    pub(crate) cluster: Option<ClusterOptions>,
    pub(crate) login: LoginChoice,
}

impl Access {
    /// From the flags of any command. `cure`: what to do where -h is missing.
    pub(crate) fn resolve(
        (server, data): (&ServerFlags, &DataFlags),
        environment: &Environment,
        cure: &str,
        ledger: &mut Ledger,
    ) -> Result<Self, Failure> {
        let host = server
            .host
            .as_deref()
            .ok_or_else(|| Failure::usage(format!("-h is missing: {cure}")))?;
        let host = ledger.decide("host", Some(value::host(host)?), None, String::new());
        let port = number(server.port.as_deref(), "-p", 1, u64::from(u16::MAX), "")?;
        let port = ledger.decide("port", port, None, PORT);
        let login = LoginChoice::resolve(server, environment)?;
        if let Some(username) = &server.username {
            ledger.enter("username", username.as_str(), Source::Flag);
        }
        if let Some(password) = login.password_in_words() {
            ledger.enter("password", password, login.source);
        }
        let db = number(server.db.as_deref(), "--db", 0, DB_MAX, "")?;
        let db = ledger.decide("db", db, None, 0);
        let cluster = cluster::resolve(server, data, db, ledger)?;
        Ok(Self {
            host,
            port,
            db,
            cluster,
            login,
        })
    }
}
