//! The question before a flush. Owns when it is asked and what counts as a yes; the flush itself
//! is the engine's.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::figures;

/// What decides whether to ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occasion {
    /// `-y`.
    pub(crate) yes: bool,
    /// Whether all servers run on this machine.
    pub(crate) servers_are_local: bool,
    /// Keys in the databases.
    pub(crate) keys: u64,
    /// Whether somebody can answer: standard input and standard error are terminals.
    pub(crate) somebody_is_there: bool,
}

impl Occasion {
    /// Whether the flush needs a yes.
    pub(crate) fn asks(self) -> bool {
        !self.yes && !self.servers_are_local && self.keys > 0 && self.somebody_is_there
    }
}

/// Whether standard input and standard error are terminals.
pub(crate) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Names what will be lost.
pub(crate) fn question(target: &str, db: u32, keys: u64) -> String {
    format!(
        "Empty database {db} of {target}, which holds {}? [y/N] ",
        figures::counted(keys, "key")
    )
}

/// Asks on standard error and reads the answer from standard input; the default is no.
pub(crate) fn ask(question: &str) -> io::Result<bool> {
    let mut stderr = io::stderr();
    stderr.write_all(question.as_bytes())?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_person_who_may_lose_keys_elsewhere_is_asked() {
        let asked = Occasion {
            yes: false,
            servers_are_local: false,
            keys: 1,
            somebody_is_there: true,
        };
        assert!(asked.asks());
        for not_asked in [
            Occasion { yes: true, ..asked },
            Occasion {
                servers_are_local: true,
                ..asked
            },
            Occasion { keys: 0, ..asked },
            Occasion {
                somebody_is_there: false,
                ..asked
            },
        ] {
            assert!(!not_asked.asks(), "{not_asked:?}");
        }
    }

    #[test]
    fn the_question_names_host_database_and_keys() {
        assert_eq!(
            question("db.example:6379", 3, 1234),
            "Empty database 3 of db.example:6379, which holds 1,234 keys? [y/N] "
        );
    }

    #[test]
    fn everything_but_yes_is_no() {
        for answer in ["y\n", "Y\n", "yes\n", " YES "] {
            assert!(is_yes(answer), "{answer}");
        }
        for answer in ["", "\n", "n\n", "no\n", "yess\n", "j\n"] {
            assert!(!is_yes(answer), "{answer}");
        }
    }
}
