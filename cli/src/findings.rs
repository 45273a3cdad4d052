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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use engine::report::{ClientCosts, Examples, SCHEMA, VerifyPlan, VerifyRates, WrongKey};

    use super::*;

    fn report(missing: u64, wrong: u64, to_check: u64, checked: u64) -> VerifyReport {
        let is_right = missing + wrong == 0;
        VerifyReport {
            schema: SCHEMA,
            plan: VerifyPlan {
                target: "db:6379".into(),
                cluster: false,
                keys: 2000,
                key_size: 512,
                value_size: 512,
                sources: BTreeMap::new(),
            },
            verification: Verification {
                to_check,
                checked,
                present: checked - missing - wrong,
                missing,
                wrong,
                examples: Examples {
                    missing: vec![format!("key:1{}", "x".repeat(500))],
                    wrong: vec![WrongKey {
                        key: "key:2".into(),
                        what: "not a string".into(),
                    }],
                },
                beyond_plan: (to_check == 2000).then_some(1),
                nodes: vec![VerifyNode {
                    address: "1.2.3.4:6379".into(),
                    checked,
                    missing,
                    wrong,
                }],
                seconds: 2.0,
                rates: VerifyRates {
                    keys_per_second: 1000.0,
                    payload_mib_per_second: 1.0,
                },
                client: ClientCosts {
                    cpu_user_seconds: 0.1,
                    cpu_system_seconds: 0.2,
                    cpu_seconds_per_gib: None,
                    peak_rss_bytes: 1 << 20,
                },
                reconnects: 1,
                topology_changes: 0,
                verdict: match (is_right, checked == to_check) {
                    (false, _) => VerifyVerdict::Mismatch,
                    (true, true) => VerifyVerdict::Verified,
                    (true, false) => VerifyVerdict::Incomplete,
                },
                reason: None,
                interrupted_by: None,
                is_as_asked: is_right,
            },
        }
    }

    #[test]
    fn the_verdict_stands_first_and_figures_are_aligned() {
        let text = text(&report(3, 4, 2000, 2000));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "mismatch: of 2,000 keys on db:6379 3 missing, 4 wrong"
        );
        let shown = format!("missing   key:1{}...", "x".repeat(35));
        for line in [
            "keys      2,000 planned, 2,000 checked, 1,993 present, 3 missing, 4 wrong",
            &shown,
            "wrong     key:2: not a string",
            "beyond    1 key beyond the plan",
            "time      2.00 s",
            "rate      1,000 keys/s, 1.0 MB/s of keys and values",
            "server    1.2.3.4:6379: 2,000 keys checked, 3 missing, 4 wrong",
            "mended    1 connection made again, slots got other owners 0 times",
        ] {
            assert!(lines.contains(&line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_verdict_never_says_more_than_was_seen() {
        for (to_check, checked, words) in [
            (2000, 2000, "verified: 2,000 keys on db:6379, every"),
            (20, 20, "verified: a sample of 20 keys"),
            (
                2000,
                7,
                "incomplete: 7 of 2,000 keys on db:6379 were looked at",
            ),
        ] {
            let text = text(&report(0, 0, to_check, checked));
            assert!(text.starts_with(words), "{text}");
        }
        let text = text(&report(0, 0, 20, 20));
        assert!(
            text.contains("2,000 planned, a sample of 20, 20 checked"),
            "{text}"
        );
        assert!(text.contains("beyond the plan not counted"), "{text}");
    }
}
