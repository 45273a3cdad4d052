//! How long to wait before a connection is dialed again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// First and longest pause between two attempts. The longest is so short only while no more than
/// [`LANES_OF_A_STEP`] lanes share it; it grows with their number, so that a server that comes
/// back meets a few hundred attempts per second at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(50));
const LANES_OF_A_STEP: u32 = 16;
/// However many lanes there are, no pause is longer.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The pause after so many failed attempts of one of `lanes` lanes of a node: doubles each time,
/// and is shortened by up to a half with `jitter` (0 to 1), so that lanes that were lost together
/// do not come back together.
pub(super) fn pause(attempts: u32, lanes: usize, jitter: f64) -> Duration {
    let steps = u32::try_from(lanes)
        .unwrap_or(u32::MAX)
        .div_ceil(LANES_OF_A_STEP);
    let longest = PAUSE.1.saturating_mul(steps.max(1)).min(PAUSE_MAX);
    let pause = PAUSE
        .0
        .saturating_mul(2_u32.saturating_pow(attempts))
        .min(longest);
    pause.mul_f64(1.0 - jitter / 2.0)
}

/// Numbers from 0 to 1 that differ from run to run.
pub(super) struct Jitter {
    random: RandomState,
    drawn: u64,
}

impl Jitter {
    pub(super) fn new() -> Self {
        Self {
            random: RandomState::new(),
            drawn: 0,
        }
    }

    pub(super) fn next(&mut self) -> f64 {
        self.drawn += 1;
        self.random.hash_one(self.drawn) as f64 / u64::MAX as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_that_grows_with_the_lanes() {
        let millis = |attempts, lanes| pause(attempts, lanes, 0.0).as_millis();
        assert_eq!([0, 1, 2, 3, 30].map(|n| millis(n, 1)), [25, 50, 50, 50, 50]);
        assert_eq!(
            [16, 17, 160, 1024].map(|lanes| millis(30, lanes)),
            [50, 100, 500, 2000]
        );
        assert_eq!(pause(1, 1, 1.0), Duration::from_millis(25));
    }

    #[test]
    fn jitter_stays_in_its_range_and_varies() {
        let mut jitter = Jitter::new();
        let drawn: Vec<f64> = (0..1000).map(|_| jitter.next()).collect();
        assert!(drawn.iter().all(|number| (0.0..=1.0).contains(number)));
        let (low, high) = drawn.iter().fold((1.0_f64, 0.0_f64), |(low, high), n| {
            (low.min(*n), high.max(*n))
        });
        assert!(low < 0.1 && high > 0.9, "{low} {high}");
    }
}
