//! `--dry-run`: every setting with its source, and what the fill would need. Owns the two forms
//! of this listing; contacts nobody.

use engine::lane::Replies;
use engine::{Plan, Target};
use serde_json::{Value, json};

use crate::figures;
use crate::intro;
use crate::ledger::{Ledger, Setting};
use crate::settings::Settings;

/// For people: an aligned table, then what follows from it.
pub(crate) fn text(settings: &Settings, plan: Option<&Plan>, target: &Target) -> String {
    let header = ["setting", "value", "from"].map(String::from);
    let rows = settings.ledger.settings().iter().map(|setting| {
        let value = in_words(setting, plan);
        [setting.name.to_owned(), value, setting.origin.to_string()]
    });
    let rows: Vec<[String; 3]> = std::iter::once(header).chain(rows).collect();
    let facts = facts(plan, target);
    let widest = |texts: &mut dyn Iterator<Item = &str>| {
        texts
            .map(|text| text.chars().count())
            .max()
            .unwrap_or_default()
    };
    let names = rows.iter().map(|row| row[0].as_str());
    let name_width = widest(&mut names.chain(facts.iter().map(|(name, _)| *name)));
    let value_width = widest(&mut rows.iter().map(|row| row[1].as_str()));
    let mut text = String::new();
    for [name, value, source] in &rows {
        text += &format!("{name:name_width$}  {value:value_width$}  {source}\n");
    }
    text.push('\n');
    for (name, fact) in &facts {
        text += &format!("{name:name_width$}  {fact}\n");
    }
    text
}

/// What follows from the settings.
fn facts(plan: Option<&Plan>, target: &Target) -> Vec<(&'static str, String)> {
    let addresses: Vec<_> = target.addresses().iter().map(ToString::to_string).collect();
    let mut facts = vec![("addresses", addresses.join(", "))];
    match plan {
        None => facts.push((
            "keys",
            format!("0: only database {} would be emptied", target.db),
        )),
        Some(plan) if plan.until.is_some() => facts.extend([
            ("keys", "as many as it takes".to_owned()),
            ("first key", "behind those that exist".to_owned()),
        ]),
        Some(plan) if plan.appends => facts.extend([
            ("keys", figures::count(plan.keys())),
            ("first key", "behind those that exist".to_owned()),
            ("bytes", amount(plan.payload_bytes())),
        ]),
        Some(plan) => facts.extend([
            ("keys", figures::count(plan.keys())),
            ("first key", intro::key_shown(plan, 0)),
            ("last key", intro::key_shown(plan, plan.keys() - 1)),
            ("bytes", amount(plan.payload_bytes())),
            (
                "server memory",
                format!("{}, expected", amount(plan.footprint_bytes())),
            ),
        ]),
    }
    facts
}

/// For programs: one object.
pub(crate) fn json(settings: &Settings, plan: Option<&Plan>, target: &Target) -> String {
    let addresses: Vec<_> = target.addresses().iter().map(ToString::to_string).collect();
    let mut object = json!({
        "schema": engine::report::SCHEMA,
        "dry_run": true,
        "target": target.to_string(),
        "addresses": addresses,
        "settings": listing(&settings.ledger, plan),
    });
    if let Some(plan) = plan.filter(|plan| plan.until.is_none()) {
        object["keys"] = plan.keys().into();
        object["payload_bytes"] = plan.payload_bytes().into();
        object["expected_memory_bytes"] = plan.footprint_bytes().into();
    }
    format!("{object}\n")
}

fn listing(ledger: &Ledger, plan: Option<&Plan>) -> Value {
    let settings = ledger.settings().iter().map(|setting| {
        let value = plan
            .and_then(|plan| resolved(setting.name, plan))
            .unwrap_or_else(|| setting.value.clone());
        let mut entry = json!({"value": value, "source": setting.origin.source.name()});
        if let Some(place) = &setting.origin.place {
            entry["file"] = place.file.to_string_lossy().into();
            entry["line"] = place.line.into();
        }
        (setting.name.to_owned(), entry)
    });
    Value::Object(settings.collect())
}

/// The value; where the plan settled it (`auto`), both.
fn in_words(setting: &Setting, plan: Option<&Plan>) -> String {
    let plain = |value: &Value| match value {
        Value::String(text) => text.escape_debug().to_string(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    };
    let given = plain(&setting.value);
    match plan
        .and_then(|plan| resolved(setting.name, plan))
        .map(|value| plain(&value))
    {
        Some(resolved) if resolved != given => format!("{resolved} ({given})"),
        _ => given,
    }
}

/// What the plan made of a setting that it may change.
fn resolved(name: &str, plan: &Plan) -> Option<Value> {
    Some(match name {
        "connections" => plan.connections.into(),
        "reactors" => plan.reactor_cores.len().into(),
        "driver" => plan.driver.name().into(),
        "send" if plan.trial.is_some() => "auto".into(),
        "send" => plan.send.name().into(),
        "replies" => match plan.replies {
            Replies::Fenced => "fenced".into(),
            Replies::Each => "each".into(),
        },
        _ => return None,
    })
}

fn amount(bytes: u64) -> String {
    format!("{} ({})", figures::count(bytes), figures::bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intro::tests::{plan, target};

    fn row<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")))
            .unwrap();
        line.split_whitespace().collect()
    }

    #[test]
    fn the_table_holds_every_setting_with_its_source() {
        let (plan, settings) = plan("-d 500mb --preset fast -n 16 -a hunter2");
        let text = text(&settings, Some(&plan), &target());
        let fast = crate::preset::tests::built_in("fast");
        assert_eq!(row(&text, "data"), ["data", "500mb", "flag"]);
        assert_eq!(row(&text, "connections"), ["connections", "16", "flag"]);
        assert_eq!(
            row(&text, "key-size"),
            ["key-size", &fast.key_size.to_string(), "preset"]
        );
        assert_eq!(row(&text, "seed"), ["seed", "0", "default"]);
        assert_eq!(
            row(&text, "driver"),
            ["driver", "uring", "(auto)", "default"]
        );
        assert_eq!(row(&text, "password"), ["password", "(hidden)", "flag"]);
        let keys = (500_u64 << 20).div_ceil((fast.key_size + fast.value_size) as u64);
        assert_eq!(row(&text, "keys"), ["keys", &figures::count(keys)]);
        let bytes = keys * (fast.key_size + fast.value_size) as u64;
        assert_eq!(row(&text, "bytes")[1], figures::count(bytes));
        assert!(
            text.contains("server memory") && !text.contains("hunter2"),
            "{text}"
        );
    }

    #[test]
    fn columns_are_aligned() {
        let (plan, settings) = plan("-d 1");
        let text = text(&settings, Some(&plan), &target());
        let column = text.lines().next().unwrap().find("from").unwrap();
        for line in text.lines().take_while(|line| !line.is_empty()) {
            assert_eq!(&line[column - 2..column], "  ", "{line}");
        }
    }

    #[test]
    fn the_json_form_holds_the_same() {
        let (plan, settings) = plan("--keys 1000 --pipeline-depth 5 -u me -a hunter2");
        let text = json(&settings, Some(&plan), &target());
        assert!(!text.contains("hunter2"));
        let object: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["keys"], 1000);
        assert_eq!(object["payload_bytes"], 1_024_000);
        assert_eq!(
            object["settings"]["pipeline-depth"],
            json!({"value": 5, "source": "flag"})
        );
        assert_eq!(
            object["settings"]["replies"],
            json!({"value": "each", "source": "default"})
        );
        assert!(object["expected_memory_bytes"].as_u64().unwrap() > 1_024_000);
    }
}
