//! The profile program as it is used, with a small fill.

use std::process::Command;

/// Whether perf is here and may record.
fn perf_records() -> bool {
    let folder = tempfile::tempdir().expect("a folder");
    let tried = Command::new("perf")
        .args(["record", "-q", "-o"])
        .arg(folder.path().join("data"))
        .arg("true")
        .output();
    tried.is_ok_and(|output| output.status.success())
}

#[test]
fn client_and_server_are_drawn_and_their_hot_spots_named() {
    if !perf_records() {
        eprintln!("left out: perf is missing, or may not record");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_profile"))
        .args(["--mib", "64", "--driver", "socket", "--server", "--folder"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{trouble}");
    assert_eq!(said.matches(" %  ").count(), 10, "{said}");
    for name in ["client.svg", "server.svg"] {
        let svg = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(svg.contains("<svg") && svg.contains("samples"), "{name}");
    }
}
