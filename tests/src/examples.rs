//! The examples of the pages for users, run as they are written. Every line of a ```` ```bash ````
//! block that calls `redis-client` is run in a network of its own, where `localhost:6379` is a fresh
//! server, or one of three masters where the line says `-c`. What differs from the page:
//!
//! - Amounts are small: what follows `-d`, `--keys` from 1000 on and `--append` is replaced. With
//!   `--dry-run` in front of its flags each line is run once more, amounts and all as written.
//! - Before each line the databases are emptied; before a `verify` they are filled by its own flags.
//! - Where `--until-memory` names a part of maxmemory, there is a small maxmemory.
//! - Without jq on the machine the lines end in front of it.
//!
//! A line that is meant to fail says so in its comment: `# exit status 2`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::fixtures::jail;
use crate::fixtures::program::binary;
use crate::fixtures::source::workspace;

const PAGES: [&str; 5] = [
    "README.md",
    "docs/USAGE.md",
    "docs/DOCTOR.md",
    "docs/TROUBLESHOOTING.md",
    "docs/RELIABILITY.md",
];

/// Servers of these ports, a user, a file with the user's password; then the lines.
const SERVE: &str = r#"
    set -o pipefail
    redis-server --port 6379 --save '' $SETTINGS >/dev/null & servers=$!
    if [ -n "$SETTINGS" ]; then
        for port in 6380 6381; do
            redis-server --port $port --save '' $SETTINGS --cluster-config-file $port.conf >/dev/null &
            servers="$servers $!"
        done
    fi
    trap 'kill $servers' EXIT
    for port in $PORTS; do
        until redis-cli -p $port ping >/dev/null 2>&1; do sleep 0.02; done
        redis-cli -p $port acl setuser filler on '>secret' '~*' '+@all' >/dev/null
    done
    (umask 077; echo secret > password.txt)
    if [ -n "$SETTINGS" ]; then
        redis-cli --cluster create 127.0.0.1:6379 127.0.0.1:6380 127.0.0.1:6381 --cluster-yes >/dev/null
        for port in $PORTS; do
            until redis-cli -p $port cluster info | grep -q cluster_state:ok; do sleep 0.02; done
        done
    fi
    fresh() {
        for port in $PORTS; do
            redis-cli -p $port config set maxmemory "$1" >/dev/null
            redis-cli -p $port flushall >/dev/null
        done
    }
"#;

/// One line of a page.
#[derive(Debug)]
struct Example {
    page: &'static str,
    /// Without its comment.
    command: String,
    /// How it shall end.
    status: i32,
    /// Whether it is about a cluster.
    is_cluster: bool,
}

impl Example {
    /// `None` where the line does not call the program.
    fn parse(page: &'static str, line: &str, has_jq: bool) -> Option<Self> {
        let (command, comment) = line.split_once(" #").unwrap_or((line, ""));
        let is_call = |word: &&str| *word == "redis-client";
        let before: Vec<&str> = command
            .split(' ')
            .take_while(|word| !is_call(word))
            .collect();
        let is_called = command.split(' ').any(|word| is_call(&word))
            && before.iter().all(|word| word.contains('='));
        let command = match command.split_once(" | jq") {
            Some((call, _)) if !has_jq => call,
            _ => command,
        };
        let status = comment.split_once("exit status ").map_or(0, |(_, status)| {
            let digits = status.split(|c: char| !c.is_ascii_digit()).next();
            digits
                .and_then(|digits| digits.parse().ok())
                .expect("an exit status is a number")
        });
        is_called.then(|| Self {
            page,
            command: command.trim().to_owned(),
            status,
            is_cluster: command.contains(" -c ") || comment.contains("a node of a cluster"),
        })
    }

    /// With small amounts.
    fn small(&self) -> String {
        let mut words: Vec<&str> = self.command.split(' ').collect();
        for at in 1..words.len() {
            let is_number = words[at].bytes().all(|byte| byte.is_ascii_digit());
            words[at] = match words[at - 1] {
                "-d" => "2mb",
                "--append" if is_number => "2000",
                "--append" => "2mb",
                "--keys" if words[at].len() > 3 => "2000",
                _ => words[at],
            };
        }
        words.join(" ")
    }

    /// The fill that a `verify` is about: the same flags, but for those that say how to look.
    fn fill_before(&self) -> Option<String> {
        let small = self.small();
        let call = small.split(" | ").next()?;
        let flags = call.strip_prefix("redis-client verify ")?;
        let mut words = flags.split(' ');
        let mut kept = vec!["redis-client fill"];
        while let Some(word) = words.next() {
            if word == "--sample" {
                words.next();
            } else {
                kept.push(word);
            }
        }
        Some(kept.join(" "))
    }

    /// As written, with `--dry-run`; `None` where that would say nothing.
    fn dry(&self) -> Option<String> {
        let is_dry = self.command.contains(" --dry-run");
        let is_fill = self.command.contains("redis-client fill ");
        (is_fill && !is_dry && self.status == 0)
            .then(|| self.command.replacen(" fill ", " fill --dry-run ", 1))
    }
}

/// Every example of the pages.
fn examples() -> Vec<Example> {
    let jq = Command::new("jq")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let has_jq = jq.is_ok_and(|status| status.success());
    let mut examples = Vec::new();
    for page in PAGES {
        let text = std::fs::read_to_string(workspace().join(page)).expect("the page can be read");
        let mut in_block = false;
        for line in text.lines() {
            if line.starts_with("```") {
                in_block = line == "```bash";
            } else if in_block {
                examples.extend(Example::parse(page, line, has_jq));
            }
        }
    }
    examples
}

/// A shell script that runs examples one after another, and each command with its example. What the
/// command of a number said is left in `out.N` and `err.N`, how it ended in `status.N`.
fn script<'a>(examples: &[&'a Example]) -> (String, Vec<(String, &'a Example)>) {
    let mut script = SERVE.to_owned();
    let mut runs = Vec::new();
    for example in examples {
        let is_of_maxmemory = ["--until-memory", "%"]
            .iter()
            .all(|word| example.command.contains(word));
        let maxmemory = if is_of_maxmemory { "12mb" } else { "0" };
        let before = example.fill_before().unwrap_or_else(|| ":".into());
        for command in [Some(example.small()), example.dry()].into_iter().flatten() {
            let number = runs.len();
            let _ = write!(
                script,
                "fresh {maxmemory}; {{ {before}; }} >before.{number} 2>&1\n\
                 {{ {command}; }} >out.{number} 2>err.{number} </dev/null; echo $? >status.{number}\n"
            );
            runs.push((command, *example));
        }
    }
    (script, runs)
}

/// Runs examples and asserts how each ends; does nothing where namespaces are not permitted.
fn run(examples: &[&Example], is_cluster: bool, folder: &Path) {
    let Some(network) = jail::in_a_network_of_its_own() else {
        return;
    };
    std::os::unix::fs::symlink(binary(), folder.join("redis-client")).expect("a link");
    let (script, runs) = script(examples);
    let (settings, ports) = if is_cluster {
        ("--cluster-enabled yes", "6379 6380 6381")
    } else {
        ("", "6379")
    };
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(&network[0])
        .args(&network[1..])
        .args(["bash", "-c", &script])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", folder.display()))
        .env("HOME", folder)
        .env("SETTINGS", settings)
        .env("PORTS", ports)
        .env_remove("REDISCLI_AUTH")
        .env_remove("REDIS_CLIENT_FILL_CHUNK_KB")
        .output()
        .expect("unshare is there");
    let mut complaints = Vec::new();
    for (number, (command, example)) in runs.iter().enumerate() {
        let said = |what: &str| {
            std::fs::read_to_string(folder.join(format!("{what}.{number}"))).unwrap_or_default()
        };
        let is_dry = command.contains(" --dry-run");
        let is_empty = !is_dry && command.contains("| jq") && said("out").trim() == "null";
        let status = said("status");
        if status.trim() != example.status.to_string() || is_empty {
            let said = ["before", "out", "err"].map(said).concat();
            complaints.push(format!(
                "{}: {command}\nended with {status}{said}",
                example.page
            ));
        }
    }
    let shell = String::from_utf8_lossy(&output.stderr);
    assert!(complaints.is_empty(), "{}\n{shell}", complaints.join("\n"));
}

/// Runs those of a cluster, or the others.
fn run_those(is_cluster: bool, at_least: usize) {
    let all = examples();
    let examples: Vec<&Example> = all
        .iter()
        .filter(|one| one.is_cluster == is_cluster)
        .collect();
    assert!(
        examples.len() >= at_least,
        "the examples are not found: {examples:?}"
    );
    let folder = TempDir::with_prefix("redis-client-test-").expect("a temporary folder");
    run(&examples, is_cluster, folder.path());
}

#[test]
fn those_of_a_server_run_as_written() {
    run_those(false, 50);
}

#[test]
fn those_of_a_cluster_run_as_written() {
    run_those(true, 15);
}

#[test]
fn an_example_is_told_from_other_lines() {
    let parse = |line: &str| Example::parse("README.md", line, true);
    assert!(parse("make demo    # redis-client").is_none());
    let example =
        parse("A=4 redis-client fill -h localhost -d 10 -n 2 | jq .verdict   # exit status 2: no");
    let example = example.expect("it is one");
    assert_eq!(example.status, 2);
    assert_eq!(
        example.small(),
        "A=4 redis-client fill -h localhost -d 2mb -n 2 | jq .verdict"
    );
    assert_eq!(example.dry(), None);
    let example = parse("redis-client verify -h localhost --keys 257 --sample 1% -q | jq .wrong")
        .expect("it is one");
    let fill = example.fill_before();
    assert_eq!(
        fill.as_deref(),
        Some("redis-client fill -h localhost --keys 257 -q")
    );
}
