//! One finding: what was looked at, what was found, what it means for a fill, and what to do.

use serde::Serialize;
use serde_json::Value;

/// What a finding means for a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// A fill can run, but this makes it slower or less sure.
    Hint,
    /// No fill can run.
    Problem,
    /// The system does not tell.
    Unknown,
}

impl Verdict {
    /// The name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Hint => "hint",
            Self::Problem => "problem",
            Self::Unknown => "unknown",
        }
    }
}

/// One finding. The names of its fields are a promise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at; docs/DOCTOR.md lists the names.
    pub(super) name: &'static str,
    /// What it means for a fill.
    pub(super) verdict: Verdict,
    /// What was found, in words.
    pub(super) found: String,
    /// The same for programs: a number, a string, a boolean or null.
    pub(super) value: Value,
    /// What to do; `None` unless it is a hint or a problem.
    pub(super) advice: Option<String>,
}

impl Finding {
    /// As it should be.
    pub(super) fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Ok,
            found: found.into(),
            value: Value::Null,
            advice: None,
        }
    }

    /// Something worth changing.
    pub(super) fn hint(
        name: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            verdict: Verdict::Hint,
            advice: Some(advice.into()),
            ..Self::ok(name, found)
        }
    }

    /// Something that has to be changed.
    pub(super) fn problem(
        name: &'static str,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            verdict: Verdict::Problem,
            ..Self::hint(name, found, advice)
        }
    }

    /// Something that cannot be known here, and why.
    pub(super) fn unknown(name: &'static str, why: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Unknown,
            ..Self::ok(name, why)
        }
    }

    /// The same with a value for programs.
    pub(super) fn with(self, value: impl Into<Value>) -> Self {
        Self {
            value: value.into(),
            ..self
        }
    }

    /// Makes a hint of a problem: a fill can run all the same.
    pub(super) fn soften(&mut self) {
        if self.verdict == Verdict::Problem {
            self.verdict = Verdict::Hint;
        }
    }
}

/// An error message, which says what is wrong and behind its first semicolon what to do, as a
/// problem.
pub(super) fn refused(name: &'static str, message: &str) -> Finding {
    match message.split_once("; ") {
        Some((what, cure)) => Finding::problem(name, what, cure),
        None => Finding::problem(name, message, "see redis-client fill --help"),
    }
}
