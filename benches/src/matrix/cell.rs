//! A cell of a matrix: what kind of servers is filled, and with which settings.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most keys of a run. Small ones take a server longer than their bytes suggest.
const KEYS_MAX: u64 = 600_000;

/// The servers of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Mode {
    /// One server by itself.
    #[serde(rename = "standalone")]
    Standalone,
    /// A cluster of three masters.
    #[serde(rename = "cluster-3")]
    Cluster3,
    /// A cluster of five masters.
    #[serde(rename = "cluster-5")]
    Cluster5,
}

impl Mode {
    /// How many servers take keys.
    #[must_use]
    pub fn masters(self) -> u16 {
        match self {
            Self::Standalone => 1,
            Self::Cluster3 => 3,
            Self::Cluster5 => 5,
        }
    }

    /// As in tables and results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Cluster3 => "cluster-3",
            Self::Cluster5 => "cluster-5",
        }
    }
}

/// Servers and settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cell {
    /// The servers.
    pub mode: Mode,
    /// Bytes per key.
    pub key_bytes: usize,
    /// Bytes per value.
    pub value_bytes: usize,
    /// Commands per batch that are asked for; `None` leaves it to the program.
    pub pipeline_depth_asked: Option<u64>,
    /// Connections per server.
    pub connections_per_node: usize,
}

impl Cell {
    /// A cell of one server that leaves the depth to the program.
    #[must_use]
    pub fn standalone(key_bytes: usize, value_bytes: usize, connections_per_node: usize) -> Self {
        Self {
            mode: Mode::Standalone,
            key_bytes,
            value_bytes,
            pipeline_depth_asked: None,
            connections_per_node,
        }
    }

    /// The same with `depth` commands per batch.
    #[must_use]
    pub fn deep(self, depth: u64) -> Self {
        Self {
            pipeline_depth_asked: Some(depth),
            ..self
        }
    }

    /// The same settings with other servers.
    #[must_use]
    pub fn on(self, mode: Mode) -> Self {
        Self { mode, ..self }
    }

    /// Key and value size, as in `512/512`.
    #[must_use]
    pub fn sizes(&self) -> String {
        format!("{}/{}", self.key_bytes, self.value_bytes)
    }

    /// The depth that is asked for, as in tables.
    #[must_use]
    pub fn depth(&self) -> String {
        self.pipeline_depth_asked
            .map_or_else(|| "default".to_owned(), |depth| depth.to_string())
    }

    /// Keys of a run: `mib` MiB on the wire, at least one key and at most `KEYS_MAX`.
    #[must_use]
    pub fn keys(&self, mib: u64) -> u64 {
        let command = "*3\r\n$3\r\nSET\r\n".len();
        let bulk = |bytes: usize| format!("${bytes}\r\n\r\n").len() + bytes;
        let bytes = command + bulk(self.key_bytes) + bulk(self.value_bytes);
        ((mib << 20) / bytes as u64).clamp(1, KEYS_MAX)
    }

    /// The flags of a fill of `keys` keys.
    #[must_use]
    pub fn flags(&self, keys: u64) -> String {
        let mut flags = format!(
            "--keys {keys} --key-size {} --value-size {} -n {}",
            self.key_bytes, self.value_bytes, self.connections_per_node
        );
        if let Some(depth) = self.pipeline_depth_asked {
            flags += &format!(" --pipeline-depth {depth}");
        }
        if self.mode != Mode::Standalone {
            flags += " -c";
        }
        flags
    }

    /// A name that can be one of a file.
    #[must_use]
    pub fn file_stem(&self) -> String {
        format!(
            "{}-k{}-v{}-d{}-n{}",
            self.mode.name(),
            self.key_bytes,
            self.value_bytes,
            self.depth(),
            self.connections_per_node
        )
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {} depth {} n {}",
            self.mode.name(),
            self.sizes(),
            self.depth(),
            self.connections_per_node
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_keys_are_bounded_by_their_number_and_large_ones_by_bytes() {
        assert_eq!(Cell::standalone(64, 256, 2).keys(256), KEYS_MAX);
        // 13 bytes of command, 2 times 8 around key and value, and both themselves.
        assert_eq!(Cell::standalone(512, 512, 2).keys(256), (256 << 20) / 1053);
        assert_eq!(Cell::standalone(512, 4096, 2).keys(0), 1);
    }

    #[test]
    fn flags_say_what_the_cell_says() {
        let cell = Cell::standalone(64, 256, 4);
        assert_eq!(
            cell.flags(7),
            "--keys 7 --key-size 64 --value-size 256 -n 4"
        );
        assert_eq!(
            cell.deep(500).on(Mode::Cluster3).flags(7),
            "--keys 7 --key-size 64 --value-size 256 -n 4 --pipeline-depth 500 -c"
        );
        assert_eq!(cell.file_stem(), "standalone-k64-v256-ddefault-n4");
    }
}
