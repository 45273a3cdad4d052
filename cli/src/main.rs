//! The `redis-client` program: reads the command line, runs one command, says how it ended.
//! What a fill is and how it is done is the engine's affair; nothing here touches a socket.

#![deny(unsafe_code)]

mod access;
mod again;
mod cluster;
mod completions;
mod config;
mod confirm;
mod console;
mod contents;
mod depth;
mod doctor;
mod dry_run;
mod environment;
mod exit;
mod figures;
mod fill;
mod findings;
mod flags;
mod habits;
mod help;
mod intro;
mod keys;
mod layers;
mod ledger;
mod login;
mod man;
mod names;
mod output;
mod preset;
mod presets;
mod progress;
mod range;
mod scope;
mod settings;
mod signals;
mod tune;
mod value;
mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use environment::Environment;
use exit::{Failure, Status};
use flags::Request;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match run(&arguments) {
        Ok(status) => status.into(),
        Err(failure) => {
            console::error(&failure.message);
            failure.status.into()
        }
    }
}

/// One command from its arguments to its exit status.
fn run(arguments: &[OsString]) -> Result<Status, Failure> {
    match flags::read(arguments)? {
        Request::Show(text) => output::print(&text).map(|()| Status::Complete),
        Request::Fill(flags) => fill::run(&flags, &Environment::of_process()),
        Request::Verify(flags) => verify::run(&flags, &Environment::of_process()),
        Request::Presets(flags) => presets::run(&flags, &Environment::of_process()),
        Request::Man(flags) => man::run(&flags),
        Request::Completions(flags) => completions::run(&flags),
        Request::Doctor(flags) => doctor::run(*flags, &Environment::of_process()),
    }
}
