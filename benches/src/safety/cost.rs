//! `cost`: CPU time of client and server, user mode and kernel, of fills with the whole safety net,
//! with parts of it, and without it, in turns.

use crate::Result;
use crate::arguments::Arguments;
use crate::machine::Cores;
use crate::process;
use crate::safety::SIZES;
use crate::safety::filler::{Filling, Net};
use crate::server::{Installation, Server};
use crate::statistics::{Ratio, Spread};
use crate::table::Table;
use crate::verdict::{self, Target};

const ROUNDS: u64 = 15;
const MIB: (u64, u64) = (4, 1024);
/// The nets that are compared.
const NETS: [Net; 3] = Net::ALL;
/// CPU time with the whole net over that without it.
pub(super) const NET: Target = Target::AtMost(1.03);

/// The runs of one net, round by round.
#[derive(Default)]
struct Runs {
    wall: Vec<f64>,
    client_cpu: Vec<f64>,
    server_cpu: Vec<f64>,
}

/// Runs the part. Whether all targets are met.
///
/// # Errors
/// A fill fails, or is not exact.
pub fn cost(arguments: &Arguments) -> Result<bool> {
    let installation = Installation::find()?;
    let cores = Cores::observe();
    let mib = arguments.mib(MIB.0, MIB.1);
    let rounds = arguments.rounds(ROUNDS) as usize;
    let mut all_met = true;
    for sizes in SIZES {
        let mut runs = NETS.map(|_| Runs::default());
        for round in 0..rounds {
            for turn in 0..NETS.len() {
                let number = (round + turn) % NETS.len();
                let filling = Filling::of(NETS[number], sizes, mib);
                runs[number].add(&installation, cores, &filling)?;
            }
        }
        if !arguments.is_short() {
            println!(
                "\nsafety/cost: CPU of a fill of {mib} MiB, {}/{}, {rounds} rounds, fresh server each, medians (min..max)\n",
                sizes.0, sizes.1
            );
            all_met &= tell(&runs);
        }
    }
    if arguments.is_short() {
        println!("safety/cost: fills with and without the net, as DBSIZE confirms");
    }
    Ok(all_met)
}

impl Runs {
    /// One run on a fresh server.
    fn add(&mut self, installation: &Installation, cores: Cores, filling: &Filling) -> Result<()> {
        let server = Server::start(installation, cores.server)?;
        let cpu_before = server.cpu_seconds()?;
        let (_, said) = process::run(&mut filling.command(server.port(), cores.client)?)?;
        let cpu_after = server.cpu_seconds()?;
        check(&server, filling)?;
        let figures: Vec<f64> = said
            .split_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect();
        let [wall, client_cpu] = figures[..] else {
            return Err(format!("a filler said '{said}'").into());
        };
        self.wall.push(wall);
        self.client_cpu.push(client_cpu);
        self.server_cpu.push(cpu_after - cpu_before);
        Ok(())
    }
}

/// Whether the server holds what was planned.
pub(super) fn check(server: &Server, filling: &Filling) -> Result<()> {
    let found = server.key_count()?;
    if found == filling.keys {
        return Ok(());
    }
    Err(format!("the server holds {found} of {} keys", filling.keys).into())
}

fn tell(runs: &[Runs; NETS.len()]) -> bool {
    let mut table = Table::new(["safety net", "wall s", "client CPU s", "server CPU s"]);
    for (net, runs) in NETS.iter().zip(runs) {
        let cell = |figures: &[f64]| {
            let spread = Spread::of(figures);
            format!(
                "{:.3} ({:.3}..{:.3})",
                spread.median, spread.min, spread.max
            )
        };
        table.row([
            net.name().to_owned(),
            cell(&runs.wall),
            cell(&runs.client_cpu),
            cell(&runs.server_cpu),
        ]);
    }
    println!("{table}");
    let [bare, marked, whole] = runs;
    let marked = Ratio::paired(&marked.client_cpu, &bare.client_cpu);
    println!(
        "{}",
        verdict::comparison("client CPU, fences and stamps / none of it", &marked)
    );
    let figures = [
        ("client CPU", &whole.client_cpu, &bare.client_cpu),
        ("server CPU", &whole.server_cpu, &bare.server_cpu),
    ];
    let mut all_met = true;
    for (what, whole, bare) in figures {
        let ratio = Ratio::paired(whole, bare);
        all_met &= NET.is_met_by(ratio.of_medians);
        println!(
            "{}",
            verdict::line(&format!("{what}, with / without"), NET, &ratio)
        );
    }
    all_met
}
