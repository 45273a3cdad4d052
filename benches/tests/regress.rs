//! The regress program as it is used, with two paths and baselines of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use benches::regress::Baseline;

/// A path that copies memory, and one that does not.
const PATHS: [&str; 2] = ["read a reply, echo", "patch a frame, slotted"];

fn regress(task: &str, baseline: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_regress"));
    command.arg(task).arg("--baseline").arg(baseline);
    for path in PATHS {
        command.args(["--path", path]);
    }
    command.output().expect("the regress program runs")
}

/// What a comparison ends with, and what it says.
fn compared(baseline: &Path) -> (Option<i32>, String) {
    let output = regress("compare", baseline);
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn a_hot_path_that_got_slower_by_five_percent_fails() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("baseline.json");
    let output = regress("record", &file);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let honest = Baseline::read(&file).unwrap();
    assert_eq!(honest.instructions.len(), 2);

    let (status, said) = compared(&file);
    assert_eq!(status, Some(0), "the same program counts the same: {said}");

    let mut lower = honest.clone();
    *lower.instructions.get_mut(PATHS[0]).unwrap() /= 1.05;
    *lower.instructions.get_mut(PATHS[1]).unwrap() /= 1.02;
    lower.write(&file).unwrap();
    let (status, said) = compared(&file);
    assert_eq!(status, Some(1), "{said}");
    let complaint = said.split("in the baseline: ").nth(1).unwrap();
    assert!(
        complaint.contains(PATHS[0]) && !complaint.contains(PATHS[1]),
        "{said}"
    );
}

#[test]
fn what_does_not_compare_is_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("baseline.json");
    let (status, said) = compared(&file);
    assert_eq!(status, Some(2));
    assert!(said.contains("make regress-baseline"), "{said}");

    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/regress.json");
    let mut other = Baseline::read(Path::new(committed)).unwrap();
    other.build.compiler = "rustc 1.0.0 (a59de37e9 2015-05-13)".to_owned();
    other.write(&file).unwrap();
    let (status, said) = compared(&file);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("rustc 1.0.0") && said.contains("make regress-baseline"));

    fs::write(&file, "{}").unwrap();
    assert_eq!(compared(&file).0, Some(2));
}

#[test]
fn the_committed_baseline_names_every_hot_path() {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/regress.json");
    let baseline = Baseline::read(Path::new(committed)).unwrap();
    let named: Vec<_> = baseline.instructions.keys().map(String::as_str).collect();
    let mut there: Vec<_> = benches::regress::paths::PATHS
        .iter()
        .map(|path| path.name)
        .collect();
    there.sort_unstable();
    assert_eq!(named, there);
    assert_eq!(baseline.build.profile, "release");
}
