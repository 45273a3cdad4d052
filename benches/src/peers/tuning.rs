//! The best setting of each peer, found in a short round before the others: a peer is compared at
//! its best depth, not at ours.

use super::candidates::Candidate;
use super::cell::Cell;
use super::commands::CommandFile;
use crate::Result;
use crate::rig::Rig;

/// Part of the keys that a trial sends.
const DIVISOR: u64 = 3;
/// Trials of each setting, of which the fastest counts.
const TRIALS: usize = 2;

/// Gives `candidate` its best setting, or the first one where `is_short`.
///
/// # Errors
/// A trial fails.
pub(super) fn tune(
    candidate: &mut Candidate,
    rig: &Rig,
    cell: &Cell,
    file: Option<&CommandFile>,
    is_short: bool,
) -> Result<()> {
    let settings = candidate.settings(cell);
    let Some(mut best) = settings.first().copied() else {
        return Ok(());
    };
    let mut least = f64::INFINITY;
    let trials = if is_short { 0 } else { TRIALS };
    for _ in 0..trials {
        for setting in &settings {
            candidate.set(*setting);
            let wall = candidate
                .run(rig, &cell.part(DIVISOR), file, false)?
                .wall_seconds;
            if wall < least {
                (least, best) = (wall, *setting);
            }
        }
    }
    candidate.set(best);
    Ok(())
}
