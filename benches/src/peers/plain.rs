//! The least a client can do: one connection in CLIENT REPLY OFF, a loop of blocking `write_all`
//! over the commands of a fill, and one ECHO at the end to see that all of them were read. It
//! checks nothing and reports nothing. A process of its own, as every client is.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::str::FromStr;

use clap::Args;

use super::cell::Cell;
use super::commands;
use crate::Result;
use crate::process::pinned;
use crate::sink::address;

/// The answers to what ends the loop.
const END: &[u8] = b"+OK\r\n$3\r\nend\r\n";

/// What is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Writing {
    sizes: (usize, usize),
    keys: u64,
}

impl FromStr for Writing {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers: Vec<usize> = text.split(',').filter_map(|n| n.parse().ok()).collect();
        let [key_size, value_size, keys] = numbers[..] else {
            return Err(format!("'{text}' is not <key size>,<value size>,<keys>"));
        };
        Ok(Self {
            sizes: (key_size, value_size),
            keys: keys as u64,
        })
    }
}

/// What makes a bench the plain loop of a run.
#[derive(Clone, Debug, Args)]
pub struct PlainRole {
    /// Be the plain loop of a run
    #[arg(long, hide = true, requires = "plain_port")]
    plain: Option<Writing>,
    /// Where the server listens on loopback
    #[arg(long, hide = true)]
    plain_port: Option<u16>,
}

impl PlainRole {
    /// Writes, if this process is to be the plain loop; `None` if not.
    pub fn play(&self) -> Option<Result<()>> {
        Some(write(self.plain?, self.plain_port?))
    }
}

/// The command that writes the SETs of `cell` to a port, from `core`.
///
/// # Errors
/// This program has no path.
pub(super) fn command(cell: &Cell, port: u16, core: usize) -> Result<Command> {
    let mut command = pinned(core, std::env::current_exe()?);
    command
        .arg(format!(
            "--plain={},{},{}",
            cell.key_size, cell.value_size, cell.keys
        ))
        .arg(format!("--plain-port={port}"));
    Ok(command)
}

fn write(writing: Writing, port: u16) -> Result<()> {
    let mut stream = TcpStream::connect(address(port))?;
    stream.set_nodelay(true)?;
    stream.write_all(b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n")?;
    commands::write_all(writing.sizes, writing.keys, &mut stream)?;
    stream.write_all(b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$2\r\nON\r\n")?;
    stream.write_all(b"*2\r\n$4\r\nECHO\r\n$3\r\nend\r\n")?;
    let mut answer = [0; END.len()];
    stream.read_exact(&mut answer)?;
    if answer == END {
        return Ok(());
    }
    Err(format!("the server answered {}", answer.escape_ascii()).into())
}
