//! The committed figures, what they hold for, and whether others are worse.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Result;

/// More than so much of the baseline is worse.
pub const RATIO_MAX: f64 = 1.03;

/// What instructions depend on besides the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// As `rustc --version` prints it.
    pub compiler: String,
    /// What it compiles for.
    pub target: String,
    /// The C library: what copies and compares memory.
    pub libc: String,
    /// `release`, or `dev`.
    pub profile: String,
}

/// Figures, and what they hold for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// What they were counted on.
    pub build: Build,
    /// Instructions per frame or reply by the name of the path.
    pub instructions: BTreeMap<String, f64>,
}

/// How a path does beside its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Within 3 %.
    Same,
    /// More than 3 % fewer instructions: the baseline should say so.
    Better,
    /// More than 3 % more.
    Worse,
}

impl Build {
    /// That of this program.
    ///
    /// # Errors
    /// There is no compiler that would say.
    pub fn observe() -> Result<Self> {
        let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        let said = said(&compiler, &["--version", "--verbose"])?;
        let field = |name: &str| said.lines().find_map(|line| line.strip_prefix(name));
        let missing = "rustc --version --verbose says neither version nor host";
        Ok(Self {
            compiler: said.lines().next().ok_or(missing)?.to_owned(),
            target: field("host: ").ok_or(missing)?.to_owned(),
            libc: self::said("getconf", &["GNU_LIBC_VERSION"]).map_or_else(
                |_| "another than glibc".to_owned(),
                |said| said.trim().to_owned(),
            ),
            profile: if cfg!(debug_assertions) {
                "dev"
            } else {
                "release"
            }
            .to_owned(),
        })
    }

    /// What differs from `other`, in words; empty where nothing does.
    #[must_use]
    pub fn differences(&self, other: &Self) -> String {
        let pairs = [
            (&self.compiler, &other.compiler),
            (&self.target, &other.target),
            (&self.libc, &other.libc),
            (&self.profile, &other.profile),
        ];
        let differ = pairs.into_iter().filter(|(here, there)| here != there);
        let words: Vec<_> = differ
            .map(|(here, there)| format!("{there} there, {here} here"))
            .collect();
        words.join("; ")
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            compiler,
            target,
            libc,
            profile,
        } = self;
        write!(f, "{compiler}, {target}, {libc}, {profile}")
    }
}

impl Baseline {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// It is not there, or not a baseline.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| format!("{name}: {error}; make one: make regress-baseline"))?;
        serde_json::from_str(&text).map_err(|error| {
            format!("{name}: {error}; make it again: make regress-baseline").into()
        })
    }

    /// Writes the file at `path`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()).into())
    }

    /// How `now` instructions of the path `name` do.
    ///
    /// # Errors
    /// There is no figure for it.
    pub fn judge(&self, name: &str, now: f64) -> Result<Judgement> {
        let before = self.instructions.get(name).copied();
        let before = before.filter(|before| before.is_finite() && *before > 0.0);
        let before = before.ok_or_else(|| {
            format!("the baseline knows nothing of {name:?}; make it again: make regress-baseline")
        })?;
        Ok(if now > before * RATIO_MAX {
            Judgement::Worse
        } else if now * RATIO_MAX < before {
            Judgement::Better
        } else {
            Judgement::Same
        })
    }
}

/// What a program prints.
fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} fails: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build() -> Build {
        Build {
            compiler: "rustc 1.0.0".to_owned(),
            target: "riscv64gc-unknown-linux-gnu".to_owned(),
            libc: "glibc 2.36".to_owned(),
            profile: "release".to_owned(),
        }
    }

    fn of(name: &str, instructions: f64) -> Baseline {
        Baseline {
            build: build(),
            instructions: BTreeMap::from([(name.to_owned(), instructions)]),
        }
    }

    #[test]
    fn three_percent_are_allowed_and_no_more() {
        let baseline = of("patch", 100.0);
        for (now, judgement) in [
            (100.0, Judgement::Same),
            (103.0, Judgement::Same),
            (103.1, Judgement::Worse),
            (97.1, Judgement::Same),
            (97.0, Judgement::Better),
            (f64::INFINITY, Judgement::Worse),
        ] {
            assert_eq!(baseline.judge("patch", now).unwrap(), judgement, "{now}");
        }
    }

    #[test]
    fn what_has_no_figure_is_not_judged() {
        assert!(of("patch", 100.0).judge("send", 1.0).is_err());
        for none in [0.0, -1.0, f64::NAN] {
            assert!(of("patch", none).judge("patch", 1.0).is_err(), "{none}");
        }
    }

    #[test]
    fn another_build_is_named() {
        assert_eq!(build().differences(&build()), "");
        let newer = Build {
            compiler: "rustc 1.1.0".to_owned(),
            ..build()
        };
        assert_eq!(
            newer.differences(&build()),
            "rustc 1.0.0 there, rustc 1.1.0 here"
        );
    }
}
