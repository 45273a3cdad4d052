//! `--tune`: what it may change, and what it does not go with.

use engine::plan::Tunable;

use crate::exit::Failure;
use crate::flags::{EngineFlags, FillFlags};
use crate::ledger::Ledger;

/// What may be tuned, where that is asked for: what no flag on the command line gives.
pub(crate) fn resolve(flags: &FillFlags, ledger: &mut Ledger) -> Result<Option<Tunable>, Failure> {
    let engine = &flags.engine;
    ledger.switch("tune", engine.tune);
    if !engine.tune {
        return Ok(None);
    }
    let is_written = |flag: &Option<String>, name| flag.is_some() && ledger.is_written(name);
    let tunable = Tunable {
        connections: !is_written(&engine.connections, "connections"),
        pipeline_depth: !is_written(&engine.pipeline_depth, "pipeline-depth"),
    };
    let refuse = |why: &str| Err(Failure::usage(format!("--tune {why}")));
    if engine.serial {
        return refuse(
            "tries numbers of connections, and -s means one: drop one of them, or give -n 1 to tune the depth alone",
        );
    }
    if flags.existing.until_memory.is_some() {
        return refuse(
            "and --until-memory do not go together: the latter measures on its first keys, too, in parts of its own; drop one of them",
        );
    }
    if !tunable.connections && !tunable.pipeline_depth {
        return refuse(
            "has nothing to tune where both -n and --pipeline-depth are given: drop one of the three",
        );
    }
    Ok(Some(tunable))
}

/// Refuses `--tune` where nothing is filled.
pub(crate) fn refuse_idle(engine: &EngineFlags) -> Result<(), Failure> {
    match engine.tune {
        false => Ok(()),
        true => Err(Failure::usage(
            "--tune tries settings while it fills, but -f alone fills nothing: give -d or --keys, or drop it",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::tests::fill;

    fn tunable(line: &str) -> Result<Option<Tunable>, Failure> {
        let flags = fill(&format!("-h x {line}")).unwrap();
        resolve(&flags, &mut Ledger::default())
    }

    #[test]
    fn what_is_given_stays() {
        let both = Tunable {
            connections: true,
            pipeline_depth: true,
        };
        assert_eq!(tunable("-d 1").unwrap(), None);
        assert_eq!(tunable("-d 1 --tune --preset fast").unwrap(), Some(both));
        let depth = tunable("-d 1 --tune -n 4").unwrap().unwrap();
        assert!(!depth.connections && depth.pipeline_depth);
        let connections = tunable("-d 1 --tune --pipeline-depth 100")
            .unwrap()
            .unwrap();
        assert!(connections.connections && !connections.pipeline_depth);
    }

    #[test]
    fn what_it_does_not_go_with_is_refused_by_name() {
        for (line, word) in [
            ("-d 1 --tune -s", "-s means one"),
            ("--tune --until-memory 1gb", "--until-memory"),
            ("-d 1 --tune -n 1 --pipeline-depth 9", "nothing to tune"),
        ] {
            let failure = tunable(line).unwrap_err();
            assert!(failure.message.contains(word), "{}", failure.message);
            assert_eq!(failure.status.code(), 2);
        }
        assert!(refuse_idle(&fill("-h x -f --tune").unwrap().engine).is_err());
    }
}
