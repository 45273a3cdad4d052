//! `reconnect`: how soon a fill is sending again after its connections were killed, and after its
//! server was killed and another one has begun to accept at the same port. Sending again means: the
//! server has carried out more SETs than the fill has lanes, so not only the first frame of each
//! connection, which goes alone.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use redis::Connection;

use crate::Result;
use crate::arguments::Arguments;
use crate::rig::Rig;
use crate::server::{PATIENCE, Server};
use crate::statistics::Spread;
use crate::table::Table;
use crate::verdict::Target;

const ROUNDS: u64 = 15;
/// `-n` of the fills, in the short form and otherwise.
const LANES: (&[u64], &[u64]) = (&[2], &[1, 2, 16]);
/// How long there is no server, in the short form and otherwise.
const OUTAGE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));
/// Milliseconds until a fill is sending again, at worst.
const MILLIS: Target = Target::AtMost(200.0);
/// A fill that does not end before the bench does, of keys and values that take little memory, with
/// batches so short that every connection sees some of them acknowledged before it is killed.
const ENDLESS: &str = "--keys 40000000 --key-size 16 --value-size 16 --pipeline-depth 1000";
/// How often it is looked whether it is sending again.
const POLL: Duration = Duration::from_millis(1);
/// A fill goes on undisturbed for so long, and up to as long again, before the next disturbance.
const CALM: Duration = Duration::from_millis(150);
/// Below the ports that connections are given: whoever dials one of those over and over while
/// nobody listens meets himself in the end.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// What happens to a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disturbance {
    /// CLIENT KILL of every connection that sends keys.
    ConnectionsKilled,
    /// The server is killed; another one starts after a while.
    ServerReplaced(Duration),
}

/// How long a fill did not send.
#[derive(Clone, Copy, Debug)]
struct Pause {
    millis: f64,
    /// The longest time within it that the server, asked by the bench, did not answer: then no
    /// client could have gone on.
    silent_millis: f64,
}

impl Pause {
    fn since(begun_at: Instant, silent: Duration) -> Self {
        Self {
            millis: begun_at.elapsed().as_secs_f64() * 1e3,
            silent_millis: silent.as_secs_f64() * 1e3,
        }
    }
}

/// A fill under way, which ends with this value.
struct Fill {
    child: Child,
    lanes: u64,
}

/// Runs the part. Whether all targets are met.
///
/// # Errors
/// A fill ends, or does not go on.
pub fn reconnect(arguments: &Arguments) -> Result<bool> {
    let rig = Rig::find()?;
    let rounds = arguments.rounds(ROUNDS);
    let (lanes, outage) = if arguments.is_short() {
        (LANES.0, OUTAGE.0)
    } else {
        (LANES.1, OUTAGE.1)
    };
    let disturbances = [
        Disturbance::ConnectionsKilled,
        Disturbance::ServerReplaced(outage),
    ];
    let mut table = Table::new([
        "disturbance",
        "-n",
        "ms",
        "server silent ms",
        "target",
        "verdict",
    ]);
    let mut all_met = true;
    for disturbance in disturbances {
        for lanes in lanes {
            let pauses = disturb(&rig, disturbance, *lanes, rounds)
                .map_err(|error| format!("{}, -n {lanes}: {error}", disturbance.name()))?;
            let of = |figure: fn(&Pause) -> f64| {
                Spread::of(&pauses.iter().map(figure).collect::<Vec<_>>())
            };
            let spread = of(|pause| pause.millis);
            let silent = of(|pause| pause.silent_millis);
            all_met &= MILLIS.is_met_by(spread.max);
            table.row([
                disturbance.name().to_owned(),
                lanes.to_string(),
                format!(
                    "{:.0} ({:.0}..{:.0})",
                    spread.median, spread.min, spread.max
                ),
                format!(
                    "{:.0} ({:.0}..{:.0})",
                    silent.median, silent.min, silent.max
                ),
                MILLIS.to_string(),
                MILLIS.judge(spread.max).to_owned(),
            ]);
        }
    }
    if arguments.is_short() {
        println!("safety/reconnect: a fill goes on after kills of its connections and its server");
        return Ok(true);
    }
    println!(
        "\nsafety/reconnect: from the kill, or from the first connection that a new server accepts ({} s after the old one's end), to more SETs than lanes, {rounds} rounds, medians (min..max); the largest counts\n\n{table}",
        outage.as_secs()
    );
    Ok(all_met)
}

impl Disturbance {
    fn name(self) -> &'static str {
        match self {
            Self::ConnectionsKilled => "connections killed",
            Self::ServerReplaced(_) => "server replaced",
        }
    }
}

/// Milliseconds until one fill was sending again, round by round.
fn disturb(rig: &Rig, disturbance: Disturbance, lanes: u64, rounds: u64) -> Result<Vec<Pause>> {
    let port = free_port()?;
    let start = || Server::start_at(&rig.installation, rig.cores.server, port);
    let mut server = start()?;
    let mut fill = Fill::start(rig, port, lanes)?;
    let mut pauses = Vec::new();
    for round in 0..rounds {
        let mut watcher = connect(port)?;
        let sets = sets(&mut watcher)?;
        fill.wait_for(&mut watcher, sets + lanes)?;
        std::thread::sleep(CALM + CALM.mul_f64(round as f64 / rounds as f64));
        let pause = match disturbance {
            Disturbance::ConnectionsKilled => {
                let (killed_at, sets) = kill_connections(&mut watcher, lanes)?;
                let silent = fill.wait_for(&mut watcher, sets + lanes)?;
                Pause::since(killed_at, silent)
            }
            Disturbance::ServerReplaced(outage) => {
                drop(server);
                std::thread::sleep(outage);
                let (started, paused) = std::thread::scope(|scope| {
                    let watching = scope.spawn(|| fill.wait_for_server(port));
                    (start(), watching.join())
                });
                server = started?;
                paused.map_err(|_| "the watching thread panicked")??
            }
        };
        pauses.push(pause);
    }
    Ok(pauses)
}

impl Fill {
    fn start(rig: &Rig, port: u16, lanes: u64) -> Result<Self> {
        let child = rig
            .fill(port, &format!("-n {lanes} {ENDLESS}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        Ok(Self { child, lanes })
    }

    /// Waits until the server has carried out more than so many SETs. How long it was silent
    /// meanwhile: the longest time that it took to answer INFO.
    fn wait_for(&mut self, watcher: &mut Connection, beyond: u64) -> Result<Duration> {
        let begun_at = Instant::now();
        let mut silent = Duration::ZERO;
        loop {
            let asked_at = Instant::now();
            let sets = sets(watcher)?;
            silent = silent.max(asked_at.elapsed());
            if sets > beyond {
                return Ok(silent);
            }
            if self.child.try_wait()?.is_some() {
                let mut said = String::new();
                if let Some(mut stderr) = self.child.stderr.take() {
                    stderr.read_to_string(&mut said)?;
                }
                return Err(format!("the fill has ended; it says:\n{said}").into());
            }
            if begun_at.elapsed() > PATIENCE {
                return Err("the fill does not go on".into());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Waits from when a server first accepts a connection at `port` until the fill sends there.
    fn wait_for_server(&mut self, port: u16) -> Result<Pause> {
        let begun_at = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if begun_at.elapsed() > PATIENCE {
                return Err("no server has come back".into());
            }
            std::thread::sleep(POLL);
        }
        let accepted_at = Instant::now();
        // It accepts before it answers.
        let mut watcher = connect(port)?;
        let silent_at_first = accepted_at.elapsed();
        let silent = self.wait_for(&mut watcher, self.lanes)?;
        Ok(Pause::since(accepted_at, silent.max(silent_at_first)))
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        // It fails only where the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(port: u16) -> Result<Connection> {
    Ok(redis::Client::open(("127.0.0.1", port))?.get_connection()?)
}

/// How many SETs the server has carried out.
fn sets(connection: &mut Connection) -> Result<u64> {
    sets_of(
        &redis::cmd("INFO")
            .arg("commandstats")
            .query::<String>(connection)?,
    )
}

fn sets_of(info: &str) -> Result<u64> {
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("cmdstat_set:calls="));
    let calls = line.and_then(|line| line.split(',').next());
    calls.map_or(Ok(0), |calls| Ok(calls.parse()?))
}

/// Kills all connections that send keys, at once, when all are there. When that was, and how
/// many SETs were carried out until then.
fn kill_connections(connection: &mut Connection, lanes: u64) -> Result<(Instant, u64)> {
    let begun_at = Instant::now();
    let mut ids = senders(connection)?;
    while (ids.len() as u64) < lanes {
        if begun_at.elapsed() > PATIENCE {
            return Err(format!("{} connections send, not {lanes}", ids.len()).into());
        }
        std::thread::sleep(POLL);
        ids = senders(connection)?;
    }
    // The server carries out all of a pipeline that it reads at once.
    let mut kills = redis::pipe();
    for id in ids {
        kills.cmd("CLIENT").arg("KILL").arg("ID").arg(id).ignore();
    }
    kills.cmd("INFO").arg("commandstats");
    let killed_at = Instant::now();
    let (info,): (String,) = kills.query(connection)?;
    Ok((killed_at, sets_of(&info)?))
}

/// The ids of all connections that send keys.
fn senders(connection: &mut Connection) -> Result<Vec<String>> {
    let list: String = redis::cmd("CLIENT").arg("LIST").query(connection)?;
    let senders = list
        .lines()
        .filter(|line| line.contains(" name=redis-client-fill "));
    let ids = senders.filter_map(|line| line.strip_prefix("id=")?.split(' ').next());
    Ok(ids.map(str::to_owned).collect())
}

/// A port of [`PORTS`] that nobody listens on.
fn free_port() -> Result<u16> {
    let begin = usize::try_from(std::process::id())? % PORTS.len();
    let mut ports = PORTS.cycle().skip(begin).take(PORTS.len());
    ports
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| "no port is free".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_from_the_statistics() {
        let info =
            "# Commandstats\r\ncmdstat_info:calls=3,usec=9\r\ncmdstat_set:calls=17,usec=4\r\n";
        assert_eq!(sets_of(info).unwrap(), 17);
        assert_eq!(sets_of("# Commandstats\r\n").unwrap(), 0);
    }
}
