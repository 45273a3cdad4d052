//! Everything that was found, with the verdict on it, as text and as JSON. The names of its fields
//! are a promise.

use serde::Serialize;

use super::finding::{Finding, Verdict};
use crate::figures::counted;

/// Version of the JSON.
pub(super) const SCHEMA: u32 = 1;
/// Width of the column of names.
const NAME_WIDTH: usize = 24;

/// Whether a fill could run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Readiness {
    /// It could.
    Ready,
    /// It would be refused.
    NotReady,
    /// The server cannot be reached, or refuses the login.
    Unreachable,
}

/// What was found on one server.
#[derive(Debug, Serialize)]
pub(super) struct OfServer {
    /// The server as `host:port`.
    pub(super) address: String,
    /// What was found there.
    pub(super) findings: Vec<Finding>,
}

/// The whole report.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Version of these fields.
    pub(super) schema: u32,
    /// Whether a fill could run.
    pub(super) verdict: Readiness,
    /// Why not, in the words of a fill.
    pub(super) reason: Option<String>,
    /// The server that was named, as `host:port`.
    pub(super) target: Option<String>,
    /// Kernel, limits, cores, memory.
    pub(super) machine: Vec<Finding>,
    /// The way to the servers.
    pub(super) network: Vec<Finding>,
    /// Driver and kind of send, and why.
    pub(super) engine: Vec<Finding>,
    /// Every server, or every master of the cluster.
    pub(super) servers: Vec<OfServer>,
    /// The cluster as a whole, and the fill that was thought of.
    pub(super) fill: Vec<Finding>,
}

impl Report {
    /// A fill that could run does so whatever was found: then nothing is a problem.
    pub(super) fn settled(mut self) -> Self {
        if self.verdict == Readiness::Ready {
            self.parts_mut().flatten().for_each(Finding::soften);
        }
        self
    }

    fn parts_mut(&mut self) -> impl Iterator<Item = &mut Vec<Finding>> {
        let servers = self.servers.iter_mut().map(|server| &mut server.findings);
        [
            &mut self.machine,
            &mut self.network,
            &mut self.engine,
            &mut self.fill,
        ]
        .into_iter()
        .chain(servers)
    }

    /// The sections in their order, with their titles.
    fn sections(&self) -> Vec<(String, &[Finding])> {
        let mut sections: Vec<(String, &[Finding])> = vec![
            ("machine".into(), &self.machine),
            ("network".into(), &self.network),
            ("engine".into(), &self.engine),
        ];
        for server in &self.servers {
            sections.push((format!("server {}", server.address), &server.findings));
        }
        sections.push(("fill".into(), &self.fill));
        sections
    }

    /// The form for people: the verdict first.
    pub(super) fn text(&self) -> String {
        let sections = self.sections();
        let count = |verdict| {
            let all = sections.iter().flat_map(|(_, findings)| *findings);
            all.filter(|finding| finding.verdict == verdict).count() as u64
        };
        let hints = counted(count(Verdict::Hint), "hint");
        let mut text = match self.verdict {
            Readiness::Ready => format!("ready: a fill could run ({hints})\n"),
            Readiness::NotReady => {
                let problems = counted(count(Verdict::Problem), "problem");
                format!("not ready: a fill would be refused ({problems}, {hints})\n")
            }
            Readiness::Unreachable => {
                format!(
                    "unreachable: this machine was looked at ({hints}), the server could not be\n"
                )
            }
        };
        for (title, findings) in &sections {
            if findings.is_empty() {
                continue;
            }
            text += &format!("\n{title}\n");
            for finding in *findings {
                text += &format!(
                    "  {:<7}  {:<NAME_WIDTH$} {}\n",
                    finding.verdict.name(),
                    finding.name,
                    finding.found
                );
                if let Some(advice) = &finding.advice {
                    text += &format!("  {:<7}  {:<NAME_WIDTH$} -> {advice}\n", "", "");
                }
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(verdict: Readiness) -> Report {
        Report {
            schema: SCHEMA,
            verdict,
            reason: None,
            target: Some("db:6379".into()),
            machine: vec![Finding::hint("memlock", "64.00 KiB", "raise it").with(65_536)],
            network: Vec::new(),
            engine: vec![Finding::unknown("offloads", "nobody knows")],
            servers: vec![OfServer {
                address: "db:6379".into(),
                findings: vec![Finding::problem("role", "replica", "ask its master")],
            }],
            fill: vec![Finding::ok("fill", "1 GiB")],
        }
        .settled()
    }

    #[test]
    fn text_says_the_verdict_first_and_what_to_do() {
        let text = report(Readiness::NotReady).text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "not ready: a fill would be refused (1 problem, 1 hint)"
        );
        assert_eq!(lines[2], "machine");
        assert_eq!(lines[3], "  hint     memlock                  64.00 KiB");
        assert_eq!(lines[4].trim(), "-> raise it");
        assert!(
            text.contains("\nserver db:6379\n  problem  role "),
            "{text}"
        );
        assert!(!text.contains("network"), "{text}");
    }

    #[test]
    fn what_does_not_stop_a_fill_is_no_problem() {
        let ready = report(Readiness::Ready);
        assert_eq!(ready.servers[0].findings[0].verdict, Verdict::Hint);
        assert!(
            ready
                .text()
                .starts_with("ready: a fill could run (2 hints)\n")
        );
    }
}
