//! Samples taken by `perf`: of a program from its start to its end, or of a server while something
//! else runs. Cycles where the processor counts them, else the CPU clock: perf chooses.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::exists;
use crate::{Result, process};

/// Samples per second. Odd, so that nothing periodic keeps in step with it.
const SAMPLES_PER_SECOND: &str = "499";
/// perf has begun, or ended, within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `program` under `perf record`; its standard output.
///
/// # Errors
/// `perf` is missing or may not record, or the program fails.
pub fn of_program(program: &Command, recording: &Path) -> Result<String> {
    let mut perf = record(recording)?;
    perf.arg("--")
        .arg(program.get_program())
        .args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => perf.env(name, value),
            None => perf.env_remove(name),
        };
    }
    process::run(&mut perf).map(|(_, output)| output)
}

/// A recording of another process that is under way.
#[derive(Debug)]
pub struct Attached {
    perf: Child,
    recording: PathBuf,
}

impl Attached {
    /// Starts to record the process `id`.
    ///
    /// # Errors
    /// `perf` is missing or may not record.
    pub fn to(id: u32, recording: &Path) -> Result<Self> {
        let mut perf = record(recording)?;
        perf.args(["-p", &id.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut attached = Self {
            perf: perf.spawn()?,
            recording: recording.to_owned(),
        };
        // It makes its file when it has found the process and may record it.
        let started_at = Instant::now();
        while !attached.recording.exists() {
            if attached.perf.try_wait()?.is_some() || started_at.elapsed() > PATIENCE {
                return Err(format!("perf does not record process {id}").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(attached)
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// `perf` does not end.
    pub fn end(mut self) -> Result<()> {
        kill(Pid::from_raw(self.perf.id().try_into()?), Signal::SIGINT)?;
        let asked_at = Instant::now();
        while self.perf.try_wait()?.is_none() {
            if asked_at.elapsed() > PATIENCE {
                return Err("perf does not end".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // It fails only where perf is gone already, as it should be.
        let _ = self.perf.kill();
        let _ = self.perf.wait();
    }
}

fn record(recording: &Path) -> Result<Command> {
    if !exists("perf") {
        return Err("perf is not in PATH (Debian: apt-get install linux-perf)".into());
    }
    let mut perf = Command::new("perf");
    perf.args(["record", "-q", "-F", SAMPLES_PER_SECOND, "-g", "-o"])
        .arg(recording);
    Ok(perf)
}
