//! What the program makes of its own flags for others: man pages and completions, and `make install`,
//! which puts them where they are looked for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::fixtures::program::binary;
use crate::fixtures::source::workspace;
use crate::fixtures::{Server, program};

/// Runs a command to its end; what it said.
#[track_caller]
fn run(command: &mut Command) -> Output {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is text")
}

/// Whether a shell is installed. `make test` installs all three.
fn is_there(shell: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(shell).is_file())
}

/// All man pages, written to a folder.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let write = program()
        .with("man --into")
        .arg(&folder.display().to_string());
    write.run().succeeds();
    let entries = fs::read_dir(folder).expect("there is a folder");
    let mut pages: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    pages.sort();
    pages
}

#[test]
fn every_man_page_renders_without_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let pages = pages(folder.path());
    let names: Vec<_> = pages
        .iter()
        .map(|page| page.file_name().expect("a name").to_string_lossy())
        .collect();
    for name in [
        "redis-client.1",
        "redis-client-fill.1",
        "redis-client-verify.1",
        "redis-client-presets.1",
    ] {
        assert!(names.contains(&name.into()), "{names:?}");
    }
    for page in &pages {
        for device in ["utf8", "ascii", "ps"] {
            let groff = run(Command::new("groff")
                .args(["-man", "-ww", "-z", "-T", device])
                .arg(page));
            assert_eq!(text(&groff.stderr), "", "{}", page.display());
        }
        let man = run(Command::new("man")
            .arg("--warnings")
            .arg("-l")
            .arg(page)
            .env("MANWIDTH", "80")
            .env("LC_ALL", "C.UTF-8"));
        assert_eq!(text(&man.stderr), "", "{}", page.display());
    }
}

#[test]
fn a_man_page_says_what_the_help_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("fill.1");
    let printed = program().with("man fill").run();
    printed.succeeds();
    fs::write(&page, &printed.stdout).expect("a file");
    let man = run(Command::new("man")
        .arg("-l")
        .arg(&page)
        .env("MANWIDTH", "100")
        .env("LC_ALL", "C.UTF-8"));
    // Without what terminals make bold.
    let shown = text(&man.stdout);
    let help = program().with("fill --help").run();
    let flags = help
        .stdout
        .split_whitespace()
        .filter(|word| word.starts_with("--"));
    let flags: Vec<_> = flags
        .map(|flag| flag.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()))
        .collect();
    assert!(flags.len() > 40, "{flags:?}");
    for flag in flags {
        printed.check(shown.contains(flag), &format!("{flag} is missing"));
    }
    // Tables and examples keep their lines.
    let example = help
        .stdout
        .lines()
        .find(|line| line.contains("--until-memory 75%   "))
        .expect("an example");
    printed.check(shown.contains(example.trim()), "an example is torn");
    for title in [
        "PRESETS",
        "PRECEDENCE",
        "CONFIG FILE",
        "EXIT STATUS",
        "SEE ALSO",
    ] {
        printed.check(shown.lines().any(|line| line == title), title);
    }
}

#[test]
fn pages_and_shells_that_there_are_not() {
    for (args, words) in [
        ("man fil", ["'fil'", "did you mean fill?"]),
        ("man fill --into /tmp", ["--into", "leave the command out"]),
        ("man --into /dev/null/x", ["--into", "/dev/null/x"]),
        (
            "completions tcsh",
            ["'tcsh' is not known", "bash, zsh or fish"],
        ),
        ("completions zshh", ["zshh", "did you mean zsh?"]),
        ("completions", ["name the shell", "bash, zsh or fish"]),
        ("completions bash zsh", ["zsh", "unexpected"]),
    ] {
        program().with(args).run().is_refused(2, words);
    }
}

/// The script for a shell, in a file.
fn script(folder: &Path, shell: &str) -> PathBuf {
    let printed = program().with("completions").arg(shell).run();
    printed.succeeds();
    let file = folder.join(format!("_redis-client.{shell}"));
    fs::write(&file, &printed.stdout).expect("a file");
    file
}

#[test]
fn bash_completes() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = script(folder.path(), "bash");
    let complete = |words: &str| {
        let program = format!(
            "source '{}'; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             function=$(complete -p redis-client | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
             $function redis-client \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; \
             echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let output = run(Command::new("bash").args(["--norc", "-c", &program]));
        assert_eq!(text(&output.stderr), "");
        text(&output.stdout)
    };
    assert!(complete("redis-client ver").contains("verify"));
    let flags = complete("redis-client fill --pipe");
    assert_eq!(flags.trim(), "--pipeline-depth");
    assert!(complete("redis-client fill --preset b").contains("balanced"));
    assert!(complete("redis-client completions z").contains("zsh"));
}

#[test]
fn zsh_loads_its_completions() {
    if !is_there("zsh") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = script(folder.path(), "zsh");
    fs::rename(script, folder.path().join("_redis-client")).expect("it moves");
    let program = format!(
        "fpath=('{}' $fpath); autoload -Uz compinit && compinit -u -D && \
         print -r -- $_comps[redis-client] && autoload +X -Uz _redis-client && print -r -- $functions[_redis-client]",
        folder.path().display()
    );
    let zsh = run(Command::new("zsh")
        .args(["-f", "-c", &program])
        .env("HOME", folder.path()));
    assert_eq!(text(&zsh.stderr), "");
    let said = text(&zsh.stdout);
    assert!(said.starts_with("_redis-client\n"), "{said}");
    assert!(
        said.contains("--pipeline-depth") && said.contains("balanced"),
        "{said}"
    );
}

#[test]
fn fish_completes() {
    if !is_there("fish") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = script(folder.path(), "fish");
    let complete = |words: &str| {
        let program = format!("source '{}'; complete -C '{words}'", script.display());
        let fish = run(Command::new("fish")
            .args(["--no-config", "-c", &program])
            .env("HOME", folder.path()));
        assert_eq!(text(&fish.stderr), "");
        text(&fish.stdout)
    };
    assert!(complete("redis-client ver").contains("verify"));
    assert!(complete("redis-client fill --pipe").contains("--pipeline-depth"));
    assert!(complete("redis-client fill --preset b").contains("balanced"));
}

#[test]
fn what_make_install_puts_there_works_from_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let install = |variables: &[String]| {
        // The program that is tested, instead of building the optimised one.
        let program = format!("PROGRAM={}", binary().display());
        let mut make = Command::new("make");
        make.args(["-s", "-o", "build", "install", &program])
            .args(variables);
        let output = run(make
            .current_dir(workspace())
            .env_remove("MAKEFLAGS")
            .env_remove("MAKELEVEL"));
        assert_eq!(text(&output.stdout), "");
    };
    let of = |path: &Path| path.display().to_string();
    let staged = folder.path().join("staged");
    install(&[format!("DESTDIR={}", of(&staged)), "PREFIX=/usr".to_owned()]);
    let direct = folder.path().join("direct");
    install(&[format!("PREFIX={}", of(&direct))]);
    for prefix in [staged.join("usr"), direct] {
        for file in [
            "bin/redis-client",
            "share/man/man1/redis-client.1",
            "share/man/man1/redis-client-fill.1",
            "share/man/man1/redis-client-verify.1",
            "share/bash-completion/completions/redis-client",
            "share/zsh/site-functions/_redis-client",
            "share/fish/vendor_completions.d/redis-client.fish",
        ] {
            let metadata =
                fs::metadata(prefix.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(metadata.len() > 100, "{file}");
        }
        let manual = run(Command::new("man")
            .args(["-w", "redis-client-fill"])
            .env("MANPATH", prefix.join("share/man")));
        assert_eq!(
            text(&manual.stdout).trim(),
            of(&prefix.join("share/man/man1/redis-client-fill.1"))
        );
        let server = Server::start();
        let fill = program().from(&prefix.join("bin/redis-client"));
        let fill = fill
            .with("fill -h 127.0.0.1 --keys 300 -p")
            .arg(&server.port().to_string());
        fill.run().succeeds();
        assert_eq!(server.dbsize(), 300);
    }
}
