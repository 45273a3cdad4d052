//! What every run of the whole program against a real server needs.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::machine::Cores;
use crate::process::pinned;
use crate::server::Installation;

/// Servers to start, the program to fill them with, and which core each side gets.
#[derive(Clone, Debug)]
pub struct Rig {
    /// Servers and their load generator.
    pub installation: Installation,
    /// Who runs where.
    pub cores: Cores,
    client: PathBuf,
}

impl Rig {
    /// Looks around.
    ///
    /// # Errors
    /// There is no server, or the program is not built.
    pub fn find() -> Result<Self> {
        Ok(Self {
            installation: Installation::find()?,
            cores: Cores::observe(),
            client: client()?,
        })
    }

    /// The program that fills.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.client
    }

    /// `redis-client fill` of what listens on a loopback port with `flags`, otherwise with its
    /// defaults.
    #[must_use]
    pub fn fill(&self, port: u16, flags: &str) -> Command {
        self.client("fill", port, flags)
    }

    /// `redis-client verify` of what listens on a loopback port, likewise.
    #[must_use]
    pub fn verify(&self, port: u16, flags: &str) -> Command {
        self.client("verify", port, flags)
    }

    fn client(&self, name: &str, port: u16, flags: &str) -> Command {
        let mut command = pinned(self.cores.client, &self.client);
        command
            .args([name, "-h", "127.0.0.1", "-p", &port.to_string()])
            .args(flags.split_whitespace())
            .args(["--output", "json"])
            // No habits of the user of this machine.
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .env_remove("REDIS_CLIENT_FILL_CHUNK_KB")
            .env_remove("REDISCLI_AUTH");
        command
    }
}

/// The program: `REDIS_CLIENT_BIN`, or the one that was built beside this bench.
fn client() -> Result<PathBuf> {
    let path = match std::env::var_os("REDIS_CLIENT_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            let bench = std::env::current_exe()?;
            // Benches lie in <profile>/deps, the programs of this crate in <profile>.
            let folders = bench.ancestors().skip(1).take(2);
            let paths: Vec<PathBuf> = folders.map(|folder| folder.join("redis-client")).collect();
            let built = paths.iter().find(|path| path.is_file());
            built
                .or(paths.last())
                .ok_or("this program lies in no folder")?
                .clone()
        }
    };
    if path.is_file() {
        return Ok(path);
    }
    Err(format!(
        "{} is missing: build it first (cargo build --release -p redis-client), or name it in REDIS_CLIENT_BIN",
        path.display()
    )
    .into())
}
