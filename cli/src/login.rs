//! Where the password comes from. Owns the rules (one way at a time, flags before REDISCLI_AUTH)
//! and the reading of password files; never shows a password, not even in an error.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use engine::target::{Login, Secret};

use crate::environment::{AUTH_VARIABLE, Environment};
use crate::exit::{Failure, Status};
use crate::flags::ServerFlags;
use crate::habits;

/// Longest password that is read from a file.
const PASSWORD_BYTES_MAX: u64 = 64 << 10;
/// SIGINT, which rpassword hands over as an error.
const SIGINT: i32 = nix::sys::signal::Signal::SIGINT as i32;

/// Who logs in, and how the password is learnt.
#[derive(Clone, Debug)]
pub(crate) struct LoginChoice {
    username: Option<String>,
    password: Password,
    /// The flag that gives the password, by its long name; `None` for the environment, too.
    pub(crate) given_by: Option<&'static str>,
    /// What the user should know, one line each.
    pub(crate) warnings: Vec<String>,
}

#[derive(Clone, Debug)]
enum Password {
    None,
    Known(Secret),
    ToBeAsked,
}

impl LoginChoice {
    /// Decides from flags and environment; reads a password file, asks nobody.
    pub(crate) fn resolve(flags: &ServerFlags, environment: &Environment) -> Result<Self, Failure> {
        let given: Vec<_> = [
            ("-a", flags.password.is_some()),
            ("--password-file", flags.password_file.is_some()),
            ("--ask-password", flags.ask_password),
        ]
        .into_iter()
        .filter_map(|(flag, given)| given.then_some(flag))
        .collect();
        if given.len() > 1 {
            return Err(Failure::usage(format!(
                "{} each give a password: keep one of them",
                given.join(" and ")
            )));
        }
        let mut warnings = Vec::new();
        let (password, given_by) = if let Some(password) = &flags.password {
            if password.is_empty() {
                return Err(empty("-a"));
            }
            (Password::Known(password.clone()), Some("password"))
        } else if let Some(path) = &flags.password_file {
            (
                Password::Known(read_file(path, &mut warnings)?),
                Some("password-file"),
            )
        } else if flags.ask_password {
            (Password::ToBeAsked, Some("ask-password"))
        } else if let Some(auth) = environment.auth.as_ref().filter(|auth| !auth.is_empty()) {
            let auth = auth.to_str().ok_or_else(|| {
                Failure::usage(format!(
                    "{AUTH_VARIABLE} is not UTF-8; set it to the password"
                ))
            })?;
            (Password::Known(Secret::new(auth.to_owned())), None)
        } else {
            (Password::None, None)
        };
        if let Some(username) = &flags.username {
            if let Some(explanation) = habits::of_username(username) {
                return Err(Failure::usage(explanation));
            }
            if matches!(password, Password::None) {
                return Err(Failure::usage(format!(
                    "-u needs a password: give -a, --password-file or --ask-password, \
                     or set {AUTH_VARIABLE}"
                )));
            }
        }
        Ok(Self {
            username: flags.username.clone(),
            password,
            given_by,
            warnings,
        })
    }

    /// Whether there is a password, in words that do not tell it.
    pub(crate) fn password_in_words(&self) -> Option<&'static str> {
        match self.password {
            Password::None => None,
            Password::Known(_) => Some("(hidden)"),
            Password::ToBeAsked => Some("(to be asked for)"),
        }
    }

    /// The login itself; asks for the password where that was chosen.
    pub(crate) fn log_in(self, ask: impl FnOnce() -> io::Result<String>) -> Result<Login, Failure> {
        let password = match self.password {
            Password::None => None,
            Password::Known(password) => Some(password),
            Password::ToBeAsked => {
                let password = ask().map_err(|error| not_asked(&error))?;
                if password.is_empty() {
                    return Err(empty("--ask-password"));
                }
                Some(Secret::new(password))
            }
        };
        Ok(Login {
            username: self.username,
            password,
        })
    }
}

/// Asks on the terminal, without an echo.
pub(crate) fn ask() -> io::Result<String> {
    rpassword::prompt_password("Password: ")
}

fn not_asked(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::Interrupted {
        return Failure {
            status: Status::Interrupted(SIGINT),
            message: "interrupted: nothing was changed".into(),
        };
    }
    Failure::usage(format!(
        "--ask-password needs a terminal to ask on ({error}): use --password-file or {AUTH_VARIABLE}"
    ))
}

fn empty(flag: &str) -> Failure {
    Failure::usage(format!(
        "the password of {flag} is empty: give one, or leave {flag} out for a server without passwords"
    ))
}

/// The first line of a file.
fn read_file(path: &Path, warnings: &mut Vec<String>) -> Result<Secret, Failure> {
    let shown = path.display();
    let unreadable =
        |error: io::Error| Failure::usage(format!("cannot read --password-file {shown}: {error}"));
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let mode = metadata.permissions().mode() & 0o777;
    if metadata.is_file() && mode & 0o077 != 0 {
        warnings.push(format!(
            "--password-file {shown} can be used by others (mode {mode:04o}): chmod 600 {shown}"
        ));
    }
    let mut bytes = Vec::new();
    file.take(PASSWORD_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(Failure::usage(format!(
            "the first line of --password-file {shown} is longer than {PASSWORD_BYTES_MAX} bytes: is it the right file?"
        )));
    }
    let password = String::from_utf8(line.to_vec()).map_err(|_| {
        Failure::usage(format!(
            "the first line of --password-file {shown} is not UTF-8"
        ))
    })?;
    if password.is_empty() {
        return Err(empty("--password-file"));
    }
    Ok(Secret::new(password))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::io::Write;

    use super::*;
    use crate::flags::tests::fill;

    fn resolve(line: &str, auth: Option<&str>) -> Result<LoginChoice, Failure> {
        let environment = Environment {
            auth: auth.map(Into::into),
            ..Environment::default()
        };
        LoginChoice::resolve(&fill(line).unwrap().server, &environment)
    }

    fn login(line: &str, auth: Option<&str>) -> Login {
        resolve(line, auth)
            .unwrap()
            .log_in(|| Ok("asked".into()))
            .unwrap()
    }

    fn password(line: &str, auth: Option<&str>) -> Option<Secret> {
        login(line, auth).password
    }

    fn refused(line: &str, auth: Option<&str>) -> String {
        resolve(line, auth).unwrap_err().message
    }

    fn secret(text: &str) -> Option<Secret> {
        Some(Secret::new(text.into()))
    }

    fn file(content: &[u8], mode: u32) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file.as_file()
            .set_permissions(Permissions::from_mode(mode))
            .unwrap();
        file
    }

    #[test]
    fn flags_come_before_the_environment() {
        assert_eq!(password("-h x", None), None);
        assert_eq!(password("-h x", Some("")), None);
        assert_eq!(password("-h x", Some("env")), secret("env"));
        assert_eq!(password("-h x -a flag", Some("env")), secret("flag"));
        assert_eq!(
            password("-h x --ask-password", Some("env")),
            secret("asked")
        );
        assert_eq!(
            login("-h x -u me", Some("env")).username.as_deref(),
            Some("me")
        );
        let given_by = |line| resolve(line, Some("env")).unwrap().given_by;
        assert_eq!(given_by("-h x"), None);
        assert_eq!(given_by("-h x -a flag"), Some("password"));
    }

    #[test]
    fn the_first_line_of_a_file_is_the_password() {
        for content in [
            &b"pass word"[..],
            b"pass word\n",
            b"pass word\r\n",
            b"pass word\nmore\n",
        ] {
            let file = file(content, 0o600);
            let line = format!("-h x --password-file {}", file.path().display());
            assert_eq!(password(&line, Some("env")), secret("pass word"));
            assert!(resolve(&line, None).unwrap().warnings.is_empty());
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_warned_of() {
        let file = file(b"pw\n", 0o644);
        let line = format!("-h x --password-file {}", file.path().display());
        let warnings = resolve(&line, None).unwrap().warnings;
        assert!(
            warnings[0].contains("0644") && warnings[0].contains("chmod 600"),
            "{warnings:?}"
        );
    }

    #[test]
    fn what_cannot_be_a_password_is_refused() {
        let long = vec![b'a'; 70_000];
        for (content, words) in [
            (&b"\nnext\n"[..], "is empty"),
            (b"\xff\n", "not UTF-8"),
            (&long, "longer than"),
        ] {
            let file = file(content, 0o600);
            let message = refused(
                &format!("-h x --password-file {}", file.path().display()),
                None,
            );
            assert!(message.contains(words), "{message}");
        }
        assert!(refused("-h x --password-file /does/not/exist", None).contains("cannot read"));
        assert!(refused("-h x --password=", None).contains("-a is empty"));
        let choice = resolve("-h x --ask-password", None).unwrap();
        assert!(choice.log_in(|| Ok(String::new())).is_err());
    }

    #[test]
    fn two_ways_at_once_are_refused() {
        let message = refused("-h x -a hunter2 --ask-password", None);
        assert!(message.contains("-a and --ask-password"), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn a_user_without_a_password_is_refused() {
        let message = refused("-h x -u me", None);
        assert!(message.contains("-u needs a password"), "{message}");
    }

    #[test]
    fn without_a_terminal_the_cure_is_named() {
        let choice = resolve("-h x --ask-password", None).unwrap();
        let failure = choice
            .log_in(|| Err(io::Error::other("no tty")))
            .unwrap_err();
        assert!(
            failure.message.contains("--password-file"),
            "{}",
            failure.message
        );
        let choice = resolve("-h x --ask-password", None).unwrap();
        let failure = choice
            .log_in(|| Err(io::ErrorKind::Interrupted.into()))
            .unwrap_err();
        assert_eq!(failure.status.code(), 130);
    }
}
