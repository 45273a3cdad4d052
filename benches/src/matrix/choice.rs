//! Which cells a matrix has. The whole range has thousands of combinations; those chosen are full
//! lines through a few centres, so that each figure has neighbours that differ in one setting only.
//!
//! Baseline, around 512/512, depth 1000, two connections: all key sizes, all value sizes, all
//! depths; connections 2, 4, 8 with every kind of servers; small keys and an object cache's sizes in
//! clusters, each beside its twin on one server.
//!
//! Sweep: every key size with every value size; at the sizes of each preset, at 512/512 and at
//! 256/16384 every depth and every number of connections, and both clusters; connections and
//! depths of clusters at 512/512; the corners of the whole range; the presets as they are.

use clap::ValueEnum;

use super::cell::{Cell, Mode};

/// A matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Matrix {
    /// A few common settings, several times.
    Baseline,
    /// Lines through the whole range.
    Sweep,
}

/// Key sizes of the sweep.
const KEY_BYTES: [usize; 6] = [64, 128, 256, 512, 1024, 2048];
/// Value sizes of the sweep.
const VALUE_BYTES: [usize; 7] = [256, 512, 1024, 2048, 4096, 8192, 16_384];
/// Depths of the sweep.
const DEPTHS: [u64; 6] = [100, 500, 1000, 2000, 5000, 10_000];
/// Connections of the sweep.
const CONNECTIONS: [usize; 5] = [1, 2, 4, 8, 16];
/// Connections of a line that is not about them.
pub const CONNECTIONS_USUAL: usize = 2;
/// Sizes whose depths and connections are looked at: those of the presets, the default ones, and
/// those of larger cached objects.
pub const CENTRES: [(usize, usize); 7] = [
    (64, 256),
    (128, 512),
    (512, 512),
    (512, 2048),
    (1024, 4096),
    (256, 8192),
    (256, 16_384),
];
/// The presets: key size, value size, depth, connections.
pub const PRESETS: [(&str, usize, usize, u64, usize); 5] = [
    ("fast", 1024, 4096, 2000, 8),
    ("balanced", 512, 2048, 1000, 4),
    ("memory-efficient", 128, 512, 1000, 2),
    ("session-cache", 64, 256, 5000, 4),
    ("object-cache", 256, 8192, 1000, 4),
];
/// The depth around which the baseline lies.
const BASELINE_DEPTH: u64 = 1000;
const CLUSTERS: [Mode; 2] = [Mode::Cluster3, Mode::Cluster5];

impl Matrix {
    /// As in file names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Sweep => "sweep",
        }
    }

    /// Runs per cell where nothing else is asked for.
    #[must_use]
    pub fn repeats(self) -> u64 {
        match self {
            Self::Baseline => 3,
            Self::Sweep => 1,
        }
    }

    /// The depth of lines that are not about it; `None` is the program's own.
    #[must_use]
    pub fn usual_depth(self) -> Option<u64> {
        match self {
            Self::Baseline => Some(BASELINE_DEPTH),
            Self::Sweep => None,
        }
    }

    /// Its cells, each once.
    #[must_use]
    pub fn cells(self) -> Vec<Cell> {
        let all = match self {
            Self::Baseline => baseline(),
            Self::Sweep => sweep(),
        };
        let mut cells = Vec::with_capacity(all.len());
        for cell in all {
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        cells
    }
}

fn baseline() -> Vec<Cell> {
    let usual = |key, value| Cell::standalone(key, value, CONNECTIONS_USUAL).deep(BASELINE_DEPTH);
    let mut cells = Vec::new();
    cells.extend([64, 256, 512, 1024, 2048].map(|key| usual(key, 512)));
    cells.extend([2048, 4096, 8192].map(|value| usual(512, value)));
    cells.extend([500, 2000, 5000].map(|depth| usual(512, 512).deep(depth)));
    for mode in [Mode::Standalone, Mode::Cluster3, Mode::Cluster5] {
        cells.extend([2, 4, 8].map(|connections| Cell {
            connections_per_node: connections,
            ..usual(512, 512).on(mode)
        }));
        cells.push(usual(64, 512).on(mode));
        cells.push(usual(256, 8192).on(mode));
    }
    cells
}

fn sweep() -> Vec<Cell> {
    let usual = |(key, value)| Cell::standalone(key, value, CONNECTIONS_USUAL);
    let wide = |cell: Cell, connections| Cell {
        connections_per_node: connections,
        ..cell
    };
    let mut cells = Vec::new();
    for key in KEY_BYTES {
        cells.extend(VALUE_BYTES.map(|value| usual((key, value))));
    }
    for centre in CENTRES {
        cells.extend(DEPTHS.map(|depth| usual(centre).deep(depth)));
        cells.extend(CONNECTIONS.map(|connections| wide(usual(centre), connections)));
        cells.extend(CLUSTERS.map(|mode| usual(centre).on(mode)));
    }
    for mode in CLUSTERS {
        let centre = usual((512, 512)).on(mode);
        cells.extend(CONNECTIONS.map(|connections| wide(centre, connections)));
    }
    let centre = usual((512, 512)).on(Mode::Cluster3);
    cells.extend([100, 1000, 10_000].map(|depth| centre.deep(depth)));
    let small = wide(usual((64, 256)), 1).deep(100);
    let large = wide(usual((2048, 16_384)), 16).deep(10_000);
    for mode in [Mode::Standalone, Mode::Cluster3, Mode::Cluster5] {
        cells.extend([small.on(mode), large.on(mode)]);
    }
    cells.push(wide(usual((64, 256)), 16).deep(10_000));
    cells.push(wide(usual((2048, 16_384)), 1).deep(100));
    cells.extend(PRESETS.map(|(_, key, value, depth, connections)| {
        wide(usual((key, value)), connections).deep(depth)
    }));
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_are_as_large_as_there_is_time_for() {
        assert_eq!(Matrix::Baseline.cells().len(), 24);
        assert_eq!(Matrix::Sweep.cells().len(), 149);
    }

    #[test]
    fn every_cluster_of_a_line_has_its_twin_on_one_server() {
        for matrix in [Matrix::Baseline, Matrix::Sweep] {
            let cells = matrix.cells();
            for cell in cells.iter().filter(|cell| cell.mode != Mode::Standalone) {
                assert!(cells.contains(&cell.on(Mode::Standalone)), "{cell}");
            }
        }
    }
}
