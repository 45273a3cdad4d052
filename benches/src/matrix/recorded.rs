//! Lines for tests, as if they had been measured.

use super::cell::Cell;
use super::choice::Matrix;
use super::line::{Figures, Line, Outcome, Program, SCHEMA};

/// The program that all of them are of.
pub(super) fn program() -> Program {
    Program {
        version: "redis-client 0.1.0".to_owned(),
        git_describe: Some("abc1234".to_owned()),
        sha256: "00112233445566778899aabbccddeeff".to_owned(),
    }
}

/// A run of 100 MiB at this speed.
pub(super) fn line(cell: Cell, repeat: u64, mib_per_second: f64) -> Line {
    let seconds = 100.0 / mib_per_second;
    let keys = (100 << 20) / (cell.key_bytes + cell.value_bytes) as u64;
    Line {
        schema: SCHEMA,
        matrix: "sweep".to_owned(),
        label: None,
        cell,
        repeat,
        keys_asked: keys,
        flags: cell.flags(keys),
        program: program(),
        server: "redis-server 7.0.15".to_owned(),
        machine: "Linux 6.18, a processor, 2 cores, load 0.1".to_owned(),
        started_at_unix_seconds: 1_790_000_000,
        outcome: Outcome::Figures(Box::new(Figures {
            seconds_total: seconds + 0.1,
            seconds_fill: seconds,
            seconds_audit: 0.02,
            payload_mib_per_second: mib_per_second,
            wire_mib_per_second: mib_per_second * 1.1,
            keys_per_second: keys as f64 / seconds,
            commands_per_second: keys as f64 / seconds,
            pipeline_depth: cell.pipeline_depth_asked.unwrap_or(8192),
            client_peak_rss_bytes: 5 << 20,
            client_cpu_seconds: 0.02,
            client_cpu_percent: 4.0,
            link: "loopback".to_owned(),
            link_mib_per_second: 8000.0,
            link_use_percent: mib_per_second * 1.1 / 80.0,
            ack_latency_us_mean: Some(1500.0),
            ack_latency_us_p50: Some(1400),
            ack_latency_us_p95: Some(2500),
            ack_latency_us_p99: Some(10 * cell.pipeline_depth_asked.unwrap_or(8192)),
            command_latency_us_mean: Some(900.0),
            bottleneck: "server".to_owned(),
            server_cpu_seconds: seconds,
            server_cpu_percent: Some(99.0),
            server_memory_bytes_before: Some(1 << 20),
            server_memory_bytes_after: Some(121 << 20),
            server_memory_bytes_per_key: Some(f64::from(120 << 20) / keys as f64),
            server_memory_bytes_per_payload_byte: Some(1.0 + 100.0 / cell.value_bytes as f64),
            keys_planned: keys,
            keys_present: keys,
        })),
    }
}

/// A whole matrix, `repeats` times, two per cent apart: larger values are faster, clusters slower,
/// depths below 1000 slower, connections without effect.
pub(super) fn lines(matrix: Matrix, repeats: u64) -> Vec<Line> {
    let mut lines = Vec::new();
    for repeat in 0..repeats {
        for cell in matrix.cells() {
            let depth = if cell.pipeline_depth_asked.is_some_and(|depth| depth < 1000) {
                0.5
            } else {
                1.0
            };
            let speed = (100.0 + cell.value_bytes as f64 / 16.0) * depth
                / f64::from(cell.mode.masters()).sqrt();
            lines.push(line(cell, repeat, speed * (1.0 + 0.02 * repeat as f64)));
        }
    }
    lines
}
