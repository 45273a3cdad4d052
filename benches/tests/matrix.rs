//! The matrix program as it is used, with two small cells: a server, and a cluster.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use benches::matrix::line::{self, Line};
use benches::matrix::measure;

const DOCUMENT: &str = "<!-- baseline:begin -->\n<!-- baseline:end -->\n";

fn matrix(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_matrix"));
    command
        .args(arguments.split_whitespace())
        .arg("--folder")
        .arg(folder);
    let output = command.output().expect("the matrix program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "matrix {arguments}: {said}");
    output
}

fn lines(folder: &Path, name: &str) -> Vec<Line> {
    let path = folder.join("benches/results").join(name);
    line::read(&path).expect("the results can be read")
}

#[test]
fn two_cells_from_servers_to_charts() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("PERFORMANCE.md"), DOCUMENT).unwrap();
    matrix(folder, "run baseline --test --budget 0s");
    assert!(
        lines(folder, "baseline.jsonl").is_empty(),
        "no time, no run"
    );

    matrix(folder, "run baseline --test");
    let first = lines(folder, "baseline.jsonl");
    assert_eq!(first.len(), 2);
    for line in &first {
        let figures = line
            .figures()
            .unwrap_or_else(|| panic!("{:?}", line.outcome));
        assert_eq!(figures.keys_present, line.keys_asked);
        assert!(figures.payload_mib_per_second > 0.0 && figures.link_mib_per_second > 0.0);
        assert!(
            figures
                .server_memory_bytes_per_key
                .is_some_and(|bytes| bytes > 320.0)
        );
    }
    matrix(folder, "run baseline --test");
    assert_eq!(
        lines(folder, "baseline.jsonl"),
        first,
        "what is done is not done again"
    );
    matrix(folder, "run baseline --test --fresh");
    assert_eq!(lines(folder, "baseline.jsonl").len(), 2);

    matrix(folder, "report");
    let text = fs::read_to_string(folder.join("PERFORMANCE.md")).unwrap();
    assert!(text.contains("cluster-3, 64/256"), "{text}");
    let chart = folder.join("docs/charts/baseline-cluster-overhead.svg");
    assert!(fs::read_to_string(chart).unwrap().contains("cluster-3"));

    for label in ["before", "after"] {
        matrix(folder, &format!("run baseline --test --label {label}"));
    }
    let compared = matrix(folder, "compare before after").stdout;
    let compared = String::from_utf8(compared).unwrap();
    assert!(compared.contains("Of 2 cells"), "{compared}");
}

#[test]
fn a_flame_graph_lies_beside_the_results() {
    let can_record = Command::new("perf")
        .args(["record", "-o", "/dev/null", "true"])
        .output();
    if !can_record.is_ok_and(|output| output.status.success()) {
        eprintln!("perf may not record here: nothing to see");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    matrix(folder.path(), "run baseline --test --mib 64 --profile");
    for line in lines(folder.path(), "baseline.jsonl") {
        let svg = measure::flame_graph(&folder.path().join("benches/results/profiles"), &line.cell);
        assert!(
            fs::read_to_string(&svg).unwrap().contains("<svg"),
            "{}",
            svg.display()
        );
    }
}
