//! What is said before a fill starts: what will be sent where, how, and what it will need.
//! Pure text; nothing is decided here.

use engine::info::ServerFacts;
use engine::lane::Replies;
use engine::nodes::{Node, Nodes};
use engine::plan::ReactorChoice;
use engine::plan::memory_target::MemoryTarget;
use engine::plan::sequence::KeySequence;
use engine::verify::Sample;
use engine::{Plan, PlanOptions, Target};

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
    let next = plan.sequence().at(plan.keys() - 1).checked_add(1);
    let more = next
        .map(|next| format!("; to add keys: --start-key {next}"))
        .unwrap_or_default();
    format!(
        "the first and the last planned key exist already: these keys will be overwritten, not \
         added to{more}; for a clean start: -f"
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
        "{}{}, {}, pipeline depth {}, driver {}, send {}, {}",
        figures::counted(plan.connections as u64, "connection"),
        if plan.nodes > 1 { " per master" } else { "" },
        figures::counted(plan.reactor_cores.len() as u64, "reactor"),
        figures::count(plan.pipeline_depth),
        plan.driver.name(),
        plan.send.name(),
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
    (plan.appends || plan.until.is_some()).then(|| {
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
pub(crate) mod tests {
    use engine::Machine;
    use engine::machine::Whereabouts;
    use engine::target::Login;

    use super::*;
    use crate::environment::Environment;
    use crate::flags::tests::fill;
    use crate::settings::Settings;

    pub(crate) fn target() -> Target {
        Target::resolve("127.0.0.1", 6379, 0, Login::default()).unwrap()
    }

    pub(crate) fn plan(line: &str) -> (Plan, Settings) {
        let flags = fill(&format!("-h 127.0.0.1 {line}")).unwrap();
        let settings = Settings::resolve(&flags, &Environment::default()).unwrap();
        let machine = Machine {
            cores: vec![0, 1],
            io_uring: Ok(()),
            servers: Whereabouts::Here,
        };
        (
            Plan::new(settings.fill.as_ref().unwrap(), &machine).unwrap(),
            settings,
        )
    }

    fn facts() -> ServerFacts {
        ServerFacts {
            address: ([127, 0, 0, 1], 6379).into(),
            software: "Redis 7.0.15".into(),
            is_local: true,
            keys: 1234,
            keys_elsewhere: 0,
            used_memory: Some(1 << 20),
            used_memory_at_start: None,
            maxmemory: Some(0),
            maxmemory_policy: Some("noeviction".into()),
            total_system_memory: Some(16 << 30),
        }
    }

    fn servers(facts: &ServerFacts) -> Servers {
        Servers::described(&target(), &[facts], false)
    }

    #[test]
    fn the_intro_says_what_will_happen() {
        let (plan, _) = plan("-d 1");
        let lines = of_fill(&plan, &servers(&facts()));
        assert_eq!(
            lines[0],
            "filling 127.0.0.1:6379 (Redis 7.0.15, database 0) with 1,048,576 keys of 512 + 512 bytes: 1.00 GiB"
        );
        assert_eq!(
            lines[1],
            "2 connections, 1 reactor, pipeline depth 7,738, driver uring, send copy, fenced replies"
        );
        assert!(
            lines[2].starts_with("server memory: about 1."),
            "{}",
            lines[2]
        );
        assert!(lines[2].ends_with("1.00 MiB in use now, no maxmemory, 16.00 GiB in the machine"));
    }

    #[test]
    fn a_limit_is_told_with_its_policy() {
        let (plan, _) = plan("-d 1");
        let facts = ServerFacts {
            maxmemory: Some(2 << 30),
            ..facts()
        };
        assert!(
            servers(&facts)
                .memory(&plan)
                .ends_with("maxmemory 2.00 GiB (noeviction)")
        );
    }

    #[test]
    fn a_name_is_told_with_the_address_that_answered() {
        let target = Target::resolve("localhost", 6379, 2, Login::default()).unwrap();
        assert_eq!(
            of_flush(&Servers::described(&target, &[&facts()], false)),
            "emptying localhost:6379 (127.0.0.1:6379, Redis 7.0.15, database 2), which holds 1,234 keys"
        );
    }

    #[test]
    fn a_cluster_is_told_as_one() {
        let target = target().of_cluster();
        let (one, two) = (
            facts(),
            ServerFacts {
                maxmemory: Some(1 << 30),
                ..facts()
            },
        );
        let servers = Servers::described(&target, &[&one, &one], true);
        assert_eq!(
            of_flush(&servers),
            "emptying the cluster at 127.0.0.1:6379 (2 masters, Redis 7.0.15), which holds 2,468 keys"
        );
        let (plan, _) = plan("-d 1 -c");
        assert!(
            servers
                .memory(&plan)
                .ends_with("2.00 MiB in use now, no maxmemory, 16.00 GiB in the machine each")
        );
        let unlike = Servers::described(&target, &[&one, &two], true);
        assert!(unlike.memory(&plan).ends_with("2.00 MiB in use now"));
    }

    #[test]
    fn overwriting_names_the_next_free_key() {
        let (plan, _) = plan("--keys 1000 --start-key 500");
        assert!(
            overwriting(&plan).contains("--start-key 1500"),
            "{}",
            overwriting(&plan)
        );
    }

    #[test]
    fn what_would_lie_idle_is_said() {
        let (plan, settings) = plan("--keys 2 -n 8 --reactors 2");
        let notes = trimmed(&plan, settings.fill.as_ref().unwrap(), &settings.ledger);
        assert_eq!(notes, ["-n 8: 2 connections will do, one per key"]);
        let (plan, settings) = self::plan("--keys 9 -n 1 --reactors 2");
        let notes = trimmed(&plan, settings.fill.as_ref().unwrap(), &settings.ledger);
        assert!(
            notes[0].contains("1 of 2 will do") && notes[0].contains("-n"),
            "{notes:?}"
        );
    }

    #[test]
    fn keys_are_shown_shortened_and_printable() {
        let (plan, _) = plan("--keys 10");
        assert_eq!(key_shown(&plan, 9), "key:000000000009xxxxxxxxxxxxxxxx...");
        let (plan, _) = self::plan("--keys 10 --key-size 2");
        assert_eq!(
            key_shown(&plan, 1).len(),
            key_shown(&plan, 1).chars().count()
        );
        assert!(details(&plan, &target())[0].contains("127.0.0.1:6379"));
    }
}
