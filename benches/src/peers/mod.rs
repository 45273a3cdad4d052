//! This program beside what people fill servers with today, on one machine, in turns, a fresh
//! server process per run; and beside two references: the server loading the same commands from
//! its own append-only file (no client at all), and a plain loop of `write_all` (next to no
//! client). What is compared is what a user sees: from the start of a process to its end.

mod candidates;
pub mod cell;
mod clients;
pub mod commands;
mod job;
mod judged;
mod measure;
pub mod plain;
mod record;
mod tell;
mod tuning;

use clap::Args;

use self::cell::Cell;
use self::measure::Measured;
use crate::Result;
use crate::arguments::Arguments;
use crate::machine;
use crate::rig::Rig;

const ROUNDS: u64 = 5;
/// MiB at 512/512; the other cells get what takes about as long.
const MIB: (u64, u64) = (4, 512);

/// What is compared.
#[derive(Clone, Debug, Args)]
pub struct Scope {
    /// Only the cells whose name (standalone/512/512, cluster/64/256, ...) contains one of these,
    /// separated by commas; nothing is recorded then
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    cells: Vec<String>,
    /// Also fill with these flags, as a candidate of its own; may be given several times
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true)]
    also: Vec<String>,
    /// Say what it measures but leave PERFORMANCE.md and benches/results as they are
    #[arg(long)]
    no_record: bool,
}

/// Runs the comparison. Whether all targets are met.
///
/// # Errors
/// A fill or a reference fails or is not exact; what was measured cannot be recorded.
pub fn peers(arguments: &Arguments, scope: &Scope) -> Result<bool> {
    if !arguments.runs("peers") {
        return Ok(true);
    }
    let rig = Rig::find()?;
    let rounds = arguments.rounds(ROUNDS);
    let mib = arguments.mib(MIB.0, MIB.1);
    let cells: Vec<Cell> = Cell::all(mib)
        .into_iter()
        .filter(|cell| cell.is_among(&scope.cells))
        .collect();
    if cells.is_empty() {
        return Err("there is no such cell: give a part of standalone/512/512, for example".into());
    }
    let is_whole = scope.cells.is_empty() && !scope.no_record && !arguments.is_short();
    let records = is_whole && rounds >= ROUNDS;
    if records {
        record::check()?;
    }
    let mut measured = Vec::with_capacity(cells.len());
    for (number, cell) in cells.iter().enumerate() {
        let place = format!("{} ({} of {})", cell.name(), number + 1, cells.len());
        measured.push(Measured::of(
            &rig,
            *cell,
            rounds,
            &scope.also,
            arguments,
            &place,
        )?);
    }
    if arguments.is_short() {
        for cell in &measured {
            cell.check_exactness()?;
        }
        println!(
            "peers: {} cells, exact as DBSIZE and verify confirm",
            measured.len()
        );
        return Ok(true);
    }
    let text = tell::section(
        &rig,
        &measured,
        mib,
        rounds,
        &machine::describe(Some(&rig.installation.version)),
    );
    println!("{text}");
    if records {
        record::write(&text, &measured, &rig.installation.version)?;
        println!("PERFORMANCE.md and benches/results/peers.jsonl hold this now");
    } else {
        println!("nothing was recorded: that takes all cells and at least {ROUNDS} rounds");
    }
    Ok(judged::all_met(&measured))
}
