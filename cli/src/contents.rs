//! Which keys and values there are: the flags that every command has that knows the plan. Owns
//! their defaults; whether keys fit into their size is decided by the engine's `Plan`.

use engine::plan::keyspace::{DEFAULT_PREFIX, KeyLayout};

use crate::cluster;
use crate::exit::Failure;
use crate::flags::DataFlags;
use crate::ledger::Ledger;
use crate::range;

const KEY_SIZE: usize = 512;
const VALUE_SIZE: usize = 512;

/// Which keys and values.
pub(crate) struct Contents {
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
        if let Some(preset) = &data.preset {
            ledger.given("preset", preset.as_str());
        }
        let key_size = range::KEY_SIZE.read_if_given(data.key_size.as_deref())?;
        let key_size = ledger.decide("key-size", key_size, KEY_SIZE);
        let value_size = range::VALUE_SIZE.read_if_given(data.value_size.as_deref())?;
        let value_size = ledger.decide("value-size", value_size, VALUE_SIZE);
        let start_key = range::START_KEY.read_if_given(data.start_key.as_deref())?;
        let seed = range::SEED.read_if_given(data.seed.as_deref())?;
        let layouts = cluster::key_layouts(is_cluster);
        let prefix_shown = data.key_prefix.clone();
        ledger.decide("key-prefix", prefix_shown, DEFAULT_PREFIX.to_owned());
        let start_key = ledger.decide("start-key", start_key, 0);
        let seed = ledger.decide("seed", seed, 0);
        let key_layout = ledger.decide_name("key-layout", data.key_layout.as_deref(), &layouts)?;
        Ok(Self {
            key_size,
            value_size,
            start_key,
            seed,
            key_layout,
        })
    }
}
