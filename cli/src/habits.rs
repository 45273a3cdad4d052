//! What people type out of habit with redis-cli and redis-benchmark and what means something else
//! here: recognised and explained. Also turns clap's refusals into one line. Never repeats a
//! value that may hold a password (URIs, what follows `-a`).

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::value;

/// Every command.
pub(crate) const COMMANDS: [&str; 6] =
    ["fill", "verify", "doctor", "presets", "man", "completions"];
/// Those that talk to a server.
const TALKING: [&str; 3] = ["fill", "verify", "doctor"];
const NO_URI: &str = "URIs are not supported: give -h HOST, -p PORT, -a PASSWORD (or \
     REDISCLI_AUTH), -u USER and --db N";
const NO_UNIX_SOCKET: &str = "unix sockets are not supported: give -h HOST and -p PORT";

/// Flags of redis-cli and redis-benchmark that are spelled differently here, and what to do.
const ELSEWHERE: &[(&str, &str)] = &[
    ("--pass", "the password is -a or --password here"),
    ("--user", "the ACL user is -u or --username here"),
    ("--askpass", "it is --ask-password here"),
    ("--uri", NO_URI),
    ("--tls", "TLS is not supported by this version"),
    (
        "-P",
        "the pipeline depth is --pipeline-depth here, the port is -p",
    ),
    ("--threads", "it is --reactors here"),
    ("--clients", "it is -n or --connections here"),
    ("--dbnum", "the database is --db here"),
    ("--requests", "the number of keys is --keys here"),
    ("--json", "it is --output json here"),
    ("--socket", NO_UNIX_SOCKET),
];

/// Why `host` is not a host alone, if it is not.
pub(crate) fn of_host(host: &str) -> Option<String> {
    if host.contains("://") || host.contains('@') {
        return Some(format!("-h takes a host name or address alone; {NO_URI}"));
    }
    if host.starts_with('/') || host.starts_with("./") {
        return Some(format!("-h {host} is a path, and {NO_UNIX_SOCKET}"));
    }
    if host.trim().is_empty() {
        return Some("-h is empty: give the server's name or address, as in -h localhost".into());
    }
    let (name, port) = host.rsplit_once(':')?;
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let whole_name = !name.contains(':') || (name.starts_with('[') && name.ends_with(']'));
    (is_port && whole_name).then(|| {
        format!("-h {host} holds a port, which is given with -p here: -h {name} -p {port}")
    })
}

/// Why `username` is no user, if it is none.
pub(crate) fn of_username(username: &str) -> Option<String> {
    if username.contains("://") {
        return Some(format!(
            "-u is the ACL user here (redis-cli: --user), and {NO_URI}"
        ));
    }
    username
        .is_empty()
        .then(|| "-u is empty: give the ACL user's name, or leave it out".into())
}

/// What to add where a number of connections is refused: in redis-cli, `-n 0` is a database.
pub(crate) fn of_connections(given: &str) -> Option<&'static str> {
    (given == "0").then_some(
        "; -n is the number of connections here, the database (redis-cli's -n 0) is --db 0",
    )
}

/// Says in one line what is wrong with a command line that clap refused.
/// `is_of_fill`: whether `fill` has an option of this name.
pub(crate) fn explain(
    error: &clap::Error,
    arguments: &[OsString],
    is_of_fill: impl Fn(&str) -> bool,
) -> String {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    };
    let argument = context(ContextKind::InvalidArg).unwrap_or_default();
    let explanation = match error.kind() {
        ErrorKind::UnknownArgument => unknown(argument, arguments, is_of_fill),
        ErrorKind::ArgumentConflict if context(ContextKind::PriorArg) == Some(argument) => {
            let flag = argument.split([' ', '=']).next().unwrap_or(argument);
            Some(format!(
                "{} is given more than once: keep one of them",
                short(flag)
            ))
        }
        ErrorKind::InvalidSubcommand => {
            let command = context(ContextKind::InvalidSubcommand).unwrap_or_default();
            command_missing(command)
        }
        ErrorKind::InvalidValue if argument.starts_with("--host") && is_last(arguments, "-h") => {
            Some(format!(
                "-h is the host here and needs one; help is {}",
                help_of(arguments)
            ))
        }
        _ => None,
    };
    explanation.unwrap_or_else(|| in_one_line(error, arguments))
}

/// The name under which a flag is spoken of.
pub(crate) fn short(flag: &str) -> String {
    let short = match flag {
        "--host" => 'h',
        "--port" => 'p',
        "--username" => 'u',
        "--password" => 'a',
        "--data" => 'd',
        "--connections" => 'n',
        "--serial" => 's',
        "--cluster" => 'c',
        "--flush" => 'f',
        _ => return flag.to_owned(),
    };
    format!("-{short}")
}

/// Whether the command line ends with `flag`.
fn is_last(arguments: &[OsString], flag: &str) -> bool {
    arguments.last().is_some_and(|last| last == flag)
}

/// The command that is given.
fn command_of(arguments: &[OsString]) -> Option<&'static str> {
    let named = |given: &OsString| COMMANDS.into_iter().find(|command| *given == **command);
    arguments.iter().find_map(named)
}

/// How to see what the command takes.
fn help_of(arguments: &[OsString]) -> String {
    let command = command_of(arguments).unwrap_or(COMMANDS[0]);
    format!("redis-client {command} --help")
}

/// Explains an argument that no flag takes.
fn unknown(
    argument: &str,
    arguments: &[OsString],
    is_of_fill: impl Fn(&str) -> bool,
) -> Option<String> {
    let Some(command) = command_of(arguments) else {
        return command_missing(argument);
    };
    if !TALKING.contains(&command) {
        return None;
    }
    let name = argument.split('=').next().unwrap_or(argument);
    if command != "fill" && is_of_fill(name) {
        return Some(format!(
            "{name} is an option of fill and means nothing to {command}, which only reads: drop it"
        ));
    }
    if let Some((_, meaning)) = ELSEWHERE.iter().find(|(flag, _)| *flag == name) {
        return Some(format!(
            "{name} is not an option of redis-client: {meaning}"
        ));
    }
    if argument.starts_with('-') {
        return None;
    }
    let before = arguments
        .iter()
        .position(|given| given == argument)
        .and_then(|position| arguments.get(position.checked_sub(1)?))
        .and_then(|before| before.to_str())
        .unwrap_or_default();
    let after_secret = arguments
        .iter()
        .position(|given| given == argument)
        .and_then(|position| arguments.get(position.checked_sub(2)?))
        .is_some_and(|flag| flag == "-a" || flag == "--password");
    Some(if argument.contains("://") || argument.contains('@') {
        format!("an address stands alone among the options; {NO_URI}")
    } else if before == "-s" || before == "--serial" {
        format!("-s means --serial here and takes no value ('{argument}'); {NO_UNIX_SOCKET}")
    } else if before == "--verify" {
        format!("the sample of --verify stands behind a '=': --verify={argument}")
    } else if after_secret || before == "--pass" || before == "--askpass" {
        "there is one argument too many after the password: quote a password with spaces".into()
    } else {
        format!(
            "unexpected argument '{argument}', which belongs to no option: the server is given with -h, the amount with -d \
             (or --keys); see {}",
            help_of(arguments)
        )
    })
}

/// Explains a command line that does not name a command.
fn command_missing(given: &str) -> Option<String> {
    let example = "redis-client fill -h HOST -d AMOUNT; see redis-client fill --help";
    Some(if given.contains("://") || given.contains('@') {
        format!("the command is missing, and {NO_URI}: {example}")
    } else if given.starts_with('-') {
        format!("{given} belongs to a command (fill, verify, doctor), which is missing: {example}")
    } else {
        let meant = value::nearest(given, &COMMANDS).map(|name| format!("; did you mean {name}?"));
        let meant = meant.unwrap_or_default();
        let names = value::listed(&COMMANDS).replace(" or ", " and ");
        format!("'{given}' is not a command; there are {names}{meant}: {example}")
    })
}

/// clap's own words, without usage and colours.
fn in_one_line(error: &clap::Error, arguments: &[OsString]) -> String {
    let rendered = error.render().to_string();
    let mut parts = Vec::new();
    for line in rendered.lines().map(str::trim) {
        if line.starts_with("Usage:") || line.starts_with("For more information") {
            break;
        }
        let line = line.strip_prefix("error: ").unwrap_or(line);
        // How to pass a dashed positional does not help: there are none.
        if !line.is_empty() && !line.starts_with("tip: to pass") {
            parts.push(line.strip_prefix("tip: ").unwrap_or(line).to_owned());
        }
    }
    format!("{}; see {}", parts.join("; "), help_of(arguments))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::tests::refusal;

    #[test]
    fn a_host_is_not_a_uri_a_socket_or_an_endpoint() {
        for (host, words) in [
            ("redis://:hunter2@db:6379", "URIs are not supported"),
            ("me:hunter2@db", "URIs are not supported"),
            ("/run/redis.sock", "unix sockets are not supported"),
            ("db:7000", "-h db -p 7000"),
            ("[::1]:7000", "-h [::1] -p 7000"),
            ("", "-h is empty"),
        ] {
            let message = of_host(host).unwrap();
            assert!(
                message.contains(words) && !message.contains("hunter2"),
                "{message}"
            );
        }
        for host in [
            "db",
            "127.0.0.1",
            "::1",
            "[::1]",
            "fe80::1",
            "2001:db8::6379",
            "db.example.",
        ] {
            assert_eq!(of_host(host), None, "{host}");
        }
    }

    #[test]
    fn a_username_is_not_a_uri() {
        let message = of_username("redis://:hunter2@db:6379").unwrap();
        assert!(
            message.contains("-h HOST") && !message.contains("hunter2"),
            "{message}"
        );
        assert_eq!(of_username("app"), None);
    }

    #[test]
    fn flags_of_redis_cli_name_what_replaces_them() {
        for (line, words) in [
            ("redis-client fill -h x --pass hunter2", "-a or --password"),
            ("redis-client fill -h x --pass=hunter2", "-a or --password"),
            ("redis-client fill -h x --user me", "-u or --username"),
            ("redis-client fill -h x --askpass", "--ask-password"),
            ("redis-client fill -s /run/redis.sock -d 1", "unix sockets"),
            (
                "redis-client fill redis://:hunter2@x -d 1",
                "URIs are not supported",
            ),
            ("redis-client fill -h x -a two hunter2", "quote a password"),
            ("redis-client fill localhost -d 1", "given with -h"),
            ("redis-client fill -d 1 -h", "--help"),
            ("redis-client fill -h x --keysize 3", "--key-size"),
            (
                "redis-client fill -h x -d 1 -d 2",
                "-d is given more than once",
            ),
            (
                "redis-client fill -h x --seed 1 --seed=2",
                "--seed is given more than once",
            ),
            ("redis-client fill -h x -f -f", "-f is given more than once"),
            ("redis-client fill -h x -d 1 5", "unexpected argument '5'"),
            ("redis-client fill -h x -q -v", "cannot be used with"),
            ("redis-client fill -h x -d 1 --verify 1%", "--verify=1%"),
            ("redis-client verify -h x -f", "-f is an option of fill"),
            ("redis-client verify -h x -n 4", "-n is an option of fill"),
            (
                "redis-client verify -h x --pipeline-depth=4",
                "--pipeline-depth is an option of fill",
            ),
            ("redis-client verify -h x --sampel 1%", "--sample"),
            ("redis-client verify -h x --sampel 1%", "verify --help"),
            ("redis-client verify -h x --user me", "-u or --username"),
            (
                "redis-client verify x -d 1",
                "see redis-client verify --help",
            ),
            ("redis-client verify -d 1 -h", "redis-client verify --help"),
            ("redis-client verfiy -h x", "did you mean verify?"),
            ("redis-client -h x -d 1", "fill"),
            ("redis-client -h", "fill"),
            ("redis-client set a b", "not a command"),
            ("redis-client flil", "not a command"),
            ("redis-client redis://:hunter2@x", "URIs are not supported"),
        ] {
            let message = refusal(line);
            assert!(message.contains(words), "{line}: {message}");
            assert!(
                !message.contains("hunter2") && !message.contains('\n'),
                "{line}: {message}"
            );
        }
    }
}
