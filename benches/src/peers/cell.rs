//! Where the candidates meet: sizes of keys and values, kind of server, and how many keys.

use crate::Result;
use crate::fleet::Fleet;
use crate::rig::Rig;
use crate::server::Server;

/// Masters of the cluster.
pub const MASTERS: u16 = 3;

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One server by itself.
    Standalone,
    /// A cluster of [`MASTERS`] masters, all on the server's core.
    Cluster,
}

impl Mode {
    /// What a table calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Cluster => "cluster",
        }
    }

    /// How many nodes take keys.
    #[must_use]
    pub fn nodes(self) -> u64 {
        match self {
            Self::Standalone => 1,
            Self::Cluster => MASTERS.into(),
        }
    }
}

/// Sizes of a cell, what it weighs, and how deep the peers' pipelines may be.
struct Sizes {
    key: usize,
    value: usize,
    /// Its share of `--mib`, in hundredths, so that all cells take about as long.
    percent_of_mib: u64,
    /// The number of keys is a multiple of all depths that are tried, else some peers send more.
    unit: u64,
    depths: [u64; 3],
    /// Depth and connections (in a cluster, per node).
    several: [(u64, u64); 3],
}

const SIZES: [Sizes; 4] = [
    Sizes {
        key: 64,
        value: 256,
        percent_of_mib: 60,
        unit: 4000,
        depths: [200, 1000, 4000],
        several: [(1000, 2), (250, 4), (100, 16)],
    },
    Sizes {
        key: 512,
        value: 512,
        percent_of_mib: 100,
        unit: 4000,
        depths: [200, 1000, 4000],
        several: [(1000, 2), (250, 4), (100, 16)],
    },
    Sizes {
        key: 256,
        value: 8192,
        percent_of_mib: 240,
        unit: 500,
        depths: [25, 100, 500],
        several: [(100, 2), (25, 4), (100, 4)],
    },
    Sizes {
        key: 512,
        value: 65_536,
        percent_of_mib: 320,
        unit: 100,
        depths: [5, 25, 100],
        several: [(25, 2), (10, 4), (25, 4)],
    },
];

/// Commands that a client sends before it waits, and over how many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Pipeline depth.
    pub depth: u64,
    /// Connections, all nodes together.
    pub connections: u64,
}

/// One cell of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Kind of server.
    pub mode: Mode,
    /// Bytes of a key.
    pub key_size: usize,
    /// Bytes of a value.
    pub value_size: usize,
    /// Keys to store.
    pub keys: u64,
}

impl Cell {
    /// All of them, with `mib` MiB at 512/512 standalone.
    #[must_use]
    pub fn all(mib: u64) -> Vec<Self> {
        let of = |mode| {
            SIZES.iter().map(move |sizes| {
                // A server in cluster mode takes about twice as long for a key.
                let slowness = if mode == Mode::Cluster { 2 } else { 1 };
                let bytes = (mib << 20) * sizes.percent_of_mib / 100 / slowness;
                let keys = bytes / (sizes.key + sizes.value) as u64;
                Self {
                    mode,
                    key_size: sizes.key,
                    value_size: sizes.value,
                    keys: (keys / sizes.unit).max(1) * sizes.unit,
                }
            })
        };
        of(Mode::Standalone).chain(of(Mode::Cluster)).collect()
    }

    /// `standalone/512/512`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.mode.name(), self.sizes())
    }

    /// `512/512`.
    #[must_use]
    pub fn sizes(&self) -> String {
        format!("{}/{}", self.key_size, self.value_size)
    }

    /// Whether one of `names` is part of its name; all are where there are none.
    #[must_use]
    pub fn is_among(&self, names: &[String]) -> bool {
        names.is_empty() || names.iter().any(|name| self.name().contains(name.as_str()))
    }

    /// The same with a fraction of the keys, for trying things out.
    #[must_use]
    pub fn part(&self, divisor: u64) -> Self {
        let unit = self.row().unit;
        let keys = (self.keys / divisor / unit).max(1) * unit;
        Self { keys, ..*self }
    }

    /// What is tried with one connection per node.
    #[must_use]
    pub fn settings_of_one(&self) -> Vec<Setting> {
        let of = |depth| Setting {
            depth,
            connections: self.mode.nodes(),
        };
        self.row().depths.map(of).to_vec()
    }

    /// What is tried with several connections per node.
    #[must_use]
    pub fn settings_of_several(&self) -> Vec<Setting> {
        let of = |(depth, connections)| Setting {
            depth,
            connections: connections * self.mode.nodes(),
        };
        self.row().several.map(of).to_vec()
    }

    fn row(&self) -> &'static Sizes {
        let sizes = (self.key_size, self.value_size);
        let found = SIZES.iter().find(|row| (row.key, row.value) == sizes);
        found.expect("a cell is made from a row")
    }
}

/// Fresh servers for one run.
#[derive(Debug)]
pub enum Servers {
    /// One by itself.
    One(Server),
    /// The masters of a cluster.
    Cluster(Fleet),
}

impl Servers {
    /// Starts what `mode` asks for.
    ///
    /// # Errors
    /// One of them does not start.
    pub fn start(rig: &Rig, mode: Mode) -> Result<Self> {
        let (installation, core) = (&rig.installation, rig.cores.server);
        Ok(match mode {
            Mode::Standalone => Self::One(Server::start(installation, core)?),
            Mode::Cluster => Self::Cluster(Fleet::cluster(installation, core, MASTERS)?),
        })
    }

    /// The port of one of them.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::One(server) => server.port(),
            Self::Cluster(fleet) => fleet.ports()[0],
        }
    }

    /// Keys on all of them.
    ///
    /// # Errors
    /// One does not say.
    pub fn key_count(&self) -> Result<u64> {
        match self {
            Self::One(server) => server.key_count(),
            Self::Cluster(fleet) => fleet.key_count(),
        }
    }

    /// CPU seconds that all of them have used.
    ///
    /// # Errors
    /// One does not say.
    pub fn cpu_seconds(&self) -> Result<f64> {
        match self {
            Self::One(server) => server.cpu_seconds(),
            Self::Cluster(fleet) => fleet.cpu_seconds(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_depth_that_is_tried_divides_the_keys() {
        for cell in Cell::all(4).into_iter().chain(Cell::all(512)) {
            for cell in [cell, cell.part(3)] {
                for setting in [cell.settings_of_one(), cell.settings_of_several()].concat() {
                    assert_eq!(cell.keys % setting.depth, 0, "{cell:?} {setting:?}");
                    assert_eq!(setting.connections % cell.mode.nodes(), 0, "{setting:?}");
                }
            }
        }
    }

    #[test]
    fn cells_are_chosen_by_parts_of_their_names() {
        let among = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            Cell::all(4)
                .iter()
                .filter(|cell| cell.is_among(&names))
                .count()
        };
        assert_eq!(among(&[]), 8);
        assert_eq!(among(&["512/512"]), 2);
        assert_eq!(among(&["standalone/64/256", "cluster"]), 5);
        assert_eq!(among(&["sentinel"]), 0);
    }
}
