//! `redis-client doctor` from flags to exit status. Owns the order, and what decides whether a fill
//! could run: that it passes all that a fill does before its first write. What is found is the
//! engine's affair (`checkup`); this folder judges and words it.

mod finding;
mod flags;
mod help;
mod machine;
mod network;
mod plan;
mod report;
mod rights;
mod server;

use engine::checkup::{self, ClusterState, Files, MachineState, ServersState};
use engine::{Error, Phase, Plan, Target};

use self::finding::{Finding, refused};
pub(crate) use self::flags::DoctorFlags;
use self::flags::Wish;
use self::machine::Needs;
use self::report::{OfServer, Readiness, Report, SCHEMA};
use crate::console::{self, Console};
use crate::environment::Environment;
use crate::exit::{Failure, Status};
use crate::figures::{bytes, counted};
use crate::fill::NO_SERVER;
use crate::names::Format;
use crate::{login, output};

/// Runs the command.
pub(crate) fn run(flags: DoctorFlags, environment: &Environment) -> Result<Status, Failure> {
    let wish = flags.resolve(environment)?;
    let console = Console::new(false, false);
    for warning in &wish.settings.warnings {
        console.warning(warning);
    }
    // An unknown host is a finding.
    let target = wish.target();
    let addresses = match &target {
        Some(Ok(target)) => target.addresses(),
        _ => &[],
    };
    let machine = checkup::machine(&Files::of_system(), addresses);
    // What cannot be planned at all is wrong usage, and is told before anybody is asked.
    let plan = Plan::new(&wish.options, &machine.machine)?;
    let servers = target.map(|target| look(target, &wish)).transpose()?;
    let report = report(&wish, &machine, &plan, servers.as_ref())?;
    output::print(&match wish.settings.format {
        Format::Text => report.text(),
        Format::Json => output::json(&report)?,
    })?;
    Ok(settle(&report))
}

/// Looks at the servers, with a password that may be asked for.
fn look(target: Result<Target, Error>, wish: &Wish) -> Result<ServersState, Failure> {
    let mut target = match target {
        Ok(target) => target,
        Err(error) => {
            return Ok(ServersState {
                nodes: Vec::new(),
                cluster: None,
                outcome: Err(error),
            });
        }
    };
    target.login = wish.settings.login.clone().log_in(login::ask)?;
    let cluster = wish.settings.cluster.clone().unwrap_or_default();
    Ok(checkup::servers(&target, &cluster, &wish.options))
}

/// From what was found to the report; `plan` is that for one server.
fn report(
    wish: &Wish,
    machine: &MachineState,
    plan: &Plan,
    servers: Option<&ServersState>,
) -> Result<Report, Failure> {
    let is_server_named = servers.is_some();
    let plan = match servers {
        Some(ServersState {
            outcome: Ok((plan, _)),
            ..
        }) => plan,
        _ => plan,
    };
    let shape = (plan.reactor_cores.len(), plan.lanes(), plan.nodes);
    let needs = Needs::new(shape, machine, is_server_named);
    let (verdict, reason) = match servers {
        None => (Readiness::Ready, None),
        Some(servers) => judge(servers),
    };
    let nodes = servers.into_iter().flat_map(|servers| &servers.nodes);
    let nodes = nodes.map(|node| OfServer {
        address: node.name.clone(),
        findings: server::findings(node, plan.connections, &wish.user),
    });
    let report = Report {
        schema: SCHEMA,
        verdict,
        reason,
        target: wish.target_name(),
        machine: machine::findings(machine, needs),
        network: network::findings(machine, needs),
        engine: plan::findings(plan, &wish.options, machine, is_server_named)?,
        servers: nodes.collect(),
        fill: servers.map(of_fill).unwrap_or_default(),
    };
    Ok(report.settled())
}

/// Whether a fill could run, and why not.
fn judge(servers: &ServersState) -> (Readiness, Option<String>) {
    match &servers.outcome {
        Ok((_, found)) => match &found.does_not_fit {
            None => (Readiness::Ready, None),
            Some(why) => (Readiness::NotReady, Some(why.clone())),
        },
        Err(error) => {
            let (readiness, message) = explain(error);
            (readiness, Some(message))
        }
    }
}

/// What stands in the way of a fill, and in the words of a fill.
fn explain(error: &Error) -> (Readiness, String) {
    let message = error.to_string();
    match error.phase() {
        // A login that is let in and may not do enough is no matter of reaching.
        _ if matches!(error, Error::NotPermitted { .. }) => (Readiness::NotReady, message),
        Phase::Connect => (Readiness::Unreachable, message),
        Phase::Driver => (Readiness::Unreachable, format!("{message}; {NO_SERVER}")),
        Phase::Plan | Phase::Server => (Readiness::NotReady, message),
    }
}

/// The cluster as a whole, and the fill that was thought of.
fn of_fill(servers: &ServersState) -> Vec<Finding> {
    let mut all = Vec::new();
    all.extend(servers.cluster.as_ref().map(coverage));
    all.push(match &servers.outcome {
        Err(error) => refused("fill", &explain(error).1).with(false),
        Ok((_, found)) if found.does_not_fit.is_some() => Finding::problem(
            "fill",
            found.does_not_fit.as_deref().unwrap_or_default(),
            "fill less (-d, --keys), or fill all the same with --force",
        )
        .with(false),
        Ok((plan, _)) => {
            let (keys, bytes) = (counted(plan.keys(), "key"), bytes(plan.payload_bytes()));
            Finding::ok("fill", format!("{keys} ({bytes}) could be written")).with(true)
        }
    });
    all
}

fn coverage(cluster: &ClusterState) -> Finding {
    const NAME: &str = "cluster";
    let masters = counted(cluster.masters as u64, "master");
    let finding = match (cluster.uncovered.as_str(), cluster.is_up) {
        ("", Some(false)) => Finding::problem(
            NAME,
            format!("{masters}, but the cluster is down"),
            "see `redis-cli --cluster check` and the servers' logs",
        ),
        ("", _) => Finding::ok(NAME, format!("{masters}, every hash slot has one")),
        (uncovered, _) => Finding::problem(
            NAME,
            format!("{masters}; hash slots {uncovered} have none"),
            "mend it (redis-cli --cluster fix), or fill the rest with --allow-partial",
        ),
    };
    finding.with(cluster.masters)
}

/// The exit status; says on standard error why a fill could not run.
fn settle(report: &Report) -> Status {
    let reason = report.reason.as_deref().unwrap_or_default();
    let reason = reason.trim_end_matches('.');
    match report.verdict {
        Readiness::Ready => Status::Complete,
        Readiness::NotReady => {
            console::error(&format!("a fill would be refused: {reason}"));
            Status::Incomplete
        }
        Readiness::Unreachable => {
            console::error(reason);
            Status::Unreachable
        }
    }
}
