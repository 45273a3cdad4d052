//! The command line tool of the servers, which takes commands from a file.

use super::{Client, Place, Role};
use crate::Result;
use crate::peers::cell::Setting;
use crate::peers::job::Job;
use crate::process::{exists, pinned};

/// `redis-cli --pipe`, or `valkey-cli --pipe`.
#[derive(Debug)]
pub(in crate::peers) struct Pipe {
    program: &'static str,
}

impl Pipe {
    /// The one that is installed, if any.
    pub(super) fn find() -> Option<Self> {
        let programs = ["redis-cli", "valkey-cli"];
        let program = programs.into_iter().find(|program| exists(program))?;
        Some(Self { program })
    }
}

impl Client for Pipe {
    fn name(&self) -> String {
        format!("{} --pipe", self.program)
    }

    fn role(&self) -> Role {
        Role::Peer
    }

    fn job(&self, place: &Place, _setting: Option<Setting>) -> Result<Job> {
        let file = place.file.ok_or("it reads a file of commands")?;
        let mut command = pinned(place.rig.cores.client, self.program);
        command.args(["-h", "127.0.0.1", "-p", &place.port.to_string(), "--pipe"]);
        command.env_remove("REDISCLI_AUTH");
        let input = Some(file.path());
        Ok(Job { command, input })
    }

    fn stores_a_fill(&self) -> bool {
        true
    }
}
