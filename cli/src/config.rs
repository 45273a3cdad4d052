//! The config file: `[defaults]`, and presets of the user's own under `[presets.NAME]`. Owns where
//! it is, how it is read, and what is said of its mistakes; which settings it may hold is decided
//! in [`keys`]. Never shows a value that may be a password.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::environment::Environment;
use crate::exit::Failure;
use crate::keys;
use crate::ledger::Place;
use crate::value;

/// Longest file that is read.
const BYTES_MAX: u64 = 1 << 20;
/// Below the user's folder for config files.
const DEFAULT_FILE: &str = "redis-client/config.toml";
/// The tables there are.
const TABLES: [&str; 2] = ["defaults", "presets"];

/// One setting that is written down: a flag's long name and the text behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The flag, without dashes.
    pub(crate) name: &'static str,
    /// What would stand behind it: `true` or `false` for a switch, several for a list.
    pub(crate) texts: Vec<String>,
    /// Where it is written; `None` for what the program brings along.
    pub(crate) place: Option<Place>,
}

/// A preset of the user's own.
#[derive(Debug)]
pub(crate) struct OwnPreset {
    /// As in `--preset`.
    pub(crate) name: String,
    /// Its head in the file.
    pub(crate) place: Place,
    /// What it sets.
    pub(crate) entries: Vec<Entry>,
}

/// What a config file says; nothing where there is none.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// The file.
    pub(crate) file: Option<Arc<Path>>,
    /// `[defaults]`.
    pub(crate) defaults: Vec<Entry>,
    /// `[presets.NAME]`, in the order of the file.
    pub(crate) presets: Vec<OwnPreset>,
    /// What the user should know, one line each.
    pub(crate) warnings: Vec<String>,
}

impl Config {
    /// Reads the file that `--config` names, or the user's own where there is one.
    pub(crate) fn read(given: Option<&Path>, environment: &Environment) -> Result<Self, Failure> {
        let (path, shown) = match (given, &environment.config_home) {
            (Some(path), _) => (path.to_owned(), "--config"),
            (None, Some(home)) => (home.join(DEFAULT_FILE), "config file"),
            (None, None) => return Ok(Self::default()),
        };
        let is_absent = |kind| matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory);
        let mut warnings = Vec::new();
        match read(&path, &mut warnings) {
            Ok(bytes) => {
                let mut config = Self::parse(&path, &bytes, environment.home.as_deref())?;
                config.warnings = warnings;
                Ok(config)
            }
            Err(error) if given.is_none() && is_absent(error.kind()) => Ok(Self::default()),
            Err(error) => Err(Failure::usage(format!(
                "cannot read {shown} '{}': {error}; give --config another file, or /dev/null to do \
                 without one",
                path.display()
            ))),
        }
    }

    /// Understands the bytes of a file. `home` is what `~` stands for in names of files.
    fn parse(path: &Path, bytes: &[u8], home: Option<&Path>) -> Result<Self, Failure> {
        let reader = Reader {
            file: path.into(),
            text: std::str::from_utf8(bytes).map_err(|error| {
                let line = 1 + newlines(&bytes[..error.valid_up_to()]);
                Failure::usage(format!("{}:{line}: this is not UTF-8", path.display()))
            })?,
            home,
        };
        let document = DeTable::parse(reader.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            // The error's own form would show the line, and with it perhaps a password.
            let what = error.message().replace('\n', ", ");
            reader.refuse(at, &format!("this is not TOML: {what}"))
        })?;
        let mut config = Self {
            file: Some(Arc::clone(&reader.file)),
            ..Self::default()
        };
        for (key, value) in document.get_ref() {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            match (name, value.get_ref()) {
                ("defaults", DeValue::Table(table)) => config.defaults = reader.entries(table)?,
                ("presets", DeValue::Table(table)) => config.presets = reader.presets(table)?,
                ("defaults" | "presets", _) => {
                    let example = if name == "defaults" {
                        "[defaults]"
                    } else {
                        "[presets.NAME]"
                    };
                    return Err(reader.refuse(
                        at,
                        &format!("{name} is a table: write {example}, and the settings below it"),
                    ));
                }
                _ => return Err(reader.refuse(at, &stray(name))),
            }
        }
        Ok(config)
    }
}

/// The bytes of a file; what is wrong with who may change it goes to `warnings`.
fn read(path: &Path, warnings: &mut Vec<String>) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode() & 0o777;
    if metadata.is_file() && mode & 0o022 != 0 {
        let shown = path.display();
        warnings.push(format!(
            "config file {shown} can be changed by others (mode {mode:04o}): chmod go-w {shown}"
        ));
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(io::Error::other(format!(
            "it is longer than {BYTES_MAX} bytes: is it the right file?"
        )));
    }
    Ok(bytes)
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

/// What is wrong with a name that stands outside of the tables.
fn stray(name: &str) -> String {
    if let Some(why) = keys::why_not(name) {
        return why;
    }
    if keys::named(name).is_some() {
        return format!(
            "{name} stands outside of a table: put it below [defaults] or [presets.NAME]"
        );
    }
    let meant = value::nearest(name, &TABLES)
        .map_or_else(String::new, |table| format!("; did you mean {table}?"));
    format!("[{name}] is not known: there are [defaults] and [presets.NAME]{meant}")
}

/// A file under way.
struct Reader<'a> {
    file: Arc<Path>,
    text: &'a str,
    home: Option<&'a Path>,
}

impl Reader<'_> {
    fn place(&self, at: usize) -> Place {
        Place {
            file: Arc::clone(&self.file),
            line: 1 + newlines(&self.text.as_bytes()[..at.min(self.text.len())]),
        }
    }

    /// What is wrong, and where, in one line: texts of a file may hold anything.
    fn refuse(&self, at: usize, what: &str) -> Failure {
        let mut message = format!("{}: ", self.place(at));
        for c in what.chars() {
            if c.is_control() {
                message.extend(c.escape_default());
            } else {
                message.push(c);
            }
        }
        Failure::usage(message)
    }

    fn presets(&self, table: &DeTable<'_>) -> Result<Vec<OwnPreset>, Failure> {
        let mut presets = Vec::new();
        for (key, value) in table {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            let DeValue::Table(table) = value.get_ref() else {
                return Err(self.refuse(
                    at,
                    &format!(
                        "{name} stands outside of a preset: write [presets.NAME], and it below"
                    ),
                ));
            };
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if name.is_empty() || name.starts_with('-') || !name.chars().all(is_plain) {
                return Err(self.refuse(
                    at,
                    &format!(
                        "'{}' is no name for a preset: letters, digits, '-', '_' and '.' are \
                         allowed, and no '-' in front",
                        name.escape_debug()
                    ),
                ));
            }
            presets.push(OwnPreset {
                name: name.to_owned(),
                place: self.place(at),
                entries: self.entries(table)?,
            });
        }
        presets.sort_by_key(|preset| preset.place.line);
        Ok(presets)
    }

    /// The settings of a table, in the order of the file.
    fn entries(&self, table: &DeTable<'_>) -> Result<Vec<Entry>, Failure> {
        let mut entries = Vec::new();
        for (key, value) in table {
            entries.push(self.entry(key.get_ref(), key.span().start, value)?);
        }
        entries.sort_by_key(|entry| entry.place.as_ref().map(|place| place.line));
        Ok(entries)
    }

    fn entry(&self, name: &str, at: usize, value: &Spanned<DeValue<'_>>) -> Result<Entry, Failure> {
        if let Some(why) = keys::why_not(name) {
            return Err(self.refuse(at, &why));
        }
        let Some(key) = keys::named(name) else {
            let meant = value::nearest(&name.replace('_', "-"), &keys::names()).map_or_else(
                || "the names are those of the flags, see redis-client fill --help".to_owned(),
                |name| format!("did you mean {name}?"),
            );
            return Err(self.refuse(
                at,
                &format!("{} is not a setting; {meant}", name.escape_debug()),
            ));
        };
        let texts = key
            .texts(value.get_ref())
            .map_err(|why| self.refuse(at, &why))?;
        for text in &texts {
            key.check(text)
                .map_err(|failure| self.refuse(at, &failure.message))?;
        }
        let texts = if key.is_file() {
            texts.iter().map(|path| self.resolved(path)).collect()
        } else {
            texts
        };
        Ok(Entry {
            name: key.name,
            texts,
            place: Some(self.place(at)),
        })
    }

    /// A file that the config file names: from its own folder on, unless it says from where.
    fn resolved(&self, path: &str) -> String {
        let of_home = path.strip_prefix("~/").zip(self.home);
        let path = match of_home {
            Some((rest, home)) => home.join(rest),
            None => self
                .file
                .parent()
                .map_or_else(|| PathBuf::from(path), |folder| folder.join(path)),
        };
        path.to_string_lossy().into_owned()
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
pub(crate) mod tests;
