//! What an experiment compares: two settings of a fill, on which sizes, servers and network. Parsed
//! and checked before anything is started.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use crate::Result;

/// Flags that say how much is filled.
const AMOUNTS: [&str; 5] = ["-d", "--data", "--keys", "--append", "--until-memory"];
/// Flags that the experiment gives itself, and what to use instead.
const TAKEN: [(&str, &str); 11] = [
    ("-h", "the server is a fresh one of the experiment's own"),
    (
        "--host",
        "the server is a fresh one of the experiment's own",
    ),
    ("-p", "the server is a fresh one of the experiment's own"),
    (
        "--port",
        "the server is a fresh one of the experiment's own",
    ),
    ("-c", "use MODE=3 or MODE=5"),
    ("--cluster", "use MODE=3 or MODE=5"),
    ("--key-size", "use SIZES='KEY/VALUE ...'"),
    ("--value-size", "use SIZES='KEY/VALUE ...'"),
    ("--output", "the experiment reads the JSON report"),
    ("-a", "the experiment's servers have no password"),
    ("--password", "the experiment's servers have no password"),
];
/// A password in the environment, which would end up in the results.
const PASSWORD: &str = "REDISCLI_AUTH";
/// Masters of a cluster on one machine.
const MASTERS_MAX: u16 = 9;

/// The command line of an experiment, beside what all benches take.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Flags of `redis-client fill` in setting A
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true)]
    a: Option<String>,
    /// Flags in setting B
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true)]
    b: Option<String>,
    /// Another build of the program for A
    #[arg(long, value_name = "PATH")]
    a_program: Option<PathBuf>,
    /// Another build of the program for B
    #[arg(long, value_name = "PATH")]
    b_program: Option<PathBuf>,
    /// Further flags of the server for A, such as `--io-threads 4`
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true)]
    a_server: Option<String>,
    /// Further flags of the server for B
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true)]
    b_server: Option<String>,
    /// Environment of the client for A: `NAME=VALUE ...`
    #[arg(long, value_name = "VARIABLES")]
    a_env: Option<String>,
    /// Environment of the client for B
    #[arg(long, value_name = "VARIABLES")]
    b_env: Option<String>,
    /// Sizes of keys and values, one comparison each: `64/256 512/512`
    #[arg(
        long,
        value_name = "CELLS",
        value_delimiter = ' ',
        default_value = "512/512"
    )]
    pub sizes: Vec<Cell>,
    /// `standalone`, or the number of masters of a cluster
    #[arg(long, value_name = "MODE", default_value = "standalone")]
    pub mode: Mode,
    /// Count instructions per key instead of measuring times
    #[arg(long)]
    pub count: bool,
    /// Put client and servers into two network namespaces joined by a veth pair (needs root)
    #[arg(long)]
    pub netns: bool,
    /// Do not pin client and servers to a core each
    #[arg(long)]
    pub free: bool,
    /// Where the lines of all runs go
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
}

/// Sizes of keys and values, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Of a key.
    pub key: usize,
    /// Of a value.
    pub value: usize,
}

/// What is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One server by itself.
    Standalone,
    /// A cluster of so many masters.
    Cluster(u16),
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Time on the clock and CPU time, and instructions of the server where perf counts them.
    Time,
    /// Instructions per key, of client and server.
    Instructions,
}

/// One of the two that are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Flags of the fill.
    pub flags: Vec<String>,
    /// The program, where it is not the one that was built beside this command.
    pub program: Option<PathBuf>,
    /// Further flags of the server.
    pub server: Vec<String>,
    /// Further variables of the client's environment.
    pub env: Vec<(String, String)>,
}

/// The two, and what of them is compared.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A and B.
    pub both: [Setting; 2],
    /// What is compared.
    pub measure: Measure,
}

impl Options {
    /// What is to be compared; `None` where nothing was asked for.
    ///
    /// # Errors
    /// A setting cannot be run in an experiment; which, and what to change.
    pub fn settings(&self) -> Result<Option<Settings>> {
        let texts = [
            &self.a,
            &self.b,
            &self.a_server,
            &self.b_server,
            &self.a_env,
            &self.b_env,
        ];
        let programs = [&self.a_program, &self.b_program];
        if texts.iter().all(|text| text.is_none()) && programs.iter().all(|path| path.is_none()) {
            return Ok(None);
        }
        let measure = match self.count {
            true => Measure::Instructions,
            false => Measure::Time,
        };
        let a = Setting::new("A", &self.a, &self.a_program, &self.a_server, &self.a_env)?;
        let b = Setting::new("B", &self.b, &self.b_program, &self.b_server, &self.b_env)?;
        let settings = Settings {
            both: [a, b],
            measure,
        };
        if self.count && settings.both.iter().any(Setting::names_amount) {
            return Err(
                "COUNT=1 chooses the amount itself, for it also counts a fill of a single \
                        key: leave it out of the flags, and use MIB="
                    .into(),
            );
        }
        Ok(Some(settings))
    }
}

impl Setting {
    fn new(
        name: &str,
        flags: &Option<String>,
        program: &Option<PathBuf>,
        server: &Option<String>,
        env: &Option<String>,
    ) -> Result<Self> {
        let flags = words(name, flags)?;
        for flag in &flags {
            let taken = TAKEN.iter().find(|(taken, _)| is_flag(flag, taken));
            if let Some((taken, instead)) = taken {
                return Err(format!("{name} may not hold {taken}: {instead}").into());
            }
        }
        let program = program.clone();
        if let Some(path) = program.as_ref().filter(|path| !path.is_file()) {
            return Err(format!("{name}_PROGRAM: there is no {}", path.display()).into());
        }
        let env = words(&format!("{name}_ENV"), env)?;
        let env = env.iter().map(|word| match word.split_once('=') {
            Some((PASSWORD, _)) => Err(format!("{name}_ENV may not hold {PASSWORD}").into()),
            Some((variable, value)) => Ok((variable.to_owned(), value.to_owned())),
            None => Err(format!("{name}_ENV: '{word}' is not NAME=VALUE").into()),
        });
        Ok(Self {
            flags,
            program,
            server: words(&format!("{name}_SERVER"), server)?,
            env: env.collect::<Result<_>>()?,
        })
    }

    /// Whether its flags say how much is filled.
    #[must_use]
    pub fn names_amount(&self) -> bool {
        let names = |flag: &String| AMOUNTS.iter().any(|amount| is_flag(flag, amount));
        self.flags.iter().any(names)
    }

    /// Its program by a name that means something elsewhere too: a path in this project, else the
    /// name of the file.
    #[must_use]
    pub fn program_name(&self) -> Option<String> {
        let path = self.program.as_ref()?;
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
        let inside = project.and_then(|project| path.strip_prefix(project).ok());
        let name = inside.or_else(|| path.file_name().map(Path::new));
        name.map(|name| name.display().to_string())
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = Vec::new();
        let env = self
            .env
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        parts.extend(env);
        parts.extend(self.program_name());
        parts.extend(self.flags.iter().cloned());
        if parts.is_empty() {
            parts.push("(defaults)".to_owned());
        }
        if !self.server.is_empty() {
            parts.push(format!("; server: {}", self.server.join(" ")));
        }
        formatter.write_str(&parts.join(" ").replace(" ; ", "; "))
    }
}

impl Settings {
    /// Both, a line each.
    #[must_use]
    pub fn describe(&self) -> String {
        let [a, b] = &self.both;
        let noise = match a == b {
            true => "- A and B are the same: what differs is noise\n",
            false => "",
        };
        format!("- A: `{a}`\n- B: `{b}`\n{noise}")
    }
}

/// Whether `word` is `flag`, alone or with its value behind it.
fn is_flag(word: &str, flag: &str) -> bool {
    match word.strip_prefix(flag) {
        Some("") => true,
        Some(rest) if flag.starts_with("--") => rest.starts_with('='),
        Some(_) => !word.starts_with("--"),
        None => false,
    }
}

fn words(what: &str, text: &Option<String>) -> Result<Vec<String>> {
    let text = text.as_deref().unwrap_or_default();
    shlex::split(text).ok_or_else(|| format!("{what}: a quote is not closed in '{text}'").into())
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let sizes = text.split_once('/');
        let sizes = sizes.and_then(|(key, value)| Some((key.parse().ok()?, value.parse().ok()?)));
        match sizes {
            Some((key, value)) if key > 0 && value > 0 => Ok(Self { key, value }),
            _ => Err(format!(
                "'{text}' is not KEY/VALUE in bytes, such as 512/512"
            )),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.key, self.value)
    }
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.parse() {
            _ if text == "standalone" => Ok(Self::Standalone),
            Ok(masters) if (1..=MASTERS_MAX).contains(&masters) => Ok(Self::Cluster(masters)),
            _ => Err(format!(
                "'{text}' is neither 'standalone' nor a number of masters from 1 to {MASTERS_MAX}"
            )),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standalone => formatter.write_str("standalone"),
            Self::Cluster(masters) => write!(formatter, "cluster of {masters}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn settings(words: &[&str]) -> Result<Option<Settings>> {
        let line = Line::try_parse_from(["x"].iter().chain(words))?;
        line.options.settings()
    }

    #[test]
    fn a_setting_is_read_as_a_shell_would() {
        let read = settings(&["--a=-n 1 --key-prefix 'a b'", "--b-env=X=1 Y=z=2"]);
        let [a, b] = read.unwrap().unwrap().both;
        assert_eq!(a.flags, ["-n", "1", "--key-prefix", "a b"]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(b.env, [pair("X", "1"), pair("Y", "z=2")]);
        assert!(settings(&[]).unwrap().is_none());
    }

    #[test]
    fn what_the_experiment_gives_itself_is_refused_with_what_to_use() {
        for (flags, told) in [
            ("-p 7", "fresh one"),
            ("--port=7", "fresh one"),
            ("-n 1 -c", "MODE="),
            ("--key-size 7", "SIZES="),
            ("-asecret", "no password"),
            ("'", "quote"),
        ] {
            let error = settings(&[&format!("--a={flags}")])
                .unwrap_err()
                .to_string();
            assert!(error.contains(told), "{flags}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(settings(&["--b-env=REDISCLI_AUTH=x"]).is_err());
        assert!(settings(&["--a-program=/nowhere"]).is_err());
        assert!(settings(&["--a=--no-pin --key-prefix x --append=5"]).is_ok());
    }

    #[test]
    fn amounts_are_seen_in_all_their_forms() {
        for (flags, names) in [
            ("-d 5", true),
            ("-d5", true),
            ("--keys=3", true),
            ("--data 7mb", true),
            ("-n 1 --driver socket", false),
        ] {
            let read = settings(&[&format!("--a={flags}")]).unwrap().unwrap();
            assert_eq!(read.both[0].names_amount(), names, "{flags}");
        }
        assert!(settings(&["--a=-d 5", "--count"]).is_err());
    }

    #[test]
    fn cells_and_modes_are_checked() {
        assert_eq!(
            "64/256".parse(),
            Ok(Cell {
                key: 64,
                value: 256
            })
        );
        assert!("64".parse::<Cell>().is_err() && "0/1".parse::<Cell>().is_err());
        assert_eq!("standalone".parse(), Ok(Mode::Standalone));
        assert_eq!("3".parse(), Ok(Mode::Cluster(3)));
        assert!("0".parse::<Mode>().is_err() && "cluster".parse::<Mode>().is_err());
    }
}
