//! What is said before a fill starts: what will be sent where, how, and what it will need.
//! Pure text; nothing is decided here.

use engine::info::ServerFacts;
use engine::lane::Replies;
use engine::nodes::{Node, Nodes};
use engine::plan::ReactorChoice;
use engine::plan::memory_target::MemoryTarget;
use engine::plan::sequence::KeySequence;
use engine::verify::Sample;
use engine::{Command, Plan, PlanOptions, Target};

use crate::figures;
use crate::ledger::Ledger;

/// Longest part of a key that is shown.
const KEY_SHOWN_BYTES: usize = 32;
/// So many ranges of slots are named.
const RANGES_SHOWN: usize = 8;

/// The servers of a fill, as far as they are spoken of.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    /// `host:port`, or the cluster there.
    pub(crate) name: String,
    /// Keys they hold.
    pub(crate) keys: u64,
    /// Name, addresses, software.
    description: String,
    /// Memory in use, in bytes, over all of them.
    used_memory: Option<u64>,
    /// Limit and machine, where they are alike everywhere.
    limits: String,
}

impl Servers {
    /// Those that are connected.
    pub(crate) fn of(target: &Target, nodes: &Nodes) -> Self {
        let facts: Vec<_> = nodes.iter().map(Node::facts).collect();
        Self::described(target, &facts, nodes.is_cluster())
    }

    fn described(target: &Target, facts: &[&ServerFacts], is_cluster: bool) -> Self {
        let mut limits: Vec<String> = facts.iter().map(|facts| limit(facts)).collect();
        limits.dedup();
        let software = facts.first().map_or("", |facts| &facts.software);
        let masters = figures::counted(facts.len() as u64, "master");
        let address = facts.first().map(|facts| facts.address.to_string());
        let resolved = address.filter(|address| *address != target.to_string());
        let resolved = resolved.map(|address| address + ", ").unwrap_or_default();
        Self {
            name: named(target),
            keys: facts.iter().map(|facts| facts.keys).sum(),
            description: if is_cluster {
                format!("{} ({masters}, {software})", named(target))
            } else {
                format!("{target} ({resolved}{software}, database {})", target.db)
            },
            used_memory: facts.iter().map(|facts| facts.used_memory).sum(),
            limits: match &limits[..] {
                [one] if is_cluster && !one.is_empty() => format!("{one} each"),
                [one] => one.clone(),
                _ => String::new(),
            },
        }
    }

    /// What the plan needs, what is in use, and what there is.
    fn memory(&self, plan: &Plan) -> String {
        let mut text = match plan.until {
            Some(target) => format!("server memory: until {}", memory_target(target)),
            None => format!(
                "server memory: about {} expected",
                figures::bytes(plan.footprint_bytes())
            ),
        };
        if let Some(used) = self.used_memory {
            text += &format!(", {} in use now", figures::bytes(used));
        }
        if !self.limits.is_empty() {
            text += &format!(", {}", self.limits);
        }
        text
    }
}

/// How a target is spoken of.
fn named(target: &Target) -> String {
    if target.is_cluster {
        format!("the cluster at {target}")
    } else {
        target.to_string()
    }
}

/// What a fill will do.
pub(crate) fn of_fill(plan: &Plan, servers: &Servers) -> Vec<String> {
    vec![
        format!("filling {} with {}", servers.description, contents(plan)),
        means(plan),
        servers.memory(plan),
    ]
}

/// What will be compared.
pub(crate) fn of_verify(plan: &Plan, sample: Sample, servers: &Servers) -> String {
    let keys = sample.count(plan.keys());
    let what = match keys == plan.keys() {
        true => figures::counted(keys, "key"),
        false => format!(
            "{} of {}",
            figures::count(keys),
            figures::counted(plan.keys(), "key")
        ),
    };
    format!(
        "comparing {what} of {} + {} bytes on {} with the plan",
        plan.keyspace().key_size(),
        plan.values().value_size(),
        servers.description
    )
}

/// What `-f` will do.
pub(crate) fn of_flush(servers: &Servers) -> String {
    let keys = figures::counted(servers.keys, "key");
    format!("emptying {}, which holds {keys}", servers.description)
}

/// What will be left out, where only a part of a cluster can be filled.
pub(crate) fn partial(nodes: &Nodes) -> Option<String> {
    let uncovered = nodes.uncovered();
    let mut text = format!(
        "{} of 16384 slots have no master that can be reached ({}): their keys are left out, because of --allow-partial",
        figures::count(uncovered.len() as u64),
        uncovered.in_words(RANGES_SHOWN)
    );
    if !nodes.left_out().is_empty() {
        text += &format!("; unreachable: {}", nodes.left_out().join(", "));
    }
    (!uncovered.is_empty()).then_some(text)
}

/// What each master of a cluster will get, for `-v`.
pub(crate) fn shares(plan: &Plan, nodes: &Nodes) -> Vec<String> {
    if !nodes.is_cluster() {
        return Vec::new();
    }
    let share = |(node, keys): (&Node, KeySequence)| {
        format!(
            "{}: {}",
            node.endpoint,
            figures::counted(keys.count(), "key")
        )
    };
    let shares = nodes.shares(plan.sequence());
    nodes.iter().zip(shares).map(share).collect()
}

/// Details for `-v`.
pub(crate) fn details(plan: &Plan, target: &Target) -> Vec<String> {
    let addresses: Vec<_> = target.addresses().iter().map(ToString::to_string).collect();
    let cores: Vec<_> = plan
        .reactor_cores
        .iter()
        .map(|core| core.map_or_else(|| "any".to_owned(), |core| core.to_string()))
        .collect();
    vec![
        format!("addresses: {}", addresses.join(", ")),
        format!(
            "reactors on cores: {}; {} per reactor of {} commands, {}{}",
            cores.join(", "),
            figures::counted(plan.blocks_per_reactor as u64, "block"),
            figures::count(plan.segment.frames() as u64),
            figures::bytes(plan.segment.block_bytes() as u64),
            if plan.registers_blocks {
                ", registered"
            } else {
                ""
            },
        ),
        format!(
            "at most {} between acknowledgements",
            figures::counted(plan.batch_frames, "command")
        ),
        format!(
            "keys from {} to {}",
            key_shown(plan, 0),
            key_shown(plan, plan.keys() - 1)
        ),
    ]
}

/// Where the plan holds less than was asked for, because more would lie idle.
pub(crate) fn trimmed(plan: &Plan, options: &PlanOptions, ledger: &Ledger) -> Vec<String> {
    let mut notes = Vec::new();
    if plan.connections < options.connections && !ledger.is_default("connections") {
        notes.push(format!(
            "-n {}: {} will do, one per key",
            options.connections,
            figures::counted(plan.connections as u64, "connection")
        ));
    }
    let reactors = match &options.reactors {
        ReactorChoice::Count(count) => *count,
        ReactorChoice::Cores(cores) => cores.len(),
        ReactorChoice::Auto | ReactorChoice::EveryCore => 0,
    };
    if plan.reactor_cores.len() < reactors {
        notes.push(format!(
            "--reactors: {} of {reactors} will do, one per connection; for more, raise -n",
            plan.reactor_cores.len()
        ));
    }
    notes
}

/// What it means that the first and the last planned key exist.
pub(crate) fn overwriting(plan: &Plan) -> String {
    format!(
        "the first and the last planned key exist already: these keys will be overwritten, not \
         added to; to add keys: --append {}; to send what is missing alone: --resume; for a clean \
         start: -f",
        plan.keys()
    )
}

/// The key of the `position`-th planned index, its beginning.
pub(crate) fn key_shown(plan: &Plan, position: u64) -> String {
    let mut key = vec![0; plan.keyspace().key_size()];
    plan.keyspace()
        .render(plan.sequence().at(position), &mut key);
    if key.len() <= KEY_SHOWN_BYTES {
        return key.escape_ascii().to_string();
    }
    format!("{}...", key[..KEY_SHOWN_BYTES].escape_ascii())
}

/// Threads, connections and the like.
pub(crate) fn means(plan: &Plan) -> String {
    format!(
        "{}{}, {}, {}pipeline depth {}, driver {}, send {}, {}",
        figures::counted(plan.connections as u64, "connection"),
        if plan.nodes > 1 { " per master" } else { "" },
        figures::counted(plan.reactor_cores.len() as u64, "reactor"),
        match plan.command {
            Command::Set => String::new(),
            command => format!("command {command}, "),
        },
        figures::count(plan.pipeline_depth),
        plan.driver.name(),
        match &plan.trial {
            Some(_) => "auto",
            None => plan.send.name(),
        },
        match plan.replies {
            Replies::Fenced => "fenced replies",
            Replies::Each => "each reply read",
        }
    )
}

/// Keys and bytes, or until when.
pub(crate) fn contents(plan: &Plan) -> String {
    if let Some(target) = plan.until {
        return format!(
            "keys of {} + {} bytes until {}, at most {} of them",
            plan.keyspace().key_size(),
            plan.values().value_size(),
            memory_target(target),
            figures::count(plan.keys())
        );
    }
    format!(
        "{} of {} + {} bytes: {}",
        figures::counted(plan.keys(), "key"),
        plan.keyspace().key_size(),
        plan.values().value_size(),
        figures::bytes(plan.payload_bytes())
    )
}

/// A memory target, as the end of a sentence that begins with "until".
fn memory_target(target: MemoryTarget) -> String {
    match target {
        MemoryTarget::Bytes(bytes) => format!("each server uses {}", figures::bytes(bytes)),
        MemoryTarget::Percent(percent) => format!("each server uses {percent} % of its maxmemory"),
    }
}

/// Where keys go that are added to others.
pub(crate) fn appended(plan: &Plan) -> Option<String> {
    let first = plan.start_key;
    let adds = plan.appends || plan.until.is_some() && first > 0;
    adds.then(|| {
        format!("the keys go behind those that exist: from index {first} (--start-key {first}) on")
    })
}

/// The limit of a server's memory.
fn limit(facts: &ServerFacts) -> String {
    let policy = facts
        .maxmemory_policy
        .as_deref()
        .unwrap_or("policy unknown");
    match (facts.maxmemory, facts.total_system_memory) {
        (Some(0), Some(total)) => {
            format!("no maxmemory, {} in the machine", figures::bytes(total))
        }
        (Some(0), None) => "no maxmemory".into(),
        (Some(max), _) => format!("maxmemory {} ({policy})", figures::bytes(max)),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
#[path = "intro_tests.rs"]
pub(crate) mod tests;
