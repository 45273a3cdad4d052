//! Two states of the program, cell by cell. They were not measured in turns but one matrix after
//! the other, so that a difference has to be larger than the runs of both lie apart.

use super::cell::Cell;
use super::results::{Results, SPEED, ratio};
use crate::statistics::Spread;
use crate::table::Table;

/// The throughput of the second over that of the first, for every cell that both have, as Markdown.
#[must_use]
pub fn compare((before, theirs): (&str, &Results), (other, ours): (&str, &Results)) -> String {
    let rows: Vec<(Cell, Spread, Spread)> = theirs
        .cells()
        .filter_map(|cell| {
            Some((
                *cell,
                theirs.spread(cell, SPEED)?,
                ours.spread(cell, SPEED)?,
            ))
        })
        .collect();
    let mut table = Table::with_head(vec![
        "cell".to_owned(),
        format!("{before} MiB/s"),
        format!("{other} MiB/s"),
        format!("{other} / {before}"),
        "runs allow".to_owned(),
        String::new(),
    ]);
    let mut gains: Vec<(Cell, Spread)> = Vec::new();
    for (cell, yours, mine) in &rows {
        let gain = ratio(*mine, *yours);
        let verdict = match gain {
            Spread { min, .. } if min > 1.0 => "faster",
            Spread { max, .. } if max < 1.0 => "slower",
            _ => "within noise",
        };
        table.push(vec![
            cell.to_string(),
            format!("{:.0} ({:.0}..{:.0})", yours.median, yours.min, yours.max),
            format!("{:.0} ({:.0}..{:.0})", mine.median, mine.min, mine.max),
            format!("{:.3}", gain.median),
            format!("{:.3}..{:.3}", gain.min, gain.max),
            verdict.to_owned(),
        ]);
        gains.push((*cell, gain));
    }
    format!("{table}\n{}\n", summary(&gains, before, other))
}

/// How many cells gained and lost, and which gained most.
fn summary(gains: &[(Cell, Spread)], before: &str, other: &str) -> String {
    if gains.is_empty() {
        return format!("{before} and {other} have no cell in common.");
    }
    let faster: Vec<&(Cell, Spread)> = gains.iter().filter(|(_, gain)| gain.min > 1.0).collect();
    let slower = gains.iter().filter(|(_, gain)| gain.max < 1.0).count();
    let mut text = format!(
        "Of {} cells {} are faster with {other} than with {before}, {slower} slower, the others \
         within noise.",
        gains.len(),
        faster.len()
    );
    let best = faster
        .iter()
        .max_by(|one, two| one.1.median.total_cmp(&two.1.median));
    if let Some((cell, gain)) = best {
        text += &format!(
            " The largest gain is {:+.0} % ({:+.0} % to {:+.0} %), with {cell}.",
            (gain.median - 1.0) * 100.0,
            (gain.min - 1.0) * 100.0,
            (gain.max - 1.0) * 100.0
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::choice::Matrix;
    use crate::matrix::recorded;

    fn results(cell: Cell, speeds: [f64; 3]) -> Results {
        let lines: Vec<_> = (0..)
            .zip(speeds)
            .map(|(repeat, speed)| recorded::line(cell, repeat, speed))
            .collect();
        Results::of(Matrix::Baseline, &lines).unwrap()
    }

    #[test]
    fn a_gain_is_one_if_every_run_is_faster() {
        let cell = Cell::standalone(512, 512, 2);
        let before = results(cell, [98.0, 100.0, 102.0]);
        let text = compare(
            ("before", &before),
            ("after", &results(cell, [124.0, 125.0, 126.0])),
        );
        assert!(
            text.contains("1.250") && text.contains("1 are faster"),
            "{text}"
        );
        assert!(text.contains("+25 % (+22 % to +29 %)"), "{text}");
        let text = compare(
            ("before", &before),
            ("after", &results(cell, [101.0, 125.0, 126.0])),
        );
        assert!(
            text.contains("within noise") && text.contains("0 are faster"),
            "{text}"
        );
        let text = compare(
            ("before", &before),
            ("after", &results(cell, [50.0, 51.0, 52.0])),
        );
        assert!(text.contains("1 slower"), "{text}");
    }

    #[test]
    fn cells_of_one_side_alone_are_left_out() {
        let one = results(Cell::standalone(512, 512, 2), [1.0, 1.0, 1.0]);
        let other = results(Cell::standalone(64, 256, 2), [1.0, 1.0, 1.0]);
        assert!(compare(("a", &one), ("b", &other)).contains("no cell in common"));
    }
}
