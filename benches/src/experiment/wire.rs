//! Client and servers in two network namespaces, joined by a veth pair: a network that a program
//! cannot tell from one to another machine, without leaving this one.
//!
//! This command itself moves into a namespace, where its servers run; the client's namespace is
//! held by a process that ends with this one. Neither has a name, so the kernel takes both away,
//! and the pair between them, with the last process in them, however that ends.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::process;

/// Addresses of servers and client (198.18.0.0/15 is set aside for benchmarks, RFC 2544).
pub const SERVER: &str = "198.18.0.1";
const CLIENT: &str = "198.18.0.2";
/// Says that this process has moved already.
const MOVED: &str = "REDIS_CLIENT_BENCH_MOVED";
/// Processes that take longer than this to change their namespace are taken for broken.
const PATIENCE: Duration = Duration::from_secs(5);

/// The client's end of the pair, which ends with this value.
#[derive(Debug)]
pub struct Wire {
    /// Its namespace is that of the client.
    holder: Child,
}

impl Wire {
    /// Moves this process into a namespace of its own (by calling it again), and lays the pair.
    ///
    /// # Errors
    /// Namespaces are not permitted, or a tool is missing.
    pub fn lay() -> Result<Self> {
        if std::env::var_os(MOVED).is_none() {
            return Err(move_away());
        }
        let mut holder = Command::new("unshare");
        // It reads from a pipe of this process, and ends when that does.
        holder
            .args(["--net", "--", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        let wire = Self {
            holder: holder.spawn()?,
        };
        wire.wait_for_namespace()?;
        let pid = wire.holder.id().to_string();
        for line in [
            "link set lo up".to_owned(),
            format!("link add server type veth peer name client netns {pid}"),
            format!("addr add {SERVER}/30 dev server"),
            "link set server up".to_owned(),
        ] {
            process::run(Command::new("ip").args(line.split(' ')))?;
        }
        for line in [
            format!("addr add {CLIENT}/30 dev client"),
            "link set client up".to_owned(),
        ] {
            let mut command = Command::new("nsenter");
            process::run(
                command
                    .args(wire.entrance())
                    .arg("ip")
                    .args(line.split(' ')),
            )?;
        }
        Ok(wire)
    }

    /// The words before a program that is to run at the client's end.
    #[must_use]
    pub fn wrapper(&self) -> Vec<String> {
        [&["nsenter".to_owned()], &self.entrance()[..]].concat()
    }

    fn entrance(&self) -> [String; 2] {
        [
            format!("--net=/proc/{}/ns/net", self.holder.id()),
            "--".to_owned(),
        ]
    }

    fn wait_for_namespace(&self) -> Result<()> {
        let of = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net"));
        let started_at = Instant::now();
        while of(&self.holder.id().to_string())? == of("self")? {
            if started_at.elapsed() > PATIENCE {
                return Err("no second network namespace can be made".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // It fails only where the process is gone already.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Calls this command again in a namespace of its own; comes back only where that fails.
fn move_away() -> Box<dyn std::error::Error + Send + Sync> {
    const NEED: &str = "NETNS=1 makes network namespaces, which needs root, unshare and nsenter \
                        (util-linux) and ip (iproute2)";
    let permitted = Command::new("unshare")
        .args(["--net", "true"])
        .stderr(Stdio::null())
        .status();
    if !permitted.is_ok_and(|status| status.success()) {
        return NEED.into();
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error.into(),
    };
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(MOVED, "1");
    format!("{NEED}: {}", command.exec()).into()
}
