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
        let digits = text.strip_prefix("mset:").unwrap_or_default();
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let keys = digits.parse().ok().filter(|_| is_plain);
        keys.filter(|keys| MSET_KEYS.contains(keys))
            .map(Self::Mset)
            .ok_or_else(|| Error::Options {
                what: format!("--command '{}' is not known", text.escape_debug()),
                cure: format!(
                    "it takes set, or mset:N with N from {} to {}, as in --command mset:16",
                    MSET_KEYS.start(),
                    MSET_KEYS.end()
                ),
            })
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
        for given in [
            "", "SET", "mset", "mset:", "mset:1", "mset:129", "mset:+4", "mset:x", "copy",
        ] {
            let error = given.parse::<Command>().unwrap_err().to_string();
            assert!(error.contains("mset:N with N from 2 to 128"), "{error}");
        }
    }
}
