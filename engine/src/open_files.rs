//! The limit of open files, raised as far as a fill needs it.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files that are open beside the connections: rings, standard streams.
const BESIDE_CONNECTIONS: u64 = 64;

/// Raises the limit for so many connections. Where the system does not allow that: a warning.
pub(crate) fn raise_for(connections: u64) -> Option<String> {
    let needed = connections + BESIDE_CONNECTIONS;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    let is_refused =
        soft < needed && setrlimit(Resource::RLIMIT_NOFILE, needed.min(hard), hard).is_err();
    (is_refused || hard < needed).then(|| {
        format!(
            "only {hard} files may be open (`ulimit -Hn`), {needed} are needed: some connections will fail; use fewer (-n)"
        )
    })
}
