//! What a server says of itself: the sections of INFO, and the facts that a fill takes from them.

use std::net::SocketAddr;

use crate::answer::is_unseen;

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
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
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
    pub fn remember_memory(&mut self, memory: &Info) {
        self.used_memory = memory.number("used_memory");
        self.used_memory_at_start = memory.number("used_memory_startup");
        self.maxmemory = memory.number("maxmemory");
        self.maxmemory_policy = memory.text("maxmemory_policy").map(str::to_owned);
        self.total_system_memory = memory.number("total_system_memory");
    }
}

/// The fields of one INFO section, as text: few are asked for, and a map of what a server may send
/// would take many times the memory.
#[derive(Clone, Debug, Default)]
pub struct Info(String);

impl Info {
    /// Takes in `name:value` lines. Characters that must not reach a terminal become `?`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let fit = |character| match character {
            '\n' => '\n',
            '\r' => ' ',
            character if is_unseen(character) => '?',
            character => character,
        };
        Self(text.chars().map(fit).collect())
    }

    /// A field as it stands.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        let mut fields = self.fields();
        fields.find_map(|(name, value)| (name == field).then_some(value))
    }

    /// A numeric field.
    #[must_use]
    pub fn number<T: std::str::FromStr>(&self, field: &str) -> Option<T> {
        self.text(field)?.parse().ok()
    }

    /// All fields.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.0.lines().filter_map(|line| line.split_once(':'));
        fields.map(|(name, value)| (name, value.trim()))
    }

    /// Name and version, from INFO server.
    #[must_use]
    pub fn software(&self) -> String {
        match (self.text("valkey_version"), self.text("redis_version")) {
            (Some(version), _) => format!("Valkey {version}"),
            (None, Some(version)) => format!("Redis {version}"),
            (None, None) => "Redis or Valkey".into(),
        }
    }

    /// Keys in all databases but `db`, from INFO keyspace.
    #[must_use]
    pub fn keys_beside(&self, db: u32) -> u64 {
        let count = |(name, value): (&str, &str)| {
            let database = name.strip_prefix("db")?.parse::<u32>().ok()?;
            let keys = value.strip_prefix("keys=")?.split(',').next()?;
            keys.parse::<u64>().ok().filter(|_| database != db)
        };
        self.fields().filter_map(count).fold(0, u64::saturating_add)
    }
}
