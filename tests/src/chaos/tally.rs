//! The sum of many runs, and where it is written down.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::run::{Run, Verdict};

/// What came of all runs of one kind.
pub(super) struct Tally {
    test: &'static str,
    /// Standalone servers, then clusters.
    counts: [Counts; 2],
    /// What happened in them.
    happened: BTreeMap<&'static str, [u64; 2]>,
    failures: Vec<String>,
}

#[derive(Clone, Copy, Default)]
struct Counts {
    runs: u64,
    complete: u64,
    incomplete: u64,
    lies: u64,
    broken: u64,
}

impl Tally {
    pub(super) fn new(test: &'static str) -> Self {
        Self {
            test,
            counts: Default::default(),
            happened: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    /// Takes in a run and prints a line about it.
    pub(super) fn add(&mut self, run: &Run) {
        let kind = usize::from(run.is_cluster);
        let counts = &mut self.counts[kind];
        counts.runs += 1;
        let (count, told) = match &run.verdict {
            Verdict::Complete => (&mut counts.complete, "complete".to_owned()),
            Verdict::Incomplete(why) => (&mut counts.incomplete, format!("incomplete: {why}")),
            Verdict::Lie(what) => (&mut counts.lies, format!("A LIE: {what}")),
            Verdict::Broken(what) => (&mut counts.broken, format!("BROKEN: {what}")),
        };
        *count += 1;
        for (what, times) in &run.happened {
            self.happened.entry(what).or_default()[kind] += times;
        }
        let (seed, test) = (run.seed, self.test);
        let servers = ["standalone", "cluster"][kind];
        let times: u64 = run.happened.values().sum();
        let took = run.took.as_secs_f64();
        let line = format!("{test} {seed:4} {servers:10} {times:2} faults {took:5.1} s  {told}");
        println!("{line}");
        if matches!(run.verdict, Verdict::Lie(_) | Verdict::Broken(_)) {
            self.failures.push(format!(
                "{line}\nrun it again: CHAOS_FIRST={seed} CHAOS_SEEDS=1 cargo test \
                 -p redis-client-tests --test end_to_end chaos::{test} -- --exact --nocapture"
            ));
        }
    }

    pub(super) fn runs(&self) -> u64 {
        self.counts.iter().map(|counts| counts.runs).sum()
    }

    pub(super) fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }

    pub(super) fn failures(&self) -> String {
        self.failures.join("\n")
    }

    /// Two tables in Markdown.
    pub(super) fn summary(&self) -> String {
        let mut text = "| | standalone | cluster |\n|---|---|---|\n".to_owned();
        let mut row = |name: &str, [one, many]: [u64; 2]| {
            let row = writeln!(text, "| {name} | {one} | {many} |");
            row.expect("a string takes text");
        };
        let of = |field: fn(&Counts) -> u64| [field(&self.counts[0]), field(&self.counts[1])];
        row("runs", of(|counts| counts.runs));
        row("complete, every key verified", of(|counts| counts.complete));
        let incomplete = "incomplete, `present` as counted";
        row(incomplete, of(|counts| counts.incomplete));
        row("**lies**", of(|counts| counts.lies));
        if self.counts.iter().any(|counts| counts.broken > 0) {
            row("not carried out", of(|counts| counts.broken));
        }
        for (what, times) in &self.happened {
            row(what, *times);
        }
        text
    }

    /// Replaces what stands between this test's markers.
    pub(super) fn record(&self, path: &Path) {
        let text = std::fs::read_to_string(path).expect("the file to record in can be read");
        let (begin, end) = (
            format!("<!-- chaos::{} begin -->\n", self.test),
            format!("<!-- chaos::{} end -->", self.test),
        );
        let start = text.find(&begin).expect("it has a marker") + begin.len();
        let stop = start + text[start..].find(&end).expect("it has both markers");
        let text = format!("{}{}{}", &text[..start], self.summary(), &text[stop..]);
        std::fs::write(path, text).expect("the file to record in can be written");
    }
}
