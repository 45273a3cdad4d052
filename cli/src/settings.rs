//! From the flags in force to settings, each with its source. Owns the defaults and what goes with
//! what; which flags are in force is decided in [`layers`], and what the engine can do with the settings is decided by its `Plan`.

use std::time::Duration;

use engine::PlanOptions;
use engine::nodes::ClusterOptions;
use engine::plan::options::STALL_SECONDS;
use engine::plan::{DriverChoice, ReactorChoice, RepliesChoice, SendChoice};
use engine::verify::Sample;

use crate::access::Access;
use crate::config::Config;
use crate::contents::Contents;
use crate::environment::Environment;
use crate::exit::Failure;
use crate::flags::{EngineFlags, FillFlags, Switches, VerifyFlags};
use crate::layers::{self, InForce};
use crate::ledger::{Ledger, Source};
use crate::login::LoginChoice;
use crate::names::{DRIVERS, FORMATS, Format, REPLIES, SENDS};
use crate::scope::Scope;
use crate::scope::amount;
use crate::{depth, habits, range, value};

const CONNECTIONS: usize = 2;

/// What the command line asks for, checked as far as that is possible without a server.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Server.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// Database.
    pub(crate) db: u32,
    /// How to reach the cluster, where one is to be filled.
    pub(crate) cluster: Option<ClusterOptions>,
    /// Who logs in.
    pub(crate) login: LoginChoice,
    /// Whether to empty the database first.
    pub(crate) flush: bool,
    /// What to fill; `None` for `-f` alone.
    pub(crate) fill: Option<PlanOptions>,
    /// Which keys to compare with the plan: those of `verify`, or after a fill.
    pub(crate) verify: Option<Sample>,
    /// How to tell the result.
    pub(crate) format: Format,
    /// What is told, and how much of it.
    pub(crate) switches: Switches,
    /// Where each of these came from.
    pub(crate) ledger: Ledger,
    /// What the user should know, one line each.
    pub(crate) warnings: Vec<String>,
}

impl Settings {
    /// Resolves flags in an environment. Reads the config file and a password file; contacts nobody.
    pub(crate) fn resolve(written: &FillFlags, environment: &Environment) -> Result<Self, Failure> {
        let InForce {
            flags,
            origins,
            config,
        } = layers::lay(written, environment)?;
        let mut ledger = Ledger::new(origins);
        enter_file(&config, &flags.switches, &mut ledger);
        let resolved = Self::of_fill((written, &flags), environment, &mut ledger);
        let mut settings = resolved.map_err(|failure| ledger.explain(failure))?;
        settings.warnings.extend(config.warnings);
        settings.ledger = ledger;
        Ok(settings)
    }

    /// Resolves the flags in force; `written` are those of the command line. The ledger is left to
    /// the caller.
    fn of_fill(
        (written, flags): (&FillFlags, &FillFlags),
        environment: &Environment,
        ledger: &mut Ledger,
    ) -> Result<Self, Failure> {
        let access = Access::resolve(
            (&flags.server, &flags.data),
            environment,
            "name the server to fill, as in redis-client fill -h localhost -d 1",
            ledger,
        )?;
        let mut warnings = access.login.warnings.clone();
        let scope = Scope::resolve(&flags.data, &flags.existing, ledger)?;
        let flush = ledger.switch("flush", flags.existing.flush);
        if flush && !ledger.is_written("host") {
            return Err(Failure::usage(
                "-f empties a database, so the server has to be named on the command line: give -h",
            ));
        }
        ledger.switch("allow-eviction", flags.guards.allow_eviction);
        let fill = match scope {
            Some(scope) => Some(plan_options(
                &scope,
                flags,
                environment,
                ledger,
                &mut warnings,
            )?),
            None if flush => {
                refuse_idle_flags(written)?;
                None
            }
            None => {
                return Err(Failure::usage(
                    "nothing to do: give -d, --keys, --append or --until-memory, or -f alone to flush",
                ));
            }
        };
        let verify = flags.verify.as_deref();
        let sample = verify.map(|given| value::sample("--verify", given));
        let verify = sample.transpose()?;
        if let Some(given) = &flags.verify {
            ledger.given("verify", given.as_str());
        }
        let format = told(&flags.switches, ledger)?;
        Ok(Self {
            host: access.host,
            port: access.port,
            db: access.db,
            cluster: access.cluster,
            login: access.login,
            flush,
            fill,
            verify,
            format,
            switches: flags.switches.clone(),
            ledger: Ledger::default(),
            warnings,
        })
    }

    /// Resolves the flags of `verify` in an environment, as [`resolve`](Self::resolve) does.
    pub(crate) fn resolve_verify(
        written: &VerifyFlags,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let InForce {
            flags,
            origins,
            config,
        } = layers::lay(written, environment)?;
        let mut ledger = Ledger::new(origins);
        enter_file(&config, &flags.switches, &mut ledger);
        let resolved = Self::of_verify(&flags, environment, &mut ledger);
        let mut settings = resolved.map_err(|failure| ledger.explain(failure))?;
        settings.warnings.extend(config.warnings);
        settings.ledger = ledger;
        Ok(settings)
    }

    /// Resolves the flags in force, as [`of_fill`](Self::of_fill) does.
    fn of_verify(
        flags: &VerifyFlags,
        environment: &Environment,
        ledger: &mut Ledger,
    ) -> Result<Self, Failure> {
        let access = Access::resolve(
            (&flags.server, &flags.data),
            environment,
            "name the server, as in redis-client verify -h localhost -d 1",
            ledger,
        )?;
        let amount = amount(&flags.data, ledger)?.ok_or_else(|| {
            Failure::usage("nothing to verify: give -d or --keys, as for the fill")
        })?;
        let contents = Contents::resolve(&flags.data, flags.server.cluster, ledger)?;
        let given = flags.sample.as_deref();
        let sample = given.map(|given| value::sample("--sample", given));
        let sample = sample.transpose()?.unwrap_or(Sample::All);
        ledger.decide("sample", given, "100%");
        let stall_timeout = stall_timeout(&flags.switches, ledger)?;
        let format = told(&flags.switches, ledger)?;
        let options = PlanOptions {
            amount,
            key_size: contents.key_size,
            value_size: contents.value_size,
            key_prefix: flags.data.key_prefix.clone(),
            start_key: contents.start_key,
            seed: contents.seed,
            key_layout: contents.key_layout,
            stall_timeout,
            // Nothing is sent by lanes.
            pipeline_depth: 1,
            connections: 1,
            replies: RepliesChoice::Each,
            driver: DriverChoice::Socket,
            send: SendChoice::Copy,
            reactors: ReactorChoice::Count(1),
            pin: false,
            resume: false,
            only_missing: false,
            force: false,
            append: false,
            until: None,
            tune: None,
            command: engine::Command::Set,
        };
        Ok(Self {
            host: access.host,
            port: access.port,
            db: access.db,
            cluster: access.cluster,
            warnings: access.login.warnings.clone(),
            login: access.login,
            flush: false,
            fill: Some(options),
            verify: Some(sample),
            format,
            switches: flags.switches.clone(),
            ledger: Ledger::default(),
        })
    }
}

/// The config file, where one was read.
fn enter_file(config: &Config, switches: &Switches, ledger: &mut Ledger) {
    if let Some(file) = &config.file {
        let source = if switches.config.is_some() {
            Source::Flag
        } else {
            Source::Default
        };
        ledger.enter("config", file.to_string_lossy(), source);
    }
}

/// `--output`, and what is told besides.
fn told(switches: &Switches, ledger: &mut Ledger) -> Result<Format, Failure> {
    let format = ledger.decide_name("output", switches.output.as_deref(), FORMATS)?;
    if switches.quiet && switches.verbose {
        return Err(Failure::usage(
            "--quiet and --verbose contradict each other: keep one of them",
        ));
    }
    for (name, is_on) in [
        ("quiet", switches.quiet),
        ("no-progress", switches.no_progress),
        ("verbose", switches.verbose),
    ] {
        ledger.switch(name, is_on);
    }
    Ok(format)
}

/// `--stall-timeout`.
fn stall_timeout(switches: &Switches, ledger: &mut Ledger) -> Result<Duration, Failure> {
    let stall = range::STALL_TIMEOUT.read_if_given(switches.stall_timeout.as_deref())?;
    let stall = ledger.decide("stall-timeout", stall, STALL_SECONDS);
    Ok(Duration::from_secs(stall))
}

/// The engine's options.
fn plan_options(
    scope: &Scope,
    flags: &FillFlags,
    environment: &Environment,
    ledger: &mut Ledger,
    warnings: &mut Vec<String>,
) -> Result<PlanOptions, Failure> {
    let engine = &flags.engine;
    let contents = Contents::resolve(&flags.data, flags.server.cluster, ledger)?;
    let (connections, reactors) = connections_and_reactors(engine, ledger)?;
    let sizes = (contents.key_size, contents.value_size);
    let pipeline_depth = depth::pipeline_depth(engine, sizes, environment, ledger, warnings)?;
    let command = command(flags, ledger)?;
    let replies = ledger.decide_name("replies", engine.replies.as_deref(), REPLIES)?;
    let driver = ledger.decide_name("driver", engine.driver.as_deref(), DRIVERS)?;
    let send = ledger.decide_name("send", engine.send.as_deref(), SENDS)?;
    let stall_timeout = stall_timeout(&flags.switches, ledger)?;
    let tune = crate::tune::resolve(flags, ledger)?;
    let pin = !engine.no_pin;
    ledger.enter("pin", pin, ledger.origin_of_switch("no-pin", engine.no_pin));
    Ok(PlanOptions {
        amount: scope.amount,
        key_size: contents.key_size,
        value_size: contents.value_size,
        pipeline_depth,
        connections,
        key_prefix: flags.data.key_prefix.clone(),
        start_key: contents.start_key,
        seed: contents.seed,
        key_layout: contents.key_layout,
        replies,
        driver,
        send,
        reactors,
        pin,
        stall_timeout,
        resume: scope.resume,
        only_missing: scope.only_missing,
        force: flags.guards.force,
        append: scope.append,
        until: scope.until,
        tune,
        command,
    })
}

/// `--command`.
fn command(flags: &FillFlags, ledger: &mut Ledger) -> Result<engine::Command, Failure> {
    let given = flags.engine.command.as_deref();
    let command = given.map(str::parse).transpose()?.unwrap_or_default();
    ledger.decide("command", given, "set");
    Ok(command)
}

/// `-n`, `-s`, `--reactors` and `--no-pin`, which have to agree.
fn connections_and_reactors(
    engine: &EngineFlags,
    ledger: &mut Ledger,
) -> Result<(usize, ReactorChoice), Failure> {
    let connections = engine
        .connections
        .as_deref()
        .map(|given| {
            range::CONNECTIONS
                .read::<usize>(given)
                .map_err(|mut failure| {
                    failure.message += habits::of_connections(given).unwrap_or_default();
                    failure
                })
        })
        .transpose()?;
    let reactors = engine
        .reactors
        .as_deref()
        .map(value::reactors)
        .transpose()?;
    if engine.no_pin && matches!(reactors, Some(ReactorChoice::Cores(_))) {
        return Err(Failure::usage(
            "--no-pin contradicts --reactors cores=..., which pins: drop one of them, or give \
             --reactors a number",
        ));
    }
    let shown = engine.reactors.as_deref();
    if !engine.serial {
        let connections = ledger.decide("connections", connections, CONNECTIONS);
        ledger.decide("reactors", shown, "auto");
        return Ok((connections, reactors.unwrap_or(ReactorChoice::Auto)));
    }
    if let Some(connections) = connections.filter(|connections| *connections != 1) {
        return Err(Failure::usage(format!(
            "-s means one connection, but -n {connections} is given: drop one of them"
        )));
    }
    let one = match &reactors {
        None | Some(ReactorChoice::Count(1)) => true,
        Some(ReactorChoice::Cores(cores)) => cores.len() == 1,
        Some(_) => false,
    };
    if !one {
        return Err(Failure::usage(format!(
            "-s means one reactor, but --reactors {} is given: drop one of them",
            shown.unwrap_or_default()
        )));
    }
    ledger.enter("serial", true, Source::Flag);
    ledger.enter("connections", 1, Source::Flag);
    ledger.enter("reactors", shown.unwrap_or("1"), Source::Flag);
    Ok((1, reactors.unwrap_or(ReactorChoice::Count(1))))
}

/// `-f` without an amount empties the database and writes nothing. Flags that describe keys and
/// values then mean that the amount was forgotten, and a flush cannot be undone.
fn refuse_idle_flags(flags: &FillFlags) -> Result<(), Failure> {
    let (data, engine) = (&flags.data, &flags.engine);
    let idle = [
        ("--key-size", &data.key_size),
        ("--value-size", &data.value_size),
        ("--key-prefix", &data.key_prefix),
        ("--start-key", &data.start_key),
        ("--seed", &data.seed),
        ("--key-layout", &data.key_layout),
        ("--preset", &data.preset),
        ("--command", &engine.command),
        ("--pipeline-depth", &engine.pipeline_depth),
        ("--verify", &flags.verify),
    ];
    crate::tune::refuse_idle(engine)?;
    match idle.into_iter().find(|(_, given)| given.is_some()) {
        None => Ok(()),
        Some((flag, _)) => Err(Failure::usage(format!(
            "-f without -d or --keys only empties the database, but {flag} is given: give an \
             amount too, or drop {flag}"
        ))),
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "precedence_tests.rs"]
mod precedence_tests;
