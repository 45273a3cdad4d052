//! The environment variables that the program reads, as a value, so that tests can make one up.

use std::ffi::OsString;

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
}

impl Environment {
    /// That of this process.
    pub(crate) fn of_process() -> Self {
        Self {
            chunk_kib: std::env::var_os(CHUNK_VARIABLE),
            auth: std::env::var_os(AUTH_VARIABLE),
        }
    }
}
