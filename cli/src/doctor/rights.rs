//! What the user may do on a server, judged and worded: rights without which no fill can run, and
//! rights without which it runs with less.

use engine::checkup::{Grant, Purpose, Right};

use super::finding::Finding;

/// What is missing without a right, by what it is good for; the first two are needed.
const PURPOSES: [(&str, Purpose, &str); 7] = [
    ("rights", Purpose::Fill, "no fill can run"),
    (
        "rights-in-cluster",
        Purpose::Cluster,
        "no fill of a cluster can run",
    ),
    (
        "rights-on-existing-keys",
        Purpose::ExistingKeys,
        "no fill can run where keys exist already, nor verify",
    ),
    (
        "rights-for-fences",
        Purpose::Fences,
        "each reply is read, which costs both sides more",
    ),
    (
        "rights-for-facts",
        Purpose::Facts,
        "there are fewer checks, warnings and figures",
    ),
    ("rights-for-flush", Purpose::Flush, "-f cannot be used"),
    (
        "rights-for-mset",
        Purpose::Mset,
        "--command mset:N cannot be used",
    ),
];

/// A finding for each purpose; `user` is who logs in.
pub(super) fn findings(rights: &[Right], user: &str) -> Vec<Finding> {
    let judge = |(name, purpose, without): &(&'static str, Purpose, &str)| {
        let of_it: Vec<&Right> = rights
            .iter()
            .filter(|right| right.purpose == *purpose)
            .collect();
        (!of_it.is_empty()).then(|| judged(name, *purpose, without, &of_it, user))
    };
    PURPOSES.iter().filter_map(judge).collect()
}

/// Whether CLIENT LIST may be asked for.
pub(super) fn may_list_clients(rights: &[Right]) -> bool {
    rights
        .iter()
        .any(|right| right.command == "client|list" && right.grant == Grant::Granted)
}

fn judged(
    name: &'static str,
    purpose: Purpose,
    without: &str,
    rights: &[&Right],
    user: &str,
) -> Finding {
    let are = |grant: Grant| {
        let some = rights.iter().filter(|right| right.grant == grant);
        some.map(|right| right.command).collect::<Vec<_>>()
    };
    if !are(Grant::Untried).is_empty() {
        return Finding::unknown(
            name,
            "not tried: this is not known to be Redis or Valkey, and might carry it out",
        );
    }
    let (denied, missing) = (are(Grant::Denied), are(Grant::Missing));
    let denied_keys = are(Grant::DeniedKeys);
    if [&denied, &denied_keys, &missing]
        .iter()
        .all(|some| some.is_empty())
    {
        return Finding::ok(name, are(Grant::Granted).join(", ")).with(true);
    }
    let mut found = Vec::new();
    let mut cures = Vec::new();
    if !denied.is_empty() {
        found.push(format!("{user} may not {}", denied.join(", ")));
        let grants: String = denied.iter().map(|name| format!(" +{name}")).collect();
        cures.push(format!(
            "`ACL SETUSER {user}{grants}`, or log in as another user (-u, -a)"
        ));
    }
    if !denied_keys.is_empty() {
        found.push(format!(
            "{user} may not {} such keys",
            denied_keys.join(", ")
        ));
        cures.push(format!(
            "`ACL SETUSER {user} ~*`, or a --key-prefix whose keys the user may use"
        ));
    }
    if !missing.is_empty() {
        found.push(format!("the server does not know {}", missing.join(", ")));
        cures.push(
            "it may have another name there (rename-command), or be left out by a proxy".into(),
        );
    }
    let found = format!("{}: {without}", found.join("; "));
    let cure = cures.join("; ");
    let finding = match purpose {
        Purpose::Fill | Purpose::Cluster => Finding::problem(name, found, cure),
        _ => Finding::hint(name, found, cure),
    };
    finding.with(false)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    fn right(command: &'static str, purpose: Purpose, grant: Grant) -> Right {
        Right {
            command,
            purpose,
            grant,
        }
    }

    #[test]
    fn rights_are_judged_by_what_they_are_good_for() {
        let rights = [
            right("set", Purpose::Fill, Grant::Denied),
            right("exists", Purpose::Fill, Grant::DeniedKeys),
            right("echo", Purpose::Fences, Grant::Denied),
            right("client|list", Purpose::Facts, Grant::Granted),
            right("flushdb", Purpose::Flush, Grant::Missing),
            right("mset", Purpose::Mset, Grant::Untried),
        ];
        let all = findings(&rights, "filler");
        let verdicts: Vec<_> = all.iter().map(|it| (it.name, it.verdict)).collect();
        let expected = [
            ("rights", Verdict::Problem),
            ("rights-for-fences", Verdict::Hint),
            ("rights-for-facts", Verdict::Ok),
            ("rights-for-flush", Verdict::Hint),
            ("rights-for-mset", Verdict::Unknown),
        ];
        assert_eq!(verdicts, expected);
        let advice = all[0].advice.as_deref().unwrap();
        assert!(advice.starts_with("`ACL SETUSER filler +set`"), "{advice}");
        assert!(
            advice.contains("~*") && advice.contains("--key-prefix"),
            "{advice}"
        );
        assert!(
            all[3].found.contains("does not know flushdb"),
            "{:?}",
            all[3]
        );
        assert!(may_list_clients(&rights));
    }
}
