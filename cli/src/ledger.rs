//! Which settings are in force and who decided each: the precedence of flag, preset and default
//! in one place. Knows no setting by name.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::exit::Failure;
use crate::value;

/// Who decided a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A flag on the command line.
    Flag,
    /// `--preset`.
    Preset,
    /// An environment variable.
    Environment,
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
            Self::Default => "default",
        }
    }
}

/// One resolved setting.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The flag's long name, without dashes.
    pub(crate) name: &'static str,
    /// What it is set to.
    pub(crate) value: Value,
    /// Who decided.
    pub(crate) source: Source,
}

/// Every resolved setting, in the order of `--help`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Vec<Setting>);

impl Ledger {
    /// All settings.
    pub(crate) fn settings(&self) -> &[Setting] {
        &self.0
    }

    /// Whether nobody decided a setting.
    pub(crate) fn is_default(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|setting| setting.name == name && setting.source == Source::Default)
    }

    /// Name to source, for the report.
    pub(crate) fn sources(&self) -> BTreeMap<String, String> {
        self.0
            .iter()
            .map(|setting| (setting.name.to_owned(), setting.source.name().to_owned()))
            .collect()
    }

    /// Enters a setting that is settled.
    pub(crate) fn enter(&mut self, name: &'static str, value: impl Into<Value>, source: Source) {
        self.0.push(Setting {
            name,
            value: value.into(),
            source,
        });
    }

    /// Enters a setting that is decided by a flag, a preset or its default, in this order.
    pub(crate) fn decide<T: Clone + Into<Value>>(
        &mut self,
        name: &'static str,
        flag: Option<T>,
        preset: Option<T>,
        default: T,
    ) -> T {
        let (value, source) = match (flag, preset) {
            (Some(value), _) => (value, Source::Flag),
            (None, Some(value)) => (value, Source::Preset),
            (None, None) => (default, Source::Default),
        };
        self.enter(name, value.clone(), source);
        value
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
        let source = if chosen.is_some() {
            Source::Flag
        } else {
            Source::Default
        };
        self.enter(name, given.unwrap_or(known[0].0), source);
        Ok(chosen.unwrap_or_else(|| known[0].1.clone()))
    }
}
