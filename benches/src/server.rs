//! A fresh server process per run, on a free loopback port, pinned, writing nothing to disk. A
//! used one would not do: after FLUSHALL the allocator may or may not have kept its pages, which
//! alone changes a fill by a third.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::Value;
use tempfile::TempDir;

use crate::Result;
use crate::process::{exists, pinned};

/// A server that takes longer than this to start or to answer is taken for broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// One that loads a file longer than this, too.
const LOADING_PATIENCE: Duration = Duration::from_secs(600);
/// Its log, in its folder.
const LOG: &str = "log";

/// The server and the load generator that comes with it.
#[derive(Clone, Debug)]
pub struct Installation {
    /// `redis-server` or `valkey-server`.
    pub server: &'static str,
    /// `redis-benchmark` or `valkey-benchmark`.
    pub benchmark: &'static str,
    /// Name and version, for the head of a table.
    pub version: String,
}

impl Installation {
    /// Finds it in `PATH`, Redis first.
    ///
    /// # Errors
    /// Neither is installed.
    pub fn find() -> Result<Self> {
        let (server, benchmark) = [
            ("redis-server", "redis-benchmark"),
            ("valkey-server", "valkey-benchmark"),
        ]
        .into_iter()
        .find(|(server, benchmark)| exists(server) && exists(benchmark))
        .ok_or(
            "neither redis-server and redis-benchmark nor valkey-server and \
                     valkey-benchmark are in PATH: this bench needs a real server \
                     (Debian: apt-get install redis-server redis-tools)",
        )?;
        let output = Command::new(server).arg("--version").output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text
            .split_whitespace()
            .find_map(|word| word.strip_prefix("v="))
            .unwrap_or("?");
        Ok(Self {
            server,
            benchmark,
            version: format!("{server} {version}"),
        })
    }

    /// The first number of its version, if there is one.
    fn major(&self) -> Option<u64> {
        let (_, version) = self.version.split_once(' ')?;
        version.split('.').next()?.parse().ok()
    }
}

/// What a server is that is started through a program of the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// In cluster mode; it knows of no other node and owns no slots.
    pub is_node: bool,
    /// The program goes on running beside the server, and ends with it.
    pub is_wrapped: bool,
}

/// A running server, which ends with this value.
#[derive(Debug)]
pub struct Server {
    process: Child,
    port: u16,
    bus_port: u16,
    /// The process is one that runs the server: killing it would leave the server behind.
    is_wrapped: bool,
    /// Where it runs; nothing is left of it afterwards.
    folder: TempDir,
}

impl Server {
    /// Starts one on `core` and waits until it answers.
    ///
    /// # Errors
    /// It does not start: then with what it said.
    pub fn start(installation: &Installation, core: usize) -> Result<Self> {
        let program = pinned(core, installation.server);
        Self::launch(installation, program, false, free_ports()?, &[])
    }

    /// Starts one on `core` that listens on a port that was chosen before.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_at(installation: &Installation, core: usize, port: u16) -> Result<Self> {
        let program = pinned(core, installation.server);
        Self::launch(installation, program, false, (port, 0), &[])
    }

    /// Starts one on `core` through `wrapper`, a program and its arguments that runs what follows
    /// them. [`stop`](Self::stop) ends both.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_under(
        installation: &Installation,
        core: usize,
        wrapper: &[String],
    ) -> Result<Self> {
        let [first, others @ ..] = wrapper else {
            return Self::start(installation, core);
        };
        let mut program = pinned(core, first);
        program.args(others).arg(installation.server);
        Self::launch(installation, program, true, free_ports()?, &[])
    }

    /// Starts one through `program`, which runs it, with further settings as it takes them on its
    /// command line, the last of a kind being the one that counts.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(
        installation: &Installation,
        program: Command,
        role: Role,
        settings: &[String],
    ) -> Result<Self> {
        let ports = free_ports()?;
        let bus_port = ports.1.to_string();
        let mut all: Vec<&str> = match role.is_node {
            true => vec!["--cluster-enabled", "yes", "--cluster-port", &bus_port],
            false => Vec::new(),
        };
        all.extend(settings.iter().map(String::as_str));
        Self::launch(installation, program, role.is_wrapped, ports, &all)
    }

    /// Starts one in cluster mode that knows of no other node and owns no slots.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_node(installation: &Installation, core: usize) -> Result<Self> {
        let ports = free_ports()?;
        let bus_port = ports.1.to_string();
        let settings = ["--cluster-enabled", "yes", "--cluster-port", &bus_port];
        let program = pinned(core, installation.server);
        Self::launch(installation, program, false, ports, &settings)
    }

    /// Starts one on `core` that first carries out `commands`, a file as SETs stand on the wire,
    /// as its own append-only file. Also says how many seconds that took, by its log.
    ///
    /// # Errors
    /// As [`start`](Self::start); it cannot load the file.
    pub fn load(installation: &Installation, core: usize, commands: &Path) -> Result<(Self, f64)> {
        let folder = folder()?;
        lay_out(installation, folder.path(), commands)?;
        let settings = ["--appendonly", "yes", "--appendfsync", "no"];
        let no_rewrite = ["--auto-aof-rewrite-percentage", "0"];
        let settings = [settings.as_slice(), &no_rewrite].concat();
        let program = pinned(core, installation.server);
        let mut server = Self::spawn(program, false, free_ports()?, &settings, folder)?;
        // A server that is asked while it loads would load more slowly; its log can be read.
        let started_at = Instant::now();
        loop {
            let said = server.log();
            if let Some(seconds) = seconds_of_loading(&said) {
                server.wait_until_it_answers(installation)?;
                return Ok((server, seconds));
            }
            let is_gone = server.process.try_wait()?.is_some();
            if is_gone || started_at.elapsed() > LOADING_PATIENCE {
                return Err(
                    format!("{} does not load; it says:\n{said}", installation.server).into(),
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn launch(
        installation: &Installation,
        program: Command,
        is_wrapped: bool,
        ports: (u16, u16),
        settings: &[&str],
    ) -> Result<Self> {
        let mut server = Self::spawn(program, is_wrapped, ports, settings, folder()?)?;
        server.wait_until_it_answers(installation)?;
        Ok(server)
    }

    fn spawn(
        mut program: Command,
        is_wrapped: bool,
        (port, bus_port): (u16, u16),
        settings: &[&str],
        folder: TempDir,
    ) -> Result<Self> {
        let process = program
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .args(settings)
            .arg("--logfile")
            .arg(folder.path().join(LOG))
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self {
            process,
            port,
            bus_port,
            is_wrapped,
            folder,
        })
    }

    fn wait_until_it_answers(&mut self, installation: &Installation) -> Result<()> {
        let started_at = Instant::now();
        while self.ask(&["PING"]).is_err() {
            let is_gone = self.process.try_wait()?.is_some();
            if is_gone || started_at.elapsed() > PATIENCE {
                let said = self.log();
                return Err(
                    format!("{} does not start; it says:\n{said}", installation.server).into(),
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// What it has written into its log so far.
    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default()
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(mut self) -> Result<()> {
        // Where it obeys it closes the connection instead of answering.
        let _ = self.ask(&["SHUTDOWN", "NOSAVE"]);
        let asked_at = Instant::now();
        while self.process.try_wait()?.is_none() {
            if asked_at.elapsed() > PATIENCE {
                return Err("the server does not end".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.is_wrapped = false;
        Ok(())
    }

    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port on which other nodes talk to it, if it is one.
    #[must_use]
    pub fn bus_port(&self) -> u16 {
        self.bus_port
    }

    /// How many keys it holds.
    ///
    /// # Errors
    /// It does not say.
    pub fn key_count(&self) -> Result<u64> {
        match self.ask(&["DBSIZE"])? {
            Value::Int(count) => Ok(count.try_into()?),
            answer => Err(format!("DBSIZE was answered with {answer:?}").into()),
        }
    }

    /// CPU seconds that its process has used.
    ///
    /// # Errors
    /// It does not say.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let info = self.text(&["INFO", "cpu"])?;
        let seconds = |name: &str| -> Result<f64> {
            let line = info.lines().find_map(|line| line.strip_prefix(name));
            Ok(line.ok_or("INFO has no CPU time")?.trim().parse()?)
        };
        Ok(seconds("used_cpu_sys:")? + seconds("used_cpu_user:")?)
    }

    /// Its answer to a command that is answered with text.
    ///
    /// # Errors
    /// There is none, or another one.
    pub fn text(&self, command: &[&str]) -> Result<String> {
        match self.ask(command)? {
            Value::BulkString(bytes) => Ok(String::from_utf8(bytes)?),
            answer => Err(format!("{} was answered with {answer:?}", command.join(" ")).into()),
        }
    }

    /// Its answer to a command.
    ///
    /// # Errors
    /// There is none, or it is a refusal.
    pub fn ask(&self, command: &[&str]) -> Result<Value> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut packed = redis::Cmd::new();
        packed.arg(command);
        stream.write_all(&packed.get_packed_command())?;
        match redis::Parser::new().parse_value(stream)? {
            Value::ServerError(error) => Err(format!("{}: {error:?}", command.join(" ")).into()),
            answer => Ok(answer),
        }
    }
}

fn folder() -> Result<TempDir> {
    Ok(TempDir::with_prefix("redis-client-bench-")?)
}

/// Makes `commands` the append-only file of a server that will run in `folder`. It is only read:
/// what the server itself would append goes into another file.
fn lay_out(installation: &Installation, folder: &Path, commands: &Path) -> Result<()> {
    if installation.major().is_some_and(|major| major < 7) {
        return Ok(symlink(commands, folder.join("appendonly.aof"))?);
    }
    let parts = folder.join("appendonlydir");
    fs::create_dir(&parts)?;
    let base = "appendonly.aof.1.base.aof";
    symlink(commands, parts.join(base))?;
    let manifest = format!("file {base} seq 1 type b\n");
    Ok(fs::write(parts.join("appendonly.aof.manifest"), manifest)?)
}

/// What a log says of how long the append-only file took; `None` while it says nothing yet.
fn seconds_of_loading(log: &str) -> Option<f64> {
    let (_, said) = log.split_once("DB loaded from append only file: ")?;
    let (seconds, _) = said.split_once(" seconds")?;
    seconds.parse().ok()
}

/// Two ports that nobody listens on.
fn free_ports() -> Result<(u16, u16)> {
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (one, other) = (free()?, free()?);
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.is_wrapped {
            let _ = self.ask(&["SHUTDOWN", "NOSAVE"]);
        }
        // Nothing of it is needed any more; it fails only where the process is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_load_counts() {
        let part = "1:M * DB loaded from base file appendonly.aof.1.base.aof: 0.812 seconds\n";
        assert_eq!(seconds_of_loading(part), None);
        let whole = format!("{part}1:M * DB loaded from append only file: 0.813 seconds\n1:M * Re");
        assert_eq!(seconds_of_loading(&whole), Some(0.813));
    }
}
