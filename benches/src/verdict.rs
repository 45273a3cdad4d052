//! Targets, and whether they were met.

use std::fmt;

use crate::statistics::Ratio;

/// What a figure shall be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Target {
    /// Whether `figure` is as it shall be.
    #[must_use]
    pub fn is_met_by(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(bound) => figure >= bound,
            Self::AtMost(bound) => figure <= bound,
        }
    }

    /// `PASS` or `FAIL`.
    #[must_use]
    pub fn judge(self, figure: f64) -> &'static str {
        if self.is_met_by(figure) {
            "PASS"
        } else {
            "FAIL"
        }
    }

    /// Judges a ratio by its medians, and says so where its interval contains the bound.
    #[must_use]
    pub fn judge_ratio(self, ratio: &Ratio) -> String {
        let is_clear = self.is_met_by(ratio.low) == self.is_met_by(ratio.high);
        let doubt = if is_clear { "" } else { ", within noise" };
        format!("{}{doubt}", self.judge(ratio.of_medians))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(formatter, ">= {bound:.2}"),
            Self::AtMost(bound) => write!(formatter, "<= {bound:.2}"),
        }
    }
}

/// A line that says how `what` compares.
#[must_use]
pub fn comparison(what: &str, ratio: &Ratio) -> String {
    format!(
        "{what}: {:.3} (paired, {:.0} %: {:.3} to {:.3})",
        ratio.of_medians,
        ratio.confidence * 100.0,
        ratio.low,
        ratio.high
    )
}

/// A line that says how `what` compares, what it shall be, and whether it is.
#[must_use]
pub fn line(what: &str, target: Target, ratio: &Ratio) -> String {
    format!(
        "{}, target {target}: {}",
        comparison(what, ratio),
        target.judge_ratio(ratio)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_inside_the_interval_is_noise() {
        let ratio = Ratio {
            of_medians: 0.92,
            low: 0.88,
            high: 0.95,
            confidence: 0.96,
        };
        assert_eq!(
            Target::AtLeast(0.90).judge_ratio(&ratio),
            "PASS, within noise"
        );
        assert_eq!(
            Target::AtMost(0.90).judge_ratio(&ratio),
            "FAIL, within noise"
        );
        assert_eq!(Target::AtLeast(0.70).judge_ratio(&ratio), "PASS");
    }
}
