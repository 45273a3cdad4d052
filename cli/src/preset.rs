//! Named settings for common uses. Owns their values; whether one is overridden is decided in
//! [`settings`](crate::settings).

use crate::exit::Failure;
use crate::value;

/// Sizes, depth and connections under one name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Preset {
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
}

/// Every preset, in the order of `--help`.
pub(crate) static PRESETS: &[Preset] = &[
    Preset {
        name: "fast",
        key_size: 1024,
        value_size: 4096,
        pipeline_depth: 2000,
        connections: 8,
    },
    Preset {
        name: "balanced",
        key_size: 512,
        value_size: 2048,
        pipeline_depth: 1000,
        connections: 4,
    },
    Preset {
        name: "memory-efficient",
        key_size: 128,
        value_size: 512,
        pipeline_depth: 1000,
        connections: 2,
    },
    Preset {
        name: "session-cache",
        key_size: 64,
        value_size: 256,
        pipeline_depth: 5000,
        connections: 4,
    },
    Preset {
        name: "object-cache",
        key_size: 256,
        value_size: 8192,
        pipeline_depth: 1000,
        connections: 4,
    },
];

/// The preset of this name.
pub(crate) fn named(name: &str) -> Result<&'static Preset, Failure> {
    let known: Vec<_> = PRESETS.iter().map(|preset| (preset.name, preset)).collect();
    value::one_of("--preset", name, &known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_hold_the_plan_s_values() {
        for (name, key_size, value_size, depth, connections) in [
            ("fast", 1024, 4096, 2000, 8),
            ("balanced", 512, 2048, 1000, 4),
            ("memory-efficient", 128, 512, 1000, 2),
            ("session-cache", 64, 256, 5000, 4),
            ("object-cache", 256, 8192, 1000, 4),
        ] {
            let preset = named(name).unwrap();
            assert_eq!((preset.key_size, preset.value_size), (key_size, value_size));
            assert_eq!(
                (preset.pipeline_depth, preset.connections),
                (depth, connections)
            );
        }
    }

    #[test]
    fn an_unknown_preset_lists_the_known_and_suggests_the_nearest() {
        let message = named("fats").unwrap_err().message;
        assert!(message.contains("--preset 'fats'"), "{message}");
        for preset in PRESETS {
            assert!(message.contains(preset.name), "{message}");
        }
        assert!(message.ends_with("did you mean fast?"), "{message}");
        assert!(
            !named("zzzzzzzz")
                .unwrap_err()
                .message
                .contains("did you mean")
        );
    }
}
