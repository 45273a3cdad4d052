//! What a user may do on a server: each command in question is tried in a form that reads, or that
//! is refused after the permission was checked and before anything happens.

use std::iter;

use redis::{Cmd, Value, cmd};

use crate::control::Control;
use crate::error::Result;
use crate::handshake::error_text;
use crate::reply::error_class;

/// An argument that no command knows.
const UNKNOWN: &str = "CHECK-PERMISSION-ONLY";

/// What a command is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// No fill without it.
    Fill,
    /// No fill of a cluster without it.
    Cluster,
    /// No fill where keys exist already without it, nor `verify`.
    ExistingKeys,
    /// Without it each reply is read.
    Fences,
    /// Without it there are fewer checks, warnings and figures.
    Facts,
    /// No `-f` without it.
    Flush,
    /// No `--command mset:N` without it.
    Mset,
}

/// Whether a command may be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It may.
    Granted,
    /// The user may not.
    Denied,
    /// The user may, but not with such keys.
    DeniedKeys,
    /// The server does not know it, or not by this name.
    Missing,
    /// It was not tried: a server that only resembles Redis may carry out what Redis refuses.
    Untried,
}

/// One command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// As in ACL SETUSER, without the sign in front.
    pub command: &'static str,
    /// What it is good for.
    pub purpose: Purpose,
    /// Whether it may be run.
    pub grant: Grant,
}

/// Tries every command that a fill uses, on a key such as it will write; where the server is not
/// known to be Redis or Valkey, none that would do harm if it were carried out.
///
/// # Errors
/// The server is gone.
pub(super) fn of(control: &mut Control, key: &[u8], is_genuine: bool) -> Result<Vec<Right>> {
    let is_cluster = control.is_in_cluster();
    let (trials, untried): (Vec<_>, Vec<_>) = trials(key)
        .into_iter()
        .filter(|(_, purpose, _)| is_cluster || *purpose != Purpose::Cluster)
        .partition(|(_, purpose, _)| {
            is_genuine || !matches!(purpose, Purpose::Flush | Purpose::Mset)
        });
    let packed = trials
        .iter()
        .map(|(_, _, trial)| trial.get_packed_command());
    let packed = packed.collect::<Vec<_>>().concat();
    let answers = control.pipeline("a command", &packed, trials.len())?;
    let grants = answers
        .iter()
        .map(grant)
        .chain(iter::repeat(Grant::Untried));
    let commands = trials.iter().chain(&untried);
    let rights = commands
        .zip(grants)
        .map(|((command, purpose, _), grant)| Right {
            command,
            purpose: *purpose,
            grant,
        });
    Ok(rights.collect())
}

/// A harmless form of each command.
fn trials(key: &[u8]) -> Vec<(&'static str, Purpose, Cmd)> {
    let of = |words: &[&str]| {
        let mut command = cmd(words[0]);
        command.arg(&words[1..]);
        command
    };
    let on_key = |name: &str, more: &[&str]| {
        let mut command = cmd(name);
        command.arg(key).arg(more);
        command
    };
    // NX and XX exclude each other, and the last key of MSET has no value.
    let set = on_key("SET", &["", "NX", "XX"]);
    let mut mset = on_key("MSET", &[""]);
    mset.arg(key);
    vec![
        ("set", Purpose::Fill, set),
        ("exists", Purpose::Fill, on_key("EXISTS", &[])),
        ("dbsize", Purpose::Fill, of(&["DBSIZE"])),
        ("cluster|slots", Purpose::Cluster, of(&["CLUSTER", "SLOTS"])),
        ("strlen", Purpose::ExistingKeys, on_key("STRLEN", &[])),
        (
            "getrange",
            Purpose::ExistingKeys,
            on_key("GETRANGE", &["0", "0"]),
        ),
        (
            "client|reply",
            Purpose::Fences,
            of(&["CLIENT", "REPLY", "ON"]),
        ),
        ("echo", Purpose::Fences, of(&["ECHO", UNKNOWN])),
        ("info", Purpose::Facts, of(&["INFO", "server"])),
        ("config|get", Purpose::Facts, of(&["CONFIG", "GET", "save"])),
        (
            "client|list",
            Purpose::Facts,
            of(&["CLIENT", "LIST", "TYPE", UNKNOWN]),
        ),
        ("flushdb", Purpose::Flush, of(&["FLUSHDB", UNKNOWN])),
        ("mset", Purpose::Mset, mset),
    ]
}

/// What the answer to a trial says.
fn grant(answer: &Value) -> Grant {
    let Value::ServerError(error) = answer else {
        return Grant::Granted;
    };
    let message = error_text(error);
    match error_class(&message) {
        // "No permissions to access a key", "... to access one of the keys used as arguments".
        "NOPERM" if message.contains("access") => Grant::DeniedKeys,
        "NOPERM" => Grant::Denied,
        _ if message.contains("unknown command") => Grant::Missing,
        _ => Grant::Granted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(text: &str) -> Grant {
        grant(&redis::parse_redis_value(format!("{text}\r\n").as_bytes()).unwrap())
    }

    #[test]
    fn a_right_is_told_by_the_class_of_the_refusal() {
        assert_eq!(answered("+OK"), Grant::Granted);
        assert_eq!(answered("-ERR syntax error"), Grant::Granted);
        assert_eq!(answered("-OOM command not allowed"), Grant::Granted);
        assert_eq!(answered("-MOVED 1 10.0.0.1:6379"), Grant::Granted);
        assert_eq!(
            answered("-NOPERM this user has no permissions"),
            Grant::Denied
        );
        let no_key = answered("-NOPERM No permissions to access a key");
        assert_eq!(no_key, Grant::DeniedKeys);
        assert_eq!(
            answered("-ERR unknown command 'FLUSHDB', with args"),
            Grant::Missing
        );
    }

    #[test]
    fn no_trial_writes() {
        let all = trials(b"key");
        let packed = |name: &str| {
            let (_, _, trial) = all.iter().find(|(command, ..)| *command == name).unwrap();
            String::from_utf8(trial.get_packed_command()).unwrap()
        };
        assert!(packed("set").ends_with("$2\r\nNX\r\n$2\r\nXX\r\n"));
        // An even number of words: a key without a value.
        assert!(packed("mset").starts_with("*4\r\n"));
        assert!(packed("flushdb").contains(UNKNOWN));
        // Which they are: one that imitates Redis may take any other word for OFF.
        assert!(packed("client|reply").ends_with("$2\r\nON\r\n"));
    }
}
