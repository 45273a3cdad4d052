//! Medians with their spread, and ratios of two candidates that ran in turns.

/// Confidence that an interval has where there are enough pairs for it.
const CONFIDENCE: f64 = 0.95;

/// Median, smallest and largest of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Half of them lie on either side.
    pub median: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// Of at least one figure.
    #[must_use]
    pub fn of(figures: &[f64]) -> Self {
        let sorted = sorted(figures.to_vec());
        Self {
            median: middle(&sorted),
            min: sorted[0],
            max: sorted[sorted.len() - 1],
        }
    }
}

/// How two candidates compare that ran once each in every round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// Ratio of the two medians.
    pub of_medians: f64,
    /// Interval for the median of the paired ratios.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How often such an interval contains that median. Below 0.95 where there are fewer than
    /// six pairs: then it is all that was seen.
    pub confidence: f64,
}

impl Ratio {
    /// `ours[i]` and `theirs[i]` being measured in the same round.
    ///
    /// The interval is that of the sign test: it runs from the k-th smallest to the k-th largest
    /// paired ratio, and misses the true median only if fewer than k of n pairs fall on one side
    /// of it, which a coin thrown n times does with the same probability. It assumes nothing
    /// about the distribution of noise, only that rounds are independent.
    #[must_use]
    pub fn paired(ours: &[f64], theirs: &[f64]) -> Self {
        assert_eq!(ours.len(), theirs.len(), "figures come in pairs");
        let ratios = sorted(
            ours.iter()
                .zip(theirs)
                .map(|(ours, theirs)| ours / theirs)
                .collect(),
        );
        let (rank, confidence) = sign_test_rank(ratios.len());
        Self {
            of_medians: Spread::of(ours).median / Spread::of(theirs).median,
            low: ratios[rank - 1],
            high: ratios[ratios.len() - rank],
            confidence,
        }
    }
}

/// The largest k for which the interval of [`Ratio::paired`] has [`CONFIDENCE`], at least 1; and
/// the confidence that it has.
fn sign_test_rank(pairs: usize) -> (usize, f64) {
    let mut probability = 0.5_f64.powi(i32::try_from(pairs).unwrap_or(i32::MAX));
    let mut misses = 2.0 * probability;
    let (mut rank, mut confidence) = (1, 1.0 - misses);
    for k in 1..pairs.div_ceil(2) {
        probability *= (pairs - k + 1) as f64 / k as f64;
        misses += 2.0 * probability;
        if 1.0 - misses < CONFIDENCE {
            break;
        }
        (rank, confidence) = (k + 1, 1.0 - misses);
    }
    (rank, confidence.max(0.0))
}

fn sorted(mut figures: Vec<f64>) -> Vec<f64> {
    figures.sort_by(f64::total_cmp);
    figures
}

fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[half]
    } else {
        f64::midpoint(sorted[half - 1], sorted[half])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_published_tables() {
        // Conover, Practical Nonparametric Statistics, intervals for the median.
        for (pairs, rank, confidence) in [
            (1, 1, 0.0),
            (5, 1, 0.9375),
            (6, 1, 0.9688),
            (9, 2, 0.9609),
            (15, 4, 0.9648),
            (20, 6, 0.9586),
        ] {
            let found = sign_test_rank(pairs);
            assert_eq!(found.0, rank, "{pairs} pairs");
            assert!(
                (found.1 - confidence).abs() < 1e-4,
                "{pairs} pairs: {}",
                found.1
            );
        }
    }

    #[test]
    fn noise_that_both_share_cancels_in_pairs() {
        let theirs: Vec<f64> = (1..=15).map(f64::from).collect();
        let ours: Vec<f64> = theirs.iter().map(|figure| figure * 0.9).collect();
        let ratio = Ratio::paired(&ours, &theirs);
        for figure in [ratio.of_medians, ratio.low, ratio.high] {
            assert!((figure - 0.9).abs() < 1e-12);
        }
    }

    #[test]
    fn the_middle_of_an_even_number_is_between_two() {
        assert_eq!(
            Spread::of(&[4.0, 1.0, 3.0, 2.0]),
            Spread {
                median: 2.5,
                min: 1.0,
                max: 4.0
            }
        );
    }
}
