//! Replays the corpus of the fuzz targets (`make fuzz`): what they once found stays mended.

#[path = "../../fuzz/checks.rs"]
mod checks;

use std::path::Path;

/// Runs a check over the files of its corpus.
fn replay(target: &str, check: impl Fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("there is a corpus") {
        let path = entry.expect("the folder can be read").path();
        println!("{}", path.display());
        check(&std::fs::read(&path).expect("the file can be read"));
        count += 1;
    }
    assert!(count >= 5, "only {count} files in {}", folder.display());
}

#[test]
fn reply_scanner() {
    replay("reply_scanner", checks::reply_scanner);
}

#[test]
fn answers() {
    replay("answers", checks::answers);
}

#[test]
fn topology() {
    replay("topology", checks::topology);
}

#[test]
fn info() {
    replay("info", checks::info);
}

#[test]
fn lane() {
    replay("lane", checks::lane);
}
