//! Which server, and as whom: the flags that every command has. Owns their defaults; contacts
//! nobody.

use engine::nodes::ClusterOptions;

use crate::environment::Environment;
use crate::exit::Failure;
use crate::flags::{DataFlags, ServerFlags};
use crate::ledger::{Ledger, Source};
use crate::login::LoginChoice;
use crate::{cluster, range, value};

const PORT: u16 = 6379;

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
        let host = value::host(host)?;
        ledger.given("host", host.as_str());
        let port = range::PORT.read_if_given(server.port.as_deref())?;
        let port = ledger.decide("port", port, PORT);
        let login = LoginChoice::resolve(server, environment)?;
        if let Some(username) = &server.username {
            ledger.given("username", username.as_str());
        }
        if let Some(password) = login.password_in_words() {
            let origin = match login.given_by {
                Some(flag) => ledger.origin(flag),
                None => Source::Environment.into(),
            };
            ledger.enter("password", password, origin);
        }
        let db = range::DB.read_if_given(server.db.as_deref())?;
        let db = ledger.decide("db", db, 0);
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
