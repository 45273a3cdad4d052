//! Which value each flag has in the end: what is written on the command line, else what the preset
//! says, else an environment variable, else the config file, else nobody. Owns this precedence and
//! which flags stand back because of others; reads no value.

use std::path::{Path, PathBuf};

use crate::config::{Config, Entry};
use crate::environment::Environment;
use crate::exit::Failure;
use crate::flags::{DataFlags, FillFlags, ServerFlags, Switches, VerifyFlags};
use crate::ledger::{Origin, Origins, Source};
use crate::preset;

/// Where the value of a flag is kept.
pub(crate) enum Field<'a> {
    Text(&'a mut Option<String>),
    File(&'a mut Option<PathBuf>),
    List(&'a mut Vec<String>),
    Switch(&'a mut bool),
    /// A secret, of which only matters here whether it is given.
    Secret(bool),
}

impl Field<'_> {
    fn is_given(&self) -> bool {
        match self {
            Self::Text(text) => text.is_some(),
            Self::File(file) => file.is_some(),
            Self::List(list) => !list.is_empty(),
            Self::Switch(is_on) => **is_on,
            Self::Secret(is_given) => *is_given,
        }
    }

    /// The text behind the flag, where there is one.
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.as_deref(),
            _ => None,
        }
    }

    fn set(self, texts: &[String]) {
        let first = || texts.first().cloned();
        match self {
            Self::Text(text) => *text = first(),
            Self::File(file) => *file = first().map(PathBuf::from),
            Self::List(list) => *list = texts.to_vec(),
            Self::Switch(is_on) => *is_on = first().as_deref() == Some("true"),
            // No file and no preset holds one.
            Self::Secret(_) => {}
        }
    }
}

/// The flags of a command that presets and config file have a say in.
pub(crate) trait Flags: Clone {
    /// Where a flag of this long name is kept, if the command has it.
    fn field(&mut self, name: &str) -> Option<Field<'_>>;
    /// `--preset`.
    fn preset(&self) -> Option<&str>;
    /// `--config`.
    fn config(&self) -> Option<&Path>;
}

/// The flags that are in force, who decided those that are not written, and what the config file
/// has to say.
pub(crate) struct InForce<F> {
    pub(crate) flags: F,
    pub(crate) origins: Origins,
    pub(crate) config: Config,
}

/// Puts what preset and config file say below the flags that are written.
pub(crate) fn lay<F: Flags>(written: &F, environment: &Environment) -> Result<InForce<F>, Failure> {
    let config = Config::read(written.config(), environment)?;
    let preset = written.preset().map(|name| preset::named(name, &config));
    let preset = preset.transpose()?;
    let mut layers = Layers {
        flags: written.clone(),
        origins: Origins::new(),
    };
    if let Some(preset) = preset {
        layers.put(&preset.entries, Source::Preset, &[]);
    }
    layers.put(&config.defaults, Source::Config, &decided_by(environment));
    layers.drop_idle();
    Ok(InForce {
        flags: layers.flags,
        origins: layers.origins,
        config,
    })
}

/// The flags whose place an environment variable takes.
fn decided_by(environment: &Environment) -> Vec<&'static str> {
    let mut names = Vec::new();
    if environment.chunk_kib.is_some() {
        names.push("pipeline-depth");
    }
    if environment
        .auth
        .as_ref()
        .is_some_and(|auth| !auth.is_empty())
    {
        names.extend(["password-file", "ask-password"]);
    }
    names
}

/// Flags that stand back where one of others is given by somebody who comes before them.
const STAND_BACK: &[(&str, &[&str])] = &[
    ("password-file", &["password", "ask-password"]),
    ("ask-password", &["password", "password-file"]),
    ("connections", &["serial"]),
    ("reactors", &["serial"]),
    ("quiet", &["verbose"]),
    ("verbose", &["quiet"]),
];

struct Layers<F> {
    flags: F,
    origins: Origins,
}

impl<F: Flags> Layers<F> {
    /// Puts entries where nobody before them has decided, and neither has what is named in
    /// `decided`.
    fn put(&mut self, entries: &[Entry], source: Source, decided: &[&str]) {
        // All at once, so that two entries of one layer never hide each other.
        let entries: Vec<&Entry> = entries
            .iter()
            .filter(|entry| !decided.contains(&entry.name) && self.is_open(entry))
            .collect();
        for entry in entries {
            if let Some(field) = self.flags.field(entry.name) {
                field.set(&entry.texts);
                let place = entry.place.clone();
                self.origins.insert(entry.name, Origin { source, place });
            }
        }
    }

    fn is_given(&mut self, name: &str) -> bool {
        self.flags.field(name).is_some_and(|field| field.is_given())
    }

    fn is_open(&mut self, entry: &Entry) -> bool {
        // A switch may have been turned off on purpose.
        if self.is_given(entry.name) || self.origins.contains_key(entry.name) {
            return false;
        }
        if self.contradicts_pinning(entry) {
            return false;
        }
        let others = STAND_BACK.iter().find(|(name, _)| *name == entry.name);
        let mut others = others.into_iter().flat_map(|(_, others)| others.iter());
        !others.any(|other| self.is_given(other))
    }

    /// Whether `--no-pin` and the naming of cores, which pins, would meet.
    fn contradicts_pinning(&mut self, entry: &Entry) -> bool {
        let names_cores = |text: Option<&str>| text.is_some_and(|text| text.starts_with("cores="));
        let text = entry.texts.first().map(String::as_str);
        match entry.name {
            "no-pin" => {
                let reactors = self.flags.field("reactors");
                let cores_are_named = reactors.is_some_and(|reactors| names_cores(reactors.text()));
                text == Some("true") && cores_are_named
            }
            "reactors" => names_cores(text) && self.is_given("no-pin"),
            _ => false,
        }
    }

    /// A map of hosts that lies ready for clusters does not hinder other fills.
    fn drop_idle(&mut self) {
        if self.is_given("cluster") || !self.origins.contains_key("host-map") {
            return;
        }
        self.origins.remove("host-map");
        if let Some(field) = self.flags.field("host-map") {
            field.set(&[]);
        }
    }
}

impl Flags for FillFlags {
    fn field(&mut self, name: &str) -> Option<Field<'_>> {
        let engine = &mut self.engine;
        Some(match name {
            "connections" => Field::Text(&mut engine.connections),
            "serial" => Field::Switch(&mut engine.serial),
            "command" => Field::Text(&mut engine.command),
            "pipeline-depth" => Field::Text(&mut engine.pipeline_depth),
            "replies" => Field::Text(&mut engine.replies),
            "driver" => Field::Text(&mut engine.driver),
            "send" => Field::Text(&mut engine.send),
            "reactors" => Field::Text(&mut engine.reactors),
            "no-pin" => Field::Switch(&mut engine.no_pin),
            "verify" => Field::Text(&mut self.verify),
            _ => return common(name, &mut self.server, &mut self.data, &mut self.switches),
        })
    }

    fn preset(&self) -> Option<&str> {
        self.data.preset.as_deref()
    }

    fn config(&self) -> Option<&Path> {
        self.switches.config.as_deref()
    }
}

impl Flags for VerifyFlags {
    fn field(&mut self, name: &str) -> Option<Field<'_>> {
        match name {
            "sample" => Some(Field::Text(&mut self.sample)),
            _ => common(name, &mut self.server, &mut self.data, &mut self.switches),
        }
    }

    fn preset(&self) -> Option<&str> {
        self.data.preset.as_deref()
    }

    fn config(&self) -> Option<&Path> {
        self.switches.config.as_deref()
    }
}

/// The flags that all commands have.
fn common<'a>(
    name: &str,
    server: &'a mut ServerFlags,
    data: &'a mut DataFlags,
    switches: &'a mut Switches,
) -> Option<Field<'a>> {
    Some(match name {
        "host" => Field::Text(&mut server.host),
        "port" => Field::Text(&mut server.port),
        "cluster" => Field::Switch(&mut server.cluster),
        "host-map" => Field::List(&mut server.host_map),
        "username" => Field::Text(&mut server.username),
        "password" => Field::Secret(server.password.is_some()),
        "password-file" => Field::File(&mut server.password_file),
        "ask-password" => Field::Switch(&mut server.ask_password),
        "db" => Field::Text(&mut server.db),
        "key-size" => Field::Text(&mut data.key_size),
        "value-size" => Field::Text(&mut data.value_size),
        "key-prefix" => Field::Text(&mut data.key_prefix),
        "seed" => Field::Text(&mut data.seed),
        "key-layout" => Field::Text(&mut data.key_layout),
        "output" => Field::Text(&mut switches.output),
        "quiet" => Field::Switch(&mut switches.quiet),
        "no-progress" => Field::Switch(&mut switches.no_progress),
        "stall-timeout" => Field::Text(&mut switches.stall_timeout),
        "verbose" => Field::Switch(&mut switches.verbose),
        _ => return None,
    })
}

#[cfg(test)]
#[path = "layers_tests.rs"]
mod tests;
