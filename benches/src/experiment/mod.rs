//! The parts of the command `experiment`, one file each: what is compared (`options`), where the
//! client and its servers stand (`stage`, and `wire` for two network namespaces), one run and its
//! figures (`run`), and what is told of all runs (`account`).

pub mod account;
pub mod options;
pub mod run;
pub mod stage;
pub mod wire;

use std::path::Path;

use crate::Result;
use crate::machine;
use crate::rig::Rig;
use crate::safety::counter::Counter;

use account::Account;
use options::{Cell, Measure, Settings};
use run::Figures;
use stage::Stage;

/// How the settings of an experiment are compared.
#[derive(Clone, Debug)]
pub struct Effort {
    /// Rounds; in each, both settings run once.
    pub rounds: u64,
    /// MiB of keys and values per run, where the flags name no amount.
    pub mib: u64,
    /// Sizes of keys and values.
    pub cells: Vec<Cell>,
}

/// Two settings, and all that their runs have alike.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// Servers to start, and the program.
    pub rig: &'a Rig,
    /// What is compared.
    pub settings: &'a Settings,
    /// How.
    pub effort: &'a Effort,
    /// Where.
    pub stage: &'a Stage,
    /// What counts instructions, if something does.
    pub counter: Option<Counter>,
}

/// Runs both settings in turns on every cell; hands what is to be told, part by part, to `tell`.
/// Each run that was complete and exact adds a line to `results`, where there is such a file.
///
/// # Errors
/// A run fails, is not complete, or leaves other keys on the servers than were planned.
pub fn compare(
    rig: &Rig,
    settings: &Settings,
    effort: &Effort,
    stage: &Stage,
    results: Option<&Path>,
    tell: fn(&str),
) -> Result<()> {
    let counter = match settings.measure {
        Measure::Time => Counter::Perf.works().then_some(Counter::Perf),
        Measure::Instructions => Some(Counter::find().ok_or(
            "COUNT=1 needs perf with the processor's counters, or valgrind (Debian: apt-get \
             install valgrind)",
        )?),
    };
    let machine = machine::describe(Some(&rig.installation.version));
    tell(&format!("{machine}\n\n{}", settings.describe()));
    if settings.measure == Measure::Time && counter.is_none() {
        tell(
            "Server instructions are not counted: perf stat has no counters of the processor \
             here (COUNT=1 counts those of user mode in valgrind).",
        );
    }
    let with = Comparison {
        rig,
        settings,
        effort,
        stage,
        counter,
    };
    for cell in &effort.cells {
        let mut account = Account::new(&with, *cell)?;
        for round in 0..effort.rounds {
            // Each goes first in every other round.
            for number in [round % 2, 1 - round % 2] {
                let number = usize::try_from(number)?;
                let figures = Figures::of(&with, &settings.both[number], *cell)?;
                if let Some(results) = results {
                    account.append(results, round, number, &figures)?;
                }
                account.take(number, figures)?;
            }
        }
        tell(&account.to_string());
    }
    Ok(())
}
