//! How fast the way to the servers is by itself. They run on this machine, so it is the loopback
//! device, whose ceiling is what one core's plain loop of writes gets into a sink that discards.

use std::sync::Arc;

use engine::Plan;
use engine::plan::keyspace::KeyLayout;
use engine::plan::{DriverChoice, PlanOptions, SendChoice};

use crate::Result;
use crate::drive::{self, Run, SIZES};
use crate::machine::Cores;
use crate::process::in_thread;
use crate::sink::{self, Sink, Stream};

/// The best of so many is the ceiling: anything else on the machine only takes away from it.
const ROUNDS: usize = 3;

/// What the bytes go through.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its name.
    pub name: &'static str,
    /// MiB per second.
    pub mib_per_second: f64,
}

impl Link {
    /// Sends `mib` MiB into a sink, a few times.
    ///
    /// # Errors
    /// The sink does not start, or does not see every byte.
    pub fn measure(cores: Cores, mib: u64) -> Result<Self> {
        let keys = ((mib << 20) / (SIZES.0 + SIZES.1) as u64).max(2);
        let options = PlanOptions {
            driver: DriverChoice::Socket,
            send: SendChoice::Auto,
            ..drive::options(keys, KeyLayout::Plain, cores.client)
        };
        let plan = Arc::new(Plan::new(&options, &drive::machine())?);
        let stream = Stream::of(&plan, plan.keys());
        let mut sink = Sink::start(cores.server, &[stream])?;
        let address = sink::address(sink.ports()[0]);
        let mut best: f64 = 0.0;
        for _ in 0..ROUNDS {
            let cost = in_thread(|| drive::write_all(&plan, &drive::greeting(&plan, address)))?;
            let run = Run::of(cost, sink.swallowed(1)?, stream.bytes())?;
            best = best.max(run.gigabytes_per_second * 1e9 / f64::from(1 << 20));
        }
        Ok(Self {
            name: "loopback",
            mib_per_second: best,
        })
    }
}
