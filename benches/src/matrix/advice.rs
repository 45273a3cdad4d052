//! Which settings are best for what, and what they cost, in sentences made of figures. A
//! difference is told only where it is larger than runs of one and the same cell lie apart.

use super::cell::{Cell, Mode};
use super::results::{Figure, Results, SPEED, ratio};
use crate::statistics::Spread;

const KEYS_PER_SECOND: Figure = |figures| Some(figures.keys_per_second);
const MEMORY: Figure = |figures| figures.server_memory_bytes_per_payload_byte;
const ACK_MS_P99: Figure = |figures| Some(figures.ack_latency_us_p99? as f64 / 1e3);
const RSS_MIB: Figure = |figures| Some(figures.client_peak_rss_bytes as f64 / 1_048_576.0);

/// Uses of which the sizes are given, and only depth and connections are to be chosen.
const USES: [(&str, usize, usize); 4] = [
    ("Session cache (64/256)", 64, 256),
    ("Object cache (256/8192)", 256, 8192),
    ("Large objects (256/16384)", 256, 16_384),
    ("Balanced (512/2048)", 512, 2048),
];

/// A paragraph per use. `noise` is how far runs of one cell lie apart, as a share; `None` where that
/// is not known: then no difference is told.
#[must_use]
pub fn advise(results: &Results, noise: Option<f64>) -> Vec<String> {
    let advisor = Advisor { results, noise };
    let mut paragraphs = vec![match noise {
        Some(noise) => {
            let source = match results.repeats() {
                1 => {
                    " in the baseline; here each cell ran once, so that the best of many is partly luck"
                }
                _ => "",
            };
            format!(
                "Differences below {:.0} % are not told from noise: so far apart lie runs of one and \
                 the same cell{source}.",
                noise * 100.0
            )
        }
        None => "There is one run per cell: no difference can be told from noise, and none is."
            .to_owned(),
    }];
    paragraphs.extend(advisor.throughput());
    paragraphs.extend(advisor.memory());
    paragraphs.extend(
        USES.iter()
            .filter_map(|(name, key, value)| advisor.usage(name, *key, *value)),
    );
    paragraphs
}

struct Advisor<'a> {
    results: &'a Results,
    noise: Option<f64>,
}

impl Advisor<'_> {
    fn spread(&self, cell: &Cell, figure: Figure) -> Option<Spread> {
        self.results.spread(cell, figure)
    }

    fn median(&self, cell: &Cell, figure: Figure) -> f64 {
        self.spread(cell, figure)
            .map_or(f64::NAN, |spread| spread.median)
    }

    /// Cells of one server.
    fn standalone(&self) -> Vec<Cell> {
        let cells = self
            .results
            .cells()
            .filter(|cell| cell.mode == Mode::Standalone);
        cells.copied().collect()
    }

    /// Whether the first figure is larger by more than noise, and no run of it lies below one of
    /// the other's.
    fn is_clearly_larger(&self, one: Spread, other: Spread) -> bool {
        let bounds = ratio(one, other);
        self.noise
            .is_some_and(|noise| bounds.median > 1.0 + noise && bounds.min > 1.0)
    }

    /// The sentence that compares two figures of two cells.
    fn compared(&self, what: &str, cell: &Cell, other: &Cell, figure: Figure) -> Option<String> {
        let (one, two) = (self.spread(cell, figure)?, self.spread(other, figure)?);
        let (larger, smaller) = if one.median >= two.median {
            (one, two)
        } else {
            (two, one)
        };
        if !self.is_clearly_larger(larger, smaller) {
            return Some(format!("{what} cannot be told apart from that of {other}."));
        }
        let word = if one.median > two.median {
            "more"
        } else {
            "less"
        };
        let percent = (one.median / two.median - 1.0).abs() * 100.0;
        Some(format!(
            "{what} is {percent:.0} % {word} than that of {other}."
        ))
    }

    fn throughput(&self) -> Option<String> {
        let cells = self.standalone();
        let by = |figure: Figure| {
            let known = cells
                .iter()
                .filter(|cell| self.spread(cell, figure).is_some());
            known.max_by(|one, other| {
                self.median(one, figure)
                    .total_cmp(&self.median(other, figure))
            })
        };
        let (fast, many) = (by(SPEED)?, by(KEYS_PER_SECOND)?);
        let usual = Cell::standalone(512, 512, super::choice::CONNECTIONS_USUAL);
        let usual = Cell {
            pipeline_depth_asked: self.results.matrix.usual_depth(),
            ..usual
        };
        let mut text = format!(
            "**Maximum throughput**: {fast}, {:.0} MiB/s of keys and values, but {:.0} keys/s; most \
             keys per second: {many}, {:.0} keys/s at {:.0} MiB/s.",
            self.median(fast, SPEED),
            self.median(fast, KEYS_PER_SECOND),
            self.median(many, KEYS_PER_SECOND),
            self.median(many, SPEED),
        );
        if let Some(sentence) = self
            .compared("Its throughput", fast, &usual, SPEED)
            .filter(|_| *fast != usual)
        {
            text += &format!(" {}", sentence.replace("Its", "The former's"));
        }
        Some(text)
    }

    fn memory(&self) -> Option<String> {
        let cells = self.standalone();
        let known = cells
            .iter()
            .filter(|cell| self.spread(cell, MEMORY).is_some());
        let by_memory = |one: &&Cell, other: &&Cell| {
            self.median(one, MEMORY)
                .total_cmp(&self.median(other, MEMORY))
        };
        let (least, most) = (known.clone().min_by(by_memory)?, known.max_by(by_memory)?);
        let fast = cells.iter().max_by(|one, other| {
            self.median(one, SPEED)
                .total_cmp(&self.median(other, SPEED))
        })?;
        let mut text = format!(
            "**Memory efficiency**: {least}, {:.3} bytes of server memory per byte of keys and \
             values; the most is taken by {most}, {:.3}.",
            self.median(least, MEMORY),
            self.median(most, MEMORY),
        );
        if least != fast
            && let Some(sentence) = self.compared("Its throughput", least, fast, SPEED)
        {
            text += &format!(" {sentence}");
        }
        Some(text)
    }

    /// Depth and connections for given sizes: of those that cannot be told from the fastest, the
    /// one whose acknowledgements come soonest.
    fn usage(&self, name: &str, key: usize, value: usize) -> Option<String> {
        let cells = self.standalone();
        let cells: Vec<&Cell> = cells
            .iter()
            .filter(|cell| (cell.key_bytes, cell.value_bytes) == (key, value))
            .collect();
        let speed = |cell: &Cell| self.spread(cell, SPEED);
        let fastest = cells.iter().max_by(|one, other| {
            self.median(one, SPEED)
                .total_cmp(&self.median(other, SPEED))
        })?;
        if cells.len() == 1 {
            return None;
        }
        let peers = cells
            .iter()
            .filter(|cell| match (speed(fastest), speed(cell)) {
                (Some(best), Some(this)) => !self.is_clearly_larger(best, this),
                _ => false,
            });
        let peers: Vec<&&Cell> = peers.collect();
        let setting =
            |cell: &Cell| format!("depth {}, `-n {}`", cell.depth(), cell.connections_per_node);
        let mut text = format!(
            "**{name}**: fastest of {} settings is {}, {:.0} MiB/s, {:.0} keys/s, 99 % of \
             acknowledgements within {:.1} ms, client memory {:.1} MiB.",
            cells.len(),
            setting(fastest),
            self.median(fastest, SPEED),
            self.median(fastest, KEYS_PER_SECOND),
            self.median(fastest, ACK_MS_P99),
            self.median(fastest, RSS_MIB),
        );
        if self.noise.is_some() && peers.len() > 1 {
            text += &format!(" {} others cannot be told from it", peers.len() - 1);
            let prompt = peers
                .iter()
                .filter(|cell| self.spread(cell, ACK_MS_P99).is_some())
                .min_by(|one, other| {
                    self.median(one, ACK_MS_P99)
                        .total_cmp(&self.median(other, ACK_MS_P99))
                });
            let ack = |cell: &Cell| self.spread(cell, ACK_MS_P99);
            text += &match prompt.and_then(|cell| Some((**cell, ack(fastest)?, ack(cell)?))) {
                Some((cell, slow, quick)) if self.is_clearly_larger(slow, quick) => format!(
                    "; of these {} acknowledges soonest, 99 % within {:.1} ms: the better choice \
                     where a lost connection shall cost little.",
                    setting(cell),
                    quick.median
                ),
                _ => ", and none of them acknowledges sooner.".to_owned(),
            };
        }
        text += &self.slowest(&cells, fastest, setting);
        Some(text)
    }

    /// What the worst setting loses, if that is more than noise.
    fn slowest(
        &self,
        cells: &[&Cell],
        fastest: &Cell,
        setting: impl Fn(&Cell) -> String,
    ) -> String {
        let slowest = cells.iter().min_by(|one, other| {
            self.median(one, SPEED)
                .total_cmp(&self.median(other, SPEED))
        });
        let spreads = slowest.and_then(|cell| {
            Some((
                *cell,
                self.spread(fastest, SPEED)?,
                self.spread(cell, SPEED)?,
            ))
        });
        match spreads {
            Some((cell, best, worst)) if self.is_clearly_larger(best, worst) => format!(
                " Slowest is {}: {:.0} % less.",
                setting(cell),
                (1.0 - worst.median / best.median) * 100.0
            ),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::choice::Matrix;
    use crate::matrix::recorded;

    fn advice(repeats: u64, noise: Option<f64>) -> Vec<String> {
        let lines = recorded::lines(Matrix::Sweep, repeats);
        advise(&Results::of(Matrix::Sweep, &lines).unwrap(), noise)
    }

    #[test]
    fn clear_differences_are_told_with_their_price() {
        let advice = advice(3, Some(0.05));
        assert_eq!(advice.len(), 7);
        assert!(advice[1].contains("16384"), "{}", advice[1]);
        assert!(
            advice[1].contains("% more than that of standalone 512/512 depth default n 2"),
            "{}",
            advice[1]
        );
        assert!(advice[2].contains("16384"), "{}", advice[2]);
        let session = &advice[3];
        assert!(session.contains("99 % within 10.0 ms"), "{session}");
        assert!(
            session.contains("Slowest is depth 100") && session.contains("50 % less"),
            "{session}"
        );
    }

    #[test]
    fn without_noise_known_nothing_is_claimed() {
        for paragraph in advice(1, None) {
            for word in ["more than", "less than", "Slowest", "soonest"] {
                assert!(!paragraph.contains(word), "{paragraph}");
            }
        }
    }

    #[test]
    fn differences_within_noise_are_none() {
        let advice = advice(3, Some(1e3));
        assert!(advice[1].contains("cannot be told apart"), "{}", advice[1]);
        assert!(!advice[3].contains("Slowest"), "{}", advice[3]);
    }
}
