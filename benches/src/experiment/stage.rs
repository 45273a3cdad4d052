//! Where the runs of an experiment take place: fresh servers, pinned and connected as asked for, and
//! the client that fills them.

use std::ffi::OsStr;
use std::process::Command;

use crate::Result;
use crate::experiment::options::{Mode, Setting};
use crate::experiment::wire::{self, Wire};
use crate::fleet::Fleet;
use crate::machine::Cores;
use crate::process::pinned;
use crate::rig::Rig;
use crate::server::{Role, Server};

/// How client and servers stand to each other.
#[derive(Debug)]
pub struct Stage {
    /// What is filled.
    pub mode: Mode,
    /// Client and servers are pinned to a core each; otherwise they run where the kernel likes.
    pub cores: Option<Cores>,
    /// The network between them, if it is not loopback.
    pub wire: Option<Wire>,
}

/// A program, behind the words that run it.
fn through(core: Option<usize>, wrapper: &[String], program: impl AsRef<OsStr>) -> Command {
    let program = program.as_ref();
    let (first, others) = match wrapper {
        [] => (program, &[][..]),
        [first, others @ ..] => (OsStr::new(first), others),
    };
    let mut command = match core {
        Some(core) => pinned(core, first),
        None => Command::new(first),
    };
    command.args(others);
    if !wrapper.is_empty() {
        command.arg(program);
    }
    command
}

impl Stage {
    /// How many servers a run has.
    #[must_use]
    pub fn server_count(&self) -> usize {
        match self.mode {
            Mode::Standalone => 1,
            Mode::Cluster(masters) => usize::from(masters),
        }
    }

    /// Fresh servers for a run of `setting`, each behind its own words of `wrappers`, if there are
    /// any.
    ///
    /// # Errors
    /// One does not start.
    pub fn servers(&self, rig: &Rig, setting: &Setting, wrappers: &[Vec<String>]) -> Result<Fleet> {
        let is_node = self.mode != Mode::Standalone;
        let mut settings: Vec<&str> = Vec::new();
        if self.wire.is_some() {
            let reachable = [
                "--bind",
                "127.0.0.1",
                wire::SERVER,
                "--protected-mode",
                "no",
            ];
            settings.extend(reachable);
            if is_node {
                settings.extend(["--cluster-announce-ip", wire::SERVER]);
            }
        }
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let settings = [&settings[..], &setting.server].concat();
        let core = self.cores.map(|cores| cores.server);
        let servers = (0..self.server_count()).map(|number| {
            let wrapper = wrappers.get(number).map_or(&[][..], Vec::as_slice);
            let program = through(core, wrapper, rig.installation.server);
            let is_wrapped = !wrapper.is_empty();
            let role = Role {
                is_node,
                is_wrapped,
            };
            Server::start_with(&rig.installation, program, role, &settings)
        });
        let mut servers: Vec<Server> = servers.collect::<Result<_>>()?;
        match self.mode {
            Mode::Standalone => Ok(Fleet::alone(servers.remove(0))),
            Mode::Cluster(_) => Fleet::joined(servers),
        }
    }

    /// The fill of `setting` into servers of which one listens on `port`, with the flags `load` for
    /// sizes and amount, behind the words of `wrapper`, if there are any.
    #[must_use]
    pub fn fill(
        &self,
        rig: &Rig,
        setting: &Setting,
        load: &[String],
        port: u16,
        wrapper: &[String],
    ) -> Command {
        let program = setting.program.as_deref().unwrap_or(rig.program());
        let host = self.wire.as_ref().map_or("127.0.0.1", |_| wire::SERVER);
        let mut words = self.wire.as_ref().map_or_else(Vec::new, Wire::wrapper);
        words.extend_from_slice(wrapper);
        let mut command = through(self.cores.map(|cores| cores.client), &words, program);
        command
            .args(["fill", "-h", host, "-p", &port.to_string()])
            .args(load)
            .args(&setting.flags)
            .args(["--output", "json", "--no-progress"]);
        if matches!(self.mode, Mode::Cluster(_)) {
            command.arg("-c");
        }
        command
            // No habits of the user of this machine.
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .env_remove("REDIS_CLIENT_FILL_CHUNK_KB")
            .env_remove("REDISCLI_AUTH")
            .envs(setting.env.iter().map(|(name, value)| (name, value)));
        command
    }
}
