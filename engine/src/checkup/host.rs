//! What a fill finds on this machine: kernel, limits, cores, memory. Reads /proc and /sys alone;
//! what does not stand there is unknown. The network is looked at in `network.rs`.

use super::cgroup::{self, CpuQuota};
use super::files::{Files, field};

/// CAP_IPC_LOCK of capabilities(7): memory is locked without a limit.
const CAP_IPC_LOCK: u32 = 14;
/// No machine has more cores.
const CORES_MAX: usize = 1 << 16;

/// System calls that a process may not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seccomp {
    /// All may be made.
    Off,
    /// Only read, write and exit.
    Strict,
    /// So many filters decide; unknown before Linux 5.9.
    Filters(Option<u64>),
}

/// A limit of this process, `u64::MAX` for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What holds.
    pub soft: u64,
    /// How far it may be raised without rights.
    pub hard: u64,
}

/// What stands in the way of SMT, or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smt {
    /// Two or more of the cores share a physical one.
    Active,
    /// Each core is a physical one.
    Inactive,
}

/// Facts of this machine; each is `None` where the system does not tell it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Host {
    /// Release of the kernel, such as `6.1.0-18-amd64`.
    pub kernel: Option<String>,
    /// `kernel.io_uring_disabled`: 0 for everybody, 1 for those with rights, 2 for nobody (Linux
    /// 6.6).
    pub io_uring_disabled: Option<u64>,
    /// Whether system calls are filtered.
    pub seccomp: Option<Seccomp>,
    /// RLIMIT_MEMLOCK, in bytes.
    pub memlock: Option<Limit>,
    /// Whether that limit counts for nothing (CAP_IPC_LOCK).
    pub locks_freely: Option<bool>,
    /// RLIMIT_NOFILE.
    pub open_files: Option<Limit>,
    /// Cores of the machine that are online.
    pub cores_online: Option<Vec<usize>>,
    /// How much CPU time control groups allow.
    pub cpu_quota: Option<CpuQuota>,
    /// The frequency governors of the cores that this process may use, each once.
    pub governors: Option<Vec<String>>,
    /// Whether cores share physical ones.
    pub smt: Option<Smt>,
    /// Processes that wanted a core over the last minute, on average.
    pub load: Option<f64>,
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// Memory that can be had without swapping, in bytes.
    pub memory_available: Option<u64>,
    /// Which of always, madvise and never holds for transparent huge pages.
    pub transparent_huge_pages: Option<String>,
    /// `vm.overcommit_memory`.
    pub overcommit: Option<u64>,
}

impl Host {
    /// Looks, for a process that may use these cores.
    #[must_use]
    pub fn look(files: &Files, cores: &[usize]) -> Self {
        let status = files.text("proc/self/status").unwrap_or_default();
        let limits = files.text("proc/self/limits").unwrap_or_default();
        let memory = files.text("proc/meminfo").unwrap_or_default();
        let kernel = |name| files.text(&format!("proc/sys/kernel/{name}"));
        Self {
            kernel: kernel("osrelease"),
            io_uring_disabled: kernel("io_uring_disabled").and_then(|text| text.parse().ok()),
            seccomp: seccomp(&status),
            memlock: limit(&limits, "Max locked memory"),
            locks_freely: has_capability(&status, CAP_IPC_LOCK),
            open_files: limit(&limits, "Max open files"),
            cores_online: files
                .text("sys/devices/system/cpu/online")
                .and_then(|list| numbers(&list)),
            cpu_quota: cgroup::cpu_quota(files),
            governors: governors(files, cores),
            smt: match files.text("sys/devices/system/cpu/smt/active").as_deref() {
                Some("1") => Some(Smt::Active),
                Some("0") => Some(Smt::Inactive),
                _ => None,
            },
            load: files
                .text("proc/loadavg")
                .and_then(|text| text.split(' ').next()?.parse().ok()),
            memory: kibibytes(&memory, "MemTotal"),
            memory_available: kibibytes(&memory, "MemAvailable"),
            transparent_huge_pages: files
                .text("sys/kernel/mm/transparent_hugepage/enabled")
                .and_then(|text| chosen(&text)),
            overcommit: files.number("proc/sys/vm/overcommit_memory"),
        }
    }

    /// Whether the kernel is this version or a later one.
    #[must_use]
    pub fn is_kernel_from(&self, version: (u64, u64)) -> Option<bool> {
        let mut parts = self.kernel.as_deref()?.split(|c: char| !c.is_ascii_digit());
        let mut part = || parts.next()?.parse::<u64>().ok();
        Some((part()?, part()?) >= version)
    }
}

/// From /proc/self/status.
fn seccomp(status: &str) -> Option<Seccomp> {
    Some(match field(status, "Seccomp")? {
        "0" => Seccomp::Off,
        "1" => Seccomp::Strict,
        "2" => {
            Seccomp::Filters(field(status, "Seccomp_filters").and_then(|count| count.parse().ok()))
        }
        _ => return None,
    })
}

/// Whether a capability is effective, from /proc/self/status.
fn has_capability(status: &str, capability: u32) -> Option<bool> {
    let set = u64::from_str_radix(field(status, "CapEff")?, 16).ok()?;
    Some(set >> capability & 1 == 1)
}

/// From /proc/self/limits: `Max locked memory  8388608  unlimited  bytes`.
fn limit(limits: &str, name: &str) -> Option<Limit> {
    let rest = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let mut words = rest.split_ascii_whitespace();
    let mut next = || match words.next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    };
    Some(Limit {
        soft: next()?,
        hard: next()?,
    })
}

/// From /proc/meminfo: `MemTotal:  8043372 kB`, in bytes.
fn kibibytes(memory: &str, name: &str) -> Option<u64> {
    let number = field(memory, name)?.strip_suffix("kB")?;
    number.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The one of several words that stands in brackets.
fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// Reads a list such as `0-3,8`.
fn numbers(list: &str) -> Option<Vec<usize>> {
    let mut all = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.parse().ok()?;
        let last: usize = last.parse().ok()?;
        all.extend(first..=last.min(CORES_MAX));
    }
    Some(all)
}

/// The governors of some cores; `None` where none has one.
fn governors(files: &Files, cores: &[usize]) -> Option<Vec<String>> {
    let governor = |core: &usize| {
        files.text(&format!(
            "sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor"
        ))
    };
    let mut all: Vec<String> = cores.iter().filter_map(governor).collect();
    all.sort();
    all.dedup();
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::super::files::recorded;
    use super::*;

    /// As a container on Debian 12 shows them.
    const STATUS: &str = "Name:\tcat\nCapEff:\t00000000a80425fb\nNoNewPrivs:\t0\nSeccomp:\t2\n\
        Seccomp_filters:\t1\nCpus_allowed_list:\t0-3\n";
    const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units     
Max open files            1024                 1048576              files     
Max locked memory         8388608              unlimited            bytes     
";

    #[test]
    fn a_machine_that_tells_everything() {
        let (_folder, files) = recorded(&[
            ("proc/sys/kernel/osrelease", "6.1.0-18-amd64\n"),
            ("proc/sys/kernel/io_uring_disabled", "1\n"),
            ("proc/self/status", STATUS),
            ("proc/self/limits", LIMITS),
            (
                "proc/meminfo",
                "MemTotal:        8043372 kB\nMemAvailable:    1000 kB\n",
            ),
            ("proc/loadavg", "1.25 0.90 0.70 2/345 6789\n"),
            ("proc/sys/vm/overcommit_memory", "0\n"),
            ("sys/devices/system/cpu/online", "0-3,6\n"),
            ("sys/devices/system/cpu/smt/active", "1\n"),
            (
                "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor",
                "powersave\n",
            ),
            (
                "sys/devices/system/cpu/cpu2/cpufreq/scaling_governor",
                "powersave\n",
            ),
            (
                "sys/devices/system/cpu/cpu3/cpufreq/scaling_governor",
                "performance\n",
            ),
            (
                "sys/kernel/mm/transparent_hugepage/enabled",
                "[always] madvise never\n",
            ),
        ]);
        let expected = Host {
            kernel: Some("6.1.0-18-amd64".into()),
            io_uring_disabled: Some(1),
            seccomp: Some(Seccomp::Filters(Some(1))),
            memlock: Some(Limit {
                soft: 8 << 20,
                hard: u64::MAX,
            }),
            locks_freely: Some(false),
            open_files: Some(Limit {
                soft: 1024,
                hard: 1 << 20,
            }),
            cores_online: Some(vec![0, 1, 2, 3, 6]),
            cpu_quota: None,
            governors: Some(vec!["powersave".into()]),
            smt: Some(Smt::Active),
            load: Some(1.25),
            memory: Some(8_043_372 << 10),
            memory_available: Some(1000 << 10),
            transparent_huge_pages: Some("always".into()),
            overcommit: Some(0),
        };
        let host = Host::look(&files, &[1, 2]);
        assert_eq!(host, expected);
        assert_eq!(host.is_kernel_from((6, 1)), Some(true));
        assert_eq!(host.is_kernel_from((6, 2)), Some(false));
        assert_eq!(host.is_kernel_from((5, 19)), Some(true));
    }

    #[test]
    fn a_machine_that_tells_nothing() {
        let (_folder, files) = recorded(&[]);
        let host = Host::look(&files, &[0, 1]);
        assert_eq!(host, Host::default());
        assert_eq!(host.is_kernel_from((5, 11)), None);
    }

    #[test]
    fn a_machine_that_tells_nonsense() {
        let (_folder, files) = recorded(&[
            ("proc/sys/kernel/osrelease", "strange\n"),
            ("proc/sys/kernel/io_uring_disabled", "no\n"),
            ("proc/self/status", "Seccomp:\tx\nCapEff:\tzz\n"),
            (
                "proc/self/limits",
                "Max locked memory\nMax open files x y\n",
            ),
            ("proc/meminfo", "MemTotal: many kB\n"),
            ("proc/loadavg", "-\n"),
            ("sys/devices/system/cpu/online", "0-\n"),
            ("sys/devices/system/cpu/smt/active", "?\n"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "always\n"),
        ]);
        let host = Host::look(&files, &[0]);
        let expected = Host {
            kernel: Some("strange".into()),
            ..Host::default()
        };
        assert_eq!(host, expected);
        assert_eq!(host.is_kernel_from((5, 11)), None);
    }

    #[test]
    fn seccomp_in_every_mode() {
        assert_eq!(seccomp("Seccomp:\t0\n"), Some(Seccomp::Off));
        assert_eq!(seccomp("Seccomp:\t1\n"), Some(Seccomp::Strict));
        assert_eq!(seccomp("Seccomp:\t2\n"), Some(Seccomp::Filters(None)));
        assert_eq!(
            has_capability("CapEff:\t0000000000004000\n", 14),
            Some(true)
        );
    }
}
