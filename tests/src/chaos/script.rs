//! From a seed to all that a run will be: which servers, what fill, which faults.

use crate::fixtures::check::Planned;
use crate::fixtures::dice::Dice;
use crate::fixtures::network::Cut;

/// Bytes on the wire of a fill, about.
const WIRE_BYTES: u64 = 9_000_000;
/// With large values also so many, for each master of a cluster: what a connection is primed for
/// (`engine/src/plan/primer.rs`).
const WIRE_BYTES_PRIMED: u64 = 18_000_000;
/// Bytes of a SET besides key and value, about.
const FRAME_BYTES: u64 = 40;
/// One fault at every tenth of the fill.
pub(super) const FAULTS: usize = 10;

/// Something that a fill shall survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A server ends the connections of all clients.
    Kill,
    /// The network does.
    Cut(Cut),
    /// The network moves nothing for a second.
    Silence,
    /// A server is stopped for two seconds.
    Pause,
    /// A server dies and comes back at once with what it has on disk.
    Restart,
    /// The same with nothing.
    RestartEmpty,
    /// A replica takes its master's place, as asked.
    Failover,
    /// A master dies, its replica takes its place by itself, and it comes back as a replica.
    Replacement,
    /// Slots move from one master to another.
    Reshard,
}

impl Fault {
    const STANDALONE: &[Self] = &[
        Self::Kill,
        Self::Cut(Cut::Reset),
        Self::Cut(Cut::Fin),
        Self::Silence,
        Self::Pause,
        Self::Restart,
        Self::RestartEmpty,
    ];
    const CLUSTER: &[Self] = &[
        Self::Kill,
        Self::Cut(Cut::Reset),
        Self::Cut(Cut::Fin),
        Self::Silence,
        Self::Pause,
        Self::Restart,
        Self::RestartEmpty,
        Self::Failover,
        Self::Replacement,
        Self::Reshard,
    ];

    /// As it is called in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kill => "connections killed by a server (`CLIENT KILL`)",
            Self::Cut(Cut::Reset) => "all connections reset by the network",
            Self::Cut(Cut::Fin) => "all connections closed by the network",
            Self::Silence => "a network that moves nothing for 1 s",
            Self::Pause => "a server stopped for 2 s (`SIGSTOP`)",
            Self::Restart => "`kill -9`, restart with its data (AOF)",
            Self::RestartEmpty => "`kill -9`, restart without its data",
            Self::Failover => "failover that was asked for",
            Self::Replacement => "`kill -9` of a master, its replica takes over",
            Self::Reshard => "slots moved to another master",
        }
    }
}

/// Something that must end a fill, because only a person can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    /// No memory left, and nothing may be evicted.
    MaxMemory,
    /// Snapshots fail.
    Misconf,
    /// The user may neither SET nor MSET any more.
    AclWithdrawn,
    /// More replicas are asked for than there are.
    NoReplicas,
}

impl Policy {
    const ALL: [Self; 4] = [
        Self::MaxMemory,
        Self::Misconf,
        Self::AclWithdrawn,
        Self::NoReplicas,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MaxMemory => "`maxmemory` lowered under `noeviction` (OOM)",
            Self::Misconf => "snapshots that fail (MISCONF)",
            Self::AclWithdrawn => "`ACL SETUSER ... -set -mset` (NOPERM)",
            Self::NoReplicas => "`min-replicas-to-write` raised (NOREPLICAS)",
        }
    }
}

/// One run.
pub(super) struct Script {
    pub(super) seed: u64,
    pub(super) is_cluster: bool,
    pub(super) planned: Planned,
    /// Flags of the fill besides those that say where and what.
    pub(super) flags: String,
    pub(super) appendfsync: &'static str,
    /// The server is stopped while the fill introduces itself.
    pub(super) begins_paused: bool,
    pub(super) faults: Vec<Fault>,
    pub(super) policy: Policy,
    /// For everything that is decided on the way.
    pub(super) dice: Dice,
}

impl Script {
    pub(super) fn of(seed: u64) -> Self {
        let mut dice = Dice::of(seed);
        // Few seeds in a row have some of each.
        let is_cluster = seed.is_multiple_of(2);
        let key_size = dice.pick(&[20, 33, 64]);
        let value_size = dice.pick(&[16, 100, 500, 2000, 20_000]);
        let wire_bytes = match value_size >= 500 {
            true => dice.pick(&[WIRE_BYTES, WIRE_BYTES_PRIMED]),
            false => WIRE_BYTES,
        };
        let planned = Planned {
            keys: wire_bytes / (key_size + value_size + FRAME_BYTES) - dice.below(50),
            key_size: key_size as usize,
            value_size: value_size as usize,
            seed,
        };
        let connections = dice.pick(&[1, 2, 4, 8]) >> u32::from(is_cluster);
        let flags = format!(
            "--seed {seed} {} {} --replies {} --command {}",
            shape(&mut dice, connections.max(1)),
            driver(&mut dice),
            dice.pick(&["auto", "fenced", "each"]),
            dice.pick(&["set", "set", "mset:2", "mset:3", "mset:16", "mset:50"]),
        );
        let faults = match is_cluster {
            true => Fault::CLUSTER,
            false => Fault::STANDALONE,
        };
        Self {
            seed,
            is_cluster,
            planned,
            flags,
            appendfsync: dice.pick(&["always", "everysec"]),
            begins_paused: dice.below(6) == 0,
            faults: (0..FAULTS).map(|_| dice.pick(faults)).collect(),
            policy: Policy::ALL[(seed / 2 + seed % 2 * 2) as usize % Policy::ALL.len()],
            dice,
        }
    }

    /// What is asked of the fill.
    pub(super) fn amount(&self) -> String {
        let Planned {
            keys,
            key_size,
            value_size,
            ..
        } = self.planned;
        format!("--keys {keys} --key-size {key_size} --value-size {value_size}")
    }

    /// Bytes that servers will have got when everything was sent once, about.
    pub(super) fn wire_bytes(&self) -> u64 {
        let sizes = (self.planned.key_size + self.planned.value_size) as u64;
        self.planned.keys * (sizes + FRAME_BYTES)
    }
}

/// Connections and depth, or that they, or one of them, be tried out.
fn shape(dice: &mut Dice, connections: u64) -> String {
    let depth = dice.pick(&[8, 100, 1000, 8192]);
    match dice.below(8) {
        0 => "--tune".to_owned(),
        1 => format!("--tune -n {connections}"),
        2 => format!("--tune --pipeline-depth {depth}"),
        _ => format!("-n {connections} --pipeline-depth {depth}"),
    }
}

/// A driver, and a kind of send that it has.
fn driver(dice: &mut Dice) -> String {
    let driver = dice.pick(&["auto", "socket", "tokio-uring"]);
    let send = match driver {
        "socket" => dice.pick(&["auto", "copy"]),
        "tokio-uring" => dice.pick(&["auto", "fixed"]),
        _ => dice.pick(&["auto", "copy", "fixed", "zc"]),
    };
    format!("--driver {driver} --send {send}")
}

#[test]
fn few_seeds_have_some_of_everything() {
    let all: Vec<String> = (1..=60).map(|seed| Script::of(seed).flags).collect();
    for flag in [
        "--tune ",
        "--tune -n",
        "--tune --pipeline",
        "mset:2",
        "mset:3",
        "mset:16",
        "mset:50",
        "auto --send zc",
        "auto --send fixed",
        "auto --send copy",
        "tokio-uring --send fixed",
    ] {
        let with_it = all.iter().filter(|flags| flags.contains(flag)).count();
        assert!(with_it > 1, "{flag}: {with_it} of {}", all.len());
    }
}

#[test]
fn a_seed_is_always_the_same_run() {
    let told = |seed| {
        let mut script = Script::of(seed);
        let (amount, below) = (script.amount(), script.dice.below(1 << 40));
        format!("{amount} {} {:?} {below}", script.flags, script.faults)
    };
    assert_eq!(told(7), told(7));
    let different: std::collections::BTreeSet<String> = (0..100).map(told).collect();
    assert_eq!(different.len(), 100);
    for policy in Policy::ALL {
        assert!((1..=5).any(|seed| Script::of(seed).policy == policy));
    }
}
