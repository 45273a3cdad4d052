//! How a fill would be driven from here: driver, kind of send, reactors, and why.

use engine::Plan;
use engine::checkup::MachineState;
use engine::machine::{Machine, Whereabouts};
use engine::plan::PlanOptions;

use super::finding::Finding;
use crate::exit::Failure;
use crate::figures::{bytes, counted};

/// Every finding.
pub(super) fn findings(
    plan: &Plan,
    options: &PlanOptions,
    state: &MachineState,
    is_server_named: bool,
) -> Result<Vec<Finding>, Failure> {
    let send = match is_server_named {
        true => Finding::ok("send", sends(plan)).with(plan.send.name()),
        false => Finding::ok("send", sends_anywhere(options, &state.machine)?),
    };
    Ok(vec![
        driver(plan, state),
        send,
        reactors(plan),
        blocks(plan),
    ])
}

fn driver(plan: &Plan, state: &MachineState) -> Finding {
    let name = plan.driver.name();
    let found = match &state.machine.io_uring {
        Ok(()) => name.to_owned(),
        Err(why) => format!("{name}: io_uring cannot be used, {}", why.cause),
    };
    Finding::ok("driver", found).with(name)
}

fn sends(plan: &Plan) -> String {
    format!("{}: {}", plan.send.name(), plan.send_reason)
}

/// The kinds of send to a server on this machine and to one on another.
fn sends_anywhere(options: &PlanOptions, machine: &Machine) -> Result<String, Failure> {
    let to = |servers| {
        let machine = Machine {
            servers,
            ..machine.clone()
        };
        Plan::new(options, &machine).map(|plan| sends(&plan))
    };
    Ok(format!(
        "to a server here {}; to one elsewhere {}",
        to(Whereabouts::Here)?,
        to(Whereabouts::Elsewhere)?
    ))
}

fn reactors(plan: &Plan) -> Finding {
    let cores: Vec<String> = plan
        .reactor_cores
        .iter()
        .filter_map(|core| core.map(|core| core.to_string()))
        .collect();
    let place = match cores.is_empty() {
        true => "not pinned".to_owned(),
        false => format!("on core {}", cores.join(", ")),
    };
    let count = plan.reactor_cores.len();
    let lanes = counted(plan.lanes() as u64, "connection");
    Finding::ok("reactors", format!("{count} {place}, for {lanes}")).with(count)
}

fn blocks(plan: &Plan) -> Finding {
    let all = plan.blocks_per_reactor * plan.reactor_cores.len();
    let block = plan.segment.block_bytes();
    let kind = match plan.registers_blocks {
        true => ", registered with the kernel",
        false => "",
    };
    let found = format!(
        "{} of {} to send from{kind}",
        counted(all as u64, "block"),
        bytes(block as u64)
    );
    Finding::ok("blocks", found).with(all * block)
}
