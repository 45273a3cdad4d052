//! Which keys and values there are: the flags that every command has that knows the plan. Owns
//! their defaults; whether keys fit into their size is decided by the engine's `Plan`.

use engine::plan::keyspace::{DEFAULT_PREFIX, KeyLayout};
use engine::plan::options::{KEY_SIZE_MAX, VALUE_SIZE_MAX};

use crate::cluster;
use crate::exit::Failure;
use crate::flags::DataFlags;
use crate::ledger::{Ledger, Source};
use crate::preset::{self, Preset};
use crate::value::number;

const KEY_SIZE: usize = 512;
const VALUE_SIZE: usize = 512;

/// Which keys and values, and the preset that has a say in that.
pub(crate) struct Contents {
    pub(crate) preset: Option<&'static Preset>,
    pub(crate) key_size: usize,
    pub(crate) value_size: usize,
    pub(crate) start_key: u64,
    pub(crate) seed: u64,
    pub(crate) key_layout: KeyLayout,
}

impl Contents {
    pub(crate) fn resolve(
        data: &DataFlags,
        is_cluster: bool,
        ledger: &mut Ledger,
    ) -> Result<Self, Failure> {
        let preset = data.preset.as_deref().map(preset::named).transpose()?;
        if let Some(preset) = preset {
            ledger.enter("preset", preset.name, Source::Flag);
        }
        let bytes = |given: &Option<String>, flag, max| {
            number::<usize>(given.as_deref(), flag, 1, max as u64, "bytes")
        };
        let key_size = bytes(&data.key_size, "--key-size", KEY_SIZE_MAX)?;
        let key_size = ledger.decide("key-size", key_size, preset.map(|p| p.key_size), KEY_SIZE);
        let value_size = bytes(&data.value_size, "--value-size", VALUE_SIZE_MAX)?;
        let value_size = ledger.decide(
            "value-size",
            value_size,
            preset.map(|p| p.value_size),
            VALUE_SIZE,
        );
        let start_key = number(data.start_key.as_deref(), "--start-key", 0, u64::MAX, "")?;
        let seed = number(data.seed.as_deref(), "--seed", 0, u64::MAX, "")?;
        let layouts = cluster::key_layouts(is_cluster);
        let prefix_shown = data.key_prefix.clone();
        ledger.decide("key-prefix", prefix_shown, None, DEFAULT_PREFIX.to_owned());
        let start_key = ledger.decide("start-key", start_key, None, 0);
        let seed = ledger.decide("seed", seed, None, 0);
        let key_layout = ledger.decide_name("key-layout", data.key_layout.as_deref(), &layouts)?;
        Ok(Self {
            preset,
            key_size,
            value_size,
            start_key,
            seed,
            key_layout,
        })
    }
}
