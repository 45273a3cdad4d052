//! Which settings a config file may hold, and what may stand behind each: the flags that describe a
//! habit. What a single run does (how much, flushing, going on, being let off) is told each time on
//! the command line. Values are held to what the flags of the same names are held to.

use toml::de::DeValue;

use crate::exit::Failure;
use crate::names::{DRIVERS, FORMATS, REPLIES, SENDS};
use crate::range::{self, Range};
use crate::{cluster, habits, value};

/// A setting that may stand in a config file.
#[derive(Debug)]
pub(crate) struct Key {
    /// The flag's long name, without dashes.
    pub(crate) name: &'static str,
    kind: Kind,
}

type Check = fn(&str) -> Result<(), Failure>;

/// What may stand behind a name.
#[derive(Debug)]
enum Kind {
    /// A whole number.
    Number(&'static Range),
    /// `true` or `false`.
    Switch,
    /// A text, and what it may be.
    Text(Check),
    /// A text or a whole number.
    TextOrNumber(Check),
    /// The same; `true` stands for all.
    Sample,
    /// A file.
    File,
    /// A list of texts.
    List(Check),
}

use Kind::{File, List, Number, Sample, Switch, Text, TextOrNumber};

/// All of them, in the order of `--help`.
#[rustfmt::skip]
static KEYS: &[Key] = &[
    Key { name: "host", kind: Text(|given| value::host(given).map(drop)) },
    Key { name: "port", kind: Number(&range::PORT) },
    Key { name: "cluster", kind: Switch },
    Key { name: "host-map", kind: List(|given| cluster::host_map([given]).map(drop)) },
    Key { name: "username", kind: Text(username) },
    Key { name: "password-file", kind: File },
    Key { name: "ask-password", kind: Switch },
    Key { name: "db", kind: Number(&range::DB) },
    Key { name: "key-size", kind: Number(&range::KEY_SIZE) },
    Key { name: "value-size", kind: Number(&range::VALUE_SIZE) },
    Key { name: "key-prefix", kind: Text(|_| Ok(())) },
    Key { name: "seed", kind: Number(&range::SEED) },
    Key { name: "key-layout", kind: Text(|given| one_of("--key-layout", given, &cluster::key_layouts(false))) },
    Key { name: "connections", kind: Number(&range::CONNECTIONS) },
    Key { name: "command", kind: Text(|given| Ok(given.parse::<engine::Command>().map(drop)?)) },
    Key { name: "pipeline-depth", kind: Number(&range::PIPELINE_DEPTH) },
    Key { name: "replies", kind: Text(|given| one_of("--replies", given, REPLIES)) },
    Key { name: "driver", kind: Text(|given| one_of("--driver", given, DRIVERS)) },
    Key { name: "send", kind: Text(|given| one_of("--send", given, SENDS)) },
    Key { name: "reactors", kind: TextOrNumber(|given| value::reactors(given).map(drop)) },
    Key { name: "no-pin", kind: Switch },
    Key { name: "verify", kind: Sample },
    Key { name: "sample", kind: Sample },
    Key { name: "output", kind: Text(|given| one_of("--output", given, FORMATS)) },
    Key { name: "quiet", kind: Switch },
    Key { name: "no-progress", kind: Switch },
    Key { name: "stall-timeout", kind: Number(&range::STALL_TIMEOUT) },
    Key { name: "verbose", kind: Switch },
];

const AMOUNT: &str = "how much is filled is said on the command line each time";
const ONCE: &str = "it is for a single run: give it on the command line";
const LET_OFF: &str = "what counts as success is decided on the command line each time";
const FOUND_OUT: &str =
    "it finds settings out: run it once on the command line, and write what it found down here";

/// Flags that have no place in a config file, and why.
static REFUSED: &[(&str, &str)] = &[
    (
        "password",
        "no password belongs into this file, where others may read it: use password-file = \"FILE\" \
         (mode 0600), ask-password = true, or the variable REDISCLI_AUTH",
    ),
    ("data", AMOUNT),
    ("keys", AMOUNT),
    ("start-key", AMOUNT),
    ("append", AMOUNT),
    ("until-memory", AMOUNT),
    (
        "flush",
        "a file never empties a database: give -f on the command line",
    ),
    (
        "yes",
        "a file never answers for you: give -y on the command line",
    ),
    ("force", LET_OFF),
    ("allow-partial", LET_OFF),
    ("allow-eviction", LET_OFF),
    ("resume", ONCE),
    ("only-missing", ONCE),
    ("dry-run", ONCE),
    ("help", ONCE),
    ("tune", FOUND_OUT),
    ("serial", "write connections = 1 and reactors = 1"),
    (
        "preset",
        "give --preset on the command line, or write its values below [defaults]",
    ),
    ("config", "there is one config file alone"),
];

/// The setting of this name.
pub(crate) fn named(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// All names.
pub(crate) fn names() -> Vec<&'static str> {
    KEYS.iter().map(|key| key.name).collect()
}

/// Why a flag of this name has no place in a config file, if there is such a flag.
pub(crate) fn why_not(name: &str) -> Option<String> {
    let refused = REFUSED.iter().find(|(refused, _)| *refused == name);
    refused.map(|(name, why)| format!("{name} is not allowed here: {why}"))
}

fn one_of<T: Clone>(flag: &str, given: &str, known: &[(&str, T)]) -> Result<(), Failure> {
    value::one_of(flag, given, known).map(drop)
}

fn username(given: &str) -> Result<(), Failure> {
    match habits::of_username(given) {
        Some(explanation) => Err(Failure::usage(explanation)),
        None => Ok(()),
    }
}

impl Key {
    /// The texts that would stand behind the flag, or what is wrong with the type of the value.
    pub(crate) fn texts(&self, value: &DeValue<'_>) -> Result<Vec<String>, String> {
        let text = match (&self.kind, value) {
            (Number(_) | TextOrNumber(_) | Sample, DeValue::Integer(number)) => {
                let digits = i128::from_str_radix(number.as_str(), number.radix());
                digits.map_or_else(|_| number.to_string(), |digits| digits.to_string())
            }
            (Text(_) | TextOrNumber(_) | Sample | File, DeValue::String(text)) => text.to_string(),
            (Switch, DeValue::Boolean(is_on)) => is_on.to_string(),
            (Sample, DeValue::Boolean(true)) => "100%".to_owned(),
            (List(_), DeValue::Array(items)) => {
                let texts = items
                    .iter()
                    .map(|item| item.get_ref().as_str().map(str::to_owned));
                return texts
                    .collect::<Option<_>>()
                    .ok_or_else(|| self.wrong_type("an array of others"));
            }
            (_, value) => {
                let kind = value.type_str();
                let article = if kind.starts_with(['a', 'i']) {
                    "an"
                } else {
                    "a"
                };
                return Err(self.wrong_type(&format!("{article} {kind}")));
            }
        };
        Ok(vec![text])
    }

    /// Holds one of the texts to what the flag allows.
    pub(crate) fn check(&self, text: &str) -> Result<(), Failure> {
        match &self.kind {
            Number(range) => range.read::<u64>(text).map(drop),
            Text(check) | TextOrNumber(check) | List(check) => check(text),
            Sample => value::sample(&format!("--{}", self.name), text).map(drop),
            File if text.is_empty() => Err(Failure::usage(format!("--{} is empty", self.name))),
            File | Switch => Ok(()),
        }
    }

    /// Whether the text names a file.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.kind, File)
    }

    /// Whether the text is a number, or may be one.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self.kind, Number(_) | TextOrNumber(_) | Sample)
    }

    /// Whether it is on or off.
    pub(crate) fn is_switch(&self) -> bool {
        matches!(self.kind, Switch)
    }

    fn wrong_type(&self, seen: &str) -> String {
        let name = self.name;
        let wanted = match &self.kind {
            Number(range) => format!("a whole number: {}", range.in_words()),
            Switch => "true or false".to_owned(),
            Text(check) => match check("") {
                // What the flag takes, in the words in which it refuses others.
                Err(failure) => match failure.message.split_once("it takes ") {
                    Some((_, names)) => format!("a text in quotes: {names}"),
                    None => "a text in quotes".to_owned(),
                },
                Ok(()) => "a text in quotes".to_owned(),
            },
            TextOrNumber(_) => "a whole number, or a text in quotes".to_owned(),
            Sample => "a number of keys, or a part in quotes (\"1%\")".to_owned(),
            File => "the name of a file in quotes".to_owned(),
            List(_) => format!("a list of texts, as in {name} = [\"10.0.0.1=nat.example\"]"),
        };
        format!("{name} is {seen}, but --{name} takes {wanted}")
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::flags::Cli;

    /// A flag that is added is either a habit or for a single run.
    #[test]
    fn every_flag_of_fill_and_verify_has_its_place() {
        let cli = Cli::command();
        let commands = ["fill", "verify"].map(|name| cli.find_subcommand(name).unwrap());
        let flags: Vec<_> = commands
            .into_iter()
            .flat_map(clap::Command::get_arguments)
            .filter_map(clap::Arg::get_long)
            .collect();
        for flag in &flags {
            assert_ne!(
                named(flag).is_some(),
                why_not(flag).is_some(),
                "--{flag}: enter it into KEYS or into REFUSED"
            );
        }
        let names = names()
            .into_iter()
            .chain(REFUSED.iter().map(|(name, _)| *name));
        for name in names {
            assert!(flags.contains(&name), "there is no --{name}");
        }
    }
}
