//! Which server to fill, and as whom.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};

use crate::error::{Error, Result};

/// A password. It can be sent to a server and shows itself nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a password.
    #[must_use]
    pub fn new(password: String) -> Self {
        Self(password)
    }

    /// The password itself, for the AUTH command alone.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it is the empty string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(***)")
    }
}

/// Who logs in. Without a password no AUTH is sent.
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// ACL user; `None` for the default user.
    pub username: Option<String>,
    /// The password.
    pub password: Option<Secret>,
}

/// A server to fill.
#[derive(Clone, Debug)]
pub struct Target {
    /// The host as the user gave it.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database that is selected on every connection.
    pub db: u32,
    /// Who logs in.
    pub login: Login,
    /// Whether it is a node of a cluster, and the cluster is meant.
    pub is_cluster: bool,
    /// Every address the host name has; never empty.
    addresses: Vec<SocketAddr>,
}

impl Target {
    /// Looks the host name up.
    ///
    /// # Errors
    /// [`Error::UnknownHost`] where it has no address.
    pub fn resolve(host: &str, port: u16, db: u32, login: Login) -> Result<Self> {
        let unknown = |source| Error::UnknownHost {
            host: host.to_owned(),
            source,
        };
        let addresses: Vec<_> = (without_brackets(host), port)
            .to_socket_addrs()
            .map_err(unknown)?
            .collect();
        if addresses.is_empty() {
            return Err(unknown(std::io::Error::other("it has no address")));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            db,
            login,
            is_cluster: false,
            addresses,
        })
    }

    /// The same server, as a node of a cluster.
    #[must_use]
    pub fn of_cluster(self) -> Self {
        Self {
            is_cluster: true,
            ..self
        }
    }

    /// The host without the brackets of an IPv6 address.
    #[must_use]
    pub fn bare_host(&self) -> &str {
        without_brackets(&self.host)
    }

    /// Every address of the host, in the resolver's order.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }
}

fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') && !self.host.starts_with('[') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}
