//! Which command carries keys to the server, and how many at a time.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// Fewest and most keys of one MSET: more gain nothing (docs/experiments/mset.md).
const MSET_KEYS: std::ops::RangeInclusive<usize> = 2..=128;

/// The command that writes keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// One SET for each key.
    #[default]
    Set,
    /// MSET of so many keys, 2 to 128; what does not fill a whole one goes by SET.
    Mset(usize),
}

impl Command {
    /// Keys of one command.
    #[must_use]
    pub fn keys(self) -> usize {
        match self {
            Self::Set => 1,
            Self::Mset(keys) => keys,
        }
    }
}

/// As in `--command`.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set => f.write_str("set"),
            Self::Mset(keys) => write!(f, "mset:{keys}"),
        }
    }
}

/// Reads what `--command` takes.
impl FromStr for Command {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "set" {
            return Ok(Self::Set);
        }
        let Some(number) = text.strip_prefix("mset:") else {
            return Err(refused(text, "is not known"));
        };
        let is_plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if !is_plain {
            let why = match number {
                "" => "lacks the number of keys".to_owned(),
                _ => format!("has no number of keys: '{}'", number.escape_debug()),
            };
            return Err(refused(text, &why));
        }
        // A number that no machine word holds is too large, too.
        match number.parse::<usize>() {
            Ok(keys) if MSET_KEYS.contains(&keys) => Ok(Self::Mset(keys)),
            Ok(keys) if keys < *MSET_KEYS.start() => Err(refused(
                text,
                &format!("has too few keys: {keys}; set sends one key in each command"),
            )),
            _ => Err(refused(text, &format!("has too many keys: {number}"))),
        }
    }
}

/// What was wrong with `text`, and what `--command` takes.
fn refused(text: &str, why: &str) -> Error {
    Error::Options {
        what: format!("--command '{}' {why}", text.escape_debug()),
        cure: format!(
            "it takes set, or mset:N with N from {} to {}, as in --command mset:16",
            MSET_KEYS.start(),
            MSET_KEYS.end()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_read_back() {
        for command in [Command::Set, Command::Mset(2), Command::Mset(128)] {
            assert_eq!(command.to_string().parse::<Command>().unwrap(), command);
        }
        for (given, why) in [
            ("", "'' is not known"),
            ("SET", "is not known"),
            ("MSET:8", "is not known"),
            ("mset", "is not known"),
            ("copy", "is not known"),
            ("mset:", "lacks the number of keys"),
            ("mset:x", "has no number of keys: 'x'"),
            ("mset:+4", "has no number of keys: '+4'"),
            ("mset:8 ", "has no number of keys: '8 '"),
            ("mset:0", "has too few keys: 0"),
            ("mset:1", "has too few keys: 1"),
            ("mset:129", "has too many keys: 129"),
            ("mset:500", "has too many keys: 500"),
            (
                "mset:99999999999999999999",
                "has too many keys: 99999999999999999999",
            ),
        ] {
            let error = given.parse::<Command>().unwrap_err().to_string();
            assert!(error.contains(why), "{given}: {error}");
            assert!(error.contains("mset:N with N from 2 to 128"), "{error}");
        }
    }
}
