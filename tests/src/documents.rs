//! The pages for users, held to the program: docs/USAGE.md describes every flag,
//! docs/TROUBLESHOOTING.md every message, and nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixtures::program::binary;
use crate::fixtures::source::workspace;
use crate::fixtures::wording::{Entry, Text, texts};

/// Texts that are no messages: file or folder, function or constant (all of them where it is empty),
/// why.
const NO_MESSAGES: &[(&str, &str, &str)] = &[
    ("cli/src/help.rs", "", "the text of --help"),
    ("cli/src/dry_run.rs", "", "the listing of --dry-run"),
    ("cli/src/preset.rs", "PRESETS", "what presets are for"),
    (
        "cli/src/doctor/",
        "",
        "findings, which docs/DOCTOR.md explains",
    ),
    (
        "engine/src/checkup/",
        "",
        "words of the kernel and of servers, to be recognised",
    ),
    (
        "engine/src/driver/uring/ring.rs",
        "RUNGS",
        "words of a finding of doctor",
    ),
    ("cli/src/intro.rs", "contents", LINES),
    ("cli/src/intro.rs", "details", LINES),
    ("cli/src/intro.rs", "limit", LINES),
    ("cli/src/intro.rs", "means", LINES),
    ("cli/src/intro.rs", "memory", LINES),
    ("cli/src/intro.rs", "memory_target", LINES),
    ("cli/src/intro.rs", "named", LINES),
    ("cli/src/intro.rs", "of_fill", LINES),
    ("cli/src/intro.rs", "of_flush", LINES),
    ("cli/src/intro.rs", "of_verify", LINES),
    (
        "cli/src/login.rs",
        "password_in_words",
        "the listing of --dry-run",
    ),
    ("cli/src/progress.rs", "", "the progress"),
    ("cli/src/output.rs", "client", FIGURES),
    ("cli/src/output.rs", "keys", FIGURES),
    ("cli/src/output.rs", "mended", FIGURES),
    ("cli/src/output.rs", "rate", FIGURES),
    ("cli/src/output.rs", "server", FIGURES),
    ("cli/src/output.rs", "text", FIGURES),
    ("cli/src/output.rs", "verdict", FIGURES),
    ("cli/src/findings.rs", "beyond", FIGURES),
    ("cli/src/findings.rs", "lines", FIGURES),
    ("cli/src/findings.rs", "rate", FIGURES),
    ("cli/src/findings.rs", "server", FIGURES),
    ("cli/src/findings.rs", "text", FIGURES),
    ("cli/src/findings.rs", "verdict", FIGURES),
    (
        "cli/src/habits.rs",
        "in_one_line",
        "what is cut out of clap's words",
    ),
    ("engine/src/commands.rs", "HARMLESS", "names of commands"),
    (
        "engine/src/control.rs",
        "topology",
        "words of a server, to be recognised",
    ),
    ("engine/src/driver/socket.rs", "read", CLOSED),
    ("engine/src/driver/tokio_uring.rs", "read", CLOSED),
    ("engine/src/driver/uring/mod.rs", "finish", CLOSED),
    ("engine/src/driver/uring/mod.rs", "received", CLOSED),
    (
        "engine/src/handshake.rs",
        "is_full",
        "words of a server, to be recognised",
    ),
    ("engine/src/handshake.rs", "introduce", "names of commands"),
    (
        "engine/src/handshake.rs",
        "without_arguments",
        "words of a server, to be cut off",
    ),
];
/// What the program says of a fill before it begins.
const LINES: &str = "a line about the fill that begins";
/// Noted, and never shown.
const CLOSED: &str = "why the program itself closes a connection";
/// A line of the text report.
const FIGURES: &str = "a line of the report";

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

/// What `--help` of a command says of its flags: each name, and the text about it.
fn flags_of(command: &str) -> Vec<(Vec<String>, String)> {
    let help = Command::new(binary()).args([command, "--help"]).output();
    let help = String::from_utf8(help.expect("the program can be run").stdout).expect("text");
    let mut flags: Vec<(Vec<String>, String)> = Vec::new();
    // The list ends with --help, the last flag.
    for line in help.lines().map(str::trim) {
        if line.starts_with('-') {
            let (names, about) = line.split_once("  ").unwrap_or((line, ""));
            let names = names.split(' ').filter(|word| word.starts_with('-'));
            let bare = |name: &str| {
                name.trim_matches([','])
                    .split('[')
                    .next()
                    .map(str::to_owned)
            };
            flags.push((names.filter_map(bare).collect(), about.to_owned()));
        } else if let Some((_, about)) = flags.last_mut() {
            about.push(' ');
            about.push_str(line);
        }
        if line.starts_with("--help") {
            break;
        }
    }
    flags
}

/// The entries of docs/USAGE.md: the names in bold, and the paragraph.
fn entries_of(page: &str) -> Vec<(Vec<String>, String)> {
    let paragraphs = page.split("\n\n").filter_map(|paragraph| {
        let bold = paragraph.strip_prefix("**`")?;
        let (names, _) = bold.split_once("**")?;
        let spans = names.split('`').step_by(2);
        let bare = |span: &str| span.split([' ', '[']).next().map(str::to_owned);
        let names: Vec<String> = spans
            .filter_map(bare)
            .filter(|name| name.starts_with('-'))
            .collect();
        Some((
            names,
            paragraph.split_whitespace().collect::<Vec<_>>().join(" "),
        ))
    });
    paragraphs.collect()
}

/// The ranges that a text names: `1 to 65535`.
fn ranges(about: &str) -> Vec<String> {
    let words: Vec<&str> = about
        .split_whitespace()
        .map(|word| word.trim_matches(['(', ')', ',']))
        .collect();
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let found = words
        .windows(3)
        .filter(|three| is_number(three[0]) && three[1] == "to" && is_number(three[2]));
    found.map(|three| three.join(" ")).collect()
}

#[test]
fn every_flag_is_described_and_every_described_flag_is_there() {
    let page = page("docs/USAGE.md");
    let entries = entries_of(&page);
    let mut complaints = Vec::new();
    let mut there = BTreeSet::new();
    for command in ["fill", "verify"] {
        let flags = flags_of(command);
        assert!(flags.len() > 20, "the flags are not found: {flags:?}");
        for (names, about) in flags {
            there.extend(names.iter().cloned());
            let entry = entries
                .iter()
                .find(|(described, _)| names.iter().all(|name| described.contains(name)));
            let Some((_, text)) = entry else {
                complaints.push(format!("{command} {names:?} is not described"));
                continue;
            };
            let missing = ranges(&about)
                .into_iter()
                .filter(|range| !text.contains(range));
            complaints
                .extend(missing.map(|range| format!("{command} {names:?}: {range} is not said")));
        }
    }
    for name in entries
        .iter()
        .flat_map(|(names, _)| names)
        .filter(|name| !there.contains(*name))
    {
        complaints.push(format!("there is no {name}"));
    }
    assert!(
        complaints.is_empty(),
        "docs/USAGE.md:\n{}",
        complaints.join("\n")
    );
}

/// Why a text needs no entry.
fn exempt(text: &Text) -> Option<usize> {
    NO_MESSAGES.iter().position(|(file, item, _)| {
        text.file.starts_with(file) && (item.is_empty() || text.item == *item)
    })
}

#[test]
fn every_message_has_an_entry_and_every_entry_a_message() {
    let page = page("docs/TROUBLESHOOTING.md");
    let blocks = blocks(&page, "text");
    let mut complaints = Vec::new();
    for (body, behind) in &blocks {
        if behind.is_empty() || behind.starts_with('#') || behind.starts_with("```") {
            complaints.push(format!("says nothing of cause and cure: {body}"));
        }
    }
    let lines = blocks.iter().flat_map(|(body, _)| body.lines());
    let mut entries: Vec<Entry> = lines.map(Entry::new).collect();
    let texts = texts();
    assert!(
        texts.len() > 500,
        "the texts are not found: {}",
        texts.len()
    );
    let mut used = BTreeSet::new();
    for text in &texts {
        let shown = entries
            .iter_mut()
            .filter_map(|entry| entry.shows(text).then_some(()));
        if shown.count() > 0 || !text.is_sentence() {
            continue;
        }
        match exempt(text) {
            Some(number) => drop(used.insert(number)),
            None => complaints.push(format!(
                "has no entry: {} {} : {}",
                text.file, text.item, text.text
            )),
        }
    }
    for entry in &entries {
        if !entry.invented().is_empty() {
            complaints.push(format!(
                "no text says '{}': {}",
                entry.invented(),
                entry.shown
            ));
        }
    }
    let unused = NO_MESSAGES
        .iter()
        .enumerate()
        .filter(|(number, _)| !used.contains(number));
    complaints.extend(unused.map(|(_, (file, item, _))| format!("exempts nothing: {file} {item}")));
    assert!(
        complaints.is_empty(),
        "docs/TROUBLESHOOTING.md:\n{}",
        complaints.join("\n")
    );
}

/// The pages of a folder and of those below it.
fn pages_in(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("the folder can be read");
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        let is_page = path.extension().is_some_and(|end| end == "md");
        if path.is_dir() {
            pages_in(&path, found);
        } else if is_page {
            found.push(path);
        }
    }
}

/// What a heading is called in a link: `## By what it says` is `by-what-it-says`.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_to_pages_and_headings_that_are_there() {
    let mut pages = Vec::new();
    for folder in ["docs", "vagrant"] {
        pages_in(&workspace().join(folder), &mut pages);
    }
    for page in ["README.md", "PERFORMANCE.md", "CONTRIBUTING.md"] {
        pages.push(workspace().join(page));
    }
    let mut links = 0;
    let mut complaints = Vec::new();
    for page in &pages {
        let text = std::fs::read_to_string(page).expect("the page can be read");
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            if link.contains("://") || link.contains(' ') {
                continue;
            }
            links += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let beside = page.parent().expect("a page is in a folder").join(file);
            let to = if file.is_empty() { page } else { &beside };
            let leads = to.is_dir()
                || std::fs::read_to_string(to).is_ok_and(|text| {
                    let mut headings = text.lines().filter(|line| line.starts_with('#'));
                    heading.is_empty() || headings.any(|line| anchor(line) == heading)
                });
            if !leads {
                complaints.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(links > 100, "the links are not found: {links}");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
