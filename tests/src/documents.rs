//! The pages for users, held to the program: docs/USAGE.md describes every flag,
//! docs/TROUBLESHOOTING.md every message, and nothing else.

use std::collections::BTreeSet;

use crate::fixtures::program;
use crate::fixtures::source::workspace;
use crate::fixtures::wording::{Entry, Text, texts};

/// Texts that are no messages: file, function or constant (all of them where it is empty), why.
const NO_MESSAGES: &[(&str, &str, &str)] = &[
    ("cli/src/help.rs", "", "the text of --help"),
];

fn page(name: &str) -> String {
    std::fs::read_to_string(workspace().join(name)).expect("the page can be read")
}

/// The lines of fenced blocks of a kind, each with the line behind its block that is not empty.
fn blocks(page: &str, kind: &str) -> Vec<(String, String)> {
    let fence = format!("```{kind}");
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line == fence {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let behind = lines.clone().find(|line| !line.is_empty()).unwrap_or("");
            blocks.push((body.join("\n"), behind.to_owned()));
        }
    }
    blocks
}

/// Why a text needs no entry.
fn exempt(text: &Text) -> Option<usize> {
    NO_MESSAGES
        .iter()
        .position(|(file, item, _)| text.file == *file && (item.is_empty() || text.item == *item))
}

#[test]
fn every_message_has_an_entry_and_every_entry_a_message() {
    let page = page("docs/TROUBLESHOOTING.md");
    let blocks = blocks(&page, "text");
    let mut complaints = Vec::new();
    for (body, behind) in &blocks {
        if behind.is_empty() || behind.starts_with(['#', '`']) {
            complaints.push(format!("says nothing of cause and cure: {body}"));
        }
    }
    let lines = blocks.iter().flat_map(|(body, _)| body.lines());
    let mut entries: Vec<Entry> = lines.map(Entry::new).collect();
    let texts = texts();
    assert!(texts.len() > 500, "the texts are not found: {}", texts.len());
    let mut used = BTreeSet::new();
    for text in &texts {
        let shown = entries.iter_mut().filter_map(|entry| entry.shows(text).then_some(()));
        if shown.count() > 0 || !text.is_sentence() {
            continue;
        }
        match exempt(text) {
            Some(number) => drop(used.insert(number)),
            None => complaints.push(format!("has no entry: {} {} : {}", text.file, text.item, text.text)),
        }
    }
    for entry in &entries {
        if !entry.invented().is_empty() {
            complaints.push(format!("no text says '{}': {}", entry.invented(), entry.shown));
        }
    }
    let unused = NO_MESSAGES.iter().enumerate().filter(|(number, _)| !used.contains(number));
    complaints.extend(unused.map(|(_, (file, item, _))| format!("exempts nothing: {file} {item}")));
    assert!(complaints.is_empty(), "docs/TROUBLESHOOTING.md:\n{}", complaints.join("\n"));
}
