//! `redis-client fill` from flags to exit status. Owns the order: everything that can be refused
//! is refused before anything on the server is touched. How each step is done is elsewhere.

use std::net::SocketAddr;

use engine::fill::until;
use engine::nodes::Nodes;
use engine::report::Verdict;
use engine::run::{self, Event};
use engine::target::Login;
use engine::{Phase, Plan, Report, Target};

use crate::confirm::{self, Occasion};
use crate::console::Console;
use crate::environment::Environment;
use crate::exit::{Failure, Status};
use crate::flags::{FillFlags, Guards};
use crate::intro::Servers;
use crate::names::Format;
use crate::progress::Display;
use crate::settings::Settings;
use crate::signals::{self, Signals, Stage};
use crate::{again, console, dry_run, intro, login, output, verify};

/// What to do where a connection ends before anything was written.
pub(crate) const NO_SERVER: &str = "check -h and -p: is it a Redis or Valkey server?";

/// Runs the command.
pub(crate) fn run(flags: &FillFlags, environment: &Environment) -> Result<Status, Failure> {
    let settings = Settings::resolve(flags, environment)?;
    let outcome = with_settings(flags, &settings);
    outcome.map_err(|failure| settings.ledger.explain(failure))
}

/// Everything that comes behind the settings.
fn with_settings(flags: &FillFlags, settings: &Settings) -> Result<Status, Failure> {
    let (switches, guards) = (&settings.switches, &flags.guards);
    let console = Console::new(switches.quiet, switches.verbose);
    for warning in &settings.warnings {
        console.warning(warning);
    }
    let signals = Signals::watch()?;
    let mut target = Target::resolve(&settings.host, settings.port, settings.db, Login::default())?;
    if settings.cluster.is_some() {
        target = target.of_cluster();
    }
    let mut plan = plan(settings, target.addresses(), 1)?;
    if guards.dry_run {
        tell_choices(plan.as_ref(), settings, console);
        let form = match settings.format {
            Format::Text => dry_run::text,
            Format::Json => dry_run::json,
        };
        output::print(&form(settings, plan.as_ref(), &target))?;
        return Ok(Status::Complete);
    }
    target.login = settings.login.clone().log_in(login::ask)?;
    let mut nodes = connect(&target, settings, console)?;
    if nodes.is_cluster() {
        plan = self::plan(settings, &nodes.addresses(), nodes.iter().len())?;
    }
    plan = plan
        .map(|plan| until::settle(&mut nodes, &plan, settings.flush))
        .transpose()?;
    tell_choices(plan.as_ref(), settings, console);
    if let Some(note) = plan.as_ref().and_then(intro::appended) {
        console.note(&note);
    }
    let mut warnings = settings.warnings.clone();
    warnings.extend(intro::partial(&nodes));
    warnings.extend(preflight(
        &mut nodes,
        plan.as_ref(),
        settings,
        guards,
        console,
    )?);
    introduce(plan.as_ref(), settings, &target, &nodes, console);
    if settings.flush {
        let keys = flush(&mut nodes, &target, guards, &signals)?;
        if plan.is_none() {
            output::print(&output::flushed(keys, settings.format))?;
            return Ok(Status::Complete);
        }
        console.say(&output::flushed_in_words(keys));
    }
    let Some(plan) = plan else {
        return Ok(Status::Complete);
    };
    let ready = Ready {
        flags,
        settings,
        target: &target,
        signals: &signals,
        console,
    };
    ready.carry_out(&plan, &mut nodes, warnings)
}

/// A fill of which nothing is left to be checked.
struct Ready<'a> {
    flags: &'a FillFlags,
    settings: &'a Settings,
    target: &'a Target,
    signals: &'a Signals,
    console: Console,
}

impl Ready<'_> {
    /// Fills, compares the values if that is asked for, and reports; `warnings` are those told so
    /// far.
    fn carry_out(
        &self,
        plan: &Plan,
        nodes: &mut Nodes,
        mut warnings: Vec<String>,
    ) -> Result<Status, Failure> {
        let switches = &self.settings.switches;
        let shown = !switches.quiet && !switches.no_progress;
        let display = Display::new(self.console, shown, plan.payload_bytes());
        let (mut report, plan) = self.fill(plan, nodes, display, &mut warnings)?;
        report.plan.sources = self.settings.ledger.sources();
        report.warnings = warnings;
        let sample = self.settings.verify;
        if let Some(sample) = sample.filter(|_| self.signals.stop().signal().is_none()) {
            verify::after_fill(
                &mut report,
                (&plan, sample),
                (self.target, nodes),
                self.signals,
                (self.console, shown),
            );
        }
        output::print(&output::report(&report, self.settings.format)?)?;
        let status = status(&report, self.settings, &self.flags.guards);
        if status != Status::Complete {
            let again = again::command(self.flags, &plan);
            console::error(&output::advice(&report, &again));
        }
        Ok(status)
    }

    /// The fill itself, watched.
    fn fill(
        &self,
        plan: &Plan,
        nodes: &mut Nodes,
        mut display: Display,
        warnings: &mut Vec<String>,
    ) -> Result<(Report, Plan), Failure> {
        self.signals.enter(Stage::Filling);
        let stop = self.signals.stop();
        let mut told = false;
        let mut observe = |event: Event| {
            if let Some(signal) = stop.signal().filter(|_| !told) {
                told = true;
                display.note(&format!(
                    "{}: stopping, which may take 2 s; a second signal ends at once",
                    signals::name(signal)
                ));
            }
            if let Event::Warning(text) = &event {
                warnings.push(text.clone());
            }
            display.observe(event);
        };
        let outcome = run::fill(plan, self.target, nodes, stop, &mut observe);
        display.close();
        outcome.map_err(|error| {
            let mut failure = Failure::from(error);
            if self.settings.flush {
                // "Nothing was changed" would not be true.
                failure.status = Status::Incomplete;
            }
            match stop.signal() {
                Some(signal) => Failure {
                    status: Status::Interrupted(signal),
                    ..failure
                },
                None => failure,
            }
        })
    }
}

/// The plan for so many nodes at these addresses, unless there are only databases to empty.
pub(crate) fn plan(
    settings: &Settings,
    addresses: &[SocketAddr],
    nodes: usize,
) -> Result<Option<Plan>, Failure> {
    let machine = || engine::observe::machine(addresses);
    let plan = settings
        .fill
        .as_ref()
        .map(|options| Plan::for_nodes(options, &machine(), nodes));
    Ok(plan.transpose()?)
}

/// Says what the plan decided by itself.
fn tell_choices(plan: Option<&Plan>, settings: &Settings, console: Console) {
    let Some((plan, options)) = plan.zip(settings.fill.as_ref()) else {
        return;
    };
    let trimmed = intro::trimmed(plan, options, &settings.ledger);
    plan.notices
        .iter()
        .chain(&trimmed)
        .for_each(|note| console.note(note));
}

/// The control connections. What breaks off here is a server that cannot be reached.
pub(crate) fn connect(
    target: &Target,
    settings: &Settings,
    console: Console,
) -> Result<Nodes, Failure> {
    let options = settings.cluster.clone().unwrap_or_default();
    let nodes = Nodes::connect(target, &options).map_err(|error| match error.phase() {
        Phase::Driver => Failure {
            status: Status::Unreachable,
            message: format!("{error}; {NO_SERVER}"),
        },
        Phase::Plan | Phase::Connect | Phase::Server => error.into(),
    })?;
    if let Some(warning) = intro::partial(&nodes) {
        console.warning(&warning);
    }
    Ok(nodes)
}

/// Every check that needs the servers and changes nothing on them; what it warned of.
fn preflight(
    nodes: &mut Nodes,
    plan: Option<&Plan>,
    settings: &Settings,
    guards: &Guards,
    console: Console,
) -> Result<Vec<String>, Failure> {
    let mut found = nodes.preflight(plan, settings.flush).map_err(|error| {
        let mut failure = Failure::from(error);
        // Nothing was written yet, so a server that is gone was not reached.
        if failure.status == Status::Incomplete {
            failure.status = Status::Unreachable;
        }
        failure
    })?;
    for warning in &found.warnings {
        console.warning(warning);
    }
    if let Some(why) = found.does_not_fit {
        let why = why.trim_end_matches('.');
        if !guards.force {
            return Err(Failure::usage(format!(
                "{why}; fill less (-d, --keys), or fill all the same with --force"
            )));
        }
        let warning = format!("{why}; going on because of --force");
        console.warning(&warning);
        found.warnings.push(warning);
    }
    let replaces = |plan: &&Plan| !plan.resumes && !plan.keeps_existing;
    if let Some(plan) = plan.filter(replaces).filter(|_| found.already_present) {
        console.note(&intro::overwriting(plan));
    }
    Ok(found.warnings)
}

/// Says what is about to happen.
fn introduce(
    plan: Option<&Plan>,
    settings: &Settings,
    target: &Target,
    nodes: &Nodes,
    console: Console,
) {
    let servers = Servers::of(target, nodes);
    if settings.flush {
        console.say(&intro::of_flush(&servers));
    }
    let Some(plan) = plan else { return };
    for line in intro::of_fill(plan, &servers) {
        console.say(&line);
    }
    for line in intro::details(plan, target) {
        console.detail(&line);
    }
    for line in intro::shares(plan, nodes) {
        console.detail(&line);
    }
}

/// Empties the databases, after a question where one is due; how many keys went.
fn flush(
    nodes: &mut Nodes,
    target: &Target,
    guards: &Guards,
    signals: &Signals,
) -> Result<u64, Failure> {
    let servers = Servers::of(target, nodes);
    let occasion = Occasion {
        yes: guards.yes,
        servers_are_local: nodes.iter().all(|node| node.facts().is_local),
        keys: servers.keys,
        somebody_is_there: confirm::somebody_is_there(),
    };
    if occasion.asks() {
        let question = confirm::question(&servers.name, target.db, servers.keys);
        let agreed = confirm::ask(&question)
            .map_err(|error| Failure::broken(format!("cannot ask before -f: {error}; give -y")))?;
        if !agreed {
            return Err(Failure::usage(
                "not flushed, not filled: nothing was changed; answer y, or give -y",
            ));
        }
    }
    signals.enter(Stage::Flushing);
    let keys = nodes.flush()?;
    signals.enter(Stage::Flushed);
    Ok(keys)
}

/// The exit status of a fill.
fn status(report: &Report, settings: &Settings, guards: &Guards) -> Status {
    let a_part_is_enough = settings
        .cluster
        .as_ref()
        .is_some_and(|cluster| cluster.allow_partial);
    match (report.interrupted_by, report.verdict) {
        (Some(signal), _) => Status::Interrupted(signal),
        (None, Verdict::Complete) => Status::Complete,
        (None, Verdict::Incomplete) if report.is_as_asked && a_part_is_enough => Status::Complete,
        (None, Verdict::Incomplete) if report.is_all_but_removed && guards.allow_eviction => {
            Status::Complete
        }
        (None, Verdict::Incomplete) => Status::Incomplete,
    }
}
