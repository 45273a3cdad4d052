//! A pass over keys that go by several in one command: first those that fill whole commands, then
//! the few that are left, a SET for each.

use std::sync::Arc;

use crate::error::Result;
use crate::fill::Fill;
use crate::plan::sequence::KeySequence;
use crate::stop::HaltCause;

impl Fill<'_> {
    /// One pass over `keys`, or two where some do not fill a whole command. Why it ended early, if
    /// it did.
    ///
    /// # Errors
    /// A driver cannot be set up.
    pub(crate) fn pass_in_commands(&mut self, keys: &KeySequence) -> Result<Option<HaltCause>> {
        let rest = keys.count() % self.plan.command.keys() as u64;
        let (whole, rest) = (
            keys.head(keys.count() - rest),
            keys.tail(keys.count() - rest),
        );
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
