//! docs/RELIABILITY.md names the tests of each promise: they must be there.

use std::collections::BTreeSet;

use crate::fixtures::source::{sources, workspace};

#[test]
fn every_test_that_is_named_exists() {
    let page = workspace().join("docs/RELIABILITY.md");
    let page = std::fs::read_to_string(page).expect("the page can be read");
    let words = page.split('`').skip(1).step_by(2);
    let is_test = |word: &&str| word.contains("::") && *word != "file::function";
    let named: BTreeSet<&str> = words.filter(is_test).collect();
    assert!(named.len() > 30, "the names are not found: {named:?}");
    let mut there = BTreeSet::new();
    for source in sources("tests/src") {
        let file = source.path.trim_start_matches("tests/src/");
        let module = file.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        let functions = source.functions().into_iter();
        there.extend(functions.map(|(name, ..)| format!("{module}::{name}")));
    }
    let missing = named.iter().filter(|name| !there.contains(**name));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "docs/RELIABILITY.md names {missing:?}");
}
