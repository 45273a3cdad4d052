//! A fresh server process per run, on a free loopback port, pinned, writing nothing to disk. A
//! used one would not do: after FLUSHALL the allocator may or may not have kept its pages, which
//! alone changes a fill by a third.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::process::{exists, pinned};

/// A server that takes longer than this to start or to answer is taken for broken.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// A running server, which ends with this value.
#[derive(Debug)]
pub struct Server {
    process: Child,
    port: u16,
    /// Where it runs; nothing is left of it afterwards.
    _folder: TempDir,
}

impl Server {
    /// Starts one on `core` and waits until it answers.
    ///
    /// # Errors
    /// It does not start: then with what it said.
    pub fn start(installation: &Installation, core: usize) -> Result<Self> {
        let folder = TempDir::with_prefix("redis-client-bench-")?;
        let log = folder.path().join("log");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let process = pinned(core, installation.server)
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args(["--appendonly", "no", "--logfile"])
            .arg(&log)
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let mut server = Self {
            process,
            port,
            _folder: folder,
        };
        let started_at = Instant::now();
        while !server.ask("PING").is_ok_and(|answer| answer == "+PONG") {
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

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many keys it holds.
    ///
    /// # Errors
    /// It does not say.
    pub fn key_count(&self) -> Result<u64> {
        let answer = self.ask("DBSIZE")?;
        let count = answer
            .strip_prefix(':')
            .and_then(|count| count.parse().ok());
        count.ok_or_else(|| format!("DBSIZE was answered with {answer}").into())
    }

    /// The first line of its answer to a command without arguments.
    fn ask(&self, command: &str) -> Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "{command}\r\n")?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing of it is needed any more; it fails only where the process is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
