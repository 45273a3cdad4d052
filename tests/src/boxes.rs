//! What surrounds the program: shell scripts, the box for other systems, the workflow of the
//! runners. Where a tool is missing, `make tools` installs it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::fixtures::jail::throwaway_system;
use crate::fixtures::source::workspace;

/// Whether a tool is content, and what it says.
fn judged(tool: impl AsRef<Path>, arguments: &[&str], files: &[PathBuf]) -> (bool, String) {
    let tool = tool.as_ref();
    let output = Command::new(tool).args(arguments).args(files).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{}: {error}; is it installed? (make tools)", tool.display());
    });
    (output.status.success(), said(&output))
}

fn said(output: &Output) -> String {
    let bytes = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file with this name and text; it goes away with the folder.
fn written(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    fs::write(&path, text).expect("the folder is ours");
    (folder, path)
}

fn scripts() -> Vec<PathBuf> {
    let folders = ["scripts", "vagrant", ".ci"].map(|folder| workspace().join(folder));
    let entries = folders.iter().flat_map(|folder| {
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    });
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let is_script = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "sh")
            || text_of(path).starts_with("#!")
    };
    paths.filter(is_script).collect()
}

#[test]
fn shellcheck_finds_nothing_in_any_script() {
    let scripts = scripts();
    assert!(scripts.len() >= 12, "{scripts:?}");
    let (is_content, said) = judged("shellcheck", &["--external-sources"], &scripts);
    assert!(is_content, "{said}");

    let (_folder, careless) = written("careless.sh", "#!/bin/sh\nrm $1\n");
    assert!(!judged("shellcheck", &[], &[careless]).0);
}

/// Plays Vagrant: evaluates a Vagrantfile and prints what it sets, a line each.
const VAGRANT: &str = r##"
    class Taker < BasicObject
      def initialize(name) = @name = name
      def method_missing(method, *arguments, **options)
        words = arguments.map(&:inspect) + options.map { |key, value| "#{key}: #{value.inspect}" }
        name = "#{@name}.#{method}"
        ::Kernel.puts("#{name} #{words.join(", ")}") unless words.empty?
        if ::Kernel.block_given?
          yield ::Taker.new(arguments.first), ::Taker.new("#{arguments.first}.override")
        end
        ::Taker.new(name)
      end
      def respond_to_missing?(*) = true
    end
    module Vagrant
      def self.configure(version) = yield(Taker.new("config"))
    end
    load ARGV[0]
"##;

#[test]
fn the_vagrantfile_makes_a_box_with_each_provider() {
    let file = workspace().join("vagrant/Vagrantfile");
    let (is_content, said) = judged("ruby", &["-c"], std::slice::from_ref(&file));
    assert!(is_content, "{said}");
    let (is_content, set) = judged("ruby", &["-e", VAGRANT], &[file]);
    assert!(is_content, "{set}");
    for line in [
        r#"config.vm.box= "bento/debian-12""#,
        "virtualbox.memory= 6144",
        "parallels.cpus= 4",
        r#"vmware_desktop.vmx.[]= "memsize", "6144""#,
        r#"libvirt.override.vm.box= "debian/bookworm64""#,
        r#"config.vm.synced_folder "..", "/home/vagrant/redis-client""#,
    ] {
        assert!(
            set.lines().any(|set| set == line),
            "{line} is not in\n{set}"
        );
    }
    let scripts: Vec<_> = set.split("path: \"").skip(1).collect();
    assert_eq!(scripts.len(), 2, "{set}");
    for script in scripts {
        let name = script.split('"').next().expect("a quoted name");
        assert!(workspace().join("vagrant").join(name).is_file(), "{name}");
    }
}

/// Provisions for root and the checkout `$1`, twice, and looks at what came of it. At least one
/// package is missing before.
const TWICE: &str = r#"
    dpkg --purge iftop >/dev/null 2>&1
    for run in 1 2; do echo "run $run"; "$1/vagrant/provision.sh" root "$1" || exit; done
    cat /etc/security/limits.d/90-redis-client.conf
    for program in redis-server perf iftop; do command -v $program; done
"#;

#[test]
fn the_box_is_provisioned_and_then_left_as_it_is() {
    let Some(wrapper) = throwaway_system() else {
        return;
    };
    let checkout = workspace();
    let mut command = Command::new(&wrapper[0]);
    command.args(&wrapper[1..]).arg("sh").arg("-c").arg(TWICE);
    command.arg("sh").arg(&checkout).env("RUST", toolchain());
    let output = command.output().expect("the shell runs");
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    let (_, runs) = said.split_once("run 1\n").expect("it begins");
    let (first, second) = runs.split_once("run 2\n").expect("it goes on");
    let changes = |run: &str| run.lines().filter(|line| line.starts_with('+')).count();
    assert!(
        first.contains("+ installed ") && changes(first) >= 3,
        "{said}"
    );
    assert_eq!(changes(second), 0, "{said}");
    assert!(second.contains("* hard memlock unlimited"), "{said}");
    let made = Path::new("/etc/security/limits.d/90-redis-client.conf");
    assert!(!made.exists(), "the system was not thrown away");
}

/// The compiler that is at work here, by the name that rustup has for it: no other is to be
/// downloaded.
fn toolchain() -> String {
    let (is_content, said) = judged("rustup", &["show", "active-toolchain"], &[]);
    assert!(is_content, "{said}");
    let name = said.split_whitespace().next();
    name.expect("there is a compiler").to_owned()
}

#[test]
fn the_workflow_keeps_to_the_schema() {
    let tool = workspace().join("target/tools/python/bin/check-jsonschema");
    let schema = ["--builtin-schema", "vendor.github-workflows"];
    let workflow = workspace().join(".github/workflows/ci.yml");
    let (is_content, said) = judged(&tool, &schema, std::slice::from_ref(&workflow));
    assert!(is_content, "{said}");

    let misspelt = text_of(&workflow).replace("runs-on:", "run-on:");
    let (_folder, misspelt) = written("ci.yml", &misspelt);
    assert!(!judged(&tool, &schema, &[misspelt]).0);
}

#[test]
fn the_workflow_calls_what_there_is_and_pins_what_it_takes() {
    let workflow = text_of(&workspace().join(".github/workflows/ci.yml"));
    let makefile = text_of(&workspace().join("Makefile"));
    let targets: BTreeSet<_> = makefile
        .lines()
        .filter(|line| line.contains(" ## "))
        .filter_map(|line| line.split_once(':').map(|(target, _)| target))
        .collect();
    let called = workflow.split("make ").skip(1);
    let called: BTreeSet<_> = called
        .filter_map(|rest| rest.split_whitespace().next())
        .collect();
    assert!(called.len() >= 6, "{called:?}");
    assert!(called.is_subset(&targets), "{called:?} of {targets:?}");
    for needed in ["check", "test", "audit", "regress", "box"] {
        assert!(called.contains(needed), "nothing calls make {needed}");
    }

    for line in workflow.lines().filter(|line| line.contains("uses:")) {
        let (_, reference) = line.split_once('@').expect("an action has a version");
        let (commit, tag) = reference.split_once(" # v").expect("a tag as a comment");
        let is_hash = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_hash && tag.contains('.'), "{line}");
    }
    let jobs = workflow.matches("runs-on:").count();
    assert_eq!(jobs, workflow.matches("timeout-minutes:").count());
    assert_eq!(
        workflow.matches("permissions:\n  contents: read\n").count(),
        1
    );
    assert!(!workflow.contains("write"), "a job may write");
}

#[test]
fn dependencies_come_from_crates_io_alone() {
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let text = text_of(&workspace().join(lock));
        let sources: BTreeSet<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("source = "))
            .collect();
        let crates_io = r#""registry+https://github.com/rust-lang/crates.io-index""#;
        assert_eq!(sources, BTreeSet::from([crates_io]), "{lock}");
    }
}
