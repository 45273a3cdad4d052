//! `instructions`: how many instructions per key client and server take with parts of the safety
//! net, with all of it, and without it. What a process does before the first key and behind the
//! last one is left out: it is counted by a fill of a single key, and taken off.
//!
//! In valgrind everything but the monitor is true to scale. The monitor looks so many times per
//! second, and while valgrind slows the server down, it looks more often per key than it ever does:
//! the figure is a bound from above.

use std::process::Command;

use crate::Result;
use crate::arguments::Arguments;
use crate::machine::Cores;
use crate::process::{self, pinned};
use crate::safety::SIZES;
use crate::safety::cost::{self, NET};
use crate::safety::counter::{Counter, Instructions};
use crate::safety::filler::{Filling, Net};
use crate::server::{Installation, Server};
use crate::statistics::{Ratio, Spread};
use crate::table::Table;
use crate::verdict;

const ROUNDS: u64 = 9;
const MIB: (u64, u64) = (4, 512);
/// In valgrind a server is filled with a part of that.
const SLOWED_PART: u64 = 16;

/// Whose instructions are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

/// Where and how runs are counted.
struct Setting {
    installation: Installation,
    cores: Cores,
    counter: Counter,
    side: Side,
}

/// Runs the part. Whether all targets are met.
///
/// # Errors
/// A fill fails, or is not exact; nothing is counted.
pub fn instructions(arguments: &Arguments) -> Result<bool> {
    let Some(counter) = Counter::find() else {
        println!(
            "safety/instructions: left out, for neither perf (with the processor's counters) nor valgrind works here"
        );
        return Ok(true);
    };
    let mib = arguments.mib(MIB.0, MIB.1);
    let mut all_met = true;
    for sizes in SIZES {
        for side in [Side::Client, Side::Server] {
            let setting = Setting {
                installation: Installation::find()?,
                cores: Cores::observe(),
                counter,
                side,
            };
            let mib = match (counter, side) {
                (Counter::Valgrind, Side::Server) => (mib / SLOWED_PART).max(1),
                (Counter::Valgrind, Side::Client) | (Counter::Perf, _) => mib,
            };
            let counted = setting.count_all(sizes, mib, arguments.rounds(ROUNDS) as usize)?;
            if !arguments.is_short() {
                println!(
                    "\nsafety/instructions: {} per key, {mib} MiB, {}/{}, {} rounds, by {}\n",
                    setting.side.name(),
                    sizes.0,
                    sizes.1,
                    counted[0].len(),
                    counter.describe()
                );
                all_met &= tell(setting.side, &counted);
            }
        }
    }
    if arguments.is_short() {
        println!("safety/instructions: counted by {}", counter.describe());
    }
    Ok(all_met)
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "client instructions",
            Self::Server => "server instructions",
        }
    }
}

impl Setting {
    /// Instructions per key of each net, round by round.
    fn count_all(
        &self,
        sizes: (usize, usize),
        mib: u64,
        rounds: usize,
    ) -> Result<[Vec<Instructions>; Net::ALL.len()]> {
        let one_key = Filling {
            keys: 1,
            ..Filling::of(Net::Bare, sizes, mib)
        };
        let mut counted = Net::ALL.map(|_| Vec::new());
        for round in 0..rounds {
            let around = self.count(&one_key)?;
            for turn in 0..Net::ALL.len() {
                let number = (round + turn) % Net::ALL.len();
                let filling = Filling::of(Net::ALL[number], sizes, mib);
                let of_fill = self.count(&filling)?;
                counted[number].push(of_fill.beyond(&around, filling.keys - one_key.keys));
            }
        }
        Ok(counted)
    }

    /// Instructions of the client's or the server's process in one run.
    fn count(&self, filling: &Filling) -> Result<Instructions> {
        let count = self.counter.begin()?;
        let wrapper = count.wrapper();
        let (of_client, of_server) = match self.side {
            Side::Client => (&wrapper[..], &[][..]),
            Side::Server => (&[][..], &wrapper[..]),
        };
        let core = self.cores.server;
        let server = Server::start_under(&self.installation, core, of_server)?;
        process::run(&mut self.filler(filling, server.port(), of_client)?)?;
        cost::check(&server, filling)?;
        server.stop()?;
        count.read()
    }

    fn filler(&self, filling: &Filling, port: u16, wrapper: &[String]) -> Result<Command> {
        let core = self.cores.client;
        let [first, others @ ..] = wrapper else {
            return filling.command(port, core);
        };
        let mut command = pinned(core, first);
        command
            .args(others)
            .arg(std::env::current_exe()?)
            .args(filling.arguments(port, core));
        Ok(command)
    }
}

fn tell(side: Side, counted: &[Vec<Instructions>; Net::ALL.len()]) -> bool {
    let mut table = Table::new(["safety net", "user mode", "kernel", "of none"]);
    let all = counted.each_ref().map(|counted| {
        let all = counted.iter().map(Instructions::all);
        all.collect::<Vec<f64>>()
    });
    for (number, net) in Net::ALL.into_iter().enumerate() {
        let user: Vec<f64> = counted[number].iter().map(|counted| counted.user).collect();
        let kernel: Option<Vec<f64>> = counted[number]
            .iter()
            .map(|counted| counted.kernel)
            .collect();
        table.row([
            net.name().to_owned(),
            cell(&user),
            kernel.map_or_else(|| "not counted".to_owned(), |kernel| cell(&kernel)),
            format!("{:.4}", Ratio::paired(&all[number], &all[0]).of_medians),
        ]);
    }
    println!("{table}");
    let [bare, marked, whole] = &all;
    let marked = Ratio::paired(marked, bare);
    println!(
        "{}",
        verdict::comparison("fences and stamps / none of it", &marked)
    );
    let whole = Ratio::paired(whole, bare);
    let what = format!("{}, with / without", side.name());
    println!("{}", verdict::line(&what, NET, &whole));
    NET.is_met_by(whole.of_medians)
}

/// Median and spread, to a tenth of an instruction.
fn cell(figures: &[f64]) -> String {
    let spread = Spread::of(figures);
    format!(
        "{:.1} ({:.1}..{:.1})",
        spread.median, spread.min, spread.max
    )
}
