//! What was found on this machine, judged and worded: kernel, io_uring, limits, cores, memory.

use engine::checkup::{CpuQuota, Host, Limit, MachineState, Seccomp, Smt};
use engine::machine::Whereabouts;

use super::finding::Finding;
use crate::figures::bytes;

/// What the system does not tell.
const NOT_TOLD: &str = "the system does not tell";
/// Governors that keep cores as fast as they are asked to be.
const FAST_GOVERNORS: [&str; 2] = ["performance", "schedutil"];

/// What a fill asks of the machine, and what runs there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    /// Threads that send.
    pub(super) reactors: usize,
    /// Files that are open at the same time.
    pub(super) open_files: u64,
    /// Whether a server was named that runs here.
    pub(super) server_is_here: bool,
}

impl Needs {
    /// Of a plan (connections over all nodes, nodes), with servers that are there.
    pub(super) fn new(
        (reactors, lanes, nodes): (usize, usize, usize),
        machine: &MachineState,
        is_server_named: bool,
    ) -> Self {
        // A connection is open twice, a node asked over two; 64 for everything else.
        let open_files = 2 * lanes as u64 + 2 * nodes as u64 + 64;
        Self {
            reactors,
            open_files,
            server_is_here: is_server_named && machine.machine.servers != Whereabouts::Elsewhere,
        }
    }
}

/// Every finding.
pub(super) fn findings(state: &MachineState, needs: Needs) -> Vec<Finding> {
    let host = &state.host;
    vec![
        kernel(host),
        io_uring(state),
        io_uring_disabled(state),
        seccomp(state),
        memlock(state),
        open_files(host.open_files, needs.open_files),
        cores(state, needs),
        cpu_quota(host.cpu_quota, needs.reactors),
        governor(host.governors.as_deref()),
        smt(host.smt, needs),
        load(host),
        memory(host),
        huge_pages(host, needs),
        overcommit(host, needs),
    ]
}

fn kernel(host: &Host) -> Finding {
    const NAME: &str = "kernel";
    let Some(release) = &host.kernel else {
        return Finding::unknown(NAME, NOT_TOLD);
    };
    let found = format!("Linux {release}");
    let finding = match host.is_kernel_from((6, 1)) {
        Some(false) => Finding::hint(
            NAME,
            found,
            "Linux 6.1 or later: its rings cost less; zero-copy sends need 6.0 and pay from 6.10 on",
        ),
        _ => Finding::ok(NAME, found),
    };
    finding.with(release.as_str())
}

fn io_uring(state: &MachineState) -> Finding {
    const NAME: &str = "io-uring";
    if let Err(why) = &state.machine.io_uring {
        let found = format!("cannot be used: {}", why.cause);
        return Finding::hint(
            NAME,
            found,
            format!("{}; fills use plain sockets until then", why.cure),
        )
        .with(false);
    }
    let Some(abilities) = &state.abilities else {
        return Finding::ok(NAME, "can be used").with(true);
    };
    let mut found = format!("can be used ({})", abilities.flags);
    found += match abilities.has_fixed_files {
        true => ", registered sockets",
        false => ", no registered sockets (Linux 5.19 has them)",
    };
    let finding = match abilities.has_send_zc {
        true => Finding::ok(NAME, found + ", zero-copy sends"),
        false => Finding::hint(
            NAME,
            found + ", no zero-copy sends",
            "Linux 6.0 or later has them; they pay to servers on other machines",
        ),
    };
    finding.with(true)
}

fn io_uring_disabled(state: &MachineState) -> Finding {
    const NAME: &str = "io-uring-disabled";
    const ALLOW: &str = "an administrator can allow it with `sysctl kernel.io_uring_disabled=0`";
    let is_usable = state.machine.io_uring.is_ok();
    let finding = match state.host.io_uring_disabled {
        None => {
            return Finding::unknown(
                NAME,
                "there is no kernel.io_uring_disabled (Linux 6.6 and later have it)",
            );
        }
        Some(0) => Finding::ok(NAME, "0: everybody may use io_uring"),
        Some(1) if is_usable => Finding::ok(
            NAME,
            "1: only those with rights, whom this process belongs to",
        ),
        Some(1) => Finding::hint(NAME, "1: only those with rights", ALLOW),
        Some(_) if is_usable => Finding::ok(NAME, "2: nobody, but it works here"),
        Some(_) => Finding::hint(NAME, "2: nobody may use io_uring", ALLOW),
    };
    finding.with(state.host.io_uring_disabled)
}

fn seccomp(state: &MachineState) -> Finding {
    const NAME: &str = "seccomp";
    let (found, value) = match state.host.seccomp {
        None => return Finding::unknown(NAME, NOT_TOLD),
        Some(Seccomp::Off) => return Finding::ok(NAME, "no filter").with("off"),
        Some(Seccomp::Strict) => ("strict".to_owned(), "strict"),
        Some(Seccomp::Filters(None)) => ("system calls are filtered".to_owned(), "filter"),
        Some(Seccomp::Filters(Some(count))) => {
            (format!("system calls are filtered ({count})"), "filter")
        }
    };
    let finding = match &state.machine.io_uring {
        Err(why) if why.cause.contains("seccomp") => {
            Finding::hint(NAME, found + ", io_uring among them", why.cure.as_str())
        }
        _ => Finding::ok(NAME, found),
    };
    finding.with(value)
}

fn memlock(state: &MachineState) -> Finding {
    const NAME: &str = "memlock";
    let limit = state.host.memlock;
    let mut found = match (state.host.locks_freely, limit) {
        (Some(true), _) => "no limit (CAP_IPC_LOCK)".to_owned(),
        (_, Some(limit)) => limit_in_words(limit, bytes),
        (_, None) => return Finding::unknown(NAME, NOT_TOLD),
    };
    let soft = limit.map_or(u64::MAX, |limit| limit.soft);
    let is_enough = match &state.abilities {
        Some(abilities) => {
            found += &format!(
                "; {} of {} could be registered",
                bytes(abilities.registered_bytes as u64),
                bytes(abilities.tried_bytes as u64)
            );
            abilities.registered_bytes == abilities.tried_bytes
        }
        None => {
            state.host.locks_freely == Some(true)
                || soft >= engine::plan::REGISTERED_BYTES_MAX as u64
        }
    };
    let finding = match is_enough {
        true => Finding::ok(NAME, found),
        false => Finding::hint(
            NAME,
            found,
            "`ulimit -l 8192`; above the hard limit an administrator raises it in \
             /etc/security/limits.conf, or with LimitMEMLOCK=8M for a service",
        ),
    };
    match soft {
        u64::MAX => finding,
        soft => finding.with(soft),
    }
}

fn open_files(limit: Option<Limit>, needed: u64) -> Finding {
    const NAME: &str = "open-files";
    let Some(limit) = limit else {
        return Finding::unknown(NAME, NOT_TOLD);
    };
    let found = format!(
        "{}; {needed} needed",
        limit_in_words(limit, |n| n.to_string())
    );
    let finding = match limit.hard < needed {
        true => Finding::hint(
            NAME,
            found,
            "raise the hard limit (/etc/security/limits.conf, LimitNOFILE), or use fewer connections (-n)",
        ),
        false => Finding::ok(NAME, found),
    };
    finding.with(limit.soft)
}

fn cores(state: &MachineState, needs: Needs) -> Finding {
    let allowed = &state.machine.cores;
    let found = match state.host.cores_online.as_deref().map(<[usize]>::len) {
        Some(online) => format!("{} of {online} online may be used", allowed.len()),
        None => format!("{} may be used", allowed.len()),
    };
    let finding = match needs.server_is_here && allowed.len() == 1 {
        true => Finding::hint(
            "cores",
            found + ", which the fill shares with a server on this machine",
            "allow the process more cores (taskset, cpuset), or fill from another machine",
        ),
        false => Finding::ok("cores", found),
    };
    finding.with(allowed.len())
}

fn cpu_quota(quota: Option<CpuQuota>, reactors: usize) -> Finding {
    const NAME: &str = "cpu-quota";
    match quota {
        None => Finding::unknown(NAME, "control groups cannot be seen"),
        Some(CpuQuota::Unlimited) => Finding::ok(NAME, "none"),
        Some(CpuQuota::Cores(cores)) if cores < reactors as f64 => Finding::hint(
            NAME,
            format!("{cores:.2} cores for {reactors} that would send"),
            "raise the CPU limit of the control group (cpu.max, docker --cpus): what exceeds it \
             stands still for the rest of each period",
        )
        .with(cores),
        Some(CpuQuota::Cores(cores)) => Finding::ok(NAME, format!("{cores:.2} cores")).with(cores),
    }
}

fn governor(governors: Option<&[String]>) -> Finding {
    const NAME: &str = "cpu-governor";
    let Some(governors) = governors else {
        return Finding::unknown(NAME, "no frequency scaling to be seen");
    };
    let found = governors.join(", ");
    let is_fast = |name: &String| FAST_GOVERNORS.contains(&name.as_str());
    let finding = match governors.iter().all(is_fast) {
        true => Finding::ok(NAME, found.as_str()),
        false => Finding::hint(
            NAME,
            found.as_str(),
            "`cpupower frequency-set -g performance`, for figures that do not depend on what ran before",
        ),
    };
    finding.with(found)
}

fn smt(smt: Option<Smt>, needs: Needs) -> Finding {
    match smt {
        None => Finding::unknown("smt", NOT_TOLD),
        Some(Smt::Inactive) => Finding::ok("smt", "off").with(false),
        Some(Smt::Active) if needs.server_is_here => Finding::hint(
            "smt",
            "on: two cores may be one physical core, with a server on this machine",
            "keep server and fill on different physical ones: taskset for the server, \
             --reactors cores=... for the fill (`lscpu -e` tells which)",
        )
        .with(true),
        Some(Smt::Active) => Finding::ok("smt", "on").with(true),
    }
}

fn load(host: &Host) -> Finding {
    let Some(load) = host.load else {
        return Finding::unknown("load", NOT_TOLD);
    };
    let found = format!("{load:.2} over the last minute");
    let online = host.cores_online.as_ref().map_or(usize::MAX, Vec::len);
    let finding = match load > online as f64 {
        true => Finding::hint(
            "load",
            found + ", more than there are cores",
            "stop what else runs here while speed matters",
        ),
        false => Finding::ok("load", found),
    };
    finding.with(load)
}

fn memory(host: &Host) -> Finding {
    match (host.memory, host.memory_available) {
        (Some(all), Some(available)) => Finding::ok(
            "memory",
            format!("{}, {} available", bytes(all), bytes(available)),
        )
        .with(available),
        _ => Finding::unknown("memory", NOT_TOLD),
    }
}

fn huge_pages(host: &Host, needs: Needs) -> Finding {
    const NAME: &str = "transparent-huge-pages";
    let Some(mode) = &host.transparent_huge_pages else {
        return Finding::unknown(NAME, NOT_TOLD);
    };
    let finding = match needs.server_is_here && mode == "always" {
        true => Finding::hint(
            NAME,
            mode.as_str(),
            "`echo madvise > /sys/kernel/mm/transparent_hugepage/enabled`: a server on this \
             machine that forks for a snapshot has whole huge pages copied otherwise",
        ),
        false => Finding::ok(NAME, mode.as_str()),
    };
    finding.with(mode.as_str())
}

fn overcommit(host: &Host, needs: Needs) -> Finding {
    const NAME: &str = "overcommit";
    let (found, is_safe) = match host.overcommit {
        None => return Finding::unknown(NAME, NOT_TOLD),
        Some(0) => ("0: as long as it seems possible", false),
        Some(1) => ("1: always", true),
        Some(_) => ("2: never", false),
    };
    let finding = match needs.server_is_here && !is_safe {
        true => Finding::hint(
            NAME,
            found,
            "`sysctl vm.overcommit_memory=1`: a server on this machine may be refused the fork \
             for a snapshot otherwise",
        ),
        false => Finding::ok(NAME, found),
    };
    finding.with(host.overcommit)
}

/// A limit, and how far it can be raised.
fn limit_in_words(limit: Limit, figure: impl Fn(u64) -> String) -> String {
    let word = |number| match number {
        u64::MAX => "no limit".to_owned(),
        number => figure(number),
    };
    match limit.soft == limit.hard {
        true => word(limit.soft),
        false => format!("{} (hard limit: {})", word(limit.soft), word(limit.hard)),
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
