//! The report of `verify` as text, and its lines in the report of a fill. Pure; the JSON is the
//! engine's report as it is.

use engine::report::{Verification, VerifyNode, VerifyReport, VerifyVerdict};

use crate::figures::{self, count, counted};
use crate::output;

/// So many servers are listed.
const SERVERS_SHOWN_MAX: usize = 16;
/// So much of a key is shown, from its beginning.
const KEY_SHOWN_MAX: usize = 40;

/// The text form: the verdict first, then figures that a person compares.
pub(crate) fn text(report: &VerifyReport) -> String {
    let found = &report.verification;
    let mut lines = vec![verdict(report), String::new()];
    let mut line = |name: &str, fact: String| lines.push(format!("{name:<9} {fact}"));
    let sample = match found.to_check == report.plan.keys {
        true => String::new(),
        false => format!(", a sample of {}", count(found.to_check)),
    };
    line(
        "keys",
        format!(
            "{} planned{sample}, {} checked, {} present, {} missing, {} wrong",
            count(report.plan.keys),
            count(found.checked),
            count(found.present),
            count(found.missing),
            count(found.wrong)
        ),
    );
    for (name, fact) in named_keys(found) {
        line(name, fact);
    }
    line("beyond", beyond(found));
    line("time", figures::seconds(found.seconds));
    line("rate", rate(found));
    line("client", output::client(&found.client));
    for node in found.nodes.iter().take(SERVERS_SHOWN_MAX) {
        line("server", server(node));
    }
    if let Some(more) = found.nodes.len().checked_sub(SERVERS_SHOWN_MAX + 1) {
        line("", format!("and {} more, see --output json", more + 1));
    }
    if found.reconnects + found.topology_changes > 0 {
        line(
            "mended",
            format!(
                "{} made again, slots got other owners {}",
                counted(found.reconnects, "connection"),
                counted(found.topology_changes, "time")
            ),
        );
    }
    if let Some(reason) = &found.reason {
        line("reason", reason.clone());
    }
    lines.join("\n") + "\n"
}

/// What a fill's report says of it.
pub(crate) fn lines(found: &Verification) -> Vec<(&'static str, String)> {
    let mut lines = vec![(
        "verify",
        format!(
            "{} of {} compared in {}, {}: {} missing, {} wrong, {}",
            count(found.checked),
            counted(found.to_check, "key"),
            figures::seconds(found.seconds),
            rate(found),
            count(found.missing),
            count(found.wrong),
            beyond(found)
        ),
    )];
    lines.extend(named_keys(found));
    lines
}

fn verdict(report: &VerifyReport) -> String {
    let found = &report.verification;
    let target = match report.plan.cluster {
        true => format!("the cluster at {}", report.plan.target),
        false => report.plan.target.clone(),
    };
    let checked = counted(found.checked, "key");
    match found.verdict {
        VerifyVerdict::Verified if found.to_check == report.plan.keys => {
            format!("verified: {checked} on {target}, every value as planned")
        }
        VerifyVerdict::Verified => {
            format!("verified: a sample of {checked} on {target}, every value as planned")
        }
        VerifyVerdict::Mismatch => format!(
            "mismatch: of {checked} on {target} {} missing, {} wrong",
            count(found.missing),
            count(found.wrong)
        ),
        VerifyVerdict::Incomplete => format!(
            "incomplete: {} of {} on {target} were looked at, every value as planned",
            count(found.checked),
            counted(found.to_check, "key")
        ),
    }
}

/// The first keys that are not as planned.
fn named_keys(found: &Verification) -> Vec<(&'static str, String)> {
    let missing = found
        .examples
        .missing
        .iter()
        .map(|key| ("missing", shown(key)));
    let wrong = found.examples.wrong.iter();
    let wrong = wrong.map(|wrong| ("wrong", format!("{}: {}", shown(&wrong.key), wrong.what)));
    missing.chain(wrong).collect()
}

fn shown(key: &str) -> String {
    match key.char_indices().nth(KEY_SHOWN_MAX) {
        Some((end, _)) => format!("{}...", &key[..end]),
        None => key.to_owned(),
    }
}

fn beyond(found: &Verification) -> String {
    match found.beyond_plan {
        Some(keys) => format!("{} beyond the plan", counted(keys, "key")),
        None => "keys beyond the plan not counted".into(),
    }
}

fn rate(found: &Verification) -> String {
    let mib = f64::from(1 << 20);
    format!(
        "{} keys/s, {} of keys and values",
        figures::per_second(found.rates.keys_per_second),
        figures::megabytes_per_second(found.rates.payload_mib_per_second * mib)
    )
}

fn server(node: &VerifyNode) -> String {
    format!(
        "{}: {} checked, {} missing, {} wrong",
        node.address,
        counted(node.checked, "key"),
        count(node.missing),
        count(node.wrong)
    )
}
