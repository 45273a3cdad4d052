//! Who takes part in a cell, and one run of each.

use super::cell::{Cell, Mode, Servers, Setting};
use super::clients::{self, Client, Place, Role};
use super::commands::CommandFile;
use crate::Result;
use crate::process;
use crate::rig::Rig;
use crate::server::Server;

/// What the reference without a client is called.
const LIMIT: &str = "server by itself, from its AOF";

/// One who fills servers.
pub(super) enum Candidate {
    /// A client, with what it was found to be best with.
    Client(Box<dyn Client>, Option<Setting>),
    /// The server itself, from its append-only file.
    Limit,
}

/// What one run came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Run {
    /// From the start of the client's process to its end; without a client, what the server's log
    /// says of loading.
    pub(super) wall_seconds: f64,
    /// Keys on the servers afterwards.
    pub(super) keys_stored: u64,
    /// Of the whole process.
    pub(super) client_cpu_seconds: Option<f64>,
    /// Largest resident set.
    pub(super) client_peak_rss_bytes: Option<u64>,
    /// Of all nodes meanwhile; without a client, of the whole life of the server.
    pub(super) server_cpu_seconds: f64,
    /// What the client's own report says of the server's CPU while it sent, as a share of a core.
    pub(super) server_share_told: Option<f64>,
}

impl Run {
    /// CPU of the servers over time on the clock.
    pub(super) fn server_share(&self) -> f64 {
        self.server_cpu_seconds / self.wall_seconds
    }
}

impl Candidate {
    /// All that can fill servers of this kind.
    pub(super) fn all(mode: Mode, also: &[String]) -> Vec<Self> {
        let clients = clients::all(mode, also);
        let mut all: Vec<Self> = clients.into_iter().map(|c| Self::Client(c, None)).collect();
        if mode == Mode::Standalone {
            all.push(Self::Limit);
        }
        all
    }

    /// What a table calls it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Client(client, _) => client.name(),
            Self::Limit => LIMIT.to_owned(),
        }
    }

    /// What it is to the comparison; nothing where it is no client.
    pub(super) fn role(&self) -> Option<Role> {
        match self {
            Self::Client(client, _) => Some(client.role()),
            Self::Limit => None,
        }
    }

    /// What it runs with.
    pub(super) fn setting(&self) -> Option<Setting> {
        match self {
            Self::Client(_, setting) => *setting,
            Self::Limit => None,
        }
    }

    /// What it may run with, where there is a choice.
    pub(super) fn settings(&self, cell: &Cell) -> Vec<Setting> {
        match self {
            Self::Client(client, _) => client.settings(cell),
            Self::Limit => Vec::new(),
        }
    }

    /// Has it run with `chosen` from now on.
    pub(super) fn set(&mut self, chosen: Setting) {
        if let Self::Client(_, setting) = self {
            *setting = Some(chosen);
        }
    }

    /// Whether each key has to be there afterwards, since it was sent by name.
    pub(super) fn is_exact(&self) -> bool {
        match self {
            Self::Client(client, _) => client.stores_a_fill(),
            Self::Limit => true,
        }
    }

    /// One run on fresh servers. With `verifies`, what was stored is compared with the plan of a
    /// fill afterwards, where it should be that.
    ///
    /// # Errors
    /// It fails; what it stored is not what it should be.
    pub(super) fn run(
        &self,
        rig: &Rig,
        cell: &Cell,
        file: Option<&CommandFile>,
        verifies: bool,
    ) -> Result<Run> {
        let (run, servers) = match self {
            Self::Client(client, setting) => fill(rig, cell, file, client.as_ref(), *setting)?,
            Self::Limit => load(rig, file)?,
        };
        if verifies && self.is_exact() {
            verify(rig, cell, servers.port())?;
        }
        Ok(run)
    }
}

/// A client fills fresh servers.
fn fill(
    rig: &Rig,
    cell: &Cell,
    file: Option<&CommandFile>,
    client: &dyn Client,
    setting: Option<Setting>,
) -> Result<(Run, Servers)> {
    let servers = Servers::start(rig, cell.mode)?;
    let port = servers.port();
    let place = Place {
        rig,
        cell,
        port,
        file,
    };
    let mut job = client.job(&place, setting)?;
    let cpu_before = servers.cpu_seconds()?;
    let done = job.run()?;
    let run = Run {
        wall_seconds: done.cost.wall.as_secs_f64(),
        server_cpu_seconds: servers.cpu_seconds()? - cpu_before,
        client_cpu_seconds: Some(done.cost.cpu.as_secs_f64()),
        client_peak_rss_bytes: Some(done.peak_rss_bytes),
        server_share_told: client.server_share(&done.output),
        keys_stored: servers.key_count()?,
    };
    Ok((run, servers))
}

/// A fresh server loads the commands by itself.
fn load(rig: &Rig, file: Option<&CommandFile>) -> Result<(Run, Servers)> {
    let file = file.ok_or("a server loads a file of commands")?;
    let (server, wall_seconds) = Server::load(&rig.installation, rig.cores.server, &file.path())?;
    let run = Run {
        wall_seconds,
        server_cpu_seconds: server.cpu_seconds()?,
        keys_stored: server.key_count()?,
        ..Run::default()
    };
    Ok((run, Servers::One(server)))
}

/// Compares every key and value with the plan of a fill.
fn verify(rig: &Rig, cell: &Cell, port: u16) -> Result<()> {
    let cluster = match cell.mode {
        Mode::Standalone => "",
        Mode::Cluster => "-c",
    };
    let flags = format!(
        "{cluster} --keys {} --key-size {} --value-size {}",
        cell.keys, cell.key_size, cell.value_size
    );
    process::run(&mut rig.verify(port, &flags)).map(|_| ())
}
