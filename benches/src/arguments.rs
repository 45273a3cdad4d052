//! The command line of the benches. Cargo adds `--bench` when it benches; without it, or with
//! `--test`, a bench runs once and small, and only its results are checked (as criterion does).

use std::process::ExitCode;

use clap::Parser;

use crate::Result;

/// What all benches of this crate take.
#[derive(Clone, Debug, Parser)]
pub struct Arguments {
    /// Run only the parts whose name contains this
    pub filter: Option<String>,
    /// Run once and small, and only check the results
    #[arg(long)]
    pub test: bool,
    /// Exit with status 1 when a target is missed
    #[arg(long)]
    pub strict: bool,
    /// Rounds; in each, every candidate runs once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    rounds: Option<u64>,
    /// MiB of keys and values per run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    mib: Option<u64>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    /// Whether this run only checks that the bench still works.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.test || !self.bench
    }

    /// Rounds: as asked, one in the short form, else `default`.
    #[must_use]
    pub fn rounds(&self, default: u64) -> u64 {
        self.rounds
            .unwrap_or(if self.is_short() { 1 } else { default })
    }

    /// MiB per run: as asked, `short` in the short form, else `default`.
    #[must_use]
    pub fn mib(&self, short: u64, default: u64) -> u64 {
        self.mib
            .unwrap_or(if self.is_short() { short } else { default })
    }

    /// Whether the part `name` is to run.
    #[must_use]
    pub fn runs(&self, name: &str) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| name.contains(filter.as_str()))
    }

    /// The exit status after a run: `outcome` says whether all targets were met.
    #[must_use]
    pub fn exit_code(&self, outcome: Result<bool>) -> ExitCode {
        match outcome {
            Ok(met) if met || !self.strict => ExitCode::SUCCESS,
            Ok(_) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        }
    }
}
