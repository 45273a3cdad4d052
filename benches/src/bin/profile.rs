//! Records a fill of a fresh server with `perf`, draws flame graphs, and names the functions that
//! most time was spent in. `make profile` calls it; docs/PROFILING.md says how to read the result.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use benches::recording::{self, Attached};
use benches::rig::Rig;
use benches::server::Server;
use benches::{Result, flame, machine};
use clap::Parser;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/profile");

#[derive(Debug, Parser)]
#[command(about)]
struct Program {
    /// Driver of the fill: auto, uring, tokio-uring or socket
    #[arg(long, default_value = "auto")]
    driver: String,
    /// More flags of the fill, as one argument
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    flags: String,
    /// MiB of keys and values
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    mib: u64,
    /// Record the server as well
    #[arg(long)]
    server: bool,
    /// Where recordings and pictures go [default: target/profile]
    #[arg(long, value_name = "PATH", default_value = FOLDER, hide_default_value = true)]
    folder: PathBuf,
}

fn main() -> ExitCode {
    match Program::parse().profile() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Program {
    fn profile(&self) -> Result<()> {
        let rig = Rig::find()?;
        fs::create_dir_all(&self.folder)?;
        let (client, server) = (self.recording("client"), self.recording("server"));
        for old in [&client, &server] {
            if old.exists() {
                fs::remove_file(old)?;
            }
        }
        let flags = format!("-d {}mb --driver {} {}", self.mib, self.driver, self.flags);
        println!("{}", machine::describe(Some(&rig.installation.version)));
        println!("redis-client fill {}", flags.trim_end());
        if let Some(hint) = hidden_kernel() {
            println!("{hint}");
        }
        let process = Server::start(&rig.installation, rig.cores.server)?;
        let attached = match self.server {
            true => Some(Attached::to(process.id(), &server)?),
            false => None,
        };
        recording::of_program(&rig.fill(process.port(), &flags), &client)?;
        if let Some(attached) = attached {
            attached.end()?;
            tell("server", &server, &flags)?;
        }
        tell("client", &client, &flags)
    }

    fn recording(&self, whose: &str) -> PathBuf {
        self.folder.join(format!("{whose}.data"))
    }
}

/// Draws a recording beside it, and prints the hottest functions.
fn tell(whose: &str, recording: &Path, flags: &str) -> Result<()> {
    let svg = recording.with_extension("svg");
    let hot_spots = flame::draw(recording, &format!("{whose}: fill {flags}"), &svg)?;
    println!("\n{whose}: {}", svg.canonicalize()?.display());
    for (symbol, share) in hot_spots {
        println!("{:5.1} %  {symbol}", share * 100.0);
    }
    Ok(())
}

/// What to change where functions of the kernel would have no names.
fn hidden_kernel() -> Option<String> {
    let restricted = fs::read_to_string("/proc/sys/kernel/kptr_restrict").ok()?;
    let is_root = nix::unistd::geteuid().is_root();
    let is_hidden = match restricted.trim() {
        "0" => false,
        "1" => !is_root,
        _ => true,
    };
    is_hidden.then(|| {
        "functions of the kernel have no names here: sysctl kernel.kptr_restrict=0".to_owned()
    })
}
