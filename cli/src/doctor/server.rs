//! What was found on one server, judged and worded.

use engine::checkup::{Hazard, NodeState, Role, ServerState, Subject};

use super::finding::{Finding, refused};
use super::rights;
use crate::figures::{bytes, count};

/// What the server does not tell, or not to this user.
const NOT_TOLD: &str = "the server does not tell, or this user may not ask";
/// Before this version a server does not count refusals.
const COUNTING_VERSION: (u64, u64) = (6, 2);
/// From this round trip on, in milliseconds, more has to be under way.
const LONG_MS: f64 = 1.0;

/// Every finding of one server that shall have so many connections.
pub(super) fn findings(node: &NodeState, connections: usize, user: &str) -> Vec<Finding> {
    let state = match &node.state {
        Ok(state) => state,
        Err(error) => return vec![refused("reached", &error.to_string())],
    };
    let mut all = vec![
        Finding::ok("reached", format!("at {}", state.address())).with(state.address().to_string()),
        version(state),
        mode(state),
        role(state),
        keys(state),
        writes(state),
        memory(state),
        policy(state),
        snapshots(state),
        append_only_file(state),
        background_work(state),
        other_clients(state),
        clients(state, connections),
        io_threads(state),
        round_trip(state),
    ];
    all.extend(rights::findings(&state.rights, user));
    all
}

fn version(state: &ServerState) -> Finding {
    let software = state.facts.software.as_str();
    match state.version {
        None => Finding::unknown("version", NOT_TOLD),
        Some(version) if version < COUNTING_VERSION => Finding::hint(
            "version",
            software,
            "version 6.2 or later counts what it refuses; before, a fill reads each reply",
        )
        .with(software),
        Some(_) => Finding::ok("version", software).with(software),
    }
}

fn mode(state: &ServerState) -> Finding {
    match (state.is_in_cluster, state.slots) {
        (None, None) => Finding::unknown("mode", NOT_TOLD),
        (_, Some(slots)) => {
            Finding::ok("mode", format!("cluster, {slots} hash slots")).with("cluster")
        }
        (Some(true), None) => Finding::ok("mode", "cluster").with("cluster"),
        (Some(false), None) => Finding::ok("mode", "standalone").with("standalone"),
    }
}

fn role(state: &ServerState) -> Finding {
    match &state.role {
        None => Finding::unknown("role", NOT_TOLD),
        Some(Role::Replica { of }) => Finding::problem(
            "role",
            format!("replica of {of}, takes no writes"),
            "give -h and -p of its master",
        )
        .with("replica"),
        Some(Role::Master { replicas }) => {
            let found = match replicas {
                0 => "master without replicas".to_owned(),
                1 => "master of 1 replica".to_owned(),
                replicas => format!("master of {replicas} replicas"),
            };
            threatened("role", found, state, Subject::Replicas).with("master")
        }
    }
}

fn keys(state: &ServerState) -> Finding {
    match state.keys {
        None => Finding::unknown("keys", NOT_TOLD),
        Some(keys) => Finding::ok("keys", format!("{} in this database", count(keys))).with(keys),
    }
}

fn writes(state: &ServerState) -> Finding {
    match &state.refusal {
        Some((what, cure)) => {
            Finding::problem("writes", format!("refused: it {what}"), *cure).with(false)
        }
        None => Finding::ok("writes", "nothing known that refuses them").with(true),
    }
}

fn memory(state: &ServerState) -> Finding {
    let facts = &state.facts;
    let Some(used) = facts.used_memory else {
        return Finding::unknown("memory", NOT_TOLD);
    };
    let limit = match (facts.maxmemory, facts.total_system_memory) {
        (Some(maxmemory @ 1..), _) => format!("maxmemory {}", bytes(maxmemory)),
        (Some(0), Some(total)) => format!("no maxmemory, its machine has {}", bytes(total)),
        (Some(0), None) => "no maxmemory".to_owned(),
        (None, _) => "limit unknown".to_owned(),
    };
    let mut found = format!("{} in use, {limit}", bytes(used));
    let finding = match state.memory_warnings.is_empty() {
        true => Finding::ok("memory", found),
        false => {
            found += &format!(": {}", state.memory_warnings.join("; "));
            Finding::hint(
                "memory",
                found,
                "raise maxmemory, or fill less (-d, --keys); --until-memory 75% stops in time",
            )
        }
    };
    finding.with(used)
}

fn policy(state: &ServerState) -> Finding {
    const NAME: &str = "maxmemory-policy";
    let (Some(policy), Some(limit)) = (&state.facts.maxmemory_policy, state.facts.maxmemory) else {
        return Finding::unknown(NAME, NOT_TOLD);
    };
    let finding = match (limit, policy.as_str()) {
        (1.., policy) if policy != "noeviction" => Finding::hint(
            NAME,
            format!("{policy}: at its limit it removes keys rather than refuse new ones"),
            "`CONFIG SET maxmemory-policy noeviction`, or stay below maxmemory; see --allow-eviction",
        ),
        (0, policy) => Finding::ok(NAME, format!("{policy}, without a limit")),
        (_, policy) => Finding::ok(NAME, policy),
    };
    finding.with(policy.as_str())
}

fn snapshots(state: &ServerState) -> Finding {
    let Some(rules) = &state.save else {
        return Finding::unknown("snapshots", NOT_TOLD);
    };
    let found = match rules.is_empty() {
        true => "none by itself".to_owned(),
        false => format!("save {rules}"),
    };
    threatened("snapshots", found, state, Subject::Snapshots).with(rules.as_str())
}

fn append_only_file(state: &ServerState) -> Finding {
    const NAME: &str = "append-only-file";
    let Some(sync) = &state.append_only else {
        return Finding::unknown(NAME, NOT_TOLD);
    };
    let found = match sync.is_empty() {
        true => "none".to_owned(),
        false => format!("written to disk: {sync}"),
    };
    threatened(NAME, found, state, Subject::AppendOnlyFile).with(!sync.is_empty())
}

fn background_work(state: &ServerState) -> Finding {
    const NAME: &str = "background-work";
    let found = match state.has_forked {
        None => return Finding::unknown(NAME, NOT_TOLD),
        Some(false) => "none",
        Some(true) => "a snapshot, or a rewrite of the append-only file",
    };
    threatened(NAME, found, state, Subject::Fork).with(state.has_forked)
}

fn other_clients(state: &ServerState) -> Finding {
    match rights::may_list_clients(&state.rights) {
        true => threatened(
            "other-clients",
            "nobody else writes",
            state,
            Subject::OtherClients,
        ),
        false => Finding::unknown("other-clients", NOT_TOLD),
    }
}

/// A finding that is a hint where something may go wrong of that kind.
fn threatened(
    name: &'static str,
    found: impl Into<String>,
    state: &ServerState,
    subject: Subject,
) -> Finding {
    let of_it = |hazard: &&Hazard| hazard.subject == subject;
    let hazards: Vec<&Hazard> = state.hazards.iter().filter(of_it).collect();
    if hazards.is_empty() {
        return Finding::ok(name, found);
    }
    let join = |part: fn(&Hazard) -> &str| {
        let parts: Vec<&str> = hazards.iter().map(|hazard| part(hazard)).collect();
        parts.join("; ")
    };
    Finding::hint(
        name,
        join(|hazard| hazard.parts().0),
        join(|hazard| hazard.parts().1),
    )
}

fn clients(state: &ServerState, connections: usize) -> Finding {
    let Some((connected, most)) = state.clients else {
        return Finding::unknown("clients", NOT_TOLD);
    };
    // Two that ask, one of which is connected already.
    let needed = connections as u64 + 1;
    let finding = match most {
        None => Finding::ok("clients", format!("{connected} connected")),
        Some(most) if connected.saturating_add(needed) > most => Finding::hint(
            "clients",
            format!("{connected} of at most {most} connected, {needed} more would come"),
            "raise its maxclients, or use fewer connections (-n)",
        ),
        Some(most) => Finding::ok(
            "clients",
            format!("{connected} of at most {most} connected"),
        ),
    };
    finding.with(connected)
}

fn io_threads(state: &ServerState) -> Finding {
    const NAME: &str = "io-threads";
    match state.io_threads {
        None => Finding::unknown(NAME, NOT_TOLD),
        Some(threads @ 2..) => Finding::hint(
            NAME,
            format!("{threads}, which stay idle below two busy connections each"),
            format!("give it more connections: -n {}", 2 * threads),
        )
        .with(threads),
        Some(threads) => Finding::ok(NAME, "1: one thread does everything").with(threads),
    }
}

fn round_trip(state: &ServerState) -> Finding {
    const NAME: &str = "round-trip";
    let Some(took) = state.round_trip else {
        return Finding::unknown(NAME, NOT_TOLD);
    };
    let ms = took.as_secs_f64() * 1e3;
    let found = format!("{ms:.3} ms");
    let finding = match ms > LONG_MS {
        true => Finding::hint(
            NAME,
            found,
            "over a distance more connections keep more under way: -n 8 to 16, or --tune",
        ),
        false => Finding::ok(NAME, found),
    };
    finding.with(ms)
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
