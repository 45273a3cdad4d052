//! Counts the instructions of a hot path. The path runs in a process of its own, once and twice:
//! what the second run takes longer is the path alone, without whatever surrounds it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Result;
use crate::process::failure;
use crate::regress::paths::HotPath;
use crate::safety::counter::Counter;

/// The C library is to copy and compare memory in the same way on every processor.
const PLAIN_COPIES: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-BMI2,-ERMS,\
-FSRM,-SSE4_1,-SSE4_2,-SSSE3,-AVX_Fast_Unaligned_Load,-Fast_Unaligned_Copy";

/// Instructions per frame or reply of `path`, counted by running `program` (this one) as
/// `program count <path> <times>`, which prints how many there were.
///
/// # Errors
/// Valgrind is missing, or the program fails.
pub fn instructions(program: &Path, path: &HotPath) -> Result<f64> {
    let (once, first) = run(program, path, 1)?;
    let (twice, both) = run(program, path, 2)?;
    if first == 0 || both != 2 * first {
        return Err(format!("{}: {first} units at first, then {both}", path.name).into());
    }
    Ok((twice - once) / first as f64)
}

/// Instructions of the whole process, and what it prints.
fn run(program: &Path, path: &HotPath, times: u64) -> Result<(f64, u64)> {
    let count = Counter::Valgrind.begin()?;
    let wrapper = count.wrapper();
    let mut command = Command::new(&wrapper[0]);
    command
        .args(&wrapper[1..])
        .arg(program)
        .args(["count", path.name, &times.to_string()])
        .env("GLIBC_TUNABLES", PLAIN_COPIES)
        .stdin(Stdio::null());
    let output = command.output().map_err(|error| {
        format!("valgrind cannot be run ({error}); Debian: apt-get install valgrind")
    })?;
    if !output.status.success() {
        return Err(failure(&command, &output).into());
    }
    let units = String::from_utf8_lossy(&output.stdout).trim().parse()?;
    Ok((count.read()?.user, units))
}
