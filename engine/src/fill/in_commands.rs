//! A pass over keys that go by several in one command: first those that fill whole commands, then
//! the few that are left, a SET for each. In a cluster all keys of a command are of one slot.

use std::sync::Arc;

use crate::cluster::slot::SLOTS;
use crate::error::Result;
use crate::event::Event;
use crate::fill::Fill;
use crate::plan::sequence::KeySequence;
use crate::stop::HaltCause;

impl Fill<'_> {
    /// Puts the keys that are due in an order in which they can go by several in one command: in a
    /// cluster those of one slot have to follow each other.
    pub(crate) fn put_in_order(&mut self) {
        let keys = self.plan.command.keys() as u64;
        if keys == 1 || !self.nodes.is_cluster() {
            return;
        }
        self.due = self.due.by_slots(keys);
        if self.due.count() > 0 && self.due.whole_runs(keys).0.count() == 0 {
            (self.observe)(Event::Notice(format!(
                "--command {}: all keys go by SET, since commands of {keys} keys of one slot are \
                 made of {} new keys or more",
                self.plan.command,
                keys * u64::from(SLOTS)
            )));
        }
    }

    /// One pass over `keys`, or two where some do not fill a whole command. Why it ended early, if
    /// it did.
    ///
    /// # Errors
    /// A driver cannot be set up.
    pub(crate) fn pass_in_commands(&mut self, keys: &KeySequence) -> Result<Option<HaltCause>> {
        let per_command = self.plan.command.keys() as u64;
        let rest = keys.count() % per_command;
        let (whole, rest) = match self.nodes.is_cluster() && per_command > 1 {
            true => keys.whole_runs(per_command),
            false => (
                keys.head(keys.count() - rest),
                keys.tail(keys.count() - rest),
            ),
        };
        if whole.count() > 0 {
            let plan = Arc::clone(&self.plan);
            let cause = self.pass_by(&plan, &whole, false)?;
            let is_cut_short = cause.is_some()
                || self.passes.failure.is_some()
                || self.stop.signal().is_some()
                || self.passes.unsent.count() > 0;
            if is_cut_short || rest.count() == 0 {
                self.passes.leave(rest);
                return Ok(cause);
            }
        }
        self.pass(&rest, false)
    }
}
