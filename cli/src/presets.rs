//! `redis-client presets`: which presets there are and what they set. Owns the two forms of this
//! list, and the table that `--help` shows of it; the values are in [`preset`].

use serde_json::{Map, Value, json};

use crate::config::{Config, Entry};
use crate::environment::Environment;
use crate::exit::{Failure, Status};
use crate::flags::PresetsFlags;
use crate::names::{FORMATS, Format};
use crate::preset::{self, Preset};
use crate::{console, keys, output, value};

/// What every preset may set, in columns: title, flag, width.
pub(crate) const COLUMNS: [(&str, &str, usize); 4] = [
    ("key size", "key-size", 11),
    ("value size", "value-size", 12),
    ("depth", "pipeline-depth", 7),
    ("connections", "connections", 13),
];
/// Stands where a preset leaves a column to others.
const OPEN: &str = "-";

/// Runs the command.
pub(crate) fn run(flags: &PresetsFlags, environment: &Environment) -> Result<Status, Failure> {
    let format = match &flags.output {
        Some(given) => value::one_of("--output", given, FORMATS)?,
        None => Format::Text,
    };
    let config = Config::read(flags.config.as_deref(), environment)?;
    for warning in &config.warnings {
        console::Console::new(false, false).warning(warning);
    }
    let presets = preset::all(&config);
    output::print(&match format {
        Format::Text => text(&presets),
        Format::Json => json(&presets),
    })?;
    Ok(Status::Complete)
}

/// For people: an aligned table.
fn text(presets: &[Preset]) -> String {
    let widths = presets.iter().map(|preset| preset.name.chars().count());
    let width = widths.max().unwrap_or_default();
    let titles = COLUMNS.map(|(title, _, width)| format!("{title:>width$}"));
    let mut text = format!("{:width$}{}\n", "preset", titles.concat());
    for preset in presets {
        text += &format!("{}\n", row(preset, width));
    }
    text
}

/// A row of the table: name, columns, what else there is to say.
pub(crate) fn row(preset: &Preset, name_width: usize) -> String {
    let mut row = format!("{:name_width$}", preset.name);
    for (_, flag, width) in COLUMNS {
        row += &format!("{:>width$}", preset.text(flag).unwrap_or(OPEN));
    }
    let others = preset
        .entries
        .iter()
        .filter(|entry| !COLUMNS.iter().any(|(_, flag, _)| *flag == entry.name));
    let others: Vec<_> = others
        .map(|entry| format!("{} {}", entry.name, entry.texts.join(" ")))
        .collect();
    let remarks = [
        preset.purpose.to_owned(),
        others.join(", "),
        preset
            .place
            .as_ref()
            .map_or_else(String::new, ToString::to_string),
    ];
    let remarks: Vec<_> = remarks
        .into_iter()
        .filter(|remark| !remark.is_empty())
        .collect();
    format!("{row}   {}", remarks.join("; ").escape_debug())
}

/// For programs: one object.
fn json(presets: &[Preset]) -> String {
    let presets = presets.iter().map(|preset| {
        let settings = preset
            .entries
            .iter()
            .map(|entry| (entry.name.to_owned(), of(entry)));
        let mut object = json!({
            "name": preset.name,
            "source": if preset.place.is_some() { "config" } else { "built-in" },
            "settings": Value::Object(settings.collect::<Map<_, _>>()),
        });
        if let Some(place) = &preset.place {
            object["file"] = place.file.to_string_lossy().into();
            object["line"] = place.line.into();
        }
        if !preset.purpose.is_empty() {
            object["purpose"] = preset.purpose.into();
        }
        object
    });
    let presets: Vec<Value> = presets.collect();
    format!(
        "{}\n",
        json!({"schema": engine::report::SCHEMA, "presets": presets})
    )
}

/// A setting as JSON has it.
fn of(entry: &Entry) -> Value {
    let key = keys::named(entry.name);
    match entry.texts.as_slice() {
        [text] => {
            let is = |of_kind: fn(&keys::Key) -> bool| key.is_some_and(of_kind);
            let number = text
                .parse::<u64>()
                .ok()
                .filter(|_| is(keys::Key::is_number));
            match number {
                Some(number) => number.into(),
                None if is(keys::Key::is_switch) => (text == "true").into(),
                None => text.as_str().into(),
            }
        }
        texts => texts.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::parsed;
    use crate::preset::PRESETS;

    #[test]
    fn the_table_shows_what_is_set_what_is_left_open_and_where_it_comes_from() {
        let config = parsed(
            "[presets.balanced]\nkey-size = 9\n[presets.mine]\nreplies = \"each\"\nseed = 7\n",
        );
        let text = text(&preset::all(&config));
        let words = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            words("balanced"),
            ["balanced", "9", "-", "-", "-", "/etc/c.toml:1"]
        );
        assert_eq!(
            words("mine"),
            [
                "mine",
                "-",
                "-",
                "-",
                "-",
                "replies",
                "each,",
                "seed",
                "7;",
                "/etc/c.toml:3"
            ]
        );
        let fast = preset::tests::built_in("fast");
        assert_eq!(words("fast")[1], fast.key_size.to_string());
        assert_eq!(text.lines().count(), 1 + PRESETS.len() + 1);
    }

    #[test]
    fn the_json_form_holds_the_same() {
        let config = parsed(
            "[presets.mine]\nkey-size = 9\ncluster = true\nreactors = \"cores\"\nhost-map = [\"a=b\", \"c=d\"]\n",
        );
        let object: Value = serde_json::from_str(&json(&preset::all(&config))).unwrap();
        let presets = object["presets"].as_array().unwrap();
        assert_eq!(presets[0]["source"], "built-in");
        let mine = presets.last().unwrap();
        assert_eq!(
            mine,
            &json!({
                "name": "mine", "source": "config", "file": "/etc/c.toml", "line": 1,
                "settings": {
                    "key-size": 9, "cluster": true, "reactors": "cores", "host-map": ["a=b", "c=d"],
                },
            })
        );
    }
}
