//! Which settings are in force and who decided each. Knows no setting by name; who comes before
//! whom is decided in [`layers`](crate::layers).

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::exit::Failure;
use crate::{habits, value};

/// Who decided a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag on the command line.
    Flag,
    /// `--preset`.
    Preset,
    /// An environment variable.
    Environment,
    /// The defaults of the config file.
    Config,
    /// Nobody.
    Default,
}

impl Source {
    /// The name in reports, which is a promise.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Preset => "preset",
            Self::Environment => "env",
            Self::Config => "config",
            Self::Default => "default",
        }
    }
}

/// A line of the config file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub(crate) file: Arc<Path>,
    /// Its line, from 1 on.
    pub(crate) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// Who decided a setting, and where that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Who decided.
    pub(crate) source: Source,
    /// The line of the config file that says so, if one does.
    pub(crate) place: Option<Place>,
}

impl From<Source> for Origin {
    fn from(source: Source) -> Self {
        Self {
            source,
            place: None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source.name())?;
        match &self.place {
            Some(place) => write!(f, " {place}"),
            None => Ok(()),
        }
    }
}

/// Who decided the flags that the command line leaves open, by their long names.
pub(crate) type Origins = BTreeMap<&'static str, Origin>;

/// One resolved setting.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The flag's long name, without dashes.
    pub(crate) name: &'static str,
    /// What it is set to.
    pub(crate) value: Value,
    /// Who decided.
    pub(crate) origin: Origin,
}

/// Every resolved setting, in the order of `--help`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    settings: Vec<Setting>,
    origins: Origins,
}

impl Ledger {
    /// An empty ledger. What a flag says that is in `origins` was not said on the command line.
    pub(crate) fn new(origins: Origins) -> Self {
        Self {
            settings: Vec::new(),
            origins,
        }
    }

    /// All settings.
    pub(crate) fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Who decided a flag that has a value.
    pub(crate) fn origin(&self, name: &str) -> Origin {
        let decided = self.origins.get(name).cloned();
        decided.unwrap_or(Source::Flag.into())
    }

    /// Whether a flag that has a value has it from the command line.
    pub(crate) fn is_written(&self, name: &str) -> bool {
        self.origin(name).source == Source::Flag
    }

    /// Whether nobody decided a setting.
    pub(crate) fn is_default(&self, name: &str) -> bool {
        self.settings
            .iter()
            .any(|setting| setting.name == name && setting.origin.source == Source::Default)
    }

    /// Name to source, for the report.
    pub(crate) fn sources(&self) -> BTreeMap<String, String> {
        self.settings
            .iter()
            .map(|setting| {
                let source = setting.origin.source.name();
                (setting.name.to_owned(), source.to_owned())
            })
            .collect()
    }

    /// Enters a setting that is settled.
    pub(crate) fn enter(
        &mut self,
        name: &'static str,
        value: impl Into<Value>,
        origin: impl Into<Origin>,
    ) {
        self.settings.push(Setting {
            name,
            value: value.into(),
            origin: origin.into(),
        });
    }

    /// Enters a setting whose flag has a value.
    pub(crate) fn given(&mut self, name: &'static str, value: impl Into<Value>) {
        self.enter(name, value, self.origin(name));
    }

    /// Enters a setting whose flag may have a value.
    pub(crate) fn decide<T: Clone + Into<Value>>(
        &mut self,
        name: &'static str,
        given: Option<T>,
        default: T,
    ) -> T {
        let origin = match given {
            Some(_) => self.origin(name),
            None => Source::Default.into(),
        };
        let value = given.unwrap_or(default);
        self.enter(name, value.clone(), origin);
        value
    }

    /// Enters a setting that is on or off; off may have been said in the config file alone.
    pub(crate) fn switch(&mut self, name: &'static str, is_on: bool) -> bool {
        self.enter(name, is_on, self.origin_of_switch(name, is_on));
        is_on
    }

    /// Who decided that a switch is on or off.
    pub(crate) fn origin_of_switch(&self, name: &str, is_on: bool) -> Origin {
        match self.origins.get(name) {
            Some(origin) => origin.clone(),
            None if is_on => Source::Flag.into(),
            None => Source::Default.into(),
        }
    }

    /// Enters a setting that is one of a few names.
    pub(crate) fn decide_name<T: Clone>(
        &mut self,
        name: &'static str,
        given: Option<&str>,
        known: &[(&str, T)],
    ) -> Result<T, Failure> {
        let flag = format!("--{name}");
        let chosen = given
            .map(|given| value::one_of(&flag, given, known))
            .transpose()?;
        self.decide(name, given, known[0].0);
        Ok(chosen.unwrap_or_else(|| known[0].1.clone()))
    }

    /// Adds to a refusal where the flags that it names come from, since nobody finds them on the
    /// command line.
    pub(crate) fn explain(&self, mut failure: Failure) -> Failure {
        let mut places = Vec::new();
        for (name, origin) in &self.origins {
            let long = format!("--{name}");
            let short = habits::short(&long);
            let names = [&long, &short].into_iter();
            let Some(flag) = names
                .into_iter()
                .find(|flag| names_flag(&failure.message, flag))
            else {
                continue;
            };
            places.push(match &origin.place {
                Some(place) => format!("{flag} is set in {place}"),
                None => format!("{flag} is set by --preset"),
            });
        }
        if !places.is_empty() {
            failure.message += &format!(" ({})", places.join(", "));
        }
        failure
    }
}

/// Whether a text names a flag, and not just a longer one.
fn names_flag(text: &str, flag: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.match_indices(flag).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + flag.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(entries: &[(&'static str, Source, Option<usize>)]) -> Origins {
        let place = |line: Option<usize>| {
            line.map(|line| Place {
                file: Path::new("/etc/c.toml").into(),
                line,
            })
        };
        entries
            .iter()
            .map(|(name, source, line)| {
                let (source, place) = (*source, place(*line));
                (*name, Origin { source, place })
            })
            .collect()
    }

    #[test]
    fn a_refusal_says_where_its_flags_come_from() {
        let ledger = Ledger::new(origins(&[
            ("key-size", Source::Config, Some(3)),
            ("connections", Source::Preset, Some(7)),
            ("value-size", Source::Preset, None),
            ("key-prefix", Source::Config, Some(4)),
        ]));
        let explain = |message: &str| ledger.explain(Failure::usage(message)).message;
        assert_eq!(
            explain("--key-size 1 is too small"),
            "--key-size 1 is too small (--key-size is set in /etc/c.toml:3)"
        );
        assert_eq!(
            explain("-n 8: raise -n, or lower --value-size"),
            "-n 8: raise -n, or lower --value-size (-n is set in /etc/c.toml:7, --value-size is \
             set by --preset)"
        );
        for message in ["--no-pin", "--key", "a-n", "--key-size-of", "-name", "-d"] {
            assert_eq!(explain(message), message);
        }
    }

    #[test]
    fn a_switch_may_be_off_on_purpose() {
        let mut ledger = Ledger::new(origins(&[("cluster", Source::Config, Some(1))]));
        ledger.switch("cluster", false);
        ledger.switch("resume", true);
        ledger.switch("flush", false);
        let sources = ledger.sources();
        assert_eq!(
            ["cluster", "resume", "flush"].map(|name| sources[name].as_str()),
            ["config", "flag", "default"]
        );
    }
}
