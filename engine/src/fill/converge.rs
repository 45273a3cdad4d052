//! Pass after pass until everything is sent, then look, and send again what is missing, until
//! nothing is. Sends nothing itself.

use std::time::{Duration, Instant};

use crate::audit::count::Sent;
use crate::audit::{Finding, Task};
use crate::driver::contract::LaneEnd;
use crate::error::Result;
use crate::event::Event;
use crate::fill::Fill;
use crate::lane::Replies;
use crate::monitor::Trouble;
use crate::plan::sequence::KeySequence;
use crate::refusal::is_about_topology;
use crate::stop::HaltCause;

/// How long an interrupted fill waits for one answer of a server.
const INTERRUPTED_PATIENCE: Duration = Duration::from_secs(1);
/// So many rounds of sending again are the most: whoever removes keys as fast as they come does not
/// keep a fill for ever.
const ROUNDS_MAX: u64 = 64;
/// Pause before keys that could not be looked for are looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Whether a number of open keys has fallen of late.
struct Progress {
    open_min: u64,
    fell_at: Instant,
}

impl Progress {
    fn new() -> Self {
        Self {
            open_min: u64::MAX,
            fell_at: Instant::now(),
        }
    }

    /// So many keys are open now; whether these are fewer than ever.
    fn note(&mut self, open: u64) -> bool {
        let has_fallen = open < self.open_min;
        if has_fallen {
            *self = Self {
                open_min: open,
                fell_at: Instant::now(),
            };
        }
        has_fallen
    }
}

impl Fill<'_> {
    /// For `--resume`: looks which planned keys are there already, before anything is sent. What
    /// is missing is due.
    ///
    /// # Errors
    /// A node does not permit what the look needs.
    pub(crate) fn look_first(&mut self) -> Result<()> {
        if self.before.iter().all(|before| before.keys == Some(0)) {
            return Ok(());
        }
        let mut progress = Progress::new();
        let finding = loop {
            let finding = self.look()?;
            let open: u64 = finding.unsettled.values().sum::<u64>() + finding.lost_meanwhile;
            progress.note(open);
            if open == 0 || self.stop.signal().is_some() {
                break finding;
            }
            if progress.fell_at.elapsed() > self.plan.stall_timeout {
                self.gave_up = Some(self.plan.stall_timeout);
                break finding;
            }
            self.wait_until_up();
            std::thread::sleep(LOOK_AGAIN);
        };
        self.due = KeySequence::join(finding.missing);
        self.expected = self.due.count();
        if self.stop.signal().is_none() {
            (self.observe)(Event::Notice(format!(
                "{} of {} planned keys are there already, {} are missing",
                self.planned.count() - finding.missing_count,
                self.planned.count(),
                finding.missing_count
            )));
        }
        Ok(())
    }

    /// Sends each of these keys once: what one pass does not get round to, because owners have
    /// changed, is left to the next one.
    ///
    /// # Errors
    /// A driver cannot be set up.
    pub(crate) fn send_all(&mut self, mut keys: KeySequence) -> Result<()> {
        let mut moved_at = Instant::now();
        while keys.count() > 0 && self.gave_up.is_none() {
            let sent_before = self.passes.sent;
            let cause = self.pass_in_commands(&keys)?;
            if self.passes.sent > sent_before {
                moved_at = Instant::now();
            }
            keys = std::mem::take(&mut self.passes.unsent);
            let is_pointless = matches!(cause, Some(HaltCause::Pointless(_)));
            if is_pointless || self.stop.signal().is_some() || !self.nodes.is_cluster() {
                break;
            }
            if keys.count() == 0 {
                break;
            }
            // Lanes that gave up have waited long enough, unless there is somebody else to ask.
            let has_changed = self.refresh();
            if self.passes.failure.is_some() && cause.is_none() && !has_changed {
                break;
            }
            if moved_at.elapsed() > self.plan.stall_timeout || !self.wait_until_up() {
                self.gave_up = Some(self.plan.stall_timeout);
            }
        }
        self.passes.unsent = keys;
        self.tell_outcome();
        Ok(())
    }

    /// Looks for the planned keys and sends again what is missing, until nothing is, or nothing
    /// changes for `--stall-timeout`.
    ///
    /// # Errors
    /// A node does not permit what the look needs; a driver cannot be set up.
    pub(crate) fn converge(&mut self) -> Result<Finding> {
        let mut progress = Progress::new();
        let mut changes_seen = self.changes;
        let mut is_told = false;
        let mut has_asked_again = false;
        if self.stop.signal().is_some() {
            self.nodes.set_patience(INTERRUPTED_PATIENCE);
        }
        loop {
            let finding = self.look()?;
            let open = finding.open();
            let is_all_seen = open == 0 && self.stop.signal().is_none();
            if is_all_seen && self.nodes.is_settled() {
                return Ok(finding);
            }
            if open > 0 {
                self.note_refusals(&finding);
            }
            if !self.can_mend() && !is_all_seen {
                // A control connection that was stuck is made again before it asks once more.
                let is_stuck = !finding.unsettled.is_empty()
                    && !self.nodes.is_cluster()
                    && self.stop.signal().is_none();
                if is_stuck && !std::mem::replace(&mut has_asked_again, true) {
                    continue;
                }
                progress.note(open);
                if self.may_settle(&finding, &progress) {
                    self.refresh();
                    std::thread::sleep(LOOK_AGAIN);
                    continue;
                }
                return Ok(finding);
            }
            // Other owners mean other keys to find, but not for ever.
            let is_other = std::mem::replace(&mut changes_seen, self.changes) != self.changes;
            if is_other && self.changes < ROUNDS_MAX {
                progress = Progress::new();
            }
            // Where owners have changed too, not everything that is missing was evicted.
            let has_fallen = progress.note(open);
            if finding.evicted() > 0 && (self.changes == 0 || !has_fallen) {
                return Ok(finding);
            }
            let is_stalled = progress.fell_at.elapsed() > self.plan.stall_timeout;
            if is_stalled || self.passes.rounds >= ROUNDS_MAX {
                self.gave_up = Some(self.plan.stall_timeout);
                return Ok(finding);
            }
            self.wait_until_up();
            if finding.missing.is_empty() {
                if let Some((class, keys)) = finding.unsettled.iter().next().filter(|_| !is_told) {
                    is_told = true;
                    (self.observe)(Event::Notice(format!(
                        "{keys} planned keys cannot be looked for at the moment ({class}): waiting, at most {} s",
                        self.plan.stall_timeout.as_secs()
                    )));
                }
                std::thread::sleep(LOOK_AGAIN);
                continue;
            }
            (self.observe)(Event::Notice(format!(
                "{} planned keys are not there (yet): sending them again",
                finding.missing_count
            )));
            let missing = KeySequence::join(finding.missing);
            let acked_before = self.passes.acked();
            self.pass(&missing, true)?;
            if self.passes.acked() > acked_before {
                progress.fell_at = Instant::now();
            }
        }
    }

    /// Whether nodes that could not say what they hold may be able to in a moment: what is there is
    /// told of a fill that ends early, too.
    fn may_settle(&self, finding: &Finding, progress: &Progress) -> bool {
        let mut classes = finding.unsettled.keys();
        self.gave_up.is_none()
            && self.stop.signal().is_none()
            && !finding.unsettled.is_empty()
            && classes.all(|class| is_about_topology(class))
            && progress.fell_at.elapsed() <= self.plan.stall_timeout
    }

    /// Takes note of refusals that the monitor was too late to see: what was refused once because
    /// the server is full, say, would be refused again.
    fn note_refusals(&mut self, finding: &Finding) {
        let is_cluster = self.nodes.is_cluster();
        let changes = finding.nodes.iter().filter_map(|node| node.change.as_ref());
        let refusals = changes.filter(|change| change.refusals() > 0);
        let class = refusals
            .map(|change| Trouble::of(&change.errors, is_cluster))
            .find_map(|trouble| match trouble {
                Trouble::RefusesAll(class) => Some(class),
                Trouble::Refuses | Trouble::ClusterDown | Trouble::Unknown => None,
            });
        self.halt = self.halt.take().or(class);
    }

    /// One round of looking.
    fn look(&mut self) -> Result<Finding> {
        let nodes = self.nodes.iter().len();
        let sent = self.passes.nodes.iter().map(|node| node.sent.clone());
        let nothing = std::iter::repeat_with(Sent::default);
        let sent: Vec<_> = sent.chain(nothing).take(nodes).collect();
        let task = Task {
            plan: &self.plan,
            planned: &self.planned,
            before: &self.before,
            sent: &sent,
            is_disturbed: self.changes > 0,
            due: self.due.count(),
            stop: self.stop,
        };
        self.audit.round(self.nodes, &task, self.observe)
    }

    /// Waits until the cluster takes writes; `false` where it does not in time.
    fn wait_until_up(&mut self) -> bool {
        let deadline = Instant::now() + self.plan.stall_timeout;
        let mut is_told = false;
        loop {
            self.refresh();
            let is_up = self.nodes.is_up() && self.nodes.unowned(&self.planned).count() == 0;
            if is_up || self.stop.signal().is_some() {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            if !std::mem::replace(&mut is_told, true) {
                (self.observe)(Event::Notice(format!(
                    "the cluster takes no writes at the moment: waiting, at most {} s",
                    self.plan.stall_timeout.as_secs()
                )));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Whether sending again can mend what was found.
    fn can_mend(&self) -> bool {
        let has_failed = match self.passes.failure {
            Some((_, LaneEnd::Refused(_))) => true,
            // In a cluster somebody else may take over.
            Some(_) => !self.nodes.is_cluster(),
            None => false,
        };
        self.halt.is_none()
            && self.gave_up.is_none()
            && self.passes.unsent.count() == 0
            && !has_failed
            && self.stop.signal().is_none()
    }

    /// Tells what the drivers had to do otherwise than planned, each thing once.
    pub(crate) fn tell_outcome(&mut self) {
        for notice in &self.passes.notices {
            (self.observe)(Event::Notice(notice.clone()));
        }
        // Where it was not meant to be so from the start.
        let is_fenced = self.replies().contains(&Replies::Fenced);
        if is_fenced && self.passes.replies == Some(Replies::Each) {
            (self.observe)(Event::Notice(
                "CLIENT REPLY is refused here: each reply was read".into(),
            ));
        }
    }
}
