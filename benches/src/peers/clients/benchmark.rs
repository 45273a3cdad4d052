//! The load generators that come with the servers. They write to random keys, of which some meet
//! the same one; where they can count instead (`--sequential` of newer valkey-benchmarks), they do.

use std::process::Command;

use super::{Client, Place, Role, padding};
use crate::Result;
use crate::peers::cell::{Cell, Mode, Setting};
use crate::peers::job::Job;
use crate::process::pinned;

/// What the program replaces by twelve digits.
const COUNTER: &str = "__rand_int__";
const COUNTER_BYTES: usize = 12;
/// What it replaces by three characters that lead to a node, in a cluster.
const TAG: &str = "{tag}";
/// The widest range of random keys that it takes, so that few of them meet.
const RANGE: u64 = i32::MAX as u64;

/// `redis-benchmark` or `valkey-benchmark`.
#[derive(Debug)]
pub(in crate::peers) struct Benchmark {
    program: &'static str,
    has_several_connections: bool,
    counts: bool,
}

impl Benchmark {
    pub(super) fn with_one_connection(program: &'static str) -> Self {
        Self {
            program,
            has_several_connections: false,
            counts: counts(program),
        }
    }

    pub(super) fn with_several_connections(program: &'static str) -> Self {
        Self {
            has_several_connections: true,
            ..Self::with_one_connection(program)
        }
    }
}

impl Client for Benchmark {
    fn name(&self) -> String {
        let connections = match self.has_several_connections {
            false => "one connection",
            true => "several",
        };
        format!("{}, {connections}", self.program)
    }

    fn role(&self) -> Role {
        Role::Peer
    }

    fn settings(&self, cell: &Cell) -> Vec<Setting> {
        match self.has_several_connections {
            false => cell.settings_of_one(),
            true => cell.settings_of_several(),
        }
    }

    fn job(&self, place: &Place, setting: Option<Setting>) -> Result<Job> {
        let setting = setting.ok_or("it has settings")?;
        let cell = place.cell;
        let range = if self.counts { cell.keys } else { RANGE };
        let mut command = pinned(place.rig.cores.client, self.program);
        command
            .args(["-h", "127.0.0.1", "-p", &place.port.to_string(), "-q"])
            .args(["-n", &cell.keys.to_string(), "-r", &range.to_string()])
            .args(["-P", &setting.depth.to_string()])
            .args(["-c", &setting.connections.to_string()]);
        if self.counts {
            command.arg("--sequential");
        }
        if cell.mode == Mode::Cluster {
            command.arg("--cluster");
        }
        command
            .arg("SET")
            .arg(key(cell))
            .arg(padding(cell.value_size));
        Ok(command.into())
    }
}

/// The template of a key that has the size of the cell's.
fn key(cell: &Cell) -> String {
    let tag = match cell.mode {
        Mode::Standalone => "",
        Mode::Cluster => TAG,
    };
    let head = format!("key:{tag}");
    let rest = cell.key_size - head.len() - COUNTER_BYTES;
    format!("{head}{COUNTER}{}", padding(rest))
}

/// Whether the program can take key after key.
fn counts(program: &str) -> bool {
    let help = Command::new(program).arg("--help").output();
    help.is_ok_and(|help| {
        let said = [help.stdout, help.stderr].concat();
        String::from_utf8_lossy(&said).contains("--sequential")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_size_of_the_cells() {
        for cell in Cell::all(4) {
            let sent = key(&cell)
                .replace(COUNTER, "000000000042")
                .replace("tag", "06S");
            assert_eq!(sent.len(), cell.key_size);
            assert_eq!(sent.contains('{'), cell.mode == Mode::Cluster);
        }
    }
}
