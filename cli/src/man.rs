//! `redis-client man`: man pages, generated from the flags and the texts around them in `--help`.
//! Owns how those texts become sections of a page.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::exit::{Failure, Status};
use crate::flags::{Cli, ManFlags};
use crate::{output, value};

/// Title of the manual at the top of a page.
const MANUAL: &str = "User Commands";

/// Runs the command.
pub(crate) fn run(flags: &ManFlags) -> Result<Status, Failure> {
    let cli = built();
    match (&flags.command, &flags.into) {
        (Some(_), Some(_)) => Err(Failure::usage(
            "--into writes the pages of all commands: leave the command out",
        )),
        (None, Some(folder)) => write_all(&cli, folder),
        (None, None) => print(&cli),
        (Some(given), None) => {
            let known: Vec<_> = cli
                .get_subcommands()
                .map(|command| (command.get_name(), command))
                .collect();
            print(value::one_of("the command", given, &known)?)
        }
    }
}

/// The command line, complete with what clap adds to it.
fn built() -> clap::Command {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    cli
}

fn print(command: &clap::Command) -> Result<Status, Failure> {
    let page = page(command).map_err(|error| Failure::broken(error.to_string()))?;
    output::print(&page)?;
    Ok(Status::Complete)
}

/// Writes a page for the program and one for each command.
fn write_all(cli: &clap::Command, folder: &Path) -> Result<Status, Failure> {
    let cannot = |what: &Path, error: &io::Error| {
        Failure::usage(format!("cannot write --into {}: {error}", what.display()))
    };
    fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
    for command in std::iter::once(cli).chain(cli.get_subcommands()) {
        let file = folder.join(format!("{}.1", name_of(command)));
        page(command)
            .and_then(|page| fs::write(&file, page))
            .map_err(|error| cannot(&file, &error))?;
    }
    Ok(Status::Complete)
}

/// `redis-client-fill`.
fn name_of(command: &clap::Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

/// One page.
fn page(command: &clap::Command) -> io::Result<String> {
    let version = format!("redis-client {}", env!("CARGO_PKG_VERSION"));
    // No date, so that the same program has the same pages; left empty, it would not count at all.
    let man = Man::new(command.clone())
        .date(" ")
        .source(version)
        .manual(MANUAL);
    let after = command.get_after_help().map(ToString::to_string);
    let paragraphs = paragraphs(after.as_deref().unwrap_or_default());
    let (prose, sections): (Vec<_>, Vec<_>) = paragraphs
        .into_iter()
        .partition(|paragraph| paragraph.title.is_none());
    let mut bytes = Vec::new();
    man.render_title(&mut bytes)?;
    man.render_name_section(&mut bytes)?;
    let mut roff = Roff::new();
    synopsis(command).render(&mut roff);
    roff.to_writer(&mut bytes)?;
    man.render_description_section(&mut bytes)?;
    let mut roff = Roff::new();
    for paragraph in prose {
        roff.control("PP", []);
        for line in &paragraph.lines {
            roff.text([roman(line.trim())]);
        }
    }
    roff.to_writer(&mut bytes)?;
    man.render_options_section(&mut bytes)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut bytes)?;
    }
    let mut roff = Roff::new();
    for section in &sections {
        section.render(&mut roff);
    }
    see_also(command, &mut roff);
    roff.to_writer(&mut bytes)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// A part of the text below the flags.
#[derive(Debug)]
struct Paragraph {
    /// Without its colon; `None` for prose.
    title: Option<String>,
    lines: Vec<String>,
}

impl Paragraph {
    /// A section, its lines as they are: most hold tables and examples.
    fn render(&self, roff: &mut Roff) {
        let title = self.title.as_deref().unwrap_or_default().to_uppercase();
        roff.control("SH", [title.as_str()]);
        roff.control("EX", []);
        for line in &self.lines {
            roff.text([roman(line.as_str())]);
        }
        roff.control("EE", []);
    }
}

/// Takes a text apart. A title stands at the beginning of a line and ends with a colon, behind which
/// there may be more; what follows belongs to it up to the next line that stands there after a blank
/// one.
fn paragraphs(text: &str) -> Vec<Paragraph> {
    let mut paragraphs: Vec<Paragraph> = Vec::new();
    let mut is_first = true;
    for line in text.lines() {
        if is_first && !line.is_empty() && !line.starts_with(' ') {
            let titled = line.split_once(':');
            let titled = titled.filter(|(title, _)| title.split(' ').count() <= 2);
            let (title, rest) = match titled {
                Some((title, rest)) => (Some(title.to_owned()), beside(title, rest)),
                None => (None, line.to_owned()),
            };
            let lines = Some(rest).filter(|rest| !rest.trim().is_empty());
            paragraphs.push(Paragraph {
                title,
                lines: lines.into_iter().collect(),
            });
        } else if let Some(paragraph) = paragraphs.last_mut() {
            paragraph.lines.push(line.to_owned());
        }
        is_first = line.is_empty();
    }
    for paragraph in &mut paragraphs {
        while paragraph.lines.last().is_some_and(String::is_empty) {
            paragraph.lines.pop();
        }
    }
    paragraphs
}

/// What stands behind a title, in its column.
fn beside(title: &str, rest: &str) -> String {
    format!("{:width$}{rest}", "", width = title.chars().count() + 1)
}

/// How the command is called, each way on a line of its own, remarks in their column.
fn synopsis(command: &clap::Command) -> Paragraph {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:");
    Paragraph {
        title: Some("Synopsis".to_owned()),
        lines: usage.lines().map(|line| line.trim().to_owned()).collect(),
    }
}

/// The other pages.
fn see_also(command: &clap::Command, roff: &mut Roff) {
    let own = name_of(command);
    let cli = built();
    let names = std::iter::once(&cli).chain(cli.get_subcommands());
    let others: Vec<_> = names
        .map(name_of)
        .filter(|name| *name != own)
        .map(|name| format!("{name}(1)"))
        .collect();
    roff.control("SH", ["SEE ALSO"]);
    // Names of pages are not taken apart.
    roff.control("nh", []);
    roff.control("ad", ["l"]);
    roff.text([roman(others.join(", "))]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_falls_into_sections() {
        let text = "Prose of more words:\nthan two.\n\nTable:  a  b\n  x     1  2\n\n  y     3  4\n\nList:\n  z";
        let told: Vec<_> = paragraphs(text)
            .into_iter()
            .map(|paragraph| (paragraph.title, paragraph.lines.join("|")))
            .collect();
        let titled = |title: &str, lines: &str| (Some(title.to_owned()), lines.to_owned());
        assert_eq!(
            told,
            [
                (None, "Prose of more words:|than two.".to_owned()),
                titled("Table", "        a  b|  x     1  2||  y     3  4"),
                titled("List", "  z"),
            ]
        );
    }

    #[test]
    fn a_page_holds_every_flag_and_every_section() {
        let cli = built();
        let fill = cli.find_subcommand("fill").unwrap();
        let page = page(fill).unwrap();
        for argument in fill.get_arguments() {
            let long = argument.get_long().unwrap().replace('-', "\\-");
            assert!(page.contains(&format!("\\-\\-{long}")), "--{long}");
        }
        for section in [
            "NAME",
            "SYNOPSIS",
            "PRESETS",
            "\"EXIT STATUS\"",
            "\"SEE ALSO\"",
        ] {
            assert!(page.contains(&format!(".SH {section}\n")), "{section}");
        }
        let title = ".TH redis-client-fill 1 \" \" \"redis-client ";
        assert!(page.contains(title), "{page}");
    }
}
