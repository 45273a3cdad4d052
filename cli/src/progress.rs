//! How far a fill is, told while it runs: a bar on a terminal, else a line every few seconds,
//! always on standard error. Reckons speed and time left from the engine's counts; decides
//! nothing about the fill.

use std::collections::VecDeque;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use engine::run::{Event, NodeProgress, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console::Console;
use crate::figures;

/// Time between two lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(3);
/// Speed is that of the last so many seconds.
const PACE_WINDOW: Duration = Duration::from_secs(5);
/// A longer time than this is no forecast.
const ETA_MAX: Duration = Duration::from_secs(99 * 3600);
/// With more nodes than this, only the slowest is shown.
const NODES_SHOWN_MAX: usize = 8;
/// Frames per second of the bar.
const BAR_HZ: u8 = 8;

/// Where progress is shown.
#[derive(Debug)]
pub(crate) struct Display {
    console: Console,
    form: Form,
    pace: Pace,
    audit_shown_at: Instant,
}

#[derive(Debug)]
enum Form {
    Bar(ProgressBar),
    Lines { next: Duration },
    Hidden,
}

impl Display {
    /// A bar where standard error is a terminal, else lines; nothing unless `shown`.
    pub(crate) fn new(console: Console, shown: bool, payload_bytes: u64) -> Self {
        let form = if !shown {
            Form::Hidden
        } else if std::io::stderr().is_terminal() {
            Form::Bar(bar(payload_bytes))
        } else {
            Form::Lines { next: LINE_EVERY }
        };
        Self {
            console,
            form,
            pace: Pace::default(),
            audit_shown_at: Instant::now(),
        }
    }

    /// Shows what the engine tells.
    pub(crate) fn observe(&mut self, event: Event) {
        match event {
            Event::Progress(progress) => self.show(&progress),
            Event::Audit(looked, planned) => self.show_audit(looked, planned),
            Event::Notice(text) => self.note(&text),
            Event::Warning(text) => self.beside(|console| console.warning(&text)),
        }
    }

    /// A note, beside the bar.
    pub(crate) fn note(&self, text: &str) {
        self.beside(|console| console.note(text));
    }

    /// Prints without disturbing the bar.
    fn beside(&self, print: impl FnOnce(Console)) {
        match &self.form {
            Form::Bar(bar) => bar.suspend(|| print(self.console)),
            Form::Lines { .. } | Form::Hidden => print(self.console),
        }
    }

    /// Takes the bar away.
    pub(crate) fn close(self) {
        if let Form::Bar(bar) = self.form {
            bar.finish_and_clear();
        }
    }

    /// Shows how far the look for each key is.
    fn show_audit(&mut self, looked: u64, planned: u64) {
        let text = format!(
            "looked for {} of {} keys",
            figures::count(looked),
            figures::count(planned)
        );
        match &mut self.form {
            Form::Bar(bar) => {
                bar.set_message(text);
                bar.tick();
            }
            Form::Lines { .. } if self.audit_shown_at.elapsed() >= LINE_EVERY => {
                self.audit_shown_at = Instant::now();
                self.console.say(&text);
            }
            Form::Lines { .. } | Form::Hidden => {}
        }
    }

    fn show(&mut self, progress: &Progress) {
        self.pace.record(progress);
        match &mut self.form {
            Form::Bar(bar) => {
                bar.set_prefix(amount(progress));
                bar.set_message(speed(progress, &self.pace) + &nodes(progress));
                bar.set_length(progress.payload_bytes_planned);
                bar.set_position(progress.payload_bytes_acked);
            }
            Form::Lines { next } if progress.elapsed >= *next => {
                *next = progress.elapsed + LINE_EVERY;
                let (amount, speed) = (amount(progress), speed(progress, &self.pace));
                let percent = percent(progress.payload_bytes_acked, progress.payload_bytes_planned);
                let slowest = slowest(progress).map(|node| format!(", slowest {}", of_node(node)));
                let slowest = slowest.unwrap_or_default();
                self.console
                    .say(&format!("{percent:3.0} %  {amount}, {speed}{slowest}"));
            }
            Form::Lines { .. } | Form::Hidden => {}
        }
    }
}

/// Two lines, so that 80 columns hold all of it, and one for each node of a small cluster.
fn bar(payload_bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{percent:>3} % [{wide_bar}] {prefix}\n{msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let target = ProgressDrawTarget::stderr_with_hz(BAR_HZ);
    ProgressBar::with_draw_target(Some(payload_bytes), target).with_style(style)
}

fn amount(progress: &Progress) -> String {
    format!(
        "{} of {}",
        figures::bytes(progress.payload_bytes_acked),
        figures::bytes(progress.payload_bytes_planned)
    )
}

fn speed(progress: &Progress, pace: &Pace) -> String {
    let mut speed = format!(
        "{} keys/s, {}",
        figures::per_second(pace.keys_per_second()),
        figures::megabytes_per_second(pace.bytes_per_second()),
    );
    let left = progress
        .payload_bytes_planned
        .saturating_sub(progress.payload_bytes_acked);
    if let Some(left) = pace.time_for(left) {
        speed += &format!(", ETA {}", figures::eta(left));
    }
    if let [node] = &progress.nodes[..]
        && let Some(percent) = node.cpu_percent
    {
        speed += &format!(", server CPU {percent:.0} %");
    }
    speed
}

/// Each node on a line of its own, or the slowest of many.
fn nodes(progress: &Progress) -> String {
    let line = |node| format!("\n  {}", of_node(node));
    match progress.nodes.len() {
        0 | 1 => String::new(),
        2..=NODES_SHOWN_MAX => progress.nodes.iter().map(line).collect(),
        count => {
            let slowest = slowest(progress).map(of_node).unwrap_or_default();
            format!("\n  slowest of {count} nodes: {slowest}")
        }
    }
}

/// The node of several that has most to go.
fn slowest(progress: &Progress) -> Option<&NodeProgress> {
    let is_filled = |node: &&NodeProgress| node.keys_planned > 0;
    let done = |node: &NodeProgress| node.keys_acked as f64 / node.keys_planned as f64;
    let nodes = progress.nodes.iter().filter(is_filled);
    let slowest = nodes.min_by(|one, other| done(one).total_cmp(&done(other)));
    slowest.filter(|_| progress.nodes.len() > 1)
}

fn of_node(node: &NodeProgress) -> String {
    let percent = percent(node.keys_acked, node.keys_planned);
    let cpu = node.cpu_percent.map(|cpu| format!(", CPU {cpu:.0} %"));
    format!("{} {percent:.0} %{}", node.address, cpu.unwrap_or_default())
}

fn percent(done: u64, planned: u64) -> f64 {
    // Rounded down: 100 % is said when all is there.
    (done as f64 / planned.max(1) as f64 * 100.0).floor()
}

/// The speed of late: from the oldest sample in the window to the newest.
#[derive(Debug, Default)]
struct Pace {
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    elapsed: Duration,
    keys: u64,
    bytes: u64,
}

impl Pace {
    fn record(&mut self, progress: &Progress) {
        if self.samples.is_empty() {
            self.samples.push_back(Sample::default());
        }
        self.samples.push_back(Sample {
            elapsed: progress.elapsed,
            keys: progress.keys_acked,
            bytes: progress.payload_bytes_acked,
        });
        // The oldest sample stays at the edge of the window, or just outside.
        while self
            .samples
            .get(1)
            .is_some_and(|second| progress.elapsed.saturating_sub(second.elapsed) >= PACE_WINDOW)
        {
            self.samples.pop_front();
        }
    }

    fn keys_per_second(&self) -> f64 {
        self.per_second(|sample| sample.keys)
    }

    fn bytes_per_second(&self) -> f64 {
        self.per_second(|sample| sample.bytes)
    }

    fn per_second(&self, count: impl Fn(&Sample) -> u64) -> f64 {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else {
            return 0.0;
        };
        let seconds = last.elapsed.saturating_sub(first.elapsed).as_secs_f64();
        let counted = count(last).saturating_sub(count(first));
        if seconds > 0.0 {
            counted as f64 / seconds
        } else {
            0.0
        }
    }

    /// Time for so many bytes at this pace; `None` while next to nothing moves.
    fn time_for(&self, bytes: u64) -> Option<Duration> {
        let seconds = bytes as f64 / self.bytes_per_second();
        let left = Duration::try_from_secs_f64(seconds).ok();
        left.filter(|left| *left <= ETA_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(seconds: u64, keys_acked: u64) -> Progress {
        Progress {
            elapsed: Duration::from_secs(seconds),
            keys_acked,
            payload_bytes_acked: keys_acked << 10,
            payload_bytes_planned: 1 << 30,
            nodes: Vec::new(),
        }
    }

    fn node(port: u16, keys_acked: u64, cpu_percent: Option<f64>) -> NodeProgress {
        NodeProgress {
            address: format!("h:{port}"),
            keys_acked,
            keys_planned: 100,
            cpu_percent,
        }
    }

    #[test]
    fn facts_are_bytes_rates_time_left_and_server() {
        let mut pace = Pace::default();
        let progress = Progress {
            nodes: vec![node(1, 50, Some(96.6))],
            ..progress(2, 1 << 19)
        };
        pace.record(&progress);
        assert_eq!(
            amount(&progress) + ", " + &speed(&progress, &pace),
            "512.00 MiB of 1.00 GiB, 262,144 keys/s, 268.4 MB/s, ETA 2 s, server CPU 97 %"
        );
    }

    #[test]
    fn few_nodes_are_shown_each_of_many_the_slowest() {
        let few = Progress {
            nodes: vec![node(1, 99, Some(12.4)), node(2, 41, None)],
            ..progress(1, 1)
        };
        assert_eq!(nodes(&few), "\n  h:1 99 %, CPU 12 %\n  h:2 41 %");
        assert_eq!(slowest(&few).map(of_node).as_deref(), Some("h:2 41 %"));
        let many = Progress {
            nodes: (0..9)
                .map(|port| node(port, 50 + u64::from(port), None))
                .collect(),
            ..progress(1, 1)
        };
        assert_eq!(nodes(&many), "\n  slowest of 9 nodes: h:0 50 %");
        assert_eq!(nodes(&progress(1, 1)), "");
    }

    #[test]
    fn while_nothing_moves_no_time_left_is_promised() {
        let mut pace = Pace::default();
        pace.record(&progress(0, 0));
        pace.record(&progress(4, 0));
        assert_eq!(speed(&progress(4, 0), &pace), "0 keys/s, 0.0 MB/s");
    }

    #[test]
    fn the_pace_is_that_of_the_last_seconds() {
        let mut pace = Pace::default();
        for seconds in 0..=20 {
            pace.record(&progress(seconds, 1000 * seconds));
        }
        for seconds in 21..=30 {
            pace.record(&progress(seconds, 20_000 + 10 * (seconds - 20)));
        }
        assert!((pace.keys_per_second() - 10.0).abs() < 1e-9);
        assert!(pace.samples.len() < 10);
    }

    #[test]
    fn all_but_all_is_not_100_percent() {
        assert!((percent((1 << 20) - 1, 1 << 20) - 99.0).abs() < 1e-9);
        assert!((percent(1 << 20, 1 << 20) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn the_template_of_the_bar_is_valid() {
        let bar = bar(10);
        bar.set_position(5);
        assert_eq!(bar.length(), Some(10));
    }
}
