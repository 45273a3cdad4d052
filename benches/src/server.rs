//! A fresh server process per run, on a free loopback port, pinned, writing nothing to disk. A
//! used one would not do: after FLUSHALL the allocator may or may not have kept its pages, which
//! alone changes a fill by a third.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::Value;
use tempfile::TempDir;

use crate::Result;
use crate::process::{exists, pinned};

/// A server that takes longer than this to start or to answer is taken for broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

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
    _folder: TempDir,
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

    fn launch(
        installation: &Installation,
        mut program: Command,
        is_wrapped: bool,
        (port, bus_port): (u16, u16),
        settings: &[&str],
    ) -> Result<Self> {
        let folder = TempDir::with_prefix("redis-client-bench-")?;
        let log = folder.path().join("log");
        let process = program
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .args(settings)
            .arg("--logfile")
            .arg(&log)
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let mut server = Self {
            process,
            port,
            bus_port,
            is_wrapped,
            _folder: folder,
        };
        let started_at = Instant::now();
        while server.ask(&["PING"]).is_err() {
            let is_gone = server.process.try_wait()?.is_some();
            if is_gone || started_at.elapsed() > PATIENCE {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                return Err(
                    format!("{} does not start; it says:\n{said}", installation.server).into(),
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
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
