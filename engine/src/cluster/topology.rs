//! Who owns which hash slot: the answer to CLUSTER SLOTS, read. (CLUSTER SHARDS would be newer,
//! but it leaves slots out after failovers up to Redis 7.2.5: redis/redis#13414.)

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use redis::Value;

use super::slot::SLOTS;
use super::slot_set::SlotSet;
use crate::answer::is_unseen;

/// Most masters of a cluster; Redis itself recommends no more than 1,000 nodes.
const MASTERS_MAX: usize = 1_024;

/// Where a node listens, as it is announced: not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

/// The masters of a cluster and their slots, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology(BTreeMap<Endpoint, SlotSet>);

impl Topology {
    /// Reads the answer to CLUSTER SLOTS. A node that does not know its own address (or has no
    /// host name although names are preferred) is where the question went: at `asked`.
    ///
    /// # Errors
    /// What does not look like such an answer, in a few words.
    pub fn of_slots_reply(reply: &Value, asked: &str) -> Result<Self, String> {
        let Value::Array(ranges) = reply else {
            return Err("it is no array".into());
        };
        let mut topology = Self::default();
        let mut covered = SlotSet::default();
        for range in ranges {
            let Value::Array(range) = range else {
                return Err("a range of slots is no array".into());
            };
            let [
                Value::Int(first),
                Value::Int(last),
                Value::Array(master),
                ..,
            ] = &range[..]
            else {
                return Err("a range of slots has no bounds or no master".into());
            };
            let slot = |number: &i64| u16::try_from(*number).ok().filter(|slot| *slot < SLOTS);
            let (Some(first), Some(last)) = (slot(first), slot(last)) else {
                return Err(format!("{first} to {last} are no slots"));
            };
            let slots = topology.0.entry(endpoint(master, asked)?).or_default();
            for slot in first..=last {
                if covered.contains(slot) {
                    return Err(format!("slot {slot} has two masters"));
                }
                covered.insert(slot);
                slots.insert(slot);
            }
            if topology.0.len() > MASTERS_MAX {
                return Err(format!("it has more than {MASTERS_MAX} masters"));
            }
        }
        Ok(topology)
    }

    /// Every master that owns slots, in the order of their names.
    pub fn masters(&self) -> impl Iterator<Item = (&Endpoint, &SlotSet)> {
        self.0.iter()
    }

    /// How many masters own slots.
    #[must_use]
    pub fn master_count(&self) -> usize {
        self.0.len()
    }

    /// The slots of a master; none where it has none.
    #[must_use]
    pub fn slots_of(&self, master: &Endpoint) -> SlotSet {
        self.0.get(master).cloned().unwrap_or_default()
    }

    /// Slots that somebody owns.
    #[must_use]
    pub fn covered(&self) -> SlotSet {
        self.0.values().flat_map(SlotSet::iter).collect()
    }

    /// Slots that nobody owns.
    #[must_use]
    pub fn uncovered(&self) -> SlotSet {
        let covered = self.covered();
        (0..SLOTS).filter(|slot| !covered.contains(*slot)).collect()
    }

    /// The same without some masters, by name.
    #[must_use]
    pub fn without(mut self, masters: &[String]) -> Self {
        if !masters.is_empty() {
            self.0
                .retain(|endpoint, _| !masters.contains(&endpoint.to_string()));
        }
        self
    }

    /// The same, as seen from outside a NAT or a container network.
    #[must_use]
    pub fn mapped(self, map: &HostMap) -> Self {
        let mut mapped = Self::default();
        for (endpoint, slots) in self.0 {
            let all = mapped.0.entry(map.apply(endpoint)).or_default();
            slots.iter().for_each(|slot| all.insert(slot));
        }
        mapped
    }
}

/// The endpoint of a node: `[host, port, id, [more]]`.
fn endpoint(node: &[Value], asked: &str) -> Result<Endpoint, String> {
    let [host, Value::Int(port), ..] = node else {
        return Err("a node has no port".into());
    };
    let port = u16::try_from(*port).map_err(|_| format!("{port} is no port"))?;
    let host = match host {
        Value::Nil => String::new(),
        host => text(host).ok_or("a node's host is no text")?,
    };
    let host = match host.as_str() {
        "" => asked.to_owned(),
        // Host names are preferred and this node has none; the address may be told further on.
        "?" => node
            .get(3)
            .and_then(announced_ip)
            .unwrap_or_else(|| asked.to_owned()),
        host => host.to_owned(),
    };
    if host.chars().any(is_unseen) {
        return Err("a node's host has control characters".into());
    }
    Ok(Endpoint { host, port })
}

/// The field `ip` of a node's further details: pairs, or a map.
fn announced_ip(details: &Value) -> Option<String> {
    let found = match details {
        Value::Array(details) => details
            .chunks_exact(2)
            .find(|pair| text(&pair[0]).as_deref() == Some("ip"))
            .map(|pair| &pair[1]),
        Value::Map(details) => details
            .iter()
            .find(|(name, _)| text(name).as_deref() == Some("ip"))
            .map(|(_, value)| value),
        _ => None,
    };
    found.and_then(text).filter(|ip| !ip.is_empty())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

/// Announced addresses and what to use in their stead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostMap(Vec<(Address, Address)>);

/// A host, with or without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    host: String,
    port: Option<u16>,
}

impl HostMap {
    /// Adds an entry `FROM=TO`, both `HOST` or `HOST:PORT` (IPv6 with a port: `[ADDRESS]:PORT`).
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn add(&mut self, entry: &str) -> Result<(), String> {
        let (from, to) = entry
            .split_once('=')
            .ok_or("there is no '=' between the two addresses")?;
        let (from, to): (Address, Address) = (from.parse()?, to.parse()?);
        if from.port.is_none() && to.port.is_some() {
            return Err(format!(
                "it maps every port of {} to the one port of {}",
                from.host, to.host
            ));
        }
        if self.0.iter().any(|(other, _)| *other == from) {
            return Err("this address is mapped twice".into());
        }
        self.0.push((from, to));
        Ok(())
    }

    /// Whether it has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What to use for an announced address; an entry with its port goes before one without.
    pub(crate) fn apply(&self, announced: Endpoint) -> Endpoint {
        let of_port = |port: Option<u16>| {
            let wanted = |(from, _): &&(Address, Address)| {
                from.host.eq_ignore_ascii_case(&announced.host) && from.port == port
            };
            self.0.iter().find(wanted).map(|(_, to)| to)
        };
        match of_port(Some(announced.port)).or_else(|| of_port(None)) {
            Some(to) => Endpoint {
                host: to.host.clone(),
                port: to.port.unwrap_or(announced.port),
            },
            None => announced,
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = |host: &str| {
            let host = host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'))
                .unwrap_or(host);
            host.to_owned()
        };
        // `::1` is an address without a port, `[::1]:7000` one with a port.
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                let port = port.parse().ok().filter(|port| *port > 0);
                (
                    bare(host),
                    Some(port.ok_or(format!(
                        "'{text}' has no port from 1 to 65535 behind its ':'"
                    ))?),
                )
            }
            _ => (bare(text), None),
        };
        if host.trim().is_empty() {
            return Err(format!("'{text}' names no host"));
        }
        Ok(Self { host, port })
    }
}

#[cfg(test)]
#[path = "topology_tests.rs"]
mod tests;
