//! How long acknowledgements took.

use hdrhistogram::Histogram;

/// Latencies are told apart to two digits, between a microsecond and an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// Latencies that a lane has seen, in microseconds.
#[derive(Clone, Debug)]
pub struct Latencies {
    /// From the last byte of a batch (with each reply: of a chunk) handed to the kernel until its
    /// acknowledgement was read.
    pub ack_us: Histogram<u64>,
    /// With each reply: from the last byte of a command's chunk until its reply was read.
    pub command_us: Histogram<u64>,
}

impl Latencies {
    /// Adds those of others.
    pub(crate) fn add(&mut self, others: &Self) {
        // Equal bounds, so nothing can be out of range.
        let _ = self.ack_us.add(&others.ack_us);
        let _ = self.command_us.add(&others.command_us);
    }
}

impl Default for Latencies {
    fn default() -> Self {
        let empty =
            || Histogram::new_with_bounds(1, LATENCY_US_MAX, 2).expect("the bounds are constants");
        Self {
            ack_us: empty(),
            command_us: empty(),
        }
    }
}
