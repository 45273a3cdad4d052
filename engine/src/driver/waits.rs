//! What the connections of lanes were held up by: their window, and their send queue. Adds up;
//! decides nothing.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::uring::queue;

/// What connections were held up by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    /// How long lanes had a connection, all of them added up.
    pub connected: Duration,
    /// How long of that they could send nothing before an acknowledgement arrived.
    pub window: Duration,
    /// How often send queues were looked at.
    pub looks: u64,
    /// How full they were then, in percent, added up.
    pub queue_percent_sum: f64,
}

impl Waits {
    /// Adds those of others.
    pub fn add(&mut self, others: &Self) {
        self.connected += others.connected;
        self.window += others.window;
        self.looks += others.looks;
        self.queue_percent_sum += others.queue_percent_sum;
    }

    /// How long connections could send nothing before an acknowledgement arrived, in percent.
    #[must_use]
    pub fn window_percent(&self) -> Option<f64> {
        let connected = self.connected.as_secs_f64();
        (connected > 0.0).then(|| self.window.as_secs_f64() / connected * 100.0)
    }

    /// How full send queues were on average, in percent.
    #[must_use]
    pub fn queue_percent(&self) -> Option<f64> {
        (self.looks > 0).then(|| self.queue_percent_sum / self.looks as f64)
    }

    /// Looks how much of what a connection's send queue may hold it does hold.
    pub(super) fn look_at(&mut self, line: &TcpStream) {
        let room = SockRef::from(line).send_buffer_size();
        if let (Some(bytes), Ok(room @ 1..)) = (queue::unacknowledged_bytes(line), room) {
            self.looks += 1;
            self.queue_percent_sum += (bytes as f64 / room as f64 * 100.0).min(100.0);
        }
    }
}

/// The state of one lane, followed from one moment to the next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    pub(super) waits: Waits,
    since: Option<Instant>,
    is_connected: bool,
    is_window_full: bool,
}

impl Watch {
    /// What the lane is like from `now` on.
    pub(super) fn note(&mut self, now: Instant, is_connected: bool, is_window_full: bool) {
        let past = self.since.replace(now);
        let past = past.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if self.is_connected {
            self.waits.connected += past;
            self.waits.window += match self.is_window_full {
                true => past,
                false => Duration::ZERO,
            };
        }
        self.is_connected = is_connected;
        self.is_window_full = is_window_full;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_time_with_a_full_window_counts_while_there_is_a_connection() {
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let mut watch = Watch::default();
        watch.note(at(0), false, true);
        watch.note(at(100), true, false);
        watch.note(at(130), true, true);
        watch.note(at(190), true, false);
        watch.note(at(200), false, true);
        watch.note(at(900), false, false);
        assert_eq!(watch.waits.connected, Duration::from_millis(100));
        assert_eq!(watch.waits.window_percent(), Some(60.0));
        assert_eq!(watch.waits.queue_percent(), None);
        let mut both = watch.waits;
        both.add(&watch.waits);
        assert_eq!(both.window, Duration::from_millis(120));
    }

    #[test]
    fn a_queue_that_nobody_empties_is_full() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut line = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut waits = Waits::default();
        waits.look_at(&line);
        assert_eq!(waits.queue_percent(), Some(0.0));
        line.set_nonblocking(true).unwrap();
        let bytes = vec![0; 1 << 20];
        while line.write(&bytes).is_ok() {}
        let mut waits = Waits::default();
        waits.look_at(&line);
        assert!(waits.queue_percent().unwrap() > 50.0, "{waits:?}");
    }
}
