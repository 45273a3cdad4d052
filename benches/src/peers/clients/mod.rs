//! The clients that are compared: each a small type that builds its command.

mod benchmark;
mod fill;
mod memtier;
mod pipe;
mod plain;

use super::cell::{Cell, Mode, Setting};
use super::commands::CommandFile;
use super::job::Job;
use crate::Result;
use crate::process::exists;
use crate::rig::Rig;

pub(super) use self::benchmark::Benchmark;
pub(super) use self::fill::Fill;
pub(super) use self::memtier::Memtier;
pub(super) use self::pipe::Pipe;
pub(super) use self::plain::Plain;

/// What a client is to the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// This program with its defaults.
    Ours,
    /// This program with other flags.
    OursToo,
    /// What people use today.
    Peer,
    /// A reference that nobody would use.
    Reference,
}

/// Where one run takes place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) rig: &'a Rig,
    pub(super) cell: &'a Cell,
    pub(super) port: u16,
    /// The commands of the cell, where there is such a file.
    pub(super) file: Option<&'a CommandFile>,
}

/// A client.
pub(super) trait Client {
    /// What a table calls it.
    fn name(&self) -> String;

    /// What it is to the comparison.
    fn role(&self) -> Role;

    /// What it may be run with, of which the best counts; nothing where there is no choice.
    fn settings(&self, _cell: &Cell) -> Vec<Setting> {
        Vec::new()
    }

    /// The process that fills `place`.
    ///
    /// # Errors
    /// It cannot be named.
    fn job(&self, place: &Place, setting: Option<Setting>) -> Result<Job>;

    /// What it says of the server's CPU while it sent: a share of one core.
    fn server_share(&self, _output: &str) -> Option<f64> {
        None
    }

    /// Whether it stores the keys and values of a fill, so that `verify` can tell.
    fn stores_a_fill(&self) -> bool {
        false
    }
}

/// Whoever can fill servers of this kind and is installed.
pub(super) fn all(mode: Mode, also: &[String]) -> Vec<Box<dyn Client>> {
    let mut clients: Vec<Box<dyn Client>> = vec![
        Box::new(Fill::default()),
        Box::new(Fill::with("--replies each")),
    ];
    for flags in also {
        clients.push(Box::new(Fill::with(flags)));
    }
    for program in ["redis-benchmark", "valkey-benchmark"] {
        if exists(program) {
            clients.push(Box::new(Benchmark::with_one_connection(program)));
            clients.push(Box::new(Benchmark::with_several_connections(program)));
        }
    }
    if exists(Memtier::PROGRAM) {
        clients.push(Box::new(Memtier));
    }
    if mode == Mode::Standalone {
        clients.extend(Pipe::find().map(|pipe| Box::new(pipe) as Box<dyn Client>));
        clients.push(Box::new(Plain));
    }
    clients
}

/// A letter `count` times, as what fills up a key or a value.
fn padding(count: usize) -> String {
    "x".repeat(count)
}
