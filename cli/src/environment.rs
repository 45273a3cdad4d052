//! The environment variables that the program reads, as a value, so that tests can make one up.

use std::ffi::OsString;
use std::path::PathBuf;

/// The variable that sets the pipeline depth where neither flag nor preset does.
pub(crate) const CHUNK_VARIABLE: &str = "REDIS_CLIENT_FILL_CHUNK_KB";
/// The variable that redis-cli reads too.
pub(crate) const AUTH_VARIABLE: &str = "REDISCLI_AUTH";

/// The environment variables that the program reads.
#[derive(Default)]
pub(crate) struct Environment {
    /// `REDIS_CLIENT_FILL_CHUNK_KB`.
    pub(crate) chunk_kib: Option<OsString>,
    /// `REDISCLI_AUTH`. Secret, hence no `Debug`.
    pub(crate) auth: Option<OsString>,
    /// The user's home folder.
    pub(crate) home: Option<PathBuf>,
    /// The user's folder for config files: `XDG_CONFIG_HOME`, which counts where it is absolute, else
    /// `.config` in the home folder.
    pub(crate) config_home: Option<PathBuf>,
}

impl Environment {
    /// That of this process.
    pub(crate) fn of_process() -> Self {
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let config_home = std::env::var_os("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .filter(|folder| folder.is_absolute())
            .or_else(|| home.as_ref().map(|home| home.join(".config")));
        Self {
            chunk_kib: std::env::var_os(CHUNK_VARIABLE),
            auth: std::env::var_os(AUTH_VARIABLE),
            home,
            config_home,
        }
    }
}
