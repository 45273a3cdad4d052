//! What all drivers do alike: the lanes of one reactor and how each ends, redialing lost
//! connections, stopping, and telling how far it is. A driver moves bytes and asks here for
//! everything else.

use std::net::TcpStream;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::backoff::{Jitter, pause};
use super::contract::{LaneEnd, NodeLane, Shared};
pub use super::dialer::Connection;
use super::dialer::{Dialer, Job};
use super::place::{Place, look_at_waits, publish};
use super::waits::Waits;
use crate::handshake::Greeted;
use crate::lane::{Lane, LaneError};
use crate::latency::Latencies;
use crate::reply::{error_class, is_final};

/// How long outstanding acknowledgements are awaited after a stop.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// A connection that is silent for so long is sent another fence.
const NUDGE_AFTER: Duration = Duration::from_secs(2);
/// A connection that lasted so long was a good one.
const GOOD_CONNECTION_MIN: Duration = Duration::from_secs(2);
/// So long all lanes together are connected on the reactor's own thread; whoever does not answer
/// by then is left to the dialers.
const DIAL_AT_ONCE: Duration = Duration::from_millis(250);
/// Most threads that dial: a node that hangs holds up the others of its thread alone.
const DIALERS_MAX: usize = 16;
/// How often counters are published and time-outs looked at.
const TICK: Duration = Duration::from_millis(50);

/// The lanes of one reactor.
pub struct Desk {
    places: Vec<Place>,
    shared: Shared,
    latencies: Latencies,
    /// The lanes of a node always have the same one.
    dialers: Vec<Dialer>,
    stopping_since: Option<Instant>,
    ticked_at: Option<Instant>,
    /// When any lane of each node last sent or received something. One that waits while others
    /// of its node move is in line, not stuck.
    moved_at: Vec<Instant>,
    /// A lane wants to send although nothing happened on its connection.
    has_nudged: bool,
    reconnects: u64,
    /// Lanes of each node.
    lanes_of: Vec<usize>,
    jitter: Jitter,
    /// Connections made elsewhere, in lane order, so that drivers are tested without a server.
    #[cfg(test)]
    made: Vec<TcpStream>,
}

impl Desk {
    /// A desk for `lanes`, none of them connected.
    #[must_use]
    pub fn new(lanes: Vec<NodeLane>, shared: Shared) -> Self {
        let now = Instant::now();
        let nodes = lanes.iter().map(|lane| lane.node + 1).max().unwrap_or(0);
        let mut lanes_of = vec![0; nodes];
        lanes.iter().for_each(|lane| lanes_of[lane.node] += 1);
        Self {
            places: lanes
                .into_iter()
                .map(|lane| Place::new(lane, now))
                .collect(),
            shared,
            latencies: Latencies::default(),
            dialers: (0..nodes.min(DIALERS_MAX)).map(|_| Dialer::new()).collect(),
            stopping_since: None,
            ticked_at: None,
            moved_at: vec![now; nodes],
            has_nudged: false,
            reconnects: 0,
            lanes_of,
            jitter: Jitter::new(),
            #[cfg(test)]
            made: Vec::new(),
        }
    }

    /// Lets the first dialing hand out `streams`, as if their handshakes were done.
    #[cfg(test)]
    pub(super) fn with_connections(mut self, streams: Vec<TcpStream>) -> Self {
        self.made = streams;
        self
    }

    /// Number of lanes.
    #[must_use]
    pub fn lane_count(&self) -> usize {
        self.places.len()
    }

    /// Number of the node that a lane fills.
    #[must_use]
    pub fn node(&self, lane: usize) -> usize {
        self.places[lane].node
    }

    /// A lane.
    #[must_use]
    pub fn lane(&self, lane: usize) -> &Lane {
        &self.places[lane].lane
    }

    /// How a lane ended, once it did.
    #[must_use]
    pub fn end(&self, lane: usize) -> Option<&LaneEnd> {
        self.places[lane].end.as_ref()
    }

    /// When anything of each node last moved.
    #[must_use]
    pub fn moved_at(&self) -> &[Instant] {
        &self.moved_at
    }

    /// Latencies of all lanes.
    #[must_use]
    pub fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    /// What the connections of all lanes were held up by.
    #[must_use]
    pub fn waits(&self) -> Waits {
        let mut all = Waits::default();
        self.places
            .iter()
            .for_each(|place| all.add(&place.watch.waits));
        all
    }

    /// Frames of a lane sent more than once, because a connection was lost before they were
    /// acknowledged.
    #[must_use]
    pub fn resent(&self, lane: usize) -> u64 {
        self.places[lane].resent
    }

    /// Whether every lane has ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.places.iter().all(|place| place.end.is_some())
    }

    /// Connects the lanes for the first time: those that answer at once on this thread, the others
    /// in the background. Lanes whose first frame was refused have ended.
    pub fn dial_all(&mut self) -> Vec<Connection> {
        let mut connections = Vec::new();
        #[cfg(test)]
        for (lane, stream) in std::mem::take(&mut self.made).into_iter().enumerate() {
            self.places[lane].is_connected = true;
            connections.push((lane, stream));
        }
        let begun_at = Instant::now();
        for lane in 0..self.places.len() {
            if self.places[lane].is_connected || self.shared.stop.signal().is_some() {
                continue;
            }
            let Some(job) = self.job(lane, Instant::now()) else {
                continue;
            };
            self.places[lane].since = job.due;
            let patience = DIAL_AT_ONCE.saturating_sub(begun_at.elapsed());
            let greeted = match patience.is_zero() {
                true => None,
                false => job.run_within(patience),
            };
            match greeted {
                Some(greeted) => {
                    let connection = self.connected(lane, Ok(greeted));
                    connections.extend(connection.map(|stream| (lane, stream)));
                }
                None => self.dialer_of(lane).push(job),
            }
        }
        connections
    }

    /// Whether `lane` has something to send now.
    #[must_use]
    pub fn can_send(&self, lane: usize) -> bool {
        self.places[lane].can_send()
    }

    /// As [`Lane::next`], while nobody asked to stop.
    pub fn next(&mut self, lane: usize, block: &mut [u8]) -> Option<Range<usize>> {
        if !self.can_send(lane) {
            return None;
        }
        self.places[lane].lane.next(block)
    }

    /// The kernel accepted so many bytes more of `lane`.
    pub fn sent(&mut self, lane: usize, bytes: usize) {
        let now = Instant::now();
        let place = &mut self.places[lane];
        place.moved_at = now;
        if !place.lane.is_nudging() {
            self.moved_at[place.node] = now;
        }
        place.lane.sent(bytes, now);
        place.note(now);
    }

    /// The connection of `lane` received bytes. `false` when it is to be closed.
    #[must_use]
    pub fn received(&mut self, lane: usize, bytes: &[u8]) -> bool {
        let now = Instant::now();
        let place = &mut self.places[lane];
        let replied = place.lane.frames_replied();
        let received = place.lane.received(bytes, now, &mut self.latencies);
        place.note(now);
        // Bytes alone are no progress: a line may drip for ever.
        if place.lane.frames_replied() > replied {
            self.moved_at[place.node] = now;
            place.acknowledged(now);
        }
        let end = match received {
            Ok(()) if place.lane.is_done() => LaneEnd::Done,
            Ok(()) => return true,
            Err(LaneError::Refused(error)) => {
                let (error, _) = place.refusal.get_or_insert((error, now)).clone();
                if place.is_unfinished() {
                    return true;
                }
                LaneEnd::Refused(error)
            }
            Err(LaneError::Protocol(error)) => LaneEnd::Failed(error),
        };
        place.end.get_or_insert(end);
        false
    }

    /// The connection of `lane` is gone and nothing of it is under way any more.
    pub fn lost(&mut self, lane: usize, cause: &str) {
        let place = &mut self.places[lane];
        place.is_connected = false;
        place.line = None;
        let hung_up = place.hung_up.take();
        let cause = hung_up.as_deref().unwrap_or(cause);
        if place.since.elapsed() > GOOD_CONNECTION_MIN {
            place.attempts = 0;
        }
        place.since = Instant::now();
        if place.end.is_some() {
            return;
        }
        if self.stopping_since.is_some() {
            place.end = Some(LaneEnd::Stopped);
            return;
        }
        place.unacknowledged = place
            .lane
            .frames_sent()
            .saturating_sub(place.lane.frames_replied());
        place.lane.disconnected();
        if let Some(cause) = place.lost_in_vain(self.shared.stall_timeout, cause) {
            place.end = Some(LaneEnd::Failed(cause));
            return;
        }
        self.redial(lane, cause);
    }

    /// The driver cannot go on: all lanes that have not ended fail.
    pub(super) fn fail(&mut self, cause: &str) {
        let failed = || LaneEnd::Failed(cause.to_owned());
        for place in &mut self.places {
            place.end.get_or_insert_with(failed);
        }
    }

    /// Whether lanes want to send although nothing happened on their connections; asked once.
    pub(super) fn take_nudged(&mut self) -> bool {
        std::mem::take(&mut self.has_nudged)
    }

    /// Looks at the time, the wish to stop, and connections that came back; call it in every
    /// turn, at least every 50 ms. Returns new connections.
    pub fn tick(&mut self) -> Vec<Connection> {
        let now = Instant::now();
        if self.ticked_at.is_some_and(|at| now - at < TICK) {
            return Vec::new();
        }
        self.ticked_at = Some(now);
        self.look_at_stop(now);
        self.look_at_progress(now);
        look_at_waits(&mut self.places, now);
        let mut connections = Vec::new();
        // One round per tick, whatever comes in meanwhile.
        let dialed: Vec<_> = self
            .dialers
            .iter_mut()
            .flat_map(|dialer| std::iter::from_fn(|| dialer.next()))
            .collect();
        for (lane, dialed) in dialed {
            let place = &mut self.places[lane];
            if place.end.is_some() {
                // Too late to go on, but its first key is on the server.
                if let Ok(Greeted::Ready(_, replies)) = dialed {
                    place.lane.connected(replies);
                }
                continue;
            }
            let was_connected = place.was_connected;
            if let Some(stream) = self.connected(lane, dialed) {
                self.reconnects += u64::from(was_connected);
                connections.push((lane, stream));
            }
        }
        publish(&self.places, &self.shared.tally, self.reconnects);
        connections
    }

    fn look_at_stop(&mut self, now: Instant) {
        let is_wanted = self.shared.stop.signal().is_some() || self.shared.halt.get().is_some();
        if is_wanted && self.stopping_since.is_none() {
            self.stopping_since = Some(now);
            self.places.iter_mut().for_each(|place| place.lane.close());
            self.has_nudged = true;
            self.dialers.iter().for_each(Dialer::stop);
        }
        for place in &mut self.places {
            let (end, since) = match (&place.refusal, self.stopping_since) {
                (Some((error, since)), _) => (LaneEnd::Refused(error.clone()), *since),
                (None, Some(since)) => (LaneEnd::Stopped, since),
                (None, None) => continue,
            };
            if !place.is_connected || !place.is_unfinished() || now - since > STOP_PATIENCE {
                place.end.get_or_insert(end);
            }
        }
    }

    fn look_at_progress(&mut self, now: Instant) {
        let stall_timeout = self.shared.stall_timeout;
        let silence_max = self.shared.silence_max;
        let stalled = format!("nothing moved for {} s", stall_timeout.as_secs());
        for place in &mut self.places {
            if place.end.is_some() {
                place.line = None;
                continue;
            }
            let is_silent = now - self.moved_at[place.node] > silence_max;
            let is_stalled = now - self.moved_at[place.node] > stall_timeout;
            if place.lane.is_done() {
                place.end = Some(LaneEnd::Done);
            } else if place.is_connected && is_stalled {
                place.end = Some(LaneEnd::Failed(stalled.clone()));
            } else if !place.is_connected && now - place.since > stall_timeout && is_stalled {
                place.end = Some(LaneEnd::Failed(place.cause.clone()));
            } else if place.is_connected && is_silent && now - place.since > silence_max {
                // Whoever takes bytes and says nothing may sit in between: another connection may
                // get through.
                place.hang_up(stalled.clone());
            } else if place.is_connected && now - place.moved_at > NUDGE_AFTER {
                place.moved_at = now;
                place.lane.nudge();
                self.has_nudged = true;
            }
        }
    }

    /// What the dialer has to know to connect `lane`, unless it has nothing left to send.
    fn job(&self, lane: usize, due: Instant) -> Option<Job> {
        let keys = self.places[lane].lane.first_unacknowledged()?;
        let segment = self.places[lane].lane.shared_segment();
        Some(Job {
            lane,
            keys,
            due,
            segment,
            greeting: Arc::clone(&self.places[lane].greeting),
        })
    }

    /// Takes note of how dialing went; hands on the connection if there is one.
    fn connected(&mut self, lane: usize, dialed: Result<Greeted, String>) -> Option<TcpStream> {
        let place = &mut self.places[lane];
        match dialed {
            Ok(Greeted::Ready(stream, replies)) => {
                place.lane.connected(replies);
                self.begun(lane, &stream);
                Some(stream)
            }
            Ok(Greeted::Skipped(stream, replies, error)) => {
                place
                    .lane
                    .connected_but_refused(replies, error_class(&error));
                self.begun(lane, &stream);
                Some(stream)
            }
            // A server that is loading or busy is asked again.
            Ok(Greeted::Refused(error)) if !is_final(error_class(&error)) => {
                self.redial(lane, &error);
                None
            }
            Ok(Greeted::Refused(error)) => {
                place.end = Some(LaneEnd::Refused(error));
                None
            }
            Err(cause) => {
                self.redial(lane, &cause);
                None
            }
        }
    }

    /// `lane` has a connection.
    fn begun(&mut self, lane: usize, stream: &TcpStream) {
        let now = Instant::now();
        let place = &mut self.places[lane];
        // Without a second handle the lane cannot be hung up, and gives up with the others.
        place.line = stream.try_clone().ok();
        self.moved_at[place.node] = now;
        place.begun(now);
    }

    /// Connects `lane` again in the background, after a pause that doubles each time.
    fn redial(&mut self, lane: usize, cause: &str) {
        let place = &mut self.places[lane];
        place.cause = cause.to_owned();
        if place.since.elapsed() > self.shared.stall_timeout {
            place.end = Some(LaneEnd::Failed(cause.to_owned()));
            return;
        }
        let lanes = self.lanes_of[place.node];
        let pause = pause(place.attempts, lanes, self.jitter.next());
        place.attempts = (place.attempts + 1).min(16);
        if let Some(job) = self.job(lane, Instant::now() + pause) {
            self.dialer_of(lane).push(job);
        }
    }

    fn dialer_of(&mut self, lane: usize) -> &mut Dialer {
        let number = self.places[lane].node % self.dialers.len();
        &mut self.dialers[number]
    }
}
