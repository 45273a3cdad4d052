//! Whether io_uring can be used here, and what stands in the way. Sends nothing.

use super::{ENTRIES, ring};
use crate::machine::Unavailable;

/// Whether a ring can be set up here.
///
/// # Errors
/// The cause, and what would have to be changed.
pub fn availability() -> Result<(), Unavailable> {
    let unavailable = |cause: &str, cure: &str| {
        Err(Unavailable {
            cause: cause.to_owned(),
            cure: cure.to_owned(),
        })
    };
    match ring::set_up(ENTRIES.0) {
        Ok(ring)
            if !ring.params().is_feature_ext_arg() || !ring.params().is_feature_fast_poll() =>
        {
            unavailable(
                "this kernel's io_uring is too old",
                "Linux 5.11 or later is needed",
            )
        }
        Ok(_) => Ok(()),
        Err(error) => match error.raw_os_error() {
            Some(libc::ENOSYS) => unavailable(
                "this kernel has no io_uring",
                "Linux 5.11 or later is needed",
            ),
            Some(libc::ENOMEM) => unavailable(
                "the kernel has no memory for a ring (RLIMIT_MEMLOCK)",
                "raise `ulimit -l`",
            ),
            Some(libc::EPERM) => {
                match std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
                    .unwrap_or_default()
                    .trim()
                {
                    "2" => unavailable(
                        "it is switched off for everybody (kernel.io_uring_disabled = 2)",
                        "an administrator can allow it with `sysctl kernel.io_uring_disabled=0`",
                    ),
                    "1" => unavailable(
                        "it is switched off for ordinary users (kernel.io_uring_disabled = 1)",
                        "run as root, join the group named by kernel.io_uring_group, or `sysctl kernel.io_uring_disabled=0`",
                    ),
                    _ => unavailable(
                        "a seccomp profile forbids it (the default of Docker and containerd)",
                        "start the container with a profile that allows io_uring_setup, io_uring_enter and io_uring_register",
                    ),
                }
            }
            _ => unavailable(&error.to_string(), "see io_uring_setup(2)"),
        },
    }
}
