//! One cell: everyone who takes part, round by round, in rotating order.

use super::candidates::{Candidate, Run};
use super::cell::{Cell, Mode, Setting};
use super::clients::Role;
use super::commands::CommandFile;
use super::tuning::tune;
use crate::Result;
use crate::arguments::Arguments;
use crate::rig::Rig;
use crate::statistics::{Ratio, Spread};

/// One who took part, and its runs, round by round.
pub(super) struct Entry {
    pub(super) name: String,
    /// Nothing where it is no client.
    pub(super) role: Option<Role>,
    /// What it ran with, where there was a choice.
    pub(super) setting: Option<Setting>,
    pub(super) is_exact: bool,
    pub(super) runs: Vec<Run>,
}

/// What was measured of a cell.
pub(super) struct Measured {
    pub(super) cell: Cell,
    pub(super) entries: Vec<Entry>,
    /// Seconds to make the file of commands, and whether it lay in memory.
    pub(super) file: Option<(f64, bool)>,
    /// Peers that failed, and what they said.
    pub(super) left_out: Vec<String>,
}

impl Entry {
    fn of(candidate: &Candidate) -> Self {
        Self {
            name: candidate.name(),
            role: candidate.role(),
            setting: candidate.setting(),
            is_exact: candidate.is_exact(),
            runs: Vec::new(),
        }
    }

    /// A figure of each run, round by round.
    pub(super) fn figures(&self, figure: impl Fn(&Run) -> f64) -> Vec<f64> {
        self.runs.iter().map(figure).collect()
    }

    /// Seconds on the clock.
    pub(super) fn walls(&self) -> Vec<f64> {
        self.figures(|run| run.wall_seconds)
    }

    /// CPU seconds of the client; nothing where there is none.
    pub(super) fn client_cpus(&self) -> Option<Vec<f64>> {
        self.runs.iter().map(|run| run.client_cpu_seconds).collect()
    }

    fn is_peer(&self) -> bool {
        self.role == Some(Role::Peer)
    }
}

impl Measured {
    /// Measures `cell`; `place` says how far the whole is.
    ///
    /// # Errors
    /// Ours or a reference fails; a peer fails that did not while its setting was sought; what is
    /// sent by name is not stored.
    pub(super) fn of(
        rig: &Rig,
        cell: Cell,
        rounds: u64,
        also: &[String],
        arguments: &Arguments,
        place: &str,
    ) -> Result<Self> {
        let is_short = arguments.is_short();
        let tell = |what: &str| {
            if !is_short {
                eprintln!("{place}: {what}");
            }
        };
        let file = match cell.mode {
            Mode::Standalone => Some(CommandFile::of(&cell)?),
            Mode::Cluster => None,
        };
        tell("looking for the best setting of each peer");
        let (mut candidates, mut left_out) = (Vec::new(), Vec::new());
        for mut candidate in Candidate::all(cell.mode, also) {
            match tune(&mut candidate, rig, &cell, file.as_ref(), is_short) {
                Ok(()) => candidates.push(candidate),
                Err(error) => left_out.push(format!("{}: {error}", candidate.name())),
            }
        }
        let mut entries: Vec<Entry> = candidates.iter().map(Entry::of).collect();
        for round in 0..usize::try_from(rounds)? {
            tell(&format!("round {} of {rounds}", round + 1));
            for turn in 0..candidates.len() {
                // Each round begins with another one, so that none always follows the same one.
                let number = (round + turn) % candidates.len();
                let run = candidates[number].run(rig, &cell, file.as_ref(), is_short);
                let entry = &mut entries[number];
                let run = run.map_err(|error| format!("{place}, {}: {error}", entry.name))?;
                entry.runs.push(run);
            }
        }
        Ok(Self {
            cell,
            entries,
            file: file.map(|file| (file.seconds_to_make, file.is_in_memory())),
            left_out,
        })
    }

    /// Whether all keys are there that were sent by name.
    ///
    /// # Errors
    /// They are not; a client is missing.
    pub(super) fn check_exactness(&self) -> Result<()> {
        let asked = self.cell.keys;
        for entry in self.entries.iter().filter(|entry| entry.is_exact) {
            for run in &entry.runs {
                if run.keys_stored != asked {
                    let (name, cell) = (&entry.name, self.cell.name());
                    let stored = run.keys_stored;
                    return Err(format!("{cell}, {name}: {stored} of {asked} keys").into());
                }
            }
        }
        if self.best_peer().is_none() || !self.left_out.is_empty() {
            let reasons = self.left_out.join("\n");
            return Err(format!("{}: a peer is missing\n{reasons}", self.cell.name()).into());
        }
        Ok(())
    }

    /// This program with its defaults.
    pub(super) fn ours(&self) -> &Entry {
        let ours = self
            .entries
            .iter()
            .find(|entry| entry.role == Some(Role::Ours));
        ours.expect("this program takes part in every cell")
    }

    /// The peer that is done first.
    pub(super) fn best_peer(&self) -> Option<&Entry> {
        self.least(Entry::is_peer, |entry| Some(entry.walls()))
    }

    /// The peer that takes least CPU.
    pub(super) fn thriftiest_peer(&self) -> Option<&Entry> {
        self.least(Entry::is_peer, Entry::client_cpus)
    }

    /// The server by itself.
    pub(super) fn limit(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.role.is_none())
    }

    /// The plain loop.
    pub(super) fn plain(&self) -> Option<&Entry> {
        let is_plain = |entry: &&Entry| entry.role == Some(Role::Reference);
        self.entries.iter().find(is_plain)
    }

    fn least(
        &self,
        is_wanted: impl Fn(&Entry) -> bool,
        figures: impl Fn(&Entry) -> Option<Vec<f64>>,
    ) -> Option<&Entry> {
        let wanted = self.entries.iter().filter(|entry| is_wanted(entry));
        let medians = wanted.filter_map(|entry| Some((Spread::of(&figures(entry)?).median, entry)));
        let least = medians.min_by(|(one, _), (other, _)| one.total_cmp(other));
        least.map(|(_, entry)| entry)
    }
}

/// Seconds on the clock, compared round by round.
pub(super) fn wall_ratio(ours: &Entry, theirs: &Entry) -> Ratio {
    Ratio::paired(&ours.walls(), &theirs.walls())
}

/// CPU seconds of two clients, compared round by round.
pub(super) fn cpu_ratio(ours: &Entry, theirs: &Entry) -> Option<Ratio> {
    Some(Ratio::paired(&ours.client_cpus()?, &theirs.client_cpus()?))
}
