//! The pipeline depth, the one setting that an environment variable decides too. Owns what a
//! malformed variable means.

use engine::plan::options::depth_of_chunk;

use crate::environment::{CHUNK_VARIABLE, Environment};
use crate::exit::Failure;
use crate::flags::EngineFlags;
use crate::ledger::{Ledger, Source};
use crate::{range, value};

/// KiB per batch where the variable is not set.
const CHUNK_KIB: u64 = 8192;
/// Most KiB per batch: what 64 bits can count in bytes.
const CHUNK_KIB_MAX: u64 = u64::MAX / 1024;

/// Flag (or preset, or config file where there is no variable), else the environment's chunk, else
/// the default chunk. A malformed variable is an error only where it would have decided.
pub(crate) fn pipeline_depth(
    engine: &EngineFlags,
    (key_size, value_size): (usize, usize),
    environment: &Environment,
    ledger: &mut Ledger,
    warnings: &mut Vec<String>,
) -> Result<u64, Failure> {
    let given = range::PIPELINE_DEPTH.read_if_given(engine.pipeline_depth.as_deref())?;
    let chunk = environment.chunk_kib.as_ref().map(|given| {
        let given = given.to_string_lossy();
        value::read_whole(&given, &(1..=CHUNK_KIB_MAX)).map_err(|why| {
            format!("{CHUNK_VARIABLE}={given} is {why}: 1 to {CHUNK_KIB_MAX} KiB are allowed")
        })
    });
    if let Some(depth) = given {
        if let Some(Err(why)) = chunk {
            let decided_by = match ledger.origin("pipeline-depth").source {
                Source::Preset => "--preset",
                _ => "--pipeline-depth",
            };
            warnings.push(format!(
                "{why}; it is ignored, because {decided_by} is given"
            ));
        }
        ledger.given("pipeline-depth", depth);
        return Ok(depth);
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
    let depth = depth_of_chunk(chunk_kib, key_size, value_size);
    ledger.enter("pipeline-depth", depth, source);
    Ok(depth)
}
