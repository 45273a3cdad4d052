//! How the program ends: its exit statuses and the one message that goes with a failure. Prints
//! nothing.

use std::process::ExitCode;

use engine::{Error, Phase};

/// The exit statuses, which are a promise (`--help` lists them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Every planned key is there, or what was asked for instead of a fill was done.
    Complete,
    /// The fill ended early, or keys are missing.
    Incomplete,
    /// Wrong usage, or a plan that cannot work. Nothing was changed.
    Unusable,
    /// The server cannot be reached or does not let us in. Nothing was changed.
    Unreachable,
    /// Ended by this signal.
    Interrupted(i32),
}

impl Status {
    /// The number that the shell sees: 128 plus the signal where one ended the program.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Incomplete => 1,
            Self::Unusable => 2,
            Self::Unreachable => 3,
            Self::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(1),
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        status.code().into()
    }
}

/// Why the program cannot go on. The message never holds a password.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the shell is told.
    pub(crate) status: Status,
    /// What the user is told, without the program's name in front.
    pub(crate) message: String,
}

impl Failure {
    /// The command line asks for something that cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self {
            status: Status::Unusable,
            message: message.into(),
        }
    }

    /// Something broke that the command line is not to blame for.
    pub(crate) fn broken(message: impl Into<String>) -> Self {
        Self {
            status: Status::Incomplete,
            message: message.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error.phase() {
            Phase::Plan | Phase::Server => Status::Unusable,
            Phase::Connect => Status::Unreachable,
            Phase::Driver => Status::Incomplete,
        };
        Self {
            status,
            message: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_the_documented_ones() {
        for (status, code) in [
            (Status::Complete, 0),
            (Status::Incomplete, 1),
            (Status::Unusable, 2),
            (Status::Unreachable, 3),
            (Status::Interrupted(2), 130),
            (Status::Interrupted(15), 143),
        ] {
            assert_eq!(status.code(), code);
        }
    }

    #[test]
    fn the_phase_of_an_error_decides_the_status() {
        let plan = Error::Options {
            what: "a".into(),
            cure: "b".into(),
        };
        assert_eq!(Failure::from(plan).status, Status::Unusable);
        let address = ([127, 0, 0, 1], 6379).into();
        let server = Error::Server {
            address,
            what: "a".into(),
            cure: "b".into(),
        };
        assert_eq!(Failure::from(server).status, Status::Unusable);
        let connect = Error::PasswordRequired { address };
        assert_eq!(Failure::from(connect).status, Status::Unreachable);
        let driver = Error::ConnectionLost {
            address,
            what: "a".into(),
            message: "b".into(),
        };
        assert_eq!(Failure::from(driver).status, Status::Incomplete);
    }
}
