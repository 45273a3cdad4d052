//! The flags that take a whole number: what each of them allows, and how it is refused. Flags and
//! config file are held to the same ranges.

use engine::plan::options::{
    CONNECTIONS_MAX, KEY_SIZE_MAX, PIPELINE_DEPTH_MAX, STALL_SECONDS_MAX, VALUE_SIZE_MAX,
};

use crate::exit::Failure;
use crate::value;

/// What a flag that takes a whole number allows.
#[derive(Debug)]
pub(crate) struct Range {
    /// As messages name it.
    flag: &'static str,
    min: u64,
    max: u64,
    /// What is counted; empty where that goes without saying.
    unit: &'static str,
}

/// `--port`.
pub(crate) static PORT: Range = Range::of("-p", 1, u16::MAX as u64, "");
/// `--db`; databases are numbered by a C `int`.
pub(crate) static DB: Range = Range::of("--db", 0, i32::MAX as u64, "");
/// `--keys`.
pub(crate) static KEYS: Range = Range::of("--keys", 1, u64::MAX - 1, "keys");
/// `--key-size`.
pub(crate) static KEY_SIZE: Range = Range::of("--key-size", 1, KEY_SIZE_MAX as u64, "bytes");
/// `--value-size`.
pub(crate) static VALUE_SIZE: Range = Range::of("--value-size", 1, VALUE_SIZE_MAX as u64, "bytes");
/// `--start-key`.
pub(crate) static START_KEY: Range = Range::of("--start-key", 0, u64::MAX, "");
/// `--seed`.
pub(crate) static SEED: Range = Range::of("--seed", 0, u64::MAX, "");
/// `--connections`.
pub(crate) static CONNECTIONS: Range = Range::of("-n", 1, CONNECTIONS_MAX as u64, "connections");
/// `--pipeline-depth`.
pub(crate) static PIPELINE_DEPTH: Range =
    Range::of("--pipeline-depth", 1, PIPELINE_DEPTH_MAX, "commands");
/// `--stall-timeout`.
pub(crate) static STALL_TIMEOUT: Range =
    Range::of("--stall-timeout", 1, STALL_SECONDS_MAX, "seconds");

impl Range {
    const fn of(flag: &'static str, min: u64, max: u64, unit: &'static str) -> Self {
        Self {
            flag,
            min,
            max,
            unit,
        }
    }

    /// The number that is written, within the range.
    pub(crate) fn read<T: TryFrom<u64>>(&self, given: &str) -> Result<T, Failure> {
        let number = value::whole(self.flag, given, self.min..=self.max, self.unit)?;
        T::try_from(number).map_err(|_| {
            Failure::usage(format!(
                "{} {given} is too large for this machine",
                self.flag
            ))
        })
    }

    /// The number behind the flag, where it is given.
    pub(crate) fn read_if_given<T: TryFrom<u64>>(
        &self,
        given: Option<&str>,
    ) -> Result<Option<T>, Failure> {
        given.map(|given| self.read(given)).transpose()
    }

    /// `1 to 65536 bytes`.
    pub(crate) fn in_words(&self) -> String {
        let words = format!("{} to {} {}", self.min, self.max, self.unit);
        words.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_told_in_words_and_kept() {
        assert_eq!(KEY_SIZE.in_words(), "1 to 65536 bytes");
        assert_eq!(PORT.in_words(), "1 to 65535");
        assert_eq!(PORT.read::<u16>("6379").unwrap(), 6379);
        assert_eq!(PORT.read_if_given::<u16>(None).unwrap(), None);
        let message = PORT.read::<u16>("65536").unwrap_err().message;
        assert_eq!(message, "-p 65536 is out of range: 1 to 65535 are allowed");
    }
}
