//! Keeps the source in shape: where `unsafe` may stand, which way imports run, how long files and
//! functions may get. What is wrong is named with its place and what to do.

use crate::fixtures::source::{Source, paths, sources, words};

/// The crates of the workspace.
const CRATES: [&str; 4] = ["engine", "cli", "benches", "tests"];
/// Longest file, in lines.
const FILE_LINES_MAX: usize = 450;
/// Longest function, in lines.
const FUNCTION_LINES_MAX: usize = 75;
/// The one place for `unsafe`.
const UNSAFE_FOLDER: &str = "engine/src/driver/uring/";

/// The engine's modules from the ground up (docs/ARCHITECTURE.md). Each knows those on the lines
/// above its own, and its neighbours, but none further down.
#[rustfmt::skip]
const LEVELS: &[&[&str]] = &[
    &["error", "commands", "bottleneck", "scheduling", "tuning"],
    &["stop", "latency", "machine", "event", "open_files"],
    &["answer"],
    &["plan::alphabet", "plan::amount", "plan::values", "plan::footprint"],
    &["plan::memory_target", "plan::command"],
    &["cluster", "cluster::slot", "cluster::slot_set"],
    &["plan::sequence", "plan::sequence::blocks", "cluster::topology"],
    &["plan::keyspace"],
    &["frame"],
    &["plan::options"],
    &["segment"],
    &["reply"],
    &["window"],
    &["lane"],
    &[
        "plan",
        "plan::resources",
        "plan::primer",
        "plan::batch",
        "plan::tune",
        "plan::in_sets",
        "plan::send_choice",
    ],
    &["target"],
    &["socket", "talk"],
    &["handshake"],
    &["info", "refusal"],
    &["control"],
    &["memory", "hazards"],
    &["statistics"],
    &["meter"],
    &["preflight", "monitor", "report"],
    &["nodes", "audit::look", "audit::count"],
    &["discovery", "audit::proofs", "audit::append"],
    &["audit"],
    &["driver::uring::queue"],
    &["driver::dialer", "driver::contract", "driver::backoff", "driver::waits"],
    &["driver::place"],
    &["driver::desk"],
    &["driver::uring::token"],
    &["driver::uring::arena"],
    &["driver::uring::ring", "driver::uring::trial"],
    &[
        "driver::uring",
        "driver::uring::abilities",
        "driver::uring::availability",
        "driver::tokio_uring",
        "driver::socket",
    ],
    &["driver"],
    &["observe", "reactor"],
    &["fill::crew", "fill::passes", "fill::gauge"],
    &["fill", "fill::facts"],
    &["fill::forecast"],
    &["fill::pass", "fill::reason", "fill::in_commands"],
    &["fill::converge", "fill::summary"],
    &["fill::until", "fill::tune"],
    &["run"],
    &["verify::bodies", "verify::question"],
    &["verify::interview"],
    &["verify::reader", "verify::sample", "verify::findings"],
    &["verify"],
    &["checkup::files", "checkup::rights"],
    &["checkup::cgroup", "checkup::network", "checkup::server"],
    &["checkup::host"],
    &["checkup"],
];

/// Imports that run the other way all the same: from, to, why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// All source of the workspace.
fn all_sources() -> Vec<Source> {
    CRATES.iter().flat_map(|name| sources(name)).collect()
}

/// Fails with every complaint at once.
#[track_caller]
fn none(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// `path:line`.
fn place(source: &Source, at: usize) -> String {
    format!(
        "{}:{}",
        source.path,
        source.code[..at].matches('\n').count() + 1
    )
}

#[test]
fn unsafe_stands_in_one_folder() {
    let mut complaints = Vec::new();
    let mut seen_there = false;
    for source in all_sources() {
        let is_there = source.path.starts_with(UNSAFE_FOLDER);
        for (at, _) in words(&source.code).filter(|(_, word)| *word == "unsafe") {
            seen_there |= is_there;
            if !is_there {
                complaints.push(format!(
                    "{}: unsafe belongs into {UNSAFE_FOLDER}",
                    place(&source, at)
                ));
            }
        }
    }
    none(complaints);
    assert!(
        seen_there,
        "this test does not see the unsafe code in {UNSAFE_FOLDER}"
    );
}

#[test]
fn every_crate_denies_unsafe_code() {
    for root in ["engine/src/lib.rs", "cli/src/main.rs", "tests/src/main.rs"] {
        let source = all_sources().into_iter().find(|source| source.path == root);
        let code = source.expect("there is a crate root").code;
        assert!(
            code.contains("#![deny(unsafe_code)]") || code.contains("#![forbid(unsafe_code)]"),
            "{root}"
        );
    }
}

/// The path of a module: `plan::amount` for `engine/src/plan/amount.rs`; `None` for the crate root
/// and for files that hold tests alone.
fn module_of(source: &Source) -> Option<String> {
    let path = source
        .path
        .strip_prefix("engine/src/")?
        .strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    (path != "lib" && !path.ends_with("_tests")).then(|| path.replace('/', "::"))
}

fn level_of(module: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&module))
}

#[test]
fn every_module_of_the_engine_has_its_level() {
    let modules: Vec<String> = sources("engine/src").iter().filter_map(module_of).collect();
    let unknown = modules.iter().filter(|module| level_of(module).is_none());
    none(unknown.map(|module| format!("{module}: enter it into LEVELS of tests/src/layout.rs")));
    let listed = LEVELS.iter().flat_map(|level| level.iter());
    let gone = listed.filter(|listed| !modules.iter().any(|module| module == *listed));
    none(gone.map(|module| format!("{module}: there is no such module, take it out of LEVELS")));
}

#[test]
fn imports_run_one_way() {
    let sources = sources("engine/src");
    let modules: Vec<String> = sources.iter().filter_map(module_of).collect();
    let mut complaints = Vec::new();
    let mut imports = 0;
    for source in &sources {
        let Some(module) = module_of(source) else {
            continue;
        };
        for import in imports_of(source, &module, &modules) {
            imports += 1;
            let is_excepted = EXCEPTIONS
                .iter()
                .any(|(from, to, _)| (*from, *to) == (&module, &import));
            if level_of(&import) > level_of(&module) && !is_excepted {
                complaints.push(format!(
                    "{}: {module} must not know {import}, which is built on it",
                    source.path
                ));
            }
        }
    }
    none(complaints);
    assert!(imports > 50, "this test sees only {imports} imports");
}

/// The modules that a file names outside its tests.
fn imports_of(source: &Source, module: &str, modules: &[String]) -> Vec<String> {
    let here: Vec<String> = module.split("::").map(str::to_owned).collect();
    let below = format!("{module}::");
    let children = modules
        .iter()
        .filter_map(|other| other.strip_prefix(&below));
    let children: Vec<String> = children
        .filter(|name| !name.contains(':'))
        .map(str::to_owned)
        .collect();
    let mut imports: Vec<String> = paths(&source.code_in_use(), &here, &children)
        .iter()
        .filter_map(|path| {
            // The longest beginning of the path that is a module; the root re-exports for users.
            let beginnings = (1..=path.len())
                .rev()
                .map(|length| path[..length].join("::"));
            beginnings
                .into_iter()
                .find(|beginning| modules.contains(beginning))
        })
        .filter(|import| import != module)
        .collect();
    imports.sort();
    imports.dedup();
    imports
}

#[test]
fn exceptions_are_needed_and_explained() {
    let sources = sources("engine/src");
    let modules: Vec<String> = sources.iter().filter_map(module_of).collect();
    for (from, to, why) in EXCEPTIONS {
        let source = sources
            .iter()
            .find(|source| module_of(source).as_deref() == Some(*from));
        let imports = imports_of(source.expect("the module exists"), from, &modules);
        assert!(
            imports.iter().any(|import| import == to),
            "{from} does not import {to} any more"
        );
        assert!(why.len() > 20, "say why {from} may import {to}");
    }
}

#[test]
fn the_engine_takes_its_modules_from_where_they_are() {
    let mut complaints = Vec::new();
    for source in sources("engine/src")
        .iter()
        .filter(|source| module_of(source).is_some())
    {
        let code = source.code_in_use();
        for (at, _) in words(&code).filter(|(_, word)| *word == "crate") {
            let name = code[at..].strip_prefix("crate::").unwrap_or_default();
            if name.starts_with(|c: char| c.is_uppercase()) {
                complaints.push(format!(
                    "{}: import from the module, not from the crate's root",
                    place(source, at)
                ));
            }
        }
    }
    none(complaints);
}

#[test]
fn files_and_functions_stay_short() {
    let mut complaints = Vec::new();
    for source in all_sources() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            complaints.push(format!(
                "{}: {lines} lines, {FILE_LINES_MAX} are allowed",
                source.path
            ));
        }
        for (name, first, lines) in source.functions() {
            if lines > FUNCTION_LINES_MAX {
                let path = &source.path;
                complaints.push(format!(
                    "{path}:{first}: {name} has {lines} lines, {FUNCTION_LINES_MAX} are allowed"
                ));
            }
        }
    }
    none(complaints);
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = all_sources()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "));
    none(silent.map(|source| format!("{}: it does not open with //!", source.path)));
}

#[test]
fn lints_are_allowed_with_a_reason_only() {
    let mut complaints = Vec::new();
    for source in all_sources() {
        for kind in ["#[allow(", "#![allow(", "#[expect(", "#![expect("] {
            for (at, _) in source.code.match_indices(kind) {
                let end = source.code[at..]
                    .find(']')
                    .map_or(source.code.len(), |end| at + end);
                if !source.code[at..end].contains("reason =") {
                    complaints.push(format!("{}: give a reason", place(&source, at)));
                }
            }
        }
    }
    none(complaints);
}

#[test]
fn nothing_is_left_for_later() {
    let mut complaints = Vec::new();
    for source in all_sources() {
        for (at, word) in words(&source.code) {
            let is_macro = source.code[at + word.len()..].starts_with('!');
            if is_macro && ["dbg", "todo", "unimplemented"].contains(&word) {
                complaints.push(format!("{}: {word}!", place(&source, at)));
            }
        }
    }
    none(complaints);
}

#[test]
fn the_engine_prints_nothing() {
    let mut complaints = Vec::new();
    for source in sources("engine/src") {
        let code = source.code_in_use();
        for (at, word) in words(&code) {
            let is_macro = code[at + word.len()..].starts_with('!');
            if is_macro && ["print", "println", "eprint", "eprintln"].contains(&word) {
                complaints.push(format!(
                    "{}: {word}! is the command line's affair",
                    place(&source, at)
                ));
            }
        }
    }
    none(complaints);
}
