//! One lane at the desk: its connection, and how it ends.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::contract::{LaneEnd, NodeLane, Tally};
use super::waits::Watch;
use crate::handshake::Greeting;
use crate::lane::Lane;

/// A connection may be lost so often before anything that was sent on it is acknowledged.
const FRUITLESS_MAX: u32 = 5;
/// So many send queues are looked at in one go: it costs a microsecond each.
const LOOKS_MAX: usize = 16;

/// A lane and what is known of its connection.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) lane: Lane,
    /// Number of the node it fills.
    pub(super) node: usize,
    pub(super) greeting: Arc<Greeting>,
    pub(super) end: Option<LaneEnd>,
    pub(super) is_connected: bool,
    /// The connection once more, to hang up with: the driver owns the one that moves bytes.
    pub(super) line: Option<TcpStream>,
    /// It was hung up because of this.
    pub(super) hung_up: Option<String>,
    /// Since when it is connected, or not.
    pub(super) since: Instant,
    /// When it last sent or received something.
    pub(super) moved_at: Instant,
    pub(super) attempts: u32,
    /// How often in a row the connection was lost before anything sent on it was acknowledged, and
    /// since when nothing was.
    pub(super) fruitless: u32,
    pub(super) fruitless_since: Instant,
    pub(super) was_connected: bool,
    /// Why it has no connection.
    pub(super) cause: String,
    /// Frames that were sent and not acknowledged when the last connection was lost.
    pub(super) unacknowledged: u64,
    /// Frames sent more than once, because connections were lost.
    pub(super) resent: u64,
    /// The server refuses further writes; since when outstanding replies are awaited.
    pub(super) refusal: Option<(String, Instant)>,
    /// What its connections were held up by.
    pub(super) watch: Watch,
}

impl Place {
    /// A lane without a connection.
    pub(super) fn new(lane: NodeLane, now: Instant) -> Self {
        let NodeLane {
            lane,
            node,
            greeting,
        } = lane;
        Self {
            end: lane.is_done().then_some(LaneEnd::Done),
            lane,
            node,
            greeting,
            is_connected: false,
            line: None,
            hung_up: None,
            since: now,
            moved_at: now,
            attempts: 0,
            fruitless: 0,
            fruitless_since: now,
            was_connected: false,
            cause: "it could not be connected".into(),
            unacknowledged: 0,
            resent: 0,
            refusal: None,
            watch: Watch::default(),
        }
    }

    /// It has a connection, whose first key is dealt with.
    pub(super) fn begun(&mut self, now: Instant) {
        self.resent += std::mem::take(&mut self.unacknowledged);
        self.is_connected = true;
        self.was_connected = true;
        self.since = now;
        self.moved_at = now;
        if self.lane.is_done() {
            self.end = Some(LaneEnd::Done);
        }
    }

    /// Ends the connection, of which the driver hears as of any that is lost.
    pub(super) fn hang_up(&mut self, cause: String) {
        if let Some(line) = self.line.take() {
            self.hung_up = Some(cause);
            // One that is gone already is what is wanted.
            let _ = line.shutdown(Shutdown::Both);
        }
    }

    /// Something that was sent on its connection was acknowledged.
    pub(super) fn acknowledged(&mut self, now: Instant) {
        self.moved_at = now;
        (self.fruitless, self.fruitless_since) = (0, now);
    }

    /// Its connection was lost: what to say where that has been in vain too often, and for longer
    /// than `patience`. The first frame of each connection is acknowledged by itself, so
    /// that one key each time would look like progress.
    pub(super) fn lost_in_vain(&mut self, patience: Duration, cause: &str) -> Option<String> {
        self.fruitless += 1;
        let is_in_vain =
            self.fruitless >= FRUITLESS_MAX && self.fruitless_since.elapsed() > patience;
        let times = self.fruitless;
        is_in_vain.then(|| format!("the connection was lost {times} times in a row: {cause}"))
    }

    /// Whether the lane has something to send now. After a refusal, only what it has begun.
    pub(super) fn can_send(&self) -> bool {
        self.is_connected
            && self.end.is_none()
            && if self.refusal.is_some() {
                self.lane.is_mid_chunk()
            } else {
                self.lane.wants_to_send()
            }
    }

    /// Takes note whether it could send if its window had room.
    pub(super) fn note(&mut self, now: Instant) {
        let is_connected = self.is_connected && self.end.is_none();
        let is_window_full = is_connected && self.lane.is_waiting() && !self.lane.wants_to_send();
        self.watch.note(now, is_connected, is_window_full);
    }

    /// Whether something is still to come of what the lane has sent.
    pub(super) fn is_unfinished(&self) -> bool {
        self.lane.is_waiting() || self.lane.is_mid_chunk() || self.can_send()
    }
}

/// Tells the watching thread how far the lanes are.
pub(super) fn publish(places: &[Place], tally: &Tally, reconnects: u64) {
    let mut acked = vec![0; tally.keys_acked.len()];
    let mut disconnected = 0;
    for place in places {
        let keys = place.lane.segment().frame().keys() as u64;
        acked[place.node] += place.lane.frames_acked() * keys;
        disconnected += u64::from(place.end.is_none() && !place.is_connected);
    }
    for (counter, acked) in tally.keys_acked.iter().zip(acked) {
        counter.store(acked, Ordering::Relaxed);
    }
    tally.reconnects.store(reconnects, Ordering::Relaxed);
    tally.disconnected.store(disconnected, Ordering::Relaxed);
}

/// Looks what holds the lanes up: of many, at some of the send queues.
pub(super) fn look_at_waits(places: &mut [Place], now: Instant) {
    places.iter_mut().for_each(|place| place.note(now));
    let step = places.len().div_ceil(LOOKS_MAX).max(1);
    let open = places.iter_mut().step_by(step);
    for place in open.filter(|place| place.is_connected && place.end.is_none()) {
        if let Some(line) = &place.line {
            place.watch.waits.look_at(line);
        }
    }
}
