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
        "MASTERDOWN" | "READONLY" => (
            format!("is a replica and takes no writes ({message})"),
            "give -h and -p of its master",
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
        "CLUSTERDOWN" => {
            return Error::NotNow {
                address,
                what: "refuses writes because its cluster is down (CLUSTERDOWN)",
                cure: "see `redis-cli cluster info`, and `redis-cli --cluster check`; with cluster-require-full-coverage yes no node takes writes while slots are uncovered",
            };
        }
        "MOVED" | "ASK" | "TRYAGAIN" | "CROSSSLOT" => (
            format!("says that keys belong to another node ({message})"),
            "wait until slots have stopped moving (`redis-cli --cluster check`), then run the same command again",
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
