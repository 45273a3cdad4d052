//! A fill of one server by the data plane alone, with the safety net or with parts of it, in a
//! process of its own: what it costs is what that process costs.

use std::fmt;
use std::process::Command;
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use engine::Plan;
use engine::control::Control;
use engine::frame::Frame;
use engine::monitor::Monitor;
use engine::plan::PlanOptions;
use engine::plan::keyspace::KeyLayout;
use engine::plan::options::depth_of_chunk;
use engine::segment::Segment;
use engine::target::{Login, Target};

use crate::Result;
use crate::drive;
use crate::process::in_thread;
use crate::sink;

/// The default of `REDIS_CLIENT_FILL_CHUNK_KB`.
const CHUNK_KIB: u64 = 8192;

/// How much of the safety net there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Net {
    /// None: values without stamps, a single fence behind the last key, nobody watches.
    Bare,
    /// Stamps in all values, a fence behind each batch.
    Marked,
    /// The same, and a monitor watches the server: as every fill does it.
    Whole,
}

impl Net {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Bare, Self::Marked, Self::Whole];

    /// What a table calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "none",
            Self::Marked => "fences, stamps",
            Self::Whole => "fences, stamps, monitor",
        }
    }
}

/// A fill: of how many keys, of which sizes, with which net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filling {
    /// How much of the safety net.
    pub net: Net,
    /// Of keys and values, in bytes.
    pub sizes: (usize, usize),
    /// How many keys.
    pub keys: u64,
}

impl Filling {
    /// A filling of `mib` MiB.
    #[must_use]
    pub fn of(net: Net, sizes: (usize, usize), mib: u64) -> Self {
        let keys = (mib << 20) / (sizes.0 + sizes.1) as u64;
        Self { net, sizes, keys }
    }

    /// The filler's arguments, behind the path of this program.
    #[must_use]
    pub fn arguments(&self, port: u16, core: usize) -> [String; 3] {
        [
            format!("--filling={self}"),
            format!("--filled-port={port}"),
            format!("--filler-core={core}"),
        ]
    }

    /// A filler by itself.
    ///
    /// # Errors
    /// This program has no path.
    pub fn command(&self, port: u16, core: usize) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(self.arguments(port, core));
        Ok(command)
    }

    fn plan(&self, core: usize) -> Result<Plan> {
        let (key_size, value_size) = self.sizes;
        let options = PlanOptions {
            key_size,
            value_size,
            pipeline_depth: depth_of_chunk(CHUNK_KIB, key_size, value_size),
            ..drive::options(self.keys, KeyLayout::Plain, core)
        };
        let mut plan = Plan::new(&options, &drive::machine())?;
        if self.net == Net::Bare {
            let values = plan.values().clone().without_stamps();
            let frame = Frame::new(plan.keyspace().clone(), values, false);
            plan.segment = Arc::new(Segment::new(frame, plan.segment.frames()));
            plan.batch_frames = plan.keys();
        }
        Ok(plan)
    }
}

impl fmt::Display for Filling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let net = self.net as usize;
        let (key_size, value_size) = self.sizes;
        write!(formatter, "{net},{key_size},{value_size},{}", self.keys)
    }
}

impl FromStr for Filling {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers: Vec<usize> = text.split(',').filter_map(|n| n.parse().ok()).collect();
        let [net, key_size, value_size, keys] = numbers[..] else {
            return Err(format!(
                "'{text}' is not <net>,<key size>,<value size>,<keys>"
            ));
        };
        Ok(Self {
            net: *Net::ALL.get(net).ok_or("there is no such net")?,
            sizes: (key_size, value_size),
            keys: keys as u64,
        })
    }
}

/// What makes a bench the filler of a run.
#[derive(Clone, Debug, Args)]
pub struct FillerRole {
    /// Be the filler of a run
    #[arg(long, hide = true, requires = "filled_port", requires = "filler_core")]
    filling: Option<Filling>,
    /// Where the server listens on loopback
    #[arg(long, hide = true)]
    filled_port: Option<u16>,
    /// Where the reactor runs
    #[arg(long, hide = true)]
    filler_core: Option<usize>,
}

impl FillerRole {
    /// Fills and says what it cost, if this process is to be a filler; `None` if not.
    pub fn play(&self) -> Option<Result<()>> {
        Some(fill(self.filling?, self.filled_port?, self.filler_core?))
    }
}

/// Says seconds on the clock and seconds of CPU, from the first connection to the last
/// acknowledgement.
fn fill(filling: Filling, port: u16, core: usize) -> Result<()> {
    let plan = Arc::new(filling.plan(core)?);
    let target = Target::resolve("127.0.0.1", port, 0, Login::default())?;
    // Every fill has one, watched or not.
    let control = Control::connect(&target)?;
    let cost = in_thread(|| {
        let _monitor = match filling.net {
            Net::Bare | Net::Marked => None,
            Net::Whole => Some(Monitor::start(control.reconnect()?)?),
        };
        let nodes = [(plan.sequence().clone(), sink::address(port))];
        drive::drive(&plan, drive::lanes(&plan, &nodes))
    })?;
    println!("{} {}", cost.wall.as_secs_f64(), cost.cpu.as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filling_survives_the_command_line() {
        for net in Net::ALL {
            let filling = Filling::of(net, (64, 256), 7);
            assert_eq!(filling.to_string().parse(), Ok(filling));
        }
    }

    #[test]
    fn the_bare_fill_has_one_fence_and_no_stamps_and_is_otherwise_the_same() {
        let of = |net| Filling::of(net, (64, 256), 64).plan(0).unwrap();
        let (bare, whole) = (of(Net::Bare), of(Net::Whole));
        assert_eq!(bare.batch_frames, bare.keys());
        assert!(whole.batch_frames < whole.keys() / 2);
        assert_eq!(bare.segment.block_bytes(), whole.segment.block_bytes());
        let differing = |plan: &Plan| {
            let frame = plan.segment.frame();
            let (mut one, mut other) = (vec![0; frame.bytes()], vec![0; frame.bytes()]);
            frame.render(1, 0, &mut one);
            frame.render(2, 0, &mut other);
            one.iter().zip(&other).filter(|(a, b)| a != b).count()
        };
        // The last digit of the key; and the first byte of the stamp.
        assert_eq!((differing(&bare), differing(&whole)), (1, 2));
    }
}
