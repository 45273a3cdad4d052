//! The command line of `redis-client doctor`, and how it becomes the settings of the fill that is
//! thought of. What a fill's flags mean is said in [`settings`](crate::settings).

use std::path::PathBuf;

use clap::{ArgAction, Args};
use engine::cluster::topology::Endpoint;
use engine::target::Login;
use engine::{Error, PlanOptions, Target};

use super::help;
use crate::environment::Environment;
use crate::exit::Failure;
use crate::flags::{DataFlags, FillFlags, ServerFlags, Switches};
use crate::settings::Settings;

/// The amount of the fill that is thought of where none is given.
const AMOUNT: &str = "1";
/// Stands for the server where none is named; nobody looks it up.
const NO_HOST: &str = "localhost";
/// Who logs in where no user is named.
const DEFAULT_USER: &str = "default";

/// The flags of `redis-client doctor`, as they are written.
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    override_usage = help::USAGE,
    after_help = help::AFTER,
    mut_arg("host", |host| host.help(help::HOST))
)]
pub(crate) struct DoctorFlags {
    #[command(flatten, next_help_heading = "Server (without -h: this machine alone)")]
    server: ServerFlags,
    #[command(
        flatten,
        next_help_heading = "The fill that is thought of: 1 GiB unless -d or --keys say something else"
    )]
    data: DataFlags,
    /// text or json: one object on standard output [default: text]
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    output: Option<String>,
    /// Take defaults and presets from this file [default: ~/.config/redis-client/config.toml, where
    /// it exists]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    config: Option<PathBuf>,
    /// Show this help
    #[arg(long, action = ArgAction::HelpShort, help_heading = "Output")]
    help: Option<bool>,
}

/// What to look at.
pub(super) struct Wish {
    /// Settings of the fill that is thought of.
    pub(super) settings: Settings,
    /// Its options.
    pub(super) options: PlanOptions,
    /// Who would log in.
    pub(super) user: String,
    /// Whether a server was named.
    has_server: bool,
}

impl Wish {
    /// The server that was named, looked up; nobody is logged in yet.
    pub(super) fn target(&self) -> Option<Result<Target, Error>> {
        let Settings { host, port, db, .. } = &self.settings;
        let is_cluster = self.settings.cluster.is_some();
        self.has_server.then(|| {
            let target = Target::resolve(host, *port, *db, Login::default())?;
            Ok(match is_cluster {
                true => target.of_cluster(),
                false => target,
            })
        })
    }

    /// The same in words.
    pub(super) fn target_name(&self) -> Option<String> {
        let Settings { host, port, .. } = &self.settings;
        let endpoint = Endpoint {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: *port,
        };
        self.has_server.then(|| endpoint.to_string())
    }
}

impl DoctorFlags {
    /// Resolves them in an environment; contacts nobody.
    pub(super) fn resolve(mut self, environment: &Environment) -> Result<Wish, Failure> {
        let has_server = self.server.host.is_some();
        if !has_server {
            self.refuse_idle_flags()?;
            self.server.host = Some(NO_HOST.into());
        }
        if self.data.data.is_none() && self.data.keys.is_none() {
            self.data.data = Some(AMOUNT.into());
        }
        let flags = FillFlags {
            server: self.server,
            data: self.data,
            switches: Switches {
                output: self.output,
                config: self.config,
                ..Switches::default()
            },
            ..FillFlags::default()
        };
        let mut settings = Settings::resolve(&flags, environment)?;
        let options = settings.fill.take();
        // The config file may name one.
        let mut decided = settings.ledger.settings().iter();
        let user = decided.find(|setting| setting.name == "username");
        let user = user.and_then(|user| user.value.as_str());
        Ok(Wish {
            user: user.unwrap_or(DEFAULT_USER).to_owned(),
            settings,
            options: options.ok_or_else(|| Failure::usage("give -d or --keys"))?,
            has_server,
        })
    }

    /// Flags that say something of a server where none is named.
    fn refuse_idle_flags(&self) -> Result<(), Failure> {
        let server = &self.server;
        let given = [
            ("-p", server.port.is_some()),
            ("-c", server.cluster),
            ("--host-map", !server.host_map.is_empty()),
            ("--allow-partial", server.allow_partial),
            ("-u", server.username.is_some()),
            ("-a", server.password.is_some()),
            ("--password-file", server.password_file.is_some()),
            ("--ask-password", server.ask_password),
            ("--db", server.db.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((flag, _)) => Err(Failure::usage(format!(
                "{flag} says something of a server, but -h is missing: name the server, or leave out {flag} to look at this machine alone"
            ))),
            None => Ok(()),
        }
    }
}
