//! How much to fill, and what becomes of keys that exist: the flags that say so and what does not
//! go together among them.

use engine::Amount;
use engine::plan::memory_target::MemoryTarget;

use crate::exit::Failure;
use crate::flags::{DataFlags, ExistingFlags};
use crate::ledger::Ledger;
use crate::{range, value};

/// What to put onto the servers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scope {
    /// How much.
    pub(crate) amount: Amount,
    /// Behind the keys that exist.
    pub(crate) append: bool,
    /// No more than until each server uses so much memory.
    pub(crate) until: Option<MemoryTarget>,
    /// Only what is missing.
    pub(crate) resume: bool,
    /// Without replacing any value.
    pub(crate) only_missing: bool,
}

/// Pairs of flags that contradict each other, and why.
const CONTRADICTIONS: &[(&str, &str, &str)] = &[
    ("-d", "--append", "both say how much to fill"),
    ("--keys", "--append", "both say how much to fill"),
    (
        "--append",
        "--until-memory",
        "the latter goes on behind the keys that exist by itself (-d or --keys bound it)",
    ),
    (
        "--append",
        "--resume",
        "the former adds keys that do not exist, the latter looks for those that should",
    ),
    (
        "--append",
        "--only-missing",
        "the former adds keys that do not exist anyway",
    ),
    (
        "--until-memory",
        "--resume",
        "the former goes on behind the keys that exist by itself",
    ),
    (
        "--until-memory",
        "--only-missing",
        "the former adds keys that do not exist anyway",
    ),
    (
        "-f",
        "--append",
        "the former removes the keys behind which the latter adds",
    ),
    ("-f", "--resume", "the former removes what the latter keeps"),
    (
        "-f",
        "--only-missing",
        "the former removes what the latter keeps",
    ),
];

impl Scope {
    /// Resolves the flags; `None` where nothing is to be filled.
    pub(crate) fn resolve(
        data: &DataFlags,
        existing: &ExistingFlags,
        ledger: &mut Ledger,
    ) -> Result<Option<Self>, Failure> {
        let given = [
            ("-d", data.data.is_some()),
            ("--keys", data.keys.is_some()),
            ("--append", existing.append.is_some()),
            ("--until-memory", existing.until_memory.is_some()),
            ("--resume", existing.resume),
            ("--only-missing", existing.only_missing),
            ("-f", existing.flush),
        ];
        let is_given = |flag: &str| given.contains(&(flag, true));
        let contradiction = CONTRADICTIONS
            .iter()
            .find(|(one, other, _)| is_given(one) && is_given(other));
        if let Some((one, other, why)) = contradiction {
            return Err(Failure::usage(format!(
                "{one} and {other} do not go together: {why}; drop one of them"
            )));
        }
        let until = existing.until_memory.as_deref();
        if let Some(given) = until {
            ledger.given("until-memory", given);
        }
        let until = until.map(value::memory_target).transpose()?;
        let amount = match (amount(data, ledger)?, &existing.append) {
            (Some(amount), _) => amount,
            (None, Some(given)) => {
                ledger.given("append", given.as_str());
                value::keys_or_bytes(given)?
            }
            (None, None) if until.is_some() => Amount::AsManyAsFit,
            (None, None) => return Self::idle(existing),
        };
        Ok(Some(Self {
            amount,
            append: existing.append.is_some(),
            until,
            resume: ledger.switch("resume", existing.resume),
            only_missing: ledger.switch("only-missing", existing.only_missing),
        }))
    }

    /// Nothing is to be filled: `--resume` and `--only-missing` do not say how much.
    fn idle(existing: &ExistingFlags) -> Result<Option<Self>, Failure> {
        match (existing.resume, existing.only_missing) {
            (false, false) => Ok(None),
            (resume, _) => Err(Failure::usage(format!(
                "{} needs to know which keys there should be: give -d or --keys too",
                if resume { "--resume" } else { "--only-missing" }
            ))),
        }
    }
}

/// `-d` or `--keys`.
pub(crate) fn amount(data: &DataFlags, ledger: &mut Ledger) -> Result<Option<Amount>, Failure> {
    match (&data.data, &data.keys) {
        (Some(_), Some(_)) => Err(Failure::usage(
            "-d and --keys both say how much: drop one of them",
        )),
        (Some(given), None) => {
            let amount = value::amount(given)?;
            ledger.given("data", given.as_str());
            Ok(Some(amount))
        }
        (None, Some(given)) => {
            let keys = range::KEYS.read::<u64>(given)?;
            ledger.given("keys", keys);
            Ok(Some(Amount::Keys(keys)))
        }
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::tests::fill;

    fn scope(line: &str) -> Result<Option<Scope>, Failure> {
        let flags = fill(&format!("-h x {line}")).unwrap();
        Scope::resolve(&flags.data, &flags.existing, &mut Ledger::default())
    }

    #[test]
    fn amounts_are_read_by_their_flags() {
        let amount = |line| scope(line).unwrap().unwrap().amount;
        assert_eq!(amount("-d 1"), Amount::Bytes(1 << 30));
        assert_eq!(amount("--keys 7 --resume"), Amount::Keys(7));
        assert_eq!(amount("--append 7"), Amount::Keys(7));
        assert_eq!(amount("--append 7mb"), Amount::Bytes(7 << 20));
        assert_eq!(amount("--until-memory 75%"), Amount::AsManyAsFit);
        assert_eq!(amount("--until-memory 75% -d 1"), Amount::Bytes(1 << 30));
        assert!(scope("-f").unwrap().is_none() && scope("").unwrap().is_none());
    }

    #[test]
    fn contradictions_are_refused_by_name() {
        for (one, other, _) in CONTRADICTIONS {
            let with_value = |flag: &&str| match *flag {
                "-d" | "--keys" | "--append" | "--until-memory" => format!("{flag} 1"),
                flag => flag.to_owned(),
            };
            let failure = scope(&format!("{} {}", with_value(one), with_value(other))).unwrap_err();
            assert!(
                failure.message.contains(one) && failure.message.contains(other),
                "{}",
                failure.message
            );
            assert_eq!(failure.status.code(), 2);
        }
    }

    #[test]
    fn amounts_that_say_nothing_are_refused() {
        for (line, words) in [
            ("--append 0", "neither a number of keys"),
            ("--append 0.5", "neither a number of keys"),
            ("--append -5", "neither a number of keys"),
            ("--append x", "neither a number of keys"),
            ("--until-memory 0%", "above 0%"),
            ("--until-memory 101%", "above 0%"),
            ("--until-memory x", "does not start with a number"),
            ("--resume", "give -d or --keys"),
            ("--only-missing", "give -d or --keys"),
        ] {
            let message = scope(line).unwrap_err().message;
            assert!(message.contains(words), "{line}: {message}");
        }
    }
}
