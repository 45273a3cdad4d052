//! The config file, as a user meets it: defaults and presets that are in force, and mistakes that are
//! refused before anybody is contacted.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::fixtures::program::{Invocation, fill_port};
use crate::fixtures::{Fake, Server, fill, verify};

const CHUNK: &str = "REDIS_CLIENT_FILL_CHUNK_KB";

/// A user's folder for config files, with one of ours.
struct Home(TempDir);

impl Home {
    fn with(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ours = folder.path().join("redis-client");
        fs::create_dir(&ours).expect("a folder");
        fs::write(ours.join("config.toml"), text).expect("a file");
        Self(folder)
    }

    fn file(&self) -> String {
        self.path().display().to_string()
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("redis-client/config.toml")
    }

    /// The command, run by this user.
    fn runs<'a>(&self, command: Invocation<'a>) -> Invocation<'a> {
        command.env("XDG_CONFIG_HOME", &self.0.path().display().to_string())
    }
}

#[test]
fn flag_preset_environment_config_file_default() {
    let server = Server::start();
    let home = Home::with(
        "[defaults]\npipeline-depth = 50\nvalue-size = 60\n[presets.p]\npipeline-depth = 40\n",
    );
    for (args, chunk, depth, source) in [
        ("--pipeline-depth 30 --preset p", Some("64"), 30, "flag"),
        ("--preset p", Some("64"), 40, "preset"),
        ("", Some("64"), 64 * 1024 / (512 + 60 + 60), "env"),
        ("", None, 50, "config"),
        ("--config /dev/null", None, 7738, "default"),
    ] {
        server.clear();
        let mut command = home.runs(fill(&server).with("--keys 500").with(args));
        if let Some(chunk) = chunk {
            command = command.env(CHUNK, chunk);
        }
        let is_of_file = !args.contains("/dev/null");
        command.completes(500).has([
            ("plan.pipeline_depth", depth.into()),
            ("plan.sources.pipeline-depth", source.into()),
            ("plan.value_size", if is_of_file { 60 } else { 512 }.into()),
            (
                "plan.sources.value-size",
                if is_of_file { "config" } else { "default" }.into(),
            ),
        ]);
    }
}

#[test]
fn verify_looks_for_what_the_file_had_filled() {
    let server = Server::start();
    let home = Home::with(
        "[defaults]\nkey-prefix = 'mine:'\nkey-size = 40\nvalue-size = 60\nseed = 7\nconnections = 3\n",
    );
    home.runs(fill(&server).with("--keys 500")).completes(500);
    assert_eq!(server.count("mine:*"), 500);
    home.runs(verify(&server).with("--keys 500"))
        .run()
        .succeeds();
    verify(&server).with("--keys 500").run().exits_with(1);
}

#[test]
fn the_server_may_be_named_by_the_file_and_log_in_by_it() {
    let server = Server::start();
    server.run("CONFIG SET requirepass opensesame");
    let home = Home::with(&format!(
        "[defaults]\nhost = '127.0.0.1'\nport = {}\npassword-file = 'redis.pw'\nquiet = true\n",
        server.port()
    ));
    let password = home.path().with_file_name("redis.pw");
    fs::write(&password, "opensesame\n").expect("a file");
    let fill = crate::fixtures::program().with("fill --keys 500");
    let outcome = home.runs(fill.clone()).run();
    outcome.succeeds().never_mentions("opensesame");
    outcome.check(!outcome.stderr.contains("filling"), "it is not quiet");
    // A variable comes before the file, a flag before both.
    let wrong = home.runs(fill.clone()).env("REDISCLI_AUTH", "wrong");
    wrong.run().exits_with(3);
    wrong.with("-a opensesame").run().succeeds();
    let told = home.runs(fill.with("-v --dry-run")).run();
    told.succeeds()
        .prints([&format!("config {}:2", home.file()), "(hidden)"]);
}

#[test]
fn a_dry_run_names_file_and_line() {
    let home = Home::with("# mine\n[defaults]\nconnections = 5\n[presets.p]\nreplies = 'each'\n");
    let nobody = Fake::silent();
    let command = home.runs(fill_port(nobody.port()).with("--dry-run -d 1 --preset p"));
    let outcome = command.run();
    let file = home.file();
    for row in [
        ["connections", "5", "config", &format!("{file}:3")],
        ["replies", "each", "preset", &format!("{file}:5")],
    ] {
        let is_there = outcome
            .stdout
            .lines()
            .any(|line| line.split_whitespace().eq(row));
        outcome.check(is_there, &format!("there is no row {row:?}"));
    }
    command.report().has([
        ("settings.connections.source", "config".into()),
        ("settings.connections.file", file.as_str().into()),
        ("settings.connections.line", 3.into()),
        ("settings.replies.source", "preset".into()),
        ("settings.replies.line", 5.into()),
        ("settings.config.value", file.as_str().into()),
        ("settings.key-size.source", "default".into()),
    ]);
    assert_eq!(nobody.callers(), 0);
}

#[test]
fn without_a_variable_the_file_is_in_the_home_folder() {
    let home = Home::with("");
    let config = home.0.path().join(".config");
    fs::create_dir(&config).expect("a folder");
    fs::rename(
        home.path().parent().expect("a folder"),
        config.join("redis-client"),
    )
    .expect("it moves");
    fs::write(
        config.join("redis-client/config.toml"),
        "[defaults]\nseed = 9\n",
    )
    .expect("a file");
    let home = home.0.path().display().to_string();
    // A folder that is not named from the root on counts for nothing.
    for variable in ["", "relative/path"] {
        let command = fill_port(1).with("--dry-run -d 1").env("HOME", &home);
        let report = command.env("XDG_CONFIG_HOME", variable).report();
        report.has([("settings.seed.value", 9.into())]);
    }
    // No home folder, no file.
    let command = fill_port(1).with("--dry-run -d 1").env("HOME", "nowhere");
    command
        .env("XDG_CONFIG_HOME", "")
        .report()
        .has([("settings.seed.value", 0.into())]);
}

#[test]
fn mistakes_name_file_line_and_what_is_allowed() {
    let nobody = Fake::silent();
    for (text, words) in [
        (
            "[defaults]\nkey-size = 0",
            ["config.toml:2: --key-size 0", "1 to 65536"],
        ),
        (
            "[defaults]\nkey-sise = 5",
            ["config.toml:2: key-sise", "did you mean key-size?"],
        ),
        (
            "[defaults]\nport = '6379'",
            ["config.toml:2: port is a string", "1 to 65535"],
        ),
        (
            "[presets.p]\ndriver = 'ring'",
            ["config.toml:2: --driver 'ring'", "tokio-uring"],
        ),
        ("[defaults\n", ["config.toml:1:", "not TOML"]),
        (
            "[defaults]\nflush = true",
            ["config.toml:2: flush is not allowed", "-f"],
        ),
        (
            "[defaults]\npassword = 'opensesame'",
            ["config.toml:2: password", "password-file"],
        ),
    ] {
        let home = Home::with(text);
        let outcome = home.runs(fill_port(nobody.port()).with("-d 1")).run();
        outcome.is_refused(2, words).never_mentions("opensesame");
    }
    let missing = fill_port(nobody.port()).with("-d 1 --config /no/such/file");
    missing.run().is_refused(2, ["--config", "/no/such/file"]);
    assert_eq!(nobody.callers(), 0);
}

#[test]
fn what_the_plan_refuses_says_where_it_is_written() {
    let home = Home::with("[presets.tiny]\nkey-size = 1\n");
    let fill = home.runs(fill_port(1).with("--keys 1000 --preset tiny"));
    let place = format!("--key-size is set in {}:2", home.file());
    fill.run().is_refused(2, ["256 keys", &place]);
    let unreachable = Home::with("[defaults]\nport = 1\n");
    let fill = crate::fixtures::program().with("fill -h 127.0.0.1 --keys 5");
    let outcome = unreachable.runs(fill).run();
    outcome.exits_with(3);
}

#[test]
fn a_file_empties_no_database() {
    let server = Server::start();
    server.add_foreign_keys(10);
    let home = Home::with(&format!(
        "[defaults]\nhost = '127.0.0.1'\nport = {}\n",
        server.port()
    ));
    let program = crate::fixtures::program;
    let flush = home.runs(program().with("fill -f -y"));
    flush
        .run()
        .is_refused(2, ["-f empties a database", "give -h"]);
    server.keeps_foreign_keys(10);
    let flush = home.runs(program().with("fill -f -h 127.0.0.1"));
    flush.run().succeeds();
    assert_eq!(server.dbsize(), 0);
}

#[test]
fn the_command_that_goes_on_names_the_file_again() {
    let home = Home::with("[defaults]\nvalue-size = 5000\n");
    let server = Server::with("maxmemory", "6mb").start();
    let fill = fill(&server)
        .with("--keys 20000 --force --config")
        .arg(&home.file());
    let outcome = fill.run();
    outcome
        .exits_with(1)
        .says([&format!("--config {}", home.file()), "--resume"]);
}

#[test]
fn a_file_that_others_can_change_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::with("[defaults]\nseed = 1\n");
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o666)).expect("the mode is set");
    let outcome = home.runs(fill_port(1).with("--dry-run -d 1")).run();
    outcome
        .succeeds()
        .says(["warning", "can be changed by others", "chmod go-w"]);
}
