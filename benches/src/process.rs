//! Processes: pinned to a core, and what they cost.

use std::ffi::OsStr;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::UsageWho;

use crate::Result;

/// A command that runs `program` on `core` alone, where `taskset` (util-linux) is there to do so.
#[must_use]
pub fn pinned(core: usize, program: impl AsRef<OsStr>) -> Command {
    if !exists("taskset") {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.to_string()).arg(program);
    command
}

/// Whether `program` is found in `PATH`.
#[must_use]
pub fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// What a process cost from its start to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Time on the clock.
    pub wall: Duration,
    /// CPU time in user mode and in the kernel, of all its threads.
    pub cpu: Duration,
}

/// Runs `command` to its end; what it cost, and its standard output. No other child of this
/// process may end meanwhile, for the kernel adds them all up.
///
/// # Errors
/// It cannot be started, or fails: then with what it said.
pub fn run(command: &mut Command) -> Result<(Cost, String)> {
    let (cost, outputs) = run_together(std::slice::from_mut(command))?;
    Ok((cost, outputs.concat()))
}

/// Runs `commands` side by side, from the start of the first to the end of the last; what all of
/// them cost, and their standard outputs. Otherwise as [`run`].
///
/// # Errors
/// As [`run`].
pub fn run_together(commands: &mut [Command]) -> Result<(Cost, Vec<String>)> {
    let before = cpu_time(UsageWho::RUSAGE_CHILDREN);
    let started_at = Instant::now();
    let mut children = Vec::with_capacity(commands.len());
    for command in commands.iter_mut() {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        children.push(child.map_err(|error| {
            format!("{} cannot be run: {error}", command.get_program().display())
        })?);
    }
    let outputs = children.into_iter().map(Child::wait_with_output);
    let outputs: Vec<Output> = outputs.collect::<std::io::Result<_>>()?;
    let wall = started_at.elapsed();
    let cpu = cpu_time(UsageWho::RUSAGE_CHILDREN).saturating_sub(before);
    for (command, output) in commands.iter().zip(&outputs) {
        if !output.status.success() {
            return Err(failure(command, output).into());
        }
    }
    let outputs = outputs.iter().map(|output| &output.stdout);
    let outputs = outputs.map(|output| String::from_utf8_lossy(output).into_owned());
    Ok((Cost { wall, cpu }, outputs.collect()))
}

/// Does `work` in a thread of its own, so that pinning ends with it; what it cost this process.
///
/// # Errors
/// As `work`; it panicked.
pub fn in_thread(work: impl FnOnce() -> Result<()> + Send) -> Result<Cost> {
    let before = cpu_time(UsageWho::RUSAGE_SELF);
    let timed = || {
        let started_at = Instant::now();
        work().map(|()| started_at.elapsed())
    };
    let outcome = std::thread::scope(|scope| scope.spawn(timed).join());
    Ok(Cost {
        wall: outcome.map_err(|_| "its thread panicked")??,
        cpu: cpu_time(UsageWho::RUSAGE_SELF).saturating_sub(before),
    })
}

/// User and system CPU time of `who` so far.
#[must_use]
pub fn cpu_time(who: UsageWho) -> Duration {
    engine::scheduling::cpu_time(who).map_or(Duration::ZERO, |(user, system)| user + system)
}

/// What a command that failed said, for a person.
pub(crate) fn failure(command: &Command, output: &Output) -> String {
    let arguments: Vec<_> = command
        .get_args()
        .map(|argument| short(&argument.to_string_lossy()))
        .collect();
    format!(
        "{} {} ended with {}:\n{}{}",
        command.get_program().display(),
        arguments.join(" "),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A command-line argument that may be a 512-byte key, cut short.
fn short(argument: &str) -> String {
    match argument.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &argument[..end]),
        None => argument.to_owned(),
    }
}
