//! Hill-climbing over connections and pipeline depth: which setting is tried next, and which one is
//! clearly the fastest. Measures nothing itself.

use serde::Serialize;

/// A neighbour takes over where its slowest trial is faster than the fastest one of the present
/// setting by this factor and by as much as trials of one setting differ: 5 % beyond the spread.
const CLEARLY: f64 = 1.05;
/// Steps between neighbours.
const CONNECTIONS_STEP: usize = 2;
const DEPTH_STEP: u64 = 4;
/// Trials of a comparison: the present setting first and last, so that a rate that falls while the
/// tables of a server grow favours neither.
pub(crate) const COMPARISON_TRIALS: usize = 4;
const ORDER: [Who; COMPARISON_TRIALS] = [Who::Present, Who::Rival, Who::Rival, Who::Present];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Present,
    Rival,
}

/// What is tuned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Connections per node.
    pub connections: usize,
    /// Commands per batch.
    pub pipeline_depth: u64,
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            connections,
            pipeline_depth,
        } = self;
        write!(f, "-n {connections} --pipeline-depth {pipeline_depth}")
    }
}

/// One measured part of a fill.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// How it was sent.
    #[serde(flatten)]
    pub setting: Setting,
    /// Keys acknowledged.
    pub keys: u64,
    /// How long that took.
    pub seconds: f64,
    /// Keys per second of that time.
    pub keys_per_second: f64,
}

/// What tuning found.
#[derive(Clone, Debug, Serialize)]
pub struct Tuned {
    /// In the order in which they were made.
    pub trials: Vec<Trial>,
    /// The setting that the rest was filled with.
    pub chosen: Setting,
}

impl Tuned {
    /// What came out of it, where the fill started with `start`.
    pub(crate) fn in_words(&self, start: Setting) -> String {
        let chosen = self.chosen;
        match self.trials.len() {
            tried if tried < COMPARISON_TRIALS => format!(
                "the fill is too small, was disturbed, or leaves nothing to tune: going on with {chosen}"
            ),
            tried if chosen == start => {
                format!("nothing was clearly faster than {chosen} in {tried} trials")
            }
            tried => format!("{chosen} was the fastest in {tried} trials"),
        }
    }
}

/// Fewest and most of what is tuned; both alike where it is fixed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) connections: (usize, usize),
    pub(crate) pipeline_depth: (u64, u64),
}

/// Ways to go from a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    MoreConnections,
    FewerConnections,
    Shallower,
    Deeper,
}

/// A climb under way.
#[derive(Clone, Debug)]
pub(crate) struct Climb {
    bounds: Bounds,
    present: Setting,
    /// Still to be tried, the next one last.
    directions: Vec<Direction>,
    /// Keys per second of the comparison under way, in the order of [`ORDER`].
    rates: Vec<f64>,
    compared: Vec<Setting>,
}

impl Climb {
    /// A climb from here.
    pub(crate) fn from(present: Setting, bounds: Bounds) -> Self {
        let mut climb = Self {
            bounds,
            present,
            directions: vec![
                Direction::Deeper,
                Direction::Shallower,
                Direction::FewerConnections,
                Direction::MoreConnections,
            ],
            rates: Vec::new(),
            compared: vec![present],
        };
        climb.skip();
        climb
    }

    /// The fastest setting so far.
    pub(crate) fn present(&self) -> Setting {
        self.present
    }

    /// What to try next; `None` at the top.
    pub(crate) fn next(&self) -> Option<Setting> {
        let rival = self.rival()?;
        Some(match ORDER[self.rates.len()] {
            Who::Present => self.present,
            Who::Rival => rival,
        })
    }

    /// Whether a comparison begins.
    pub(crate) fn is_between(&self) -> bool {
        self.rates.is_empty()
    }

    /// Takes in the rate of what was to be tried.
    pub(crate) fn take_in(&mut self, keys_per_second: f64) {
        let Some(rival) = self.rival() else { return };
        self.rates.push(keys_per_second);
        if self.rates.len() < ORDER.len() {
            return;
        }
        let rates = std::mem::take(&mut self.rates);
        let of = |wanted| {
            let rates = ORDER.iter().zip(&rates);
            rates
                .filter(move |(who, _)| **who == wanted)
                .map(|(_, rate)| *rate)
        };
        let slowest = |who| of(who).fold(f64::INFINITY, f64::min);
        let fastest = |who| of(who).fold(0.0, f64::max);
        let spread = |who| fastest(who) - slowest(who);
        let spread = f64::max(spread(Who::Present), spread(Who::Rival));
        let is_clearly_faster = slowest(Who::Rival) > fastest(Who::Present) * CLEARLY + spread;
        self.compared.push(rival);
        if is_clearly_faster {
            self.present = rival;
        } else {
            self.directions.pop();
        }
        self.skip();
    }

    /// The neighbour that is compared now.
    fn rival(&self) -> Option<Setting> {
        self.neighbour(*self.directions.last()?)
    }

    /// Leaves out what leads nowhere, or to what was compared already.
    fn skip(&mut self) {
        while let Some(direction) = self.directions.last() {
            let neighbour = self.neighbour(*direction);
            if neighbour.is_some_and(|setting| !self.compared.contains(&setting)) {
                return;
            }
            self.directions.pop();
        }
    }

    fn neighbour(&self, direction: Direction) -> Option<Setting> {
        let Setting {
            connections,
            pipeline_depth,
        } = self.present;
        let (fewest, most) = self.bounds.connections;
        let (shallowest, deepest) = self.bounds.pipeline_depth;
        let neighbour = match direction {
            Direction::MoreConnections => Setting {
                connections: (connections * CONNECTIONS_STEP).min(most),
                ..self.present
            },
            Direction::FewerConnections => Setting {
                connections: (connections / CONNECTIONS_STEP).max(fewest),
                ..self.present
            },
            Direction::Shallower => Setting {
                pipeline_depth: (pipeline_depth / DEPTH_STEP).max(shallowest),
                ..self.present
            },
            Direction::Deeper => Setting {
                pipeline_depth: (pipeline_depth * DEPTH_STEP).min(deepest),
                ..self.present
            },
        };
        (neighbour != self.present).then_some(neighbour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Setting = Setting {
        connections: 2,
        pipeline_depth: 1000,
    };
    const WIDE: Bounds = Bounds {
        connections: (1, 16),
        pipeline_depth: (32, 8000),
    };

    /// Climbs with such a rate of each setting in each trial; where it ends, and after how many.
    fn climb(bounds: Bounds, mut rate: impl FnMut(Setting, usize) -> f64) -> (Setting, usize) {
        let mut climb = Climb::from(START, bounds);
        let mut trials = 0;
        while let Some(setting) = climb.next() {
            climb.take_in(rate(setting, trials));
            trials += 1;
            assert!(trials < 1000, "it does not end");
        }
        (climb.present(), trials)
    }

    #[test]
    fn a_plateau_is_not_left() {
        assert_eq!(climb(WIDE, |_, _| 1e6), (START, 16));
    }

    #[test]
    fn noise_is_no_reason_to_leave() {
        // Up and down by 10 %, and falling as tables grow.
        let noisy = |_, trial: usize| 1e6 * [1.0, 1.1, 0.9, 1.05, 0.95][trial % 5];
        assert_eq!(climb(WIDE, noisy).0, START);
        let falling = |_, trial: usize| 1e6 * 0.97_f64.powi(trial as i32);
        assert_eq!(climb(WIDE, falling).0, START);
    }

    #[test]
    fn a_better_neighbour_leads_on_until_it_gets_no_better() {
        let best_at_8 = |setting: Setting, _| match setting.connections {
            n @ ..=8 => n as f64 * 1e5,
            _ => 4e5,
        };
        assert_eq!(
            climb(WIDE, best_at_8).0,
            Setting {
                connections: 8,
                ..START
            }
        );
        let one_is_best = |setting: Setting, _| 1e6 / setting.connections as f64;
        assert_eq!(
            climb(WIDE, one_is_best).0,
            Setting {
                connections: 1,
                ..START
            }
        );
        let shallow_is_best = |setting: Setting, _| 1e9 / setting.pipeline_depth as f64;
        let shallow = Setting {
            pipeline_depth: 32,
            ..START
        };
        assert_eq!(climb(WIDE, shallow_is_best).0, shallow);
    }

    #[test]
    fn a_little_better_is_not_clearly_better() {
        let rate = |factor: f64| {
            move |setting: Setting, _| match setting == START {
                true => 1e6,
                false => 1e6 * factor,
            }
        };
        assert_eq!(climb(WIDE, rate(1.04)).0, START);
        assert_ne!(climb(WIDE, rate(1.06)).0, START);
    }

    #[test]
    fn what_is_fixed_stays() {
        let fixed = Bounds {
            connections: (2, 2),
            ..WIDE
        };
        let mut tried = Vec::new();
        let (end, _) = climb(fixed, |setting, _| {
            tried.push(setting);
            setting.pipeline_depth as f64
        });
        assert!(tried.iter().all(|setting| setting.connections == 2));
        assert_eq!(end.pipeline_depth, 8000);
        let nothing = Bounds {
            pipeline_depth: (1000, 1000),
            ..fixed
        };
        assert_eq!(climb(nothing, |_, _| 1.0), (START, 0));
    }

    #[test]
    fn a_setting_is_tried_twice_between_two_trials_of_the_other() {
        let mut climb = Climb::from(START, WIDE);
        let mut tried = Vec::new();
        for _ in 0..4 {
            tried.push(climb.next().unwrap());
            climb.take_in(1.0);
        }
        let rival = Setting {
            connections: 4,
            ..START
        };
        assert_eq!(tried, [START, rival, rival, START]);
    }
}
