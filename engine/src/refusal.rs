//! What it means for a fill that a server refused a command, and what would help.

use std::net::SocketAddr;

use crate::error::Error;
use crate::handshake;
use crate::reply::error_class;

/// Errors of this class say that a cluster is not ready for a key just now: the topology is read
/// again and the key asked for later.
#[must_use]
pub fn is_about_topology(class: &str) -> bool {
    matches!(
        class,
        "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "READONLY"
    )
}

/// What it means for a fill that a server refuses writes with errors of this class, and the
/// setting to change; `None` where the class says nothing by itself.
#[must_use]
pub fn explain(message: &str) -> Option<(String, &'static str)> {
    let (what, cure) = match error_class(message) {
        "OOM" => (
            "is full: its memory has reached maxmemory (OOM)".to_owned(),
            "raise its maxmemory, empty it with -f, fill less (-d, --keys), or choose an eviction policy (maxmemory-policy)",
        ),
        "MISCONF" => (
            format!("refuses writes because its last snapshot failed ({message})"),
            "mend its disk (its log says what is wrong), or set stop-writes-on-bgsave-error no",
        ),
        "NOREPLICAS" => (
            format!("refuses writes because too few replicas are connected ({message})"),
            "connect them, or lower its min-replicas-to-write",
        ),
        "NOPERM" => (
            format!("does not permit this user to write ({message})"),
            "give the user +set on these keys (ACL SETUSER), or log in as another one with -u and -a",
        ),
        "NOAUTH" => (
            "requires a password that it did not before (NOAUTH)".to_owned(),
            "give -a, --password-file, --ask-password or REDISCLI_AUTH",
        ),
        "MASTERDOWN" | "READONLY" => (
            format!("is a replica and takes no writes ({message})"),
            "give -h and -p of its master",
        ),
        "MOVED" | "ASK" | "TRYAGAIN" | "CROSSSLOT" => (
            format!("says that keys belong to another node ({message})"),
            "wait until slots have stopped moving (`redis-cli --cluster check`), then run the same command again",
        ),
        _ => return None,
    };
    Some((what, cure))
}

/// The error that `address` refusing `command` with `message` means.
pub(crate) fn error(address: SocketAddr, command: &'static str, message: &str) -> Error {
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
        "LOADING" => {
            return Error::NotNow {
                address,
                what: "is still loading its data",
                cure: "wait until `redis-cli ping` answers PONG, then run the same command again",
            };
        }
        "BUSY" => {
            return Error::NotNow {
                address,
                what: "is busy with a script",
                cure: "wait for it, or end it with SCRIPT KILL, then run the same command again",
            };
        }
        "CLUSTERDOWN" => {
            return Error::NotNow {
                address,
                what: "refuses writes because its cluster is down (CLUSTERDOWN)",
                cure: "see `redis-cli cluster info`, and `redis-cli --cluster check`; with cluster-require-full-coverage yes no node takes writes while slots are uncovered",
            };
        }
        _ => explain(message).unwrap_or_else(|| {
            (
                format!("refused {command}: {message}"),
                "see the server's log",
            )
        }),
    };
    Error::Server {
        address,
        what,
        cure: cure.to_owned(),
    }
}
