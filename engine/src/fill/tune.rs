//! `--tune`: the first keys of a fill are sent in parts, each by another setting and measured, and
//! the rest by the fastest one. No key is sent that is not planned.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::event::Event;
use crate::fill::Fill;
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::tuning::{COMPARISON_TRIALS, Climb, Setting, Trial, Tuned};

/// Trials take no more than so large a part of the keys.
const PART_MAX: u64 = 5;
/// All of them take about so long at most.
const ALL_TRIALS: Duration = Duration::from_secs(4);
/// How long a trial should take, and at least.
const TRIAL: (f64, f64) = (0.25, 0.15);
/// The first keys, by which the rate is found, are this part of those for trials,
const FIRST_PART: u64 = 50;
/// and so many at least for each connection.
const FIRST_KEYS_MIN: u64 = 1_000;
/// Trials that one comparison takes.
const COMPARISON: u64 = COMPARISON_TRIALS as u64;

impl Fill<'_> {
    /// Tries settings on the first keys that are due, where the plan asks for it. Returns what is
    /// left to be sent; `None` where going on makes no sense.
    ///
    /// # Errors
    /// A driver cannot be set up.
    pub(crate) fn tune(&mut self) -> Result<Option<KeySequence>> {
        let plan = Arc::clone(&self.plan);
        let due = self.due.clone();
        let Some(bounds) = plan.tuning_bounds() else {
            return Ok(Some(due));
        };
        let mut climb = Climb::from(plan.setting(), bounds);
        let budget = due.count() / PART_MAX;
        let mut trials = Vec::new();
        let sent = self.try_settings(&plan, &mut climb, &mut trials, &due.head(budget))?;
        self.go_on_with(&plan, climb.present(), trials);
        let unsent = std::mem::take(&mut self.passes.unsent);
        let left = KeySequence::join([unsent, due.tail(sent)]);
        if !self.is_over() {
            return Ok(Some(left));
        }
        self.passes.unsent = left;
        self.tell_outcome();
        Ok(None)
    }

    /// Sends parts of `keys` by one setting after the other, and climbs; how many keys that took.
    fn try_settings(
        &mut self,
        plan: &Plan,
        climb: &mut Climb,
        trials: &mut Vec<Trial>,
        keys: &KeySequence,
    ) -> Result<u64> {
        let begun_at = Instant::now();
        // The first part tells how large the others have to be, and is no trial.
        let least = FIRST_KEYS_MIN * plan.lanes() as u64;
        let per_command = plan.command.keys() as u64;
        let whole = |keys: u64| keys - keys % per_command;
        let mut size = whole((keys.count() / FIRST_PART).max(least));
        let mut sent = 0;
        if climb.next().is_none() || size > keys.count() {
            return Ok(0);
        }
        let Some((acked, seconds)) = self.try_out(plan, climb.present(), &keys.head(size))? else {
            return Ok(size);
        };
        sent += size;
        let mut rate = acked as f64 / seconds;
        while let Some(setting) = climb.next() {
            if climb.is_between() {
                // Rates fall while tables grow: all parts of a comparison are alike.
                let affordable = (keys.count() - sent) / COMPARISON;
                size = whole(affordable.min((rate * TRIAL.0) as u64));
                if (size as f64) < rate * TRIAL.1 || begun_at.elapsed() > ALL_TRIALS {
                    break;
                }
            }
            let part = keys.part(sent, size);
            sent += size;
            let Some((acked, seconds)) = self.try_out(plan, setting, &part)? else {
                break;
            };
            rate = acked as f64 / seconds;
            trials.push(Trial {
                setting,
                keys: acked,
                seconds,
                keys_per_second: rate,
            });
            climb.take_in(rate);
        }
        Ok(sent)
    }

    /// Sends a part by a setting: keys acknowledged, and in how many seconds; `None` where not all
    /// of it could be sent.
    fn try_out(
        &mut self,
        plan: &Plan,
        setting: Setting,
        keys: &KeySequence,
    ) -> Result<Option<(u64, f64)>> {
        let Ok(tuned) = plan.tuned(setting) else {
            // The driver has no memory for so many connections: nothing else is tried either.
            self.passes.leave(keys.clone());
            return Ok(None);
        };
        self.plan = Arc::new(tuned);
        let (acked, elapsed) = (self.passes.acked(), self.passes.sending);
        let cause = self.pass_in_commands(keys)?;
        let is_whole = cause.is_none() && self.passes.unsent.count() == 0 && !self.is_over();
        let acked = self.passes.acked() - acked;
        let seconds = (self.passes.sending - elapsed).as_secs_f64();
        Ok((is_whole && seconds > 0.0).then_some((acked, seconds)))
    }

    /// Whether sending on makes no sense; in a cluster somebody else may take over from a node that
    /// failed.
    fn is_over(&self) -> bool {
        let has_failed = self.passes.failure.is_some() && !self.nodes.is_cluster();
        self.halt.is_some() || self.stop.signal().is_some() || has_failed
    }

    /// Goes on with the fastest setting, and says which one that is.
    fn go_on_with(&mut self, plan: &Arc<Plan>, chosen: Setting, trials: Vec<Trial>) {
        // It was tried, so it can be made; the plan as it was is as good otherwise.
        self.plan = plan
            .tuned(chosen)
            .map_or_else(|_| Arc::clone(plan), Arc::new);
        // Latencies per command are told of the connections that the rest is sent on.
        self.passes.lanes = 0;
        let tuned = Tuned { trials, chosen };
        (self.observe)(Event::Notice(format!(
            "--tune: {}",
            tuned.in_words(plan.setting())
        )));
        self.tuned = Some(tuned);
    }
}
