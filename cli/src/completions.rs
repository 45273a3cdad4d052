//! `redis-client completions`: scripts for shells, generated from the flags. Owns which shells there
//! are, and which names are offered behind a flag; these are no part of the flags themselves, which
//! refuse others in their own words.

use clap::builder::PossibleValuesParser;
use clap::{Arg, CommandFactory, ValueHint};
use clap_complete::Shell;

use crate::exit::{Failure, Status};
use crate::flags::{Cli, CompletionsFlags};
use crate::habits::COMMANDS;
use crate::names::{DRIVERS, FORMATS, REPLIES, SENDS};
use crate::preset::PRESETS;
use crate::{cluster, output, value};

/// The shells.
pub(crate) const SHELLS: &[(&str, Shell)] = &[
    ("bash", Shell::Bash),
    ("zsh", Shell::Zsh),
    ("fish", Shell::Fish),
];

/// Runs the command.
pub(crate) fn run(flags: &CompletionsFlags) -> Result<Status, Failure> {
    let names: Vec<_> = SHELLS.iter().map(|(name, _)| *name).collect();
    let Some(given) = &flags.shell else {
        return Err(Failure::usage(format!(
            "name the shell: {}, as in redis-client completions bash",
            value::listed(&names)
        )));
    };
    let shell = value::one_of("the shell", given, SHELLS)?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut offering(), "redis-client", &mut script);
    let script = String::from_utf8_lossy(&script);
    output::print(&script.replace(MISNAMED, NAMED))?;
    Ok(Status::Complete)
}

/// How clap_complete looks for the states of a bash script, and how it sets them, where the program's
/// name holds a hyphen (<https://github.com/clap-rs/clap/issues/6421>): no option of a command would
/// be completed.
const MISNAMED: &str = "redis__subcmd__client";
const NAMED: &str = "redis__client";

/// The command line with the names that its flags take.
fn offering() -> clap::Command {
    let mut cli = Cli::command();
    let commands = cli.get_subcommands().map(clap::Command::get_name);
    let commands: Vec<_> = commands.map(str::to_owned).collect();
    for command in commands {
        cli = cli.mut_subcommand(&command, |subcommand| {
            subcommand.mut_args(|argument| completed(&command, argument))
        });
    }
    cli
}

/// What is offered behind a flag: its names, else files or hosts, else nothing.
fn completed(command: &str, argument: Arg) -> Arg {
    let id = argument.get_id().as_str();
    if let Some(names) = names(command, id) {
        return argument.value_parser(PossibleValuesParser::new(names));
    }
    let hint = match id {
        "host" => ValueHint::Hostname,
        "config" | "password_file" => ValueHint::FilePath,
        "into" => ValueHint::DirPath,
        _ => ValueHint::Other,
    };
    if argument.get_action().takes_values() {
        argument.value_hint(hint)
    } else {
        argument
    }
}

/// The names that a flag takes, where there are only so many.
fn names(command: &str, id: &str) -> Option<Vec<&'static str>> {
    Some(match (command, id) {
        (_, "preset") => PRESETS.iter().map(|preset| preset.name).collect(),
        (_, "output") => of(FORMATS),
        (_, "replies") => of(REPLIES),
        (_, "driver") => of(DRIVERS),
        (_, "send") => of(SENDS),
        (_, "key_layout") => of(&cluster::key_layouts(false)),
        ("completions", "shell") => of(SHELLS),
        ("man", "command") => COMMANDS.to_vec(),
        _ => return None,
    })
}

fn of<T>(known: &[(&'static str, T)]) -> Vec<&'static str> {
    known.iter().map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_of_names_offers_them() {
        let cli = offering();
        cli.clone().debug_assert();
        let fill = cli.find_subcommand("fill").unwrap();
        for (flag, name) in [
            ("preset", PRESETS[0].name),
            ("driver", "socket"),
            ("key_layout", "slotted"),
            ("output", "json"),
        ] {
            let argument = fill
                .get_arguments()
                .find(|argument| argument.get_id() == flag);
            let offered = argument.unwrap().get_possible_values();
            assert!(
                offered.iter().any(|value| value.get_name() == name),
                "{flag}"
            );
        }
    }
}
