//! The machine that the figures are of, in a line, and which of its cores does what.

use std::fs;

use crate::Result;

/// The cores of a run. With a single core both share it, and figures mean little.
#[derive(Clone, Copy, Debug)]
pub struct Cores {
    /// Where the server or the sink runs: the first core this process may use.
    pub server: usize,
    /// Where the client runs: the last one, as the engine itself would choose.
    pub client: usize,
    /// How many cores this process may use.
    pub count: usize,
}

impl Cores {
    /// Looks at what this process may use.
    #[must_use]
    pub fn observe() -> Self {
        let cores: Vec<usize> = core_affinity::get_core_ids()
            .unwrap_or_default()
            .iter()
            .map(|core| core.id)
            .collect();
        Self {
            server: cores.iter().copied().min().unwrap_or(0),
            client: cores.iter().copied().max().unwrap_or(0),
            count: cores.len().max(1),
        }
    }
}

/// Kernel, processor, cores and load, in a line; `server` is added where one takes part.
#[must_use]
pub fn describe(server: Option<&str>) -> String {
    let kernel = read("/proc/sys/kernel/osrelease");
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim());
    let load = read("/proc/loadavg");
    let load = load.split_whitespace().next().unwrap_or("?");
    let cores = Cores::observe();
    let mut line = format!(
        "Linux {}, {model}, {} cores (server or sink on {}, client on {}), load {load}",
        kernel.trim(),
        cores.count,
        cores.server,
        cores.client
    );
    if let Some(server) = server {
        line = format!("{line}, {server}");
    }
    line
}

/// A figure of this process's memory, in bytes: a field of `/proc/self/status`.
///
/// # Errors
/// There is no such field.
pub fn memory_bytes(field: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB"));
    let kib: u64 = kib.ok_or("the status has no such field")?.trim().parse()?;
    Ok(kib << 10)
}

/// Lets the peak of this process's resident set (`VmHWM`) begin anew.
///
/// # Errors
/// The kernel was built without that.
pub fn reset_peak() -> std::io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
