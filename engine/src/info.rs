//! What a server says of itself: the sections of INFO, and the facts that a fill takes from them.

use std::collections::HashMap;
use std::net::SocketAddr;

/// What a server says of itself before a fill.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// The address that accepted the connection.
    pub address: SocketAddr,
    /// Name and version, such as `Redis 7.0.15`.
    pub software: String,
    /// Whether it runs on this machine.
    pub is_local: bool,
    /// Keys in the selected database.
    pub keys: u64,
    /// Keys in all other databases.
    pub keys_elsewhere: u64,
    /// Memory in use, in bytes.
    pub used_memory: Option<u64>,
    /// Memory in use at its start, in bytes.
    pub used_memory_at_start: Option<u64>,
    /// Limit of its memory, in bytes; 0 for none.
    pub maxmemory: Option<u64>,
    /// What it does at the limit.
    pub maxmemory_policy: Option<String>,
    /// Memory of its machine, in bytes.
    pub total_system_memory: Option<u64>,
}

impl ServerFacts {
    /// Nothing known yet but the address.
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self {
            address,
            software: String::new(),
            is_local: false,
            keys: 0,
            keys_elsewhere: 0,
            used_memory: None,
            used_memory_at_start: None,
            maxmemory: None,
            maxmemory_policy: None,
            total_system_memory: None,
        }
    }

    /// Takes in INFO memory.
    pub(crate) fn remember_memory(&mut self, memory: &Info) {
        self.used_memory = memory.number("used_memory");
        self.used_memory_at_start = memory.number("used_memory_startup");
        self.maxmemory = memory.number("maxmemory");
        self.maxmemory_policy = memory.text("maxmemory_policy").map(str::to_owned);
        self.total_system_memory = memory.number("total_system_memory");
    }
}

/// The fields of one INFO section.
#[derive(Clone, Debug, Default)]
pub struct Info(HashMap<String, String>);

impl Info {
    /// Reads `name:value` lines.
    pub(crate) fn parse(text: &str) -> Self {
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        Self(
            fields
                .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                .collect(),
        )
    }

    /// A field as it stands.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// A numeric field.
    #[must_use]
    pub fn number<T: std::str::FromStr>(&self, field: &str) -> Option<T> {
        self.text(field)?.parse().ok()
    }

    /// All fields.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Name and version, from INFO server.
    pub(crate) fn software(&self) -> String {
        match (self.text("valkey_version"), self.text("redis_version")) {
            (Some(version), _) => format!("Valkey {version}"),
            (None, Some(version)) => format!("Redis {version}"),
            (None, None) => "Redis or Valkey".into(),
        }
    }

    /// Keys in all databases but `db`, from INFO keyspace.
    pub(crate) fn keys_beside(&self, db: u32) -> u64 {
        let count = |(name, value): (&str, &str)| {
            let database = name.strip_prefix("db")?.parse::<u32>().ok()?;
            let keys = value.strip_prefix("keys=")?.split(',').next()?;
            keys.parse::<u64>().ok().filter(|_| database != db)
        };
        self.fields().filter_map(count).sum()
    }
}
