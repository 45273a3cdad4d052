//! Tests of the flags, and the short way that other tests read them.

use super::*;

/// Reads the flags behind `redis-client fill`.
pub(crate) fn fill(line: &str) -> Result<FillFlags, Failure> {
    let arguments = ["redis-client", "fill"]
        .into_iter()
        .chain(line.split_whitespace());
    match read(&arguments.map(OsString::from).collect::<Vec<_>>())? {
        Request::Fill(flags) => Ok(*flags),
        other => panic!("{other:?}"),
    }
}

/// Reads the flags behind `redis-client verify`.
pub(crate) fn verify(line: &str) -> Result<VerifyFlags, Failure> {
    let arguments = ["redis-client", "verify"]
        .into_iter()
        .chain(line.split_whitespace());
    match read(&arguments.map(OsString::from).collect::<Vec<_>>())? {
        Request::Verify(flags) => Ok(*flags),
        other => panic!("{other:?}"),
    }
}

/// The message that this command line is refused with.
pub(crate) fn refusal(line: &str) -> String {
    let arguments: Vec<_> = line.split_whitespace().map(OsString::from).collect();
    let failure = read(&arguments).unwrap_err();
    assert_eq!(failure.status.code(), 2);
    failure.message
}

fn shown(line: &str) -> String {
    match read(
        &line
            .split_whitespace()
            .map(OsString::from)
            .collect::<Vec<_>>(),
    ) {
        Ok(Request::Show(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_of_the_documentation_is_read() {
    let flags = fill(
        "-h x -p 1 -u me -a pw --db 3 -d 1 -f -y -n 4 --key-size 1 --value-size 2 \
         --pipeline-depth 3 --preset fast --key-prefix p --start-key 4 --seed 5 \
         --key-layout plain --replies each --driver uring --send zc --reactors cores=0,2 \
         --no-pin --output json -q --no-progress --dry-run --force -c --host-map a=b \
         --host-map c=d --allow-partial --stall-timeout 5 --tune",
    )
    .unwrap();
    assert_eq!(flags.server.host.as_deref(), Some("x"));
    assert_eq!(flags.engine.reactors.as_deref(), Some("cores=0,2"));
    assert!(flags.existing.flush && flags.switches.quiet && flags.engine.no_pin);
    assert!(flags.engine.tune);
    assert!(flags.server.cluster && flags.server.allow_partial);
    assert_eq!(flags.server.host_map, ["a=b", "c=d"]);
    let flags = fill("-h x --keys 7 -s -v --password-file f --ask-password").unwrap();
    assert!(flags.engine.serial && flags.switches.verbose && flags.server.ask_password);
}

#[test]
fn a_password_shows_itself_nowhere() {
    let flags = fill("-h x -a hunter2 -d 1").unwrap();
    assert!(!format!("{flags:?}").contains("hunter2"));
}

#[test]
fn negative_numbers_are_values_not_flags() {
    assert_eq!(
        fill("-h x -n -1").unwrap().engine.connections.as_deref(),
        Some("-1")
    );
    assert_eq!(
        fill("-h x -d -1gb").unwrap().data.data.as_deref(),
        Some("-1gb")
    );
}

#[test]
fn help_and_version_are_no_errors() {
    assert!(shown("redis-client --version").starts_with("redis-client "));
    assert!(shown("redis-client --help").contains("fill"));
    let help = shown("redis-client fill --help");
    for text in [
        "-h, --host",
        "-c, --cluster",
        "--key-size",
        "1 to 65536",
        "1 to 524288",
        "1 to 100000",
        "1 to 1024",
        "session-cache",
        "REDIS_CLIENT_FILL_CHUNK_KB",
        "REDISCLI_AUTH",
        "Examples:",
        "Precedence:",
        "Exit status:",
        "Recommended settings:",
        "Output and guards:",
    ] {
        assert!(help.contains(text), "{text}");
    }
}

#[test]
fn without_a_command_the_usage_is_shown() {
    let message = refusal("redis-client");
    assert!(
        message.contains("command is missing") && message.contains("usage:"),
        "{message}"
    );
}
