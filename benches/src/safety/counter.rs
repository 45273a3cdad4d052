//! Counts the instructions of a program: by the processor's own counters through perf, where it has
//! them and lends them out; else by running the program in valgrind, which sees what it does in
//! user mode alone, and slows it down by a factor of twenty or more.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::Result;
use crate::process::exists;

/// Events of perf, user mode first.
const EVENTS: &str = "instructions:u,instructions:k";

/// What counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// `perf stat`.
    Perf,
    /// `valgrind --tool=cachegrind`, without its caches.
    Valgrind,
}

/// How many instructions a program took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Instructions {
    /// Its own.
    pub user: f64,
    /// Those of the kernel on its behalf, where they are counted.
    pub kernel: Option<f64>,
}

impl Instructions {
    /// All that were counted.
    #[must_use]
    pub fn all(&self) -> f64 {
        self.user + self.kernel.unwrap_or(0.0)
    }

    /// Without those of `others`, for each of `count` things.
    #[must_use]
    pub fn beyond(&self, others: &Self, count: u64) -> Self {
        let each = |all: f64, others: f64| (all - others) / count as f64;
        Self {
            user: each(self.user, others.user),
            kernel: self.kernel.zip(others.kernel).map(|(a, b)| each(a, b)),
        }
    }
}

/// A run that is counted: the words to put before the program, and where the count goes.
#[derive(Debug)]
pub struct Count {
    counter: Counter,
    folder: TempDir,
}

impl Counter {
    /// The best that works here, if one does.
    #[must_use]
    pub fn find() -> Option<Self> {
        [Self::Perf, Self::Valgrind]
            .into_iter()
            .find(|counter| counter.works())
    }

    /// Its name, and what it counts.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Perf => "perf stat, user mode and kernel",
            Self::Valgrind => {
                "valgrind, user mode alone (this machine's processor lends no counters)"
            }
        }
    }

    /// Begins a count.
    ///
    /// # Errors
    /// There is no room for temporary files.
    pub fn begin(self) -> Result<Count> {
        Ok(Count {
            counter: self,
            folder: TempDir::with_prefix("redis-client-count-")?,
        })
    }

    /// Whether it is there, and counts.
    #[must_use]
    pub fn works(self) -> bool {
        let name = match self {
            Self::Perf => "perf",
            Self::Valgrind => "valgrind",
        };
        let tried = || -> Result<Instructions> {
            let count = self.begin()?;
            let [first, others @ ..] = &count.wrapper()[..] else {
                return Err("nothing to try".into());
            };
            let mut command = Command::new(first);
            command.args(others).arg("true").stderr(Stdio::null());
            command.status()?;
            count.read()
        };
        exists(name) && tried().is_ok_and(|counted| counted.user > 0.0)
    }
}

impl Count {
    /// What stands before the program that is to be counted.
    #[must_use]
    pub fn wrapper(&self) -> Vec<String> {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let (file, log) = (path("count"), path("log"));
        let words: &[&str] = match self.counter {
            Counter::Perf => &["perf", "stat", "-x", ",", "-e", EVENTS, "-o", &file, "--"],
            Counter::Valgrind => &[
                "valgrind",
                &format!("--log-file={log}"),
                "--fair-sched=try",
                "--tool=cachegrind",
                "--cache-sim=no",
                &format!("--cachegrind-out-file={file}"),
            ],
        };
        words.iter().map(ToString::to_string).collect()
    }

    /// What was counted, once the program has ended.
    ///
    /// # Errors
    /// Nothing was.
    pub fn read(self) -> Result<Instructions> {
        let text = read(&self.folder.path().join("count"))?;
        let counted = match self.counter {
            Counter::Perf => of_perf(&text),
            Counter::Valgrind => of_cachegrind(&text),
        };
        counted.ok_or_else(|| format!("nothing was counted:\n{text}").into())
    }
}

fn read(file: &Path) -> Result<String> {
    // Cachegrind's files name functions, whose names may be anything.
    Ok(String::from_utf8_lossy(&std::fs::read(file)?).into_owned())
}

/// A line `count,unit,event,...` for each event.
fn of_perf(text: &str) -> Option<Instructions> {
    let events = EVENTS.split(',').map(|event| {
        let mut lines = text.lines().filter_map(|line| {
            let mut fields = line.split(',');
            let (count, name) = (fields.next()?, fields.nth(1)?);
            (name == event).then(|| count.parse().ok())?
        });
        lines.next_back()
    });
    let [user, kernel] = events.collect::<Option<Vec<f64>>>()?[..] else {
        return None;
    };
    Some(Instructions {
        user,
        kernel: Some(kernel),
    })
}

/// The last line is `summary: <instructions>`.
fn of_cachegrind(text: &str) -> Option<Instructions> {
    let mut lines = text.lines().rev();
    let summary = lines.find_map(|line| line.strip_prefix("summary:"))?;
    Some(Instructions {
        user: summary.split_whitespace().next()?.parse().ok()?,
        kernel: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_they_are_written() {
        let perf = "# started on Tue\n\n1234,,instructions:u,88,100.00,,\n56,,instructions:k,88,100.00,,\n";
        let counted = Instructions {
            user: 1234.0,
            kernel: Some(56.0),
        };
        assert_eq!(of_perf(perf), Some(counted));
        assert_eq!(counted.beyond(&counted, 3).all(), 0.0);
        let unsupported = "<not supported>,,instructions:u,0,100.00,,\n<not supported>,,instructions:k,0,100.00,,\n";
        assert_eq!(of_perf(unsupported), None);
        let cachegrind = "desc: x\nevents: Ir\nfn=main\n0 17\nsummary: 17\n";
        assert_eq!(of_cachegrind(cachegrind).map(|i| i.user), Some(17.0));
        assert_eq!(of_cachegrind(""), None);
    }
}
