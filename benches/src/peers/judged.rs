//! What the figures shall be, and whether they are.

use super::cell::Mode;
use super::measure::{Measured, cpu_ratio, wall_ratio};
use crate::statistics::{Ratio, Spread};
use crate::table::Table;
use crate::verdict::Target;

/// Values above this are large: then bytes count, not commands.
const VALUE_BYTES_SMALL: usize = 8192;
/// Values up to this are small: then commands count, not bytes.
const VALUE_BYTES_TINY: usize = 512;

/// A figure with its bounds.
struct Figure {
    what: String,
    seen: Seen,
    must: Target,
    aim: Option<Target>,
}

/// What was measured.
enum Seen {
    /// Two candidates, compared round by round.
    Ratio(Ratio),
    /// A share, round by round.
    Share(Spread),
    /// The least and the most of keys stored over keys asked.
    Exactness { least: f64, most: f64 },
}

impl Seen {
    fn text(&self) -> String {
        match self {
            Self::Ratio(ratio) => format!(
                "{:.3} (paired, {:.0} %: {:.3} to {:.3})",
                ratio.of_medians,
                ratio.confidence * 100.0,
                ratio.low,
                ratio.high
            ),
            Self::Share(share) => {
                format!("{:.3} ({:.3}..{:.3})", share.median, share.min, share.max)
            }
            Self::Exactness { least, most } if least == most => format!("{least}"),
            Self::Exactness { least, most } => format!("{least:.6}..{most:.6}"),
        }
    }

    fn judge(&self, target: Target) -> String {
        match self {
            Self::Ratio(ratio) => target.judge_ratio(ratio),
            Self::Share(share) => target.judge_ratio(&Ratio {
                of_medians: share.median,
                low: share.min,
                high: share.max,
                confidence: 0.0,
            }),
            Self::Exactness { .. } => if self.is_met(target) { "PASS" } else { "FAIL" }.to_owned(),
        }
    }

    fn is_met(&self, target: Target) -> bool {
        match self {
            Self::Ratio(ratio) => target.is_met_by(ratio.of_medians),
            Self::Share(share) => target.is_met_by(share.median),
            Self::Exactness { least, most } => *least == 1.0 && *most == 1.0,
        }
    }
}

/// All figures that are judged, and their verdicts, as a table.
pub(super) fn table(measured: &[Measured]) -> Table {
    let mut table = Table::new(["figure", "measured", "must", "", "aim", ""]);
    for figure in figures(measured) {
        let judge = |target: Target| figure.seen.judge(target);
        // Keys are all there or not; "<= 1.00" would say less.
        let name = |target: Target| match figure.seen {
            Seen::Exactness { .. } => "1 exactly".to_owned(),
            _ => target.to_string(),
        };
        table.row([
            figure.what.clone(),
            figure.seen.text(),
            name(figure.must),
            judge(figure.must),
            figure.aim.map(name).unwrap_or_default(),
            figure.aim.map(judge).unwrap_or_default(),
        ]);
    }
    table
}

/// Whether each figure is what it must be.
pub(super) fn all_met(measured: &[Measured]) -> bool {
    let figures = figures(measured);
    figures.iter().all(|figure| figure.seen.is_met(figure.must))
}

fn figures(measured: &[Measured]) -> Vec<Figure> {
    let by_kind: [fn(&Measured) -> Option<Figure>; 5] = [
        wall_of_peer,
        wall_of_limit,
        cpu_of_peer,
        cpu_of_plain,
        server,
    ];
    let standalone = |kind: fn(&Measured) -> Option<Figure>| {
        let cells = measured.iter().filter(|m| m.cell.mode == Mode::Standalone);
        cells.filter_map(kind).collect::<Vec<_>>()
    };
    let mut figures: Vec<Figure> = by_kind.into_iter().flat_map(standalone).collect();
    figures.extend(measured.iter().map(exactness));
    figures
}

fn wall_of_peer(measured: &Measured) -> Option<Figure> {
    let peer = measured.best_peer()?;
    let (must, aim) = match measured.cell.value_size {
        0..=VALUE_BYTES_SMALL => (0.95, 0.85),
        _ => (1.05, 0.95),
    };
    Some(Figure {
        what: format!(
            "{}: wall / best peer ({})",
            measured.cell.sizes(),
            peer.name
        ),
        seen: Seen::Ratio(wall_ratio(measured.ours(), peer)),
        must: Target::AtMost(must),
        aim: Some(Target::AtMost(aim)),
    })
}

fn wall_of_limit(measured: &Measured) -> Option<Figure> {
    let must = match (measured.cell.key_size, measured.cell.value_size) {
        (64, 256) => 1.30,
        (512, 512) => 1.10,
        _ => return None,
    };
    Some(Figure {
        what: format!(
            "{}: wall / AOF load of the same SETs",
            measured.cell.sizes()
        ),
        seen: Seen::Ratio(wall_ratio(measured.ours(), measured.limit()?)),
        must: Target::AtMost(must),
        aim: Some(Target::AtMost(0.95)),
    })
}

fn cpu_of_peer(measured: &Measured) -> Option<Figure> {
    let peer = measured.thriftiest_peer()?;
    let (must, aim) = match measured.cell.value_size {
        0..=VALUE_BYTES_TINY => (0.25, 0.15),
        _ => (0.50, 0.30),
    };
    let sizes = measured.cell.sizes();
    Some(Figure {
        what: format!("{sizes}: client CPU / thriftiest peer ({})", peer.name),
        seen: Seen::Ratio(cpu_ratio(measured.ours(), peer)?),
        must: Target::AtMost(must),
        aim: Some(Target::AtMost(aim)),
    })
}

fn cpu_of_plain(measured: &Measured) -> Option<Figure> {
    Some(Figure {
        what: format!(
            "{}: client CPU / plain write_all loop",
            measured.cell.sizes()
        ),
        seen: Seen::Ratio(cpu_ratio(measured.ours(), measured.plain()?)?),
        must: Target::AtMost(1.10),
        aim: Some(Target::AtMost(1.00)),
    })
}

fn server(measured: &Measured) -> Option<Figure> {
    if measured.cell.value_size > VALUE_BYTES_SMALL {
        return None;
    }
    let told = measured.ours().runs.iter().map(|run| run.server_share_told);
    let shares: Option<Vec<f64>> = told.collect();
    Some(Figure {
        what: format!(
            "{}: server CPU while it is filled, of a core",
            measured.cell.sizes()
        ),
        seen: Seen::Share(Spread::of(&shares?)),
        must: Target::AtLeast(0.97),
        aim: None,
    })
}

fn exactness(measured: &Measured) -> Figure {
    let asked = measured.cell.keys as f64;
    let stored = measured
        .ours()
        .figures(|run| run.keys_stored as f64 / asked);
    let spread = Spread::of(&stored);
    Figure {
        what: format!("{}: keys stored / keys asked", measured.cell.name()),
        seen: Seen::Exactness {
            least: spread.min,
            most: spread.max,
        },
        must: Target::AtLeast(1.0),
        aim: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_more_or_less_is_not_exact() {
        let exactness = |least, most| Seen::Exactness { least, most };
        let must = Target::AtLeast(1.0);
        assert!(exactness(1.0, 1.0).is_met(must));
        assert!(!exactness(1.0, 1.000_001).is_met(must));
        assert!(!exactness(0.999_999, 1.0).is_met(must));
    }
}
