//! The pipeline depth, the one setting that an environment variable decides too. Owns what a
//! malformed variable means.

use engine::plan::options::{PIPELINE_DEPTH_MAX, depth_of_chunk};

use crate::environment::{CHUNK_VARIABLE, Environment};
use crate::exit::Failure;
use crate::flags::EngineFlags;
use crate::ledger::{Ledger, Source};
use crate::preset::Preset;

use crate::value::{self, number};

/// KiB per batch where the variable is not set.
const CHUNK_KIB: u64 = 8192;
/// Most KiB per batch: what 64 bits can count in bytes.
const CHUNK_KIB_MAX: u64 = u64::MAX / 1024;

/// What the pipeline depth follows from where no flag gives it.
pub(crate) struct Batch {
    /// `--preset`.
    pub(crate) preset: Option<&'static Preset>,
    /// Bytes per key.
    pub(crate) key_size: usize,
    /// Bytes per value.
    pub(crate) value_size: usize,
}

/// Flag, else preset, else the environment's chunk, else the default chunk. A malformed variable
/// is an error only where it would have decided.
pub(crate) fn pipeline_depth(
    engine: &EngineFlags,
    batch: &Batch,
    environment: &Environment,
    ledger: &mut Ledger,
    warnings: &mut Vec<String>,
) -> Result<u64, Failure> {
    let flag = number::<u64>(
        engine.pipeline_depth.as_deref(),
        "--pipeline-depth",
        1,
        PIPELINE_DEPTH_MAX,
        "commands",
    )?;
    let chunk = environment.chunk_kib.as_ref().map(|given| {
        let given = given.to_string_lossy();
        value::read_whole(&given, &(1..=CHUNK_KIB_MAX)).map_err(|why| {
            format!("{CHUNK_VARIABLE}={given} is {why}: 1 to {CHUNK_KIB_MAX} KiB are allowed")
        })
    });
    let preset = batch.preset.map(|preset| preset.pipeline_depth);
    if let Some(decided_by) = flag
        .map(|_| "--pipeline-depth")
        .or(preset.map(|_| "--preset"))
    {
        if let Some(Err(why)) = chunk {
            warnings.push(format!(
                "{why}; it is ignored, because {decided_by} is given"
            ));
        }
        return Ok(ledger.decide("pipeline-depth", flag, preset, 0));
    }
    let (chunk_kib, source) = match chunk {
        Some(Ok(chunk_kib)) => (chunk_kib, Source::Environment),
        Some(Err(why)) => {
            return Err(Failure::usage(format!(
                "{why}; correct or unset it, or give --pipeline-depth"
            )));
        }
        None => (CHUNK_KIB, Source::Default),
    };
    let depth = depth_of_chunk(chunk_kib, batch.key_size, batch.value_size);
    ledger.enter("pipeline-depth", depth, source);
    Ok(depth)
}
