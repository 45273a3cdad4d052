//! The SETs of a standalone cell as they stand on the wire, rendered and patched by the engine's
//! own code: what the plain loop writes, and what the file holds that `redis-cli --pipe` and the
//! server itself read.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use engine::Plan;
use engine::plan::PlanOptions;
use engine::plan::keyspace::KeyLayout;
use tempfile::TempDir;

use super::cell::Cell;
use crate::Result;
use crate::drive;
use crate::machine::Cores;

/// A folder that lives in memory, where Linux has one.
const RAM_FOLDER: &str = "/dev/shm";

/// Writes every SET of `keys` keys with the defaults of a fill, and nothing else.
///
/// # Errors
/// There is no such plan; `out` does not take them.
pub fn write_all(sizes: (usize, usize), keys: u64, out: &mut impl Write) -> Result<()> {
    let options = PlanOptions {
        key_size: sizes.0,
        value_size: sizes.1,
        ..drive::options(keys, KeyLayout::Plain, Cores::observe().client)
    };
    let plan = Plan::new(&options, &drive::machine())?;
    let (segment, sequence) = (&plan.segment, plan.sequence());
    let frame_bytes = segment.frame().bytes();
    let mut block = vec![0; segment.block_bytes()];
    segment.render(&mut block);
    let mut position = 0;
    while position < keys {
        let frames = segment.frames().min(usize::try_from(keys - position)?);
        let part = &mut block[..frames * frame_bytes];
        for (position, frame) in (position..).zip(part.chunks_exact_mut(frame_bytes)) {
            segment.frame().patch(sequence.at(position), frame);
        }
        out.write_all(part)?;
        position += frames as u64;
    }
    Ok(())
}

/// A file of the SETs of a cell, which goes with this value.
#[derive(Debug)]
pub struct CommandFile {
    folder: TempDir,
    /// What it took to make it.
    pub seconds_to_make: f64,
}

impl CommandFile {
    /// Makes it, in memory where there is a folder for that.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn of(cell: &Cell) -> Result<Self> {
        let prefix = "redis-client-bench-";
        let folder = TempDir::with_prefix_in(prefix, RAM_FOLDER)
            .or_else(|_| TempDir::with_prefix(prefix))?;
        let started_at = Instant::now();
        let mut file = File::create(folder.path().join("sets"))?;
        write_all((cell.key_size, cell.value_size), cell.keys, &mut file)?;
        Ok(Self {
            folder,
            seconds_to_make: started_at.elapsed().as_secs_f64(),
        })
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("sets")
    }

    /// Whether it lies in memory.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        self.folder.path().starts_with(Path::new(RAM_FOLDER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_one_set_per_key() {
        let mut bytes = Vec::new();
        write_all((64, 256), 1000, &mut bytes).unwrap();
        let mut keys = std::collections::HashSet::new();
        let mut parser = redis::Parser::new();
        let mut rest = bytes.as_slice();
        for _ in 0..1000 {
            let value = parser.parse_value(&mut rest).unwrap();
            let redis::Value::Array(words) = value else {
                panic!("{value:?} is no command");
            };
            let [set, key, value] = &words[..] else {
                panic!("{words:?} is no SET");
            };
            let size = |word: &redis::Value| match word {
                redis::Value::BulkString(bytes) => bytes.len(),
                other => panic!("{other:?} is no argument"),
            };
            assert_eq!(set, &redis::Value::BulkString(b"SET".to_vec()));
            assert_eq!((size(key), size(value)), (64, 256));
            keys.insert(format!("{key:?}"));
        }
        assert_eq!(keys.len(), 1000);
        assert!(parser.parse_value(&mut rest).is_err(), "there is more");
    }
}
