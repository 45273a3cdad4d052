//! From flags, preset and environment to settings, each with its source. Owns the defaults and
//! what goes with what; what the engine can do with the settings is decided by its `Plan`.

use std::time::Duration;

use engine::nodes::ClusterOptions;
use engine::plan::keyspace::DEFAULT_PREFIX;
use engine::plan::options::{
    CONNECTIONS_MAX, KEY_SIZE_MAX, STALL_SECONDS, STALL_SECONDS_MAX, VALUE_SIZE_MAX,
};
use engine::plan::{DriverChoice, ReactorChoice, RepliesChoice, SendChoice};
use engine::{Amount, PlanOptions};

use crate::depth::{self, Batch};
use crate::environment::Environment;
use crate::exit::Failure;
use crate::flags::{DataFlags, EngineFlags, FillFlags};
use crate::ledger::{Ledger, Source};
use crate::login::LoginChoice;
use crate::preset::{self, Preset};
use crate::value::number;
use crate::{cluster, habits, value};

const PORT: u16 = 6379;
/// Databases are numbered by a C `int`.
const DB_MAX: u64 = i32::MAX as u64;
const KEY_SIZE: usize = 512;
const VALUE_SIZE: usize = 512;
const CONNECTIONS: usize = 2;

/// How the result is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

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
    /// How to tell the result.
    pub(crate) format: Format,
    /// Where each of these came from.
    pub(crate) ledger: Ledger,
    /// What the user should know, one line each.
    pub(crate) warnings: Vec<String>,
}

impl Settings {
    /// Resolves flags in an environment. Reads a password file; contacts nobody.
    pub(crate) fn resolve(flags: &FillFlags, environment: &Environment) -> Result<Self, Failure> {
        let mut ledger = Ledger::default();
        let server = &flags.server;
        let host = server.host.as_deref().ok_or_else(|| {
            Failure::usage(
                "-h is missing: name the server to fill, as in redis-client fill -h localhost -d 1",
            )
        })?;
        let host = ledger.decide("host", Some(value::host(host)?), None, String::new());
        let port = number(server.port.as_deref(), "-p", 1, u64::from(u16::MAX), "")?;
        let port = ledger.decide("port", port, None, PORT);
        let login = LoginChoice::resolve(server, environment)?;
        if let Some(username) = &server.username {
            ledger.enter("username", username.as_str(), Source::Flag);
        }
        if let Some(password) = login.password_in_words() {
            ledger.enter("password", password, login.source);
        }
        let db = number(server.db.as_deref(), "--db", 0, DB_MAX, "")?;
        let db = ledger.decide("db", db, None, 0);
        let cluster = cluster::resolve(flags, db, &mut ledger)?;
        let mut warnings = login.warnings.clone();
        let amount = amount(&flags.data, &mut ledger)?;
        let flush = flags.data.flush;
        ledger.decide("flush", flush.then_some(true), None, false);
        if let Some(flag) = keeps_keys(&flags.data).filter(|_| flush) {
            return Err(Failure::usage(format!(
                "{flag} keeps what is there, and -f removes it: drop one of them"
            )));
        }
        let allow_eviction = flags.switches.allow_eviction;
        ledger.decide(
            "allow-eviction",
            allow_eviction.then_some(true),
            None,
            false,
        );
        let fill = match amount {
            Some(amount) => Some(plan_options(
                amount,
                flags,
                environment,
                &mut ledger,
                &mut warnings,
            )?),
            None if flush => {
                refuse_idle_flags(flags)?;
                None
            }
            None => {
                return Err(Failure::usage(
                    "nothing to do: give -d or --keys, or -f alone to flush",
                ));
            }
        };
        let format = ledger.decide_name(
            "output",
            flags.switches.output.as_deref(),
            &[("text", Format::Text), ("json", Format::Json)],
        )?;
        Ok(Self {
            host,
            port,
            db,
            cluster,
            login,
            flush,
            fill,
            format,
            ledger,
            warnings,
        })
    }
}

/// The flag, if there is one, by which keys that exist matter.
fn keeps_keys(data: &DataFlags) -> Option<&'static str> {
    match (data.resume, data.only_missing) {
        (true, _) => Some("--resume"),
        (_, true) => Some("--only-missing"),
        _ => None,
    }
}

/// `-d` or `--keys`.
fn amount(data: &DataFlags, ledger: &mut Ledger) -> Result<Option<Amount>, Failure> {
    match (&data.data, &data.keys) {
        (Some(_), Some(_)) => Err(Failure::usage(
            "-d and --keys both say how much to fill: keep one of them",
        )),
        (Some(given), None) => {
            let amount = value::amount(given)?;
            ledger.enter("data", given.as_str(), Source::Flag);
            Ok(Some(amount))
        }
        (None, Some(given)) => {
            let keys = value::whole("--keys", given, 1..=u64::MAX - 1, "keys")?;
            ledger.enter("keys", keys, Source::Flag);
            Ok(Some(Amount::Keys(keys)))
        }
        (None, None) => Ok(None),
    }
}

/// The engine's options.
fn plan_options(
    amount: Amount,
    flags: &FillFlags,
    environment: &Environment,
    ledger: &mut Ledger,
    warnings: &mut Vec<String>,
) -> Result<PlanOptions, Failure> {
    let (data, engine) = (&flags.data, &flags.engine);
    let preset = engine.preset.as_deref().map(preset::named).transpose()?;
    if let Some(preset) = preset {
        ledger.enter("preset", preset.name, Source::Flag);
    }
    let (key_size, value_size) = sizes(data, preset, ledger)?;
    let start_key = number(data.start_key.as_deref(), "--start-key", 0, u64::MAX, "")?;
    let seed = number(data.seed.as_deref(), "--seed", 0, u64::MAX, "")?;
    let layouts = cluster::key_layouts(flags.server.cluster);
    let prefix_shown = data.key_prefix.clone();
    ledger.decide("key-prefix", prefix_shown, None, DEFAULT_PREFIX.to_owned());
    let start_key = ledger.decide("start-key", start_key, None, 0);
    let seed = ledger.decide("seed", seed, None, 0);
    let key_layout = ledger.decide_name("key-layout", data.key_layout.as_deref(), &layouts)?;
    let (connections, reactors) = connections_and_reactors(engine, preset, ledger)?;
    let pipeline_depth = {
        let batch = Batch {
            preset,
            key_size,
            value_size,
        };
        depth::pipeline_depth(engine, &batch, environment, ledger, warnings)?
    };
    let replies = ledger.decide_name("replies", engine.replies.as_deref(), REPLIES)?;
    let driver = ledger.decide_name("driver", engine.driver.as_deref(), DRIVERS)?;
    let send = ledger.decide_name("send", engine.send.as_deref(), SENDS)?;
    let stall = number(
        engine.stall_timeout.as_deref(),
        "--stall-timeout",
        1,
        STALL_SECONDS_MAX,
        "seconds",
    )?;
    let stall = ledger.decide("stall-timeout", stall, None, STALL_SECONDS);
    let pin = ledger.decide("pin", engine.no_pin.then_some(false), None, true);
    let resume = ledger.decide("resume", data.resume.then_some(true), None, false);
    let only_missing = data.only_missing.then_some(true);
    let only_missing = ledger.decide("only-missing", only_missing, None, false);
    Ok(PlanOptions {
        amount,
        key_size,
        value_size,
        pipeline_depth,
        connections,
        key_prefix: data.key_prefix.clone(),
        start_key,
        seed,
        key_layout,
        replies,
        driver,
        send,
        reactors,
        pin,
        stall_timeout: Duration::from_secs(stall),
        resume,
        only_missing,
        force: flags.switches.force,
    })
}

/// `--key-size` and `--value-size`.
fn sizes(
    data: &DataFlags,
    preset: Option<&Preset>,
    ledger: &mut Ledger,
) -> Result<(usize, usize), Failure> {
    let bytes = |given: &Option<String>, flag, max| {
        number::<usize>(given.as_deref(), flag, 1, max as u64, "bytes")
    };
    let key_size = bytes(&data.key_size, "--key-size", KEY_SIZE_MAX)?;
    let key_size = ledger.decide("key-size", key_size, preset.map(|p| p.key_size), KEY_SIZE);
    let value_size = bytes(&data.value_size, "--value-size", VALUE_SIZE_MAX)?;
    let value_size = ledger.decide(
        "value-size",
        value_size,
        preset.map(|p| p.value_size),
        VALUE_SIZE,
    );
    Ok((key_size, value_size))
}

/// Names of `--replies`, the default first.
const REPLIES: &[(&str, RepliesChoice)] = &[
    ("auto", RepliesChoice::Auto),
    ("fenced", RepliesChoice::Fenced),
    ("each", RepliesChoice::Each),
];
/// Names of `--driver`, the default first.
const DRIVERS: &[(&str, DriverChoice)] = &[
    ("auto", DriverChoice::Auto),
    ("uring", DriverChoice::Uring),
    ("tokio-uring", DriverChoice::TokioUring),
    ("socket", DriverChoice::Socket),
];
/// Names of `--send`, the default first.
const SENDS: &[(&str, SendChoice)] = &[
    ("auto", SendChoice::Auto),
    ("zc", SendChoice::Zc),
    ("fixed", SendChoice::Fixed),
    ("copy", SendChoice::Copy),
];

/// `-n`, `-s`, `--reactors` and `--no-pin`, which have to agree.
fn connections_and_reactors(
    engine: &EngineFlags,
    preset: Option<&Preset>,
    ledger: &mut Ledger,
) -> Result<(usize, ReactorChoice), Failure> {
    let connections = engine
        .connections
        .as_deref()
        .map(|given| {
            number::<usize>(Some(given), "-n", 1, CONNECTIONS_MAX as u64, "connections").map_err(
                |mut failure| {
                    failure.message += habits::of_connections(given).unwrap_or_default();
                    failure
                },
            )
        })
        .transpose()?
        .flatten();
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
        let of_preset = preset.map(|preset| preset.connections);
        let connections = ledger.decide("connections", connections, of_preset, CONNECTIONS);
        ledger.decide("reactors", shown, None, "auto");
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
        ("--preset", &engine.preset),
        ("--pipeline-depth", &engine.pipeline_depth),
    ];
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
