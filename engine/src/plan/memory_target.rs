//! How much memory a server shall use when a fill is done: a size, or a part of its maxmemory.

use std::str::FromStr;

use super::amount::Amount;
use crate::error::Error;

/// How much memory each server shall use when the fill is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MemoryTarget {
    /// Bytes.
    Bytes(u64),
    /// Percent of its maxmemory, above 0 and up to 100.
    Percent(f64),
}

impl MemoryTarget {
    /// The target in bytes on a server with this maxmemory (0: none); `None` where that is needed
    /// and missing.
    #[must_use]
    pub fn bytes(self, maxmemory: u64) -> Option<u64> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Percent(percent) => {
                (maxmemory > 0).then_some((maxmemory as f64 * percent / 100.0) as u64)
            }
        }
    }
}

/// Reads an amount of bytes as `-d` does, or a percentage such as `75%`.
impl FromStr for MemoryTarget {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Some(number) = text.trim().strip_suffix('%') else {
            return match text.parse()? {
                Amount::Bytes(bytes) => Ok(Self::Bytes(bytes)),
                Amount::Keys(_) | Amount::AsManyAsFit => Err(Error::Amount {
                    given: text.to_owned(),
                    why: "it is no amount of bytes",
                }),
            };
        };
        let is_plain = number
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        let percent = number.parse::<f64>().ok().filter(|_| is_plain);
        match percent {
            Some(percent) if percent > 0.0 && percent <= 100.0 => Ok(Self::Percent(percent)),
            _ => Err(Error::Amount {
                given: text.to_owned(),
                why: "a percentage is above 0 % and at most 100 %",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_percentages_are_read() {
        let read = |text: &str| text.parse::<MemoryTarget>();
        assert_eq!(read("2gb").unwrap(), MemoryTarget::Bytes(2 << 30));
        assert_eq!(read("1").unwrap(), MemoryTarget::Bytes(1 << 30));
        assert_eq!(read("75%").unwrap(), MemoryTarget::Percent(75.0));
        assert_eq!(read("0.5%").unwrap(), MemoryTarget::Percent(0.5));
        for text in ["0%", "101%", "-1%", "%", "1e1%", "x%", "nan%", "0", "-1"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_percentage_needs_a_maximum() {
        assert_eq!(MemoryTarget::Percent(75.0).bytes(1000), Some(750));
        assert_eq!(MemoryTarget::Percent(75.0).bytes(0), None);
        assert_eq!(MemoryTarget::Bytes(7).bytes(0), Some(7));
    }
}
