//! `overhead`: the whole program and real servers. All servers share one core, whether they are
//! one or five, and all clients the other; every fill of a table writes the same keys and values
//! with the same settings. Wall times are those from the first start of a program to the last end
//! of one, which is what a person waits for; targets are on them.
//!
//! A cluster is compared with one standalone server, and with as many independent servers that as
//! many programs fill at the same time, a part of the keys each. A node does more per key than a
//! standalone server: it keeps lists of the keys of each slot, and hashes the whole key byte by
//! byte (Redis 7.0 twice per SET), which for keys of 512 bytes takes nearly as long as everything
//! else. So there are also clusters of one master each, whose servers do the same per key as those
//! of the cluster: what remains there is the client's. And a second table has shorter keys.

use std::process::Command;

use serde_json::Value;

use crate::Result;
use crate::arguments::Arguments;
use crate::drive;
use crate::fleet::Fleet;
use crate::process;
use crate::rig::Rig;
use crate::statistics::{Ratio, Spread};
use crate::table::Table;
use crate::verdict::{self, Target};

const ROUNDS: u64 = 7;
const MIB: (u64, u64) = (4, 1024);
/// Keys that a node hashes quickly, and values that make up for them.
const SHORT_KEYS: (usize, usize) = (64, 960);
/// Time of a cluster over that of as many servers that know nothing of each other.
const APART: Target = Target::AtMost(1.05);

/// Servers, and how they are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// So many independent servers, each filled by a program of its own.
    Apart(u16),
    /// A cluster of so many masters, filled by one program.
    Cluster(u16),
    /// So many clusters of one master, each filled by a program of its own.
    ClustersOfOne(u16),
}

impl Form {
    fn name(self) -> String {
        match self {
            Self::Apart(1) => "one standalone server".to_owned(),
            Self::Apart(count) => format!("{count} servers apart, {count} programs"),
            Self::Cluster(masters) => format!("cluster of {masters}"),
            Self::ClustersOfOne(count) => format!("{count} clusters of one, {count} programs"),
        }
    }

    fn start(self, rig: &Rig) -> Result<Fleet> {
        let (installation, core) = (&rig.installation, rig.cores.server);
        match self {
            Self::Apart(count) => Fleet::apart(installation, core, count),
            Self::Cluster(masters) => Fleet::cluster(installation, core, masters),
            Self::ClustersOfOne(count) => Fleet::clusters_of_one(installation, core, count),
        }
    }

    /// The programs to run, which share the data. Outside clusters they name the keys as in one,
    /// so that all forms write the same.
    fn programs(self, rig: &Rig, ports: &[u16], data: &Data) -> Vec<Command> {
        let how = match self {
            Self::Apart(_) => "--key-layout slotted",
            Self::Cluster(_) | Self::ClustersOfOne(_) => "-c",
        };
        let ports = match self {
            Self::Cluster(_) => &ports[..1],
            Self::Apart(_) | Self::ClustersOfOne(_) => ports,
        };
        let (key_size, value_size) = data.sizes;
        let begin = |part: u64| part * data.keys / ports.len() as u64;
        let program = |(part, port): (u64, &u16)| {
            let (first, end) = (begin(part), begin(part + 1));
            let flags = format!(
                "{how} --start-key {first} --keys {} --key-size {key_size} --value-size {value_size}",
                end - first
            );
            rig.fill(*port, &flags)
        };
        (0..).zip(ports).map(program).collect()
    }
}

/// What is filled.
struct Data {
    keys: u64,
    /// Of keys and values.
    sizes: (usize, usize),
}

impl Data {
    fn of(mib: u64, sizes: (usize, usize)) -> Self {
        let keys = (mib << 20) / (sizes.0 + sizes.1) as u64;
        Self { keys, sizes }
    }
}

/// The runs of a form, round by round.
struct Runs {
    form: Form,
    /// From the first start of a program to the last end of one.
    wall: Vec<f64>,
    /// The longest `seconds.fill` of a report.
    fill: Vec<f64>,
    client_cpu: Vec<f64>,
    server_cpu: Vec<f64>,
}

impl Runs {
    fn new(form: Form) -> Self {
        Self {
            form,
            wall: Vec::new(),
            fill: Vec::new(),
            client_cpu: Vec::new(),
            server_cpu: Vec::new(),
        }
    }

    /// One run on fresh servers.
    fn add(&mut self, rig: &Rig, data: &Data) -> Result<()> {
        let fleet = self.form.start(rig)?;
        let cpu_before = fleet.cpu_seconds()?;
        let mut programs = self.form.programs(rig, &fleet.ports(), data);
        let (cost, reports) = process::run_together(&mut programs)?;
        let found = fleet.key_count()?;
        if found != data.keys {
            let (name, keys) = (self.form.name(), data.keys);
            return Err(format!("{name}: {found} of {keys} keys").into());
        }
        let mut longest: f64 = 0.0;
        for report in &reports {
            let report: Value = serde_json::from_str(report)?;
            let seconds = report.pointer("/seconds/fill").and_then(Value::as_f64);
            longest = longest.max(seconds.ok_or("a report has no /seconds/fill")?);
        }
        self.fill.push(longest);
        self.wall.push(cost.wall.as_secs_f64());
        self.client_cpu.push(cost.cpu.as_secs_f64());
        self.server_cpu.push(fleet.cpu_seconds()? - cpu_before);
        Ok(())
    }
}

/// Fills all kinds of servers. Whether a cluster is as quick as servers apart.
///
/// # Errors
/// Servers do not start, or keys get lost.
pub fn overhead(arguments: &Arguments) -> Result<bool> {
    let rig = Rig::find()?;
    let mib = arguments.mib(MIB.0, MIB.1);
    let rounds = arguments.rounds(ROUNDS) as usize;
    let three = [
        Form::Apart(1),
        Form::Cluster(3),
        Form::Apart(3),
        Form::ClustersOfOne(3),
    ];
    let data = Data::of(mib, drive::SIZES);
    if arguments.is_short() {
        compare(&rig, &data, &three, rounds)?;
        println!(
            "cluster/overhead: {} keys into {} kinds of servers, as DBSIZE confirms",
            data.keys,
            three.len()
        );
        return Ok(true);
    }
    let all = [&three[..], &[Form::Cluster(5)]].concat();
    let runs = compare(&rig, &data, &all, rounds)?;
    tell(&rig, &data, &runs);
    let is_met = judge(&runs);
    let data = Data::of(mib, SHORT_KEYS);
    let runs = compare(&rig, &data, &three[..2], rounds)?;
    tell(&rig, &data, &runs);
    Ok(judge(&runs) && is_met)
}

/// Fills every form of servers in turn, round by round.
fn compare(rig: &Rig, data: &Data, forms: &[Form], rounds: usize) -> Result<Vec<Runs>> {
    let mut runs: Vec<Runs> = forms.iter().copied().map(Runs::new).collect();
    for round in 0..rounds {
        for turn in 0..runs.len() {
            let number = (round + turn) % runs.len();
            runs[number].add(rig, data)?;
        }
    }
    Ok(runs)
}

/// Prints what was filled and the table.
fn tell(rig: &Rig, data: &Data, runs: &[Runs]) {
    println!(
        "\ncluster/overhead: {}, {} keys, {}/{}, {} rounds, fresh servers each, medians (min..max)\n",
        rig.installation.version,
        data.keys,
        data.sizes.0,
        data.sizes.1,
        runs[0].wall.len()
    );
    let mut table = Table::new([
        "servers",
        "wall s",
        "seconds.fill",
        "client CPU s",
        "server CPU s",
    ]);
    for runs in runs {
        let cell = |figures: &[f64], digits: usize| {
            let Spread { median, min, max } = Spread::of(figures);
            format!("{median:.digits$} ({min:.digits$}..{max:.digits$})")
        };
        table.row([
            runs.form.name(),
            cell(&runs.wall, 2),
            cell(&runs.fill, 2),
            cell(&runs.client_cpu, 3),
            cell(&runs.server_cpu, 2),
        ]);
    }
    println!("{table}");
}

/// Prints how the forms compare that have run. Whether all targets are met.
fn judge(runs: &[Runs]) -> bool {
    let of = |form: Form| runs.iter().find(|runs| runs.form == form);
    let mut all_met = true;
    let pairs = [
        (Form::Cluster(3), Form::Apart(1), None),
        (Form::Cluster(5), Form::Apart(1), None),
        (Form::Cluster(3), Form::Apart(3), Some(APART)),
        (Form::Cluster(3), Form::ClustersOfOne(3), Some(APART)),
    ];
    for (ours, theirs, target) in pairs {
        let (Some(ours), Some(theirs)) = (of(ours), of(theirs)) else {
            continue;
        };
        println!("{} / {}", ours.form.name(), theirs.form.name());
        let wall = Ratio::paired(&ours.wall, &theirs.wall);
        match target {
            Some(target) => {
                all_met &= target.is_met_by(wall.of_medians);
                println!("  {}", verdict::line("wall", target, &wall));
            }
            None => println!("  {}", verdict::comparison("wall", &wall)),
        }
        for (what, ours, theirs) in [
            ("seconds.fill", &ours.fill, &theirs.fill),
            ("client CPU", &ours.client_cpu, &theirs.client_cpu),
            ("server CPU", &ours.server_cpu, &theirs.server_cpu),
        ] {
            let ratio = Ratio::paired(ours, theirs);
            println!("  {}", verdict::comparison(what, &ratio));
        }
    }
    all_met
}
