//! One client process from its start to its end: time, CPU, memory, what it said.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::UsageWho;

use crate::Result;
use crate::process::{Cost, cpu_time, failure};

/// How often a process's memory is looked at. The kernel keeps the peak, so only what a process
/// takes in its last moments can be missed.
const LOOK: Duration = Duration::from_millis(20);

/// A client to run.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) command: Command,
    /// What it reads from its standard input.
    pub(super) input: Option<PathBuf>,
}

impl From<Command> for Job {
    fn from(command: Command) -> Self {
        Self {
            command,
            input: None,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) cost: Cost,
    /// Largest resident set (VmHWM).
    pub(super) peak_rss_bytes: u64,
    pub(super) output: String,
}

impl Job {
    /// Runs it. No other child of this process may end meanwhile, for the kernel adds up their
    /// CPU time.
    ///
    /// # Errors
    /// It cannot be started, or fails: then with what it said.
    pub(super) fn run(&mut self) -> Result<Done> {
        let stdin = match &self.input {
            Some(path) => Stdio::from(File::open(path)?),
            None => Stdio::null(),
        };
        let command = &mut self.command;
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let cpu_before = cpu_time(UsageWho::RUSAGE_CHILDREN);
        let started_at = Instant::now();
        let child = command.spawn().map_err(|error| {
            format!("{} cannot be run: {error}", command.get_program().display())
        })?;
        let process = child.id();
        let (end, ended) = channel::<()>();
        let (output, peak_rss_bytes) = thread::scope(|scope| {
            let watch = scope.spawn(move || {
                let mut peak = 0;
                loop {
                    peak = peak.max(peak_rss_bytes(process).unwrap_or(0));
                    if ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Disconnected) {
                        return peak;
                    }
                }
            });
            let output = child
                .wait_with_output()
                .map(|output| (output, started_at.elapsed()));
            drop(end);
            (output, watch.join().unwrap_or(0))
        });
        let (output, wall) = output?;
        let cpu = cpu_time(UsageWho::RUSAGE_CHILDREN).saturating_sub(cpu_before);
        if !output.status.success() {
            return Err(failure(command, &output).into());
        }
        Ok(Done {
            cost: Cost { wall, cpu },
            peak_rss_bytes,
            output: String::from_utf8_lossy(&output.stdout).into_owned(),
        })
    }
}

/// The peak of a process's resident set; `None` once it has ended.
fn peak_rss_bytes(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_reads_its_file_and_costs_what_it_costs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input");
        fs::write(&path, "read me").unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 0.1; cat"]);
        let input = Some(path);
        let done = Job { command, input }.run().unwrap();
        assert_eq!(done.output, "read me");
        assert!(done.cost.wall >= Duration::from_millis(100));
        assert!(done.peak_rss_bytes > 100 << 10, "{}", done.peak_rss_bytes);
    }

    #[test]
    fn a_job_that_fails_says_why() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such luck >&2; exit 3"]);
        let error = Job::from(command).run().unwrap_err().to_string();
        assert!(error.contains("no such luck"), "{error}");
    }
}
