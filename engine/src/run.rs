//! `fill(plan) -> Report`: pass after pass until everything is sent, then look, and send again
//! what is missing, until nothing is.

use std::sync::Arc;
use std::time::Instant;

use crate::audit::count::Before;
use crate::audit::{Audit, Finding};
use crate::error::Result;
pub use crate::event::{Event, NodeProgress, Progress};
use crate::fill::facts::Facts;
use crate::fill::passes::Passes;
use crate::fill::{Fill, summary};
use crate::nodes::Nodes;
use crate::open_files;
use crate::plan::Plan;
use crate::report::Report;
pub use crate::stop::Stop;
use crate::target::Target;

/// Control connections per node: one asks, one watches.
const CONTROLS_PER_NODE: u64 = 2;
/// Handles per data connection: one moves bytes, one can hang up.
const HANDLES_PER_LANE: u64 = 2;

/// Fills `nodes` and looks whether everything arrived. Returns the plan, too, with the keys that
/// were planned in the end: a memory target decides how many that are.
///
/// # Errors
/// A server is gone before the start, or the driver cannot be set up. Refusals, losses and
/// interruptions are no errors: the report tells of them.
pub fn fill(
    plan: &Plan,
    target: &Target,
    nodes: &mut Nodes,
    stop: &Stop,
    observe: &mut dyn FnMut(Event),
) -> Result<(Report, Plan)> {
    let mut fill = prepare(plan, nodes, stop, observe)?;
    let begun_at = Instant::now();
    if plan.resumes {
        fill.look_first()?;
    }
    fill.put_in_order();
    let started_at = Instant::now();
    let looking_first = started_at - begun_at;
    match plan.until {
        Some(target) => fill.send_until(target)?,
        None => {
            if let Some(keys) = fill.tune()? {
                fill.send_all(keys)?;
            }
        }
    }
    // What was waited between passes is time of the fill.
    fill.passes.elapsed = started_at.elapsed();
    let audit_at = Instant::now();
    let sending = fill.passes.elapsed;
    let (finding, audit_error) = match fill.converge() {
        Ok(finding) => (finding, None),
        Err(error) => (Finding::default(), Some(error.to_string())),
    };
    let mending = fill.passes.elapsed - sending;
    let loads = fill.loads();
    let Fill {
        plan,
        planned,
        before,
        passes,
        halt,
        changes,
        gave_up,
        ends,
        tuned,
        ..
    } = fill;
    let report = summary::report(&Facts {
        plan: &plan,
        planned: planned.count(),
        target,
        nodes,
        before: &before,
        finding: &finding,
        audit_error: audit_error.as_deref(),
        passes: &passes,
        audit: looking_first + audit_at.elapsed().saturating_sub(mending),
        halt: halt.as_deref(),
        changes,
        gave_up,
        ends: &ends,
        tuned: tuned.as_ref(),
        loads: &loads,
        signal: stop.signal(),
    });
    Ok((report, Arc::unwrap_or_clone(plan)))
}

/// Raises limits, takes note of how things are before the first key, and starts to watch.
fn prepare<'a>(
    plan: &Plan,
    nodes: &'a mut Nodes,
    stop: &'a Stop,
    observe: &'a mut dyn FnMut(Event),
) -> Result<Fill<'a>> {
    let connections =
        HANDLES_PER_LANE * plan.most_lanes() as u64 + CONTROLS_PER_NODE * nodes.iter().len() as u64;
    if let Some(warning) = open_files::raise_for(connections) {
        observe(Event::Warning(warning));
    }
    let is_cluster = nodes.is_cluster();
    let before = nodes.ask_each(|_, node| {
        // A master that has been replaced since it was found may not even answer.
        match is_cluster && node.slots.is_empty() {
            true => Ok(Before::of_newcomer(&mut node.control)),
            false => Before::take(&mut node.control),
        }
    });
    let before = before.into_iter().collect::<Result<_>>()?;
    let planned = nodes.covered(plan.sequence());
    let mut fill = Fill {
        expected: planned.count(),
        due: planned.clone(),
        planned,
        plan: Arc::new(plan.clone()),
        monitors: Vec::new(),
        nodes,
        stop,
        observe,
        before,
        passes: Passes::default(),
        audit: Audit::default(),
        halt: None,
        changes: 0,
        ends: Vec::new(),
        forecast_readings: Vec::new(),
        is_warned_of_memory: false,
        tuned: None,
        gave_up: None,
    };
    fill.watch_nodes();
    fill.tell_replies();
    Ok(fill)
}
