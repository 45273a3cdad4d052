//! Named settings for common uses: those that the program brings along, and the user's own from
//! the config file, which come before others of the same name. Owns the values of the former;
//! whether one is overridden is decided in [`layers`](crate::layers).

use crate::config::{Config, Entry};
use crate::exit::Failure;
use crate::ledger::Place;
use crate::value;

/// Sizes, depth and connections under one name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BuiltIn {
    /// As in `--preset`.
    pub(crate) name: &'static str,
    /// Bytes per key.
    pub(crate) key_size: usize,
    /// Bytes per value.
    pub(crate) value_size: usize,
    /// Commands per batch.
    pub(crate) pipeline_depth: u64,
    /// Connections.
    pub(crate) connections: usize,
    /// What it is for.
    pub(crate) purpose: &'static str,
}

/// Every preset that the program brings along, in the order of `--help`. `--help`, `redis-client
/// presets` and the tests take the values from here; a test holds the table in README.md to them.
pub(crate) static PRESETS: &[BuiltIn] = &[
    BuiltIn {
        name: "fast",
        key_size: 256,
        value_size: 16_384,
        pipeline_depth: 500,
        connections: 2,
        purpose: "most bytes per second",
    },
    BuiltIn {
        name: "balanced",
        key_size: 512,
        value_size: 2048,
        pipeline_depth: 500,
        connections: 2,
        purpose: "speed and memory in balance",
    },
    BuiltIn {
        name: "memory-efficient",
        key_size: 506,
        value_size: 16_378,
        pipeline_depth: 500,
        connections: 2,
        purpose: "least server memory per byte",
    },
    BuiltIn {
        name: "session-cache",
        key_size: 64,
        value_size: 256,
        pipeline_depth: 500,
        connections: 2,
        purpose: "like a store of sessions",
    },
    BuiltIn {
        name: "object-cache",
        key_size: 256,
        value_size: 8192,
        pipeline_depth: 1000,
        connections: 2,
        purpose: "like a store of objects",
    },
];

/// A preset that can be chosen.
#[derive(Clone, Debug)]
pub(crate) struct Preset {
    /// As in `--preset`.
    pub(crate) name: String,
    /// What it is for, as far as that is known.
    pub(crate) purpose: &'static str,
    /// What it sets.
    pub(crate) entries: Vec<Entry>,
    /// Its head in the config file; `None` for those that the program brings along.
    pub(crate) place: Option<Place>,
}

impl From<&BuiltIn> for Preset {
    fn from(preset: &BuiltIn) -> Self {
        let entry = |name, value: u64| Entry {
            name,
            texts: vec![value.to_string()],
            place: None,
        };
        Self {
            name: preset.name.to_owned(),
            purpose: preset.purpose,
            entries: vec![
                entry("key-size", preset.key_size as u64),
                entry("value-size", preset.value_size as u64),
                entry("pipeline-depth", preset.pipeline_depth),
                entry("connections", preset.connections as u64),
            ],
            place: None,
        }
    }
}

impl Preset {
    /// What it sets a flag to, where it does.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        entry.texts.first().map(String::as_str)
    }
}

/// Every preset: those that the program brings along, unless the user has another of the same name,
/// then the other ones of the user.
pub(crate) fn all(config: &Config) -> Vec<Preset> {
    let mut presets: Vec<Preset> = PRESETS.iter().map(Preset::from).collect();
    for own in &config.presets {
        let preset = Preset {
            name: own.name.clone(),
            purpose: "",
            entries: own.entries.clone(),
            place: Some(own.place.clone()),
        };
        match presets.iter_mut().find(|other| other.name == own.name) {
            Some(other) => *other = preset,
            None => presets.push(preset),
        }
    }
    presets
}

/// The preset of this name.
pub(crate) fn named(name: &str, config: &Config) -> Result<Preset, Failure> {
    let presets = all(config);
    let known: Vec<_> = presets
        .iter()
        .map(|preset| (preset.name.as_str(), preset))
        .collect();
    value::one_of("--preset", name, &known).cloned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A preset that the program brings along.
    pub(crate) fn built_in(name: &str) -> &'static BuiltIn {
        PRESETS.iter().find(|preset| preset.name == name).unwrap()
    }

    #[test]
    fn an_unknown_preset_lists_the_known_and_suggests_the_nearest() {
        let refusal = |name| named(name, &Config::default()).unwrap_err().message;
        let message = refusal("fats");
        assert!(message.contains("--preset 'fats'"), "{message}");
        for preset in PRESETS {
            assert!(message.contains(preset.name), "{message}");
        }
        assert!(message.ends_with("did you mean fast?"), "{message}");
        assert!(!refusal("zzzzzzzz").contains("did you mean"));
    }

    #[test]
    fn what_the_program_brings_along_is_within_the_ranges_of_the_flags() {
        for preset in all(&Config::default()) {
            assert!(!preset.purpose.is_empty(), "{}", preset.name);
            for entry in &preset.entries {
                let key = crate::keys::named(entry.name).unwrap();
                key.check(&entry.texts[0]).unwrap();
            }
        }
    }
}
