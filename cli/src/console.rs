//! Lines on standard error. Owns their prefixes and what `-q` and `-v` let through; never writes
//! to standard output, and never fails: where standard error is gone, nobody listens.

use std::io::Write;

/// Which lines reach the user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    quiet: bool,
    verbose: bool,
}

impl Console {
    /// A console under `-q` and `-v`.
    pub(crate) fn new(quiet: bool, verbose: bool) -> Self {
        Self { quiet, verbose }
    }

    /// What the program does.
    pub(crate) fn say(self, text: &str) {
        if !self.quiet {
            line(text);
        }
    }

    /// Something the user should know about a choice that was made for them.
    pub(crate) fn note(self, text: &str) {
        self.say(&format!("note: {text}"));
    }

    /// Details for `-v`.
    pub(crate) fn detail(self, text: &str) {
        if self.verbose {
            line(text);
        }
    }

    /// Something that may not be what the user wants; `-q` does not silence it.
    pub(crate) fn warning(self, text: &str) {
        line(&format!("warning: {text}"));
    }
}

/// Why the program ends without having done what was asked.
pub(crate) fn error(text: &str) {
    line(&format!("error: {text}"));
}

/// Ends a line that the terminal or a bar left open.
pub(crate) fn fresh_line() {
    let _ = writeln!(std::io::stderr());
}

fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "redis-client: {text}");
}
