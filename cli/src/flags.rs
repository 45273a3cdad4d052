//! The command line as it is written: which flags exist and what `--help` says of them. Values
//! stay text here, so that [`settings`](crate::settings) can say in its own words what is wrong
//! with one; nothing is derived from them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};
use engine::target::Secret;

use crate::doctor::DoctorFlags;
use crate::exit::Failure;
use crate::{habits, help};

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Request {
    /// Help or version: to be printed, nothing else.
    Show(String),
    /// A fill.
    Fill(Box<FillFlags>),
    /// A comparison with the plan.
    Verify(Box<VerifyFlags>),
    /// A list of presets.
    Presets(PresetsFlags),
    /// Man pages.
    Man(ManFlags),
    /// A script for a shell.
    Completions(CompletionsFlags),
    /// A look at what would stand in a fill's way.
    Doctor(Box<DoctorFlags>),
}

/// Reads the command line.
pub(crate) fn read(arguments: &[OsString]) -> Result<Request, Failure> {
    match Cli::try_parse_from(arguments) {
        Ok(Cli {
            command: Some(Command::Fill(flags)),
            ..
        }) => Ok(Request::Fill(flags)),
        Ok(Cli {
            command: Some(Command::Verify(flags)),
            ..
        }) => Ok(Request::Verify(flags)),
        Ok(Cli {
            command: Some(Command::Presets(flags)),
            ..
        }) => Ok(Request::Presets(flags)),
        Ok(Cli {
            command: Some(Command::Man(flags)),
            ..
        }) => Ok(Request::Man(flags)),
        Ok(Cli {
            command: Some(Command::Completions(flags)),
            ..
        }) => Ok(Request::Completions(flags)),
        Ok(Cli {
            command: Some(Command::Doctor(flags)),
            ..
        }) => Ok(Request::Doctor(flags)),
        Ok(Cli { command: None, .. }) => Err(Failure::usage(format!(
            "a command is missing\n{}",
            help::SHORT_USAGE
        ))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(Request::Show(error.render().to_string()))
            }
            _ => Err(Failure::usage(habits::explain(
                &error, arguments, is_of_fill,
            ))),
        },
    }
}

/// Whether `fill` has an option of this name, with its dashes.
fn is_of_fill(name: &str) -> bool {
    let cli = Cli::command();
    let fill = cli.find_subcommand("fill");
    let mut options = fill.into_iter().flat_map(clap::Command::get_arguments);
    options.any(|option| {
        let long = option.get_long().map(|long| format!("--{long}"));
        let short = option.get_short().map(|short| format!("-{short}"));
        long.as_deref() == Some(name) || short.as_deref() == Some(name)
    })
}

#[derive(Debug, Parser)]
#[command(
    name = "redis-client",
    version,
    about,
    disable_help_flag = true,
    override_usage = help::TOP_USAGE,
    after_help = help::TOP_AFTER
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Show this help
    #[arg(long, action = ArgAction::HelpShort)]
    help: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fill a server with an exact amount of data
    Fill(Box<FillFlags>),
    /// Compare what a server holds with what a fill would write
    Verify(Box<VerifyFlags>),
    /// List the presets, those of the config file too
    Presets(PresetsFlags),
    /// Print a man page, or write all of them
    Man(ManFlags),
    /// Print a script that has a shell complete commands and options
    Completions(CompletionsFlags),
    /// Say whether a fill could run, and what would make it faster or safer
    Doctor(Box<DoctorFlags>),
}

/// The flags of `redis-client presets`.
#[derive(Debug, Args)]
#[command(override_usage = help::PRESETS_USAGE, after_help = help::PRESETS_AFTER)]
pub(crate) struct PresetsFlags {
    /// text or json: one object on standard output [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) output: Option<String>,
    /// Presets of this config file [default: ~/.config/redis-client/config.toml, where it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// What `redis-client man` is given.
#[derive(Debug, Args)]
#[command(override_usage = help::MAN_USAGE)]
pub(crate) struct ManFlags {
    /// The command whose page to print [default: the page of the program]
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
    /// Write the pages of the program and of all its commands into this folder instead
    #[arg(long, value_name = "FOLDER")]
    pub(crate) into: Option<PathBuf>,
}

/// What `redis-client completions` is given.
#[derive(Debug, Args)]
#[command(override_usage = help::COMPLETIONS_USAGE, after_help = help::COMPLETIONS_AFTER)]
pub(crate) struct CompletionsFlags {
    /// bash, zsh or fish
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Option<String>,
}

/// The flags of `redis-client fill`, as they are written.
#[derive(Clone, Debug, Default, Args)]
#[command(
    disable_help_flag = true,
    override_usage = help::FILL_USAGE,
    after_help = help::fill_after()
)]
pub(crate) struct FillFlags {
    #[command(flatten, next_help_heading = "Server")]
    pub(crate) server: ServerFlags,
    #[command(flatten, next_help_heading = "What to fill")]
    pub(crate) data: DataFlags,
    #[command(flatten, next_help_heading = "Keys that are there already")]
    pub(crate) existing: ExistingFlags,
    #[command(flatten, next_help_heading = "How to fill")]
    pub(crate) engine: EngineFlags,
    /// Compare all values with the plan afterwards, byte for byte, or those of a sample: of so many
    /// keys (1000), or of a part (1%)
    #[arg(
        long,
        value_name = "SAMPLE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "100%",
        help_heading = "Output and guards"
    )]
    pub(crate) verify: Option<String>,
    #[command(flatten, next_help_heading = "Output and guards")]
    pub(crate) guards: Guards,
    #[command(flatten, next_help_heading = "Output and guards")]
    pub(crate) switches: Switches,
}

/// What is asked before a fill, and what is let through.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Guards {
    /// Show every setting, where it came from, and what the fill would need; do not connect
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask before -f
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Fill although the memory is not expected to suffice
    #[arg(long)]
    pub(crate) force: bool,
    /// Count a fill as success (exit status 0) although the server evicted or expired some of its
    /// keys
    #[arg(long)]
    pub(crate) allow_eviction: bool,
}

/// What becomes of keys that exist, and of those that are to be added to them.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ExistingFlags {
    /// Empty the database first (FLUSHDB), after every other check has passed; without an amount:
    /// do nothing else
    #[arg(short, long)]
    pub(crate) flush: bool,
    /// Look first which planned keys are there, and send only what is missing: goes on where a fill
    /// was interrupted, or tops up to a larger -d
    #[arg(long)]
    pub(crate) resume: bool,
    /// Never replace a value: a key that exists keeps what it has (SET with NX)
    #[arg(long)]
    pub(crate) only_missing: bool,
    /// Add so many keys (1000000) or bytes of key plus value (500mb) behind the keys that exist,
    /// instead of -d or --keys
    #[arg(long, value_name = "N|AMOUNT", allow_hyphen_values = true)]
    pub(crate) append: Option<String>,
    /// Add keys until each server uses so much memory: a size (2gb), or a part of its maxmemory
    /// (75%); stops short where a hash table would double across it; -d or --keys, if given too,
    /// bound all keys from --start-key on
    #[arg(long, value_name = "SIZE|PERCENT", allow_hyphen_values = true)]
    pub(crate) until_memory: Option<String>,
}

/// The flags of `redis-client verify`, as they are written.
#[derive(Clone, Debug, Args)]
#[command(
    disable_help_flag = true,
    override_usage = help::VERIFY_USAGE,
    after_help = help::VERIFY_AFTER
)]
pub(crate) struct VerifyFlags {
    #[command(flatten, next_help_heading = "Server")]
    pub(crate) server: ServerFlags,
    #[command(
        flatten,
        next_help_heading = "What should be there: the flags of the fill"
    )]
    pub(crate) data: DataFlags,
    /// Look at a sample, spread over all planned keys: so many keys (1000), or a part (1%)
    /// [default: every key]
    #[arg(
        long,
        value_name = "SAMPLE",
        allow_hyphen_values = true,
        help_heading = "How to look"
    )]
    pub(crate) sample: Option<String>,
    #[command(flatten, next_help_heading = "Output")]
    pub(crate) switches: Switches,
}

/// Which server, and as whom.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ServerFlags {
    /// Server, or any node of the cluster (required); every address that the name has is tried
    #[arg(short = 'h', long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Port, 1 to 65535 [default: 6379]
    #[arg(short, long, value_name = "PORT", allow_hyphen_values = true)]
    pub(crate) port: Option<String>,
    /// A cluster: all its masters, every hash slot evenly; -d and --keys are the total
    #[arg(short, long)]
    pub(crate) cluster: bool,
    /// Reach a node that the cluster announces under another address: HOST or HOST:PORT on both
    /// sides; may be given several times
    #[arg(long, value_name = "FROM=TO", action = ArgAction::Append)]
    pub(crate) host_map: Vec<String>,
    /// With -c: leave out slots that have no master that can be reached, and count the rest as
    /// success (exit status 0)
    #[arg(long)]
    pub(crate) allow_partial: bool,
    /// ACL user to log in as [default: the server's default user]
    #[arg(short, long, value_name = "USER")]
    pub(crate) username: Option<String>,
    /// Password. Other users of this machine can see it in the process list: REDISCLI_AUTH or
    /// --password-file hide it
    #[arg(short = 'a', long, value_name = "PASSWORD", value_parser = secret, allow_hyphen_values = true)]
    pub(crate) password: Option<Secret>,
    /// Read the password from the first line of FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Ask for the password on the terminal
    #[arg(long)]
    pub(crate) ask_password: bool,
    /// Database, 0 or more; with -c 0 only [default: 0]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) db: Option<String>,
}

/// Which keys and values.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DataFlags {
    /// Key plus value bytes that the keyspace shall hold: GiB (1, 0.5) or with a unit (500mb =
    /// 500 * 2^20, 1g = 10^9, 2GiB)
    #[arg(short, long, value_name = "AMOUNT", allow_hyphen_values = true)]
    pub(crate) data: Option<String>,
    /// Exact number of keys, instead of -d
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) keys: Option<String>,
    /// Bytes per key, 1 to 65536 [default: 512]
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) key_size: Option<String>,
    /// Bytes per value, 1 to 524288 [default: 512]
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub(crate) value_size: Option<String>,
    /// Beginning of every key [default: "key:" where it fits]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) key_prefix: Option<String>,
    /// Index of the first key [default: 0]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) start_key: Option<String>,
    /// Seed of the values; it never changes the keys [default: 0]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) seed: Option<String>,
    /// plain, or slotted: the keys that a cluster would have, the same number in every hash slot
    /// [default: plain, with -c slotted]
    #[arg(long, value_name = "LAYOUT")]
    pub(crate) key_layout: Option<String>,
    #[arg(long, value_name = "NAME", help = help::preset())]
    pub(crate) preset: Option<String>,
}

/// How the bytes reach the server.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct EngineFlags {
    /// Connections, with -c per master, 1 to 1024 [default: 2]
    #[arg(short = 'n', long, value_name = "NUM", allow_hyphen_values = true)]
    pub(crate) connections: Option<String>,
    /// One connection (with -c per master), one reactor
    #[arg(short, long)]
    pub(crate) serial: bool,
    /// set, or mset:N: N keys (2 to 128) in one command, which small values gain most from; with
    /// -c they are of one slot, as far as blocks of N times 16384 keys reach [default: set]
    #[arg(long, value_name = "COMMAND")]
    pub(crate) command: Option<String>,
    /// Commands per batch (keys, with --command mset:N), 1 to 100000 [default: from REDIS_CLIENT_FILL_CHUNK_KB, see below]
    #[arg(long, value_name = "NUM", allow_hyphen_values = true)]
    pub(crate) pipeline_depth: Option<String>,
    /// auto, fenced (one answer per batch) or each (an answer to every command) [default: auto:
    /// fenced from a depth of 32]
    #[arg(long, value_name = "MODE")]
    pub(crate) replies: Option<String>,
    /// auto, uring, tokio-uring or socket [default: auto: uring where the kernel allows it]
    #[arg(long, value_name = "DRIVER")]
    pub(crate) driver: Option<String>,
    /// auto, zc (zero-copy), fixed (registered buffers) or copy [default: auto: copy to this
    /// machine, to others what is best on the first data]
    #[arg(long, value_name = "KIND")]
    pub(crate) send: Option<String>,
    /// Threads that send: a number, "cores" (one on each) or "cores=0,2" (on these) [default: one
    /// per 8 connections]
    #[arg(long, value_name = "N|cores", allow_hyphen_values = true)]
    pub(crate) reactors: Option<String>,
    /// Try numbers of connections and depths on the first keys (4 s and a fifth of the keys at most),
    /// and go on with the fastest; -n or --pipeline-depth, if given, stays
    #[arg(long)]
    pub(crate) tune: bool,
    /// Let the kernel move reactors between cores
    #[arg(long)]
    pub(crate) no_pin: bool,
}

/// What is told, and for how long nothing may move.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Switches {
    /// text or json: one object on standard output [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) output: Option<String>,
    /// Say nothing but the report, warnings and errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Leave out the progress
    #[arg(long)]
    pub(crate) no_progress: bool,
    /// Seconds without progress after which to give up, 1 to 86400 [default: 30]
    #[arg(long, value_name = "SECONDS", allow_hyphen_values = true)]
    pub(crate) stall_timeout: Option<String>,
    /// Say more about the plan
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Take defaults and presets from this file [default: ~/.config/redis-client/config.toml, where
    /// it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Show this help
    #[arg(long, action = ArgAction::HelpShort)]
    pub(crate) help: Option<bool>,
}

/// Takes a password off the command line without letting clap print it.
#[expect(clippy::unnecessary_wraps, reason = "the form of a value parser")]
fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
#[path = "flags_tests.rs"]
pub(crate) mod tests;
