//! What it costs never to lie. `cost` and `instructions`: a fill with monitor, fences and stamps
//! against the same fill without them; `reconnect`: how soon a fill sends again after its
//! connections were killed, or its server; `audit`: what a look for every key costs the server.
//!
//! Everything runs against real servers, a fresh process each. Fillers and auditors are this
//! program, called again.

use std::process::ExitCode;

use benches::Result;
use benches::arguments::Arguments;
use benches::machine;
use benches::safety::audit::{self, AuditorRole};
use benches::safety::filler::FillerRole;
use benches::safety::{cost, instructions, reconnect};
use benches::server::Installation;
use clap::Parser;

/// A part of this bench: its name, and what it does.
type Part = (&'static str, fn(&Arguments) -> Result<bool>);

const PARTS: [Part; 4] = [
    ("safety/cost", cost::cost),
    ("safety/instructions", instructions::instructions),
    ("safety/reconnect", reconnect::reconnect),
    ("safety/audit", audit::audit),
];

#[derive(Debug, Parser)]
struct Safety {
    #[command(flatten)]
    arguments: Arguments,
    #[command(flatten)]
    filler: FillerRole,
    #[command(flatten)]
    auditor: AuditorRole,
}

fn main() -> ExitCode {
    let Safety {
        arguments,
        filler,
        auditor,
    } = Safety::parse();
    let outcome = match filler.play().or_else(|| auditor.play()) {
        Some(played) => played.map(|()| true),
        None => parts(&arguments),
    };
    arguments.exit_code(outcome)
}

/// Runs the parts that are asked for. Whether all targets are met.
fn parts(arguments: &Arguments) -> Result<bool> {
    let wanted: Vec<&Part> = PARTS
        .iter()
        .filter(|(name, _)| arguments.runs(name))
        .collect();
    if !wanted.is_empty() && !arguments.is_short() {
        println!(
            "{}",
            machine::describe(Some(&Installation::find()?.version))
        );
    }
    let mut all_met = true;
    for (_, part) in wanted {
        all_met &= part(arguments)?;
    }
    Ok(all_met)
}
