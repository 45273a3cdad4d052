//! `redis-client verify` from flags to exit status, and the comparison at the end of a fill. Owns
//! the order; how it is done is the engine's affair.

use engine::nodes::Nodes;
use engine::report::{Report, VerifyReport, VerifyVerdict};
use engine::run::Event;
use engine::target::Login;
use engine::verify::{Sample, verify};
use engine::{Plan, Target};

use crate::console::Console;
use crate::environment::Environment;
use crate::exit::{Failure, Status};
use crate::flags::VerifyFlags;
use crate::intro::{self, Servers};
use crate::names::Format;
use crate::progress::Display;
use crate::settings::Settings;
use crate::signals::{Signals, Stage};
use crate::{console, fill, findings, login, output};

/// Runs the command.
pub(crate) fn run(flags: &VerifyFlags, environment: &Environment) -> Result<Status, Failure> {
    let settings = Settings::resolve_verify(flags, environment)?;
    let outcome = with_settings(&settings);
    outcome.map_err(|failure| settings.ledger.explain(failure))
}

/// Everything that comes behind the settings.
fn with_settings(settings: &Settings) -> Result<Status, Failure> {
    let switches = &settings.switches;
    let console = Console::new(switches.quiet, switches.verbose);
    for warning in &settings.warnings {
        console.warning(warning);
    }
    let signals = Signals::watch()?;
    let mut target = Target::resolve(&settings.host, settings.port, settings.db, Login::default())?;
    if settings.cluster.is_some() {
        target = target.of_cluster();
    }
    // Before anybody is asked for a password.
    fill::plan(settings, target.addresses(), 1)?;
    target.login = settings.login.clone().log_in(login::ask)?;
    let mut nodes = fill::connect(&target, settings, console)?;
    let plan = fill::plan(settings, &nodes.addresses(), nodes.iter().len())?;
    let Some((plan, sample)) = plan.zip(settings.verify) else {
        return Ok(Status::Complete);
    };
    console.say(&intro::of_verify(
        &plan,
        sample,
        &Servers::of(&target, &nodes),
    ));
    for line in intro::shares(&plan, &nodes) {
        console.detail(&line);
    }
    let shown = !switches.quiet && !switches.no_progress;
    let mut report = compare(
        &plan,
        sample,
        (&target, &mut nodes),
        &signals,
        (console, shown),
    )?;
    report.plan.sources = settings.ledger.sources();
    output::print(&match settings.format {
        Format::Text => findings::text(&report),
        Format::Json => output::json(&report)?,
    })?;
    Ok(settle(&report, settings))
}

/// Compares the values after a fill, and has its report say so.
pub(crate) fn after_fill(
    report: &mut Report,
    (plan, sample): (&Plan, Sample),
    servers: (&Target, &mut Nodes),
    signals: &Signals,
    (console, shown): (Console, bool),
) {
    console.say(&intro::of_verify(
        plan,
        sample,
        &Servers::of(servers.0, servers.1),
    ));
    match compare(plan, sample, servers, signals, (console, shown)) {
        Ok(found) => report.verified(found.verification),
        Err(failure) => report.not_verified(&failure.message),
    }
}

/// The comparison itself, watched.
fn compare(
    plan: &Plan,
    sample: Sample,
    (target, nodes): (&Target, &mut Nodes),
    signals: &Signals,
    (console, shown): (Console, bool),
) -> Result<VerifyReport, Failure> {
    signals.enter(Stage::Filling);
    let stop = signals.stop();
    let payload_bytes = plan.payload_bytes_of(sample.count(plan.keys()));
    let mut display = Display::new(console, shown, payload_bytes);
    let mut observe = |event: Event| display.observe(event);
    let outcome = verify(plan, target, nodes, sample, stop, &mut observe);
    display.close();
    outcome.map_err(|error| match stop.signal() {
        Some(signal) => Failure {
            status: Status::Interrupted(signal),
            ..error.into()
        },
        None => error.into(),
    })
}

/// The exit status; says on standard error what is not as planned.
fn settle(report: &VerifyReport, settings: &Settings) -> Status {
    let found = &report.verification;
    let a_part_is_enough = settings
        .cluster
        .as_ref()
        .is_some_and(|cluster| cluster.allow_partial);
    let status = match (found.interrupted_by, found.verdict) {
        (Some(signal), _) => Status::Interrupted(signal),
        (None, VerifyVerdict::Verified) => Status::Complete,
        (None, _) if found.is_as_asked && a_part_is_enough => Status::Complete,
        (None, _) => Status::Incomplete,
    };
    if status != Status::Complete {
        let verdict = match found.verdict {
            VerifyVerdict::Mismatch => "mismatch",
            _ => "incomplete",
        };
        let reason = found.reason.as_deref().unwrap_or_default();
        console::error(&format!("{verdict}: {}", reason.trim_end_matches('.')));
    }
    status
}
