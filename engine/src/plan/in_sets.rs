//! A plan whose keys go by several in a command, and the same with a SET for each: what does not
//! fill whole commands, and what was missing, goes that way.

use std::sync::Arc;

use super::command::Command;
use super::{Plan, batch};
use crate::frame::Frame;
use crate::segment::Segment;

impl Plan {
    /// The same with one SET for each key, from blocks that are no larger.
    pub(crate) fn in_sets(&self) -> Self {
        if self.command == Command::Set {
            return self.clone();
        }
        let frame = Frame::new(self.keyspace.clone(), self.values.clone(), false);
        let many = self.segment.frame();
        // More bytes of protocol, so fewer keys in the room that one block has.
        let frames = (self.segment.frames() * many.bytes() / frame.bytes()).max(1);
        let batch_frames = self
            .batch_frames
            .saturating_mul(many.keys() as u64)
            .min(batch::frames_max(self.batch_bytes_max, &frame));
        Self {
            segment: Arc::new(Segment::new(frame, frames.min(batch_frames as usize))),
            batch_frames,
            command: Command::Set,
            ..self.clone()
        }
    }

    /// Bytes on the wire of so many keys, fences aside: in whole commands, and a SET for each key
    /// that is left.
    #[must_use]
    pub fn wire_bytes_of(&self, keys: u64) -> u64 {
        let frame = self.segment.frame();
        let per_command = frame.keys() as u64;
        let sets = Frame::new(
            self.keyspace.clone(),
            self.values.clone(),
            self.keeps_existing,
        );
        let whole = (keys / per_command).saturating_mul(frame.bytes() as u64);
        whole.saturating_add((keys % per_command).saturating_mul(sets.bytes() as u64))
    }
}
