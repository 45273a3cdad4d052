//! What a config file may say, and what is said of its mistakes.

use std::fs::{self, Permissions};

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<Config, Failure> {
    Config::parse(
        Path::new("/etc/c.toml"),
        text.as_bytes(),
        Some(Path::new("/home/me")),
    )
}

/// What a file says that is as it should be.
pub(crate) fn parsed(text: &str) -> Config {
    parse(text).unwrap_or_else(|failure| panic!("{}", failure.message))
}

fn refused(text: &str) -> String {
    let failure = parse(text).expect_err(text);
    assert_eq!(failure.status.code(), 2);
    assert!(!failure.message.contains('\n'), "{}", failure.message);
    failure.message
}

fn texts(config: &Config) -> Vec<(&str, String)> {
    let entries = config.defaults.iter();
    entries
        .map(|entry| (entry.name, entry.texts.join(" ")))
        .collect()
}

#[test]
fn a_file_holds_defaults_and_presets() {
    let config = parsed(
        "# nothing but a habit\n[defaults]\nkey-size = 1_000\nreplies = 'each'\n\n\
         [presets.sessions]\nvalue-size = 0x100\n[presets.\"2.files\"]\nno-pin = true\n",
    );
    assert_eq!(
        texts(&config),
        [
            ("key-size", "1000".to_owned()),
            ("replies", "each".to_owned())
        ]
    );
    let lines: Vec<_> = config
        .defaults
        .iter()
        .map(|entry| entry.place.clone().unwrap().line)
        .collect();
    assert_eq!(lines, [3, 4]);
    let presets: Vec<_> = config
        .presets
        .iter()
        .map(|preset| {
            (
                preset.name.as_str(),
                preset.place.line,
                preset.entries[0].texts[0].as_str(),
            )
        })
        .collect();
    assert_eq!(presets, [("sessions", 6, "256"), ("2.files", 8, "true")]);
    for text in [
        "",
        "# nothing\n",
        "[defaults]\n",
        "[presets]\n",
        "[presets.a]\n",
    ] {
        assert!(parsed(text).defaults.is_empty(), "{text}");
    }
}

#[test]
fn every_type_is_read() {
    let config = parsed(
        "[defaults]\nreactors = 2\nseed = 18446744073709551615\nsample = '1%'\nverify = true\n\
         host-map = ['a=b', 'c=d']\ncluster = false\n",
    );
    let texts = texts(&config);
    for (name, text) in [
        ("reactors", "2"),
        ("seed", "18446744073709551615"),
        ("sample", "1%"),
        ("verify", "100%"),
        ("host-map", "a=b c=d"),
        ("cluster", "false"),
    ] {
        assert!(
            texts.contains(&(name, text.to_owned())),
            "{name}: {texts:?}"
        );
    }
    assert_eq!(
        parsed("[defaults]\nreactors = 'cores=0,1'").defaults[0].texts,
        ["cores=0,1"]
    );
}

#[test]
fn files_are_named_from_the_config_file_on() {
    for (written, meant) in [
        ("pw", "/etc/pw"),
        ("/run/pw", "/run/pw"),
        ("~/pw", "/home/me/pw"),
    ] {
        let config = parsed(&format!("[defaults]\npassword-file = '{written}'"));
        assert_eq!(config.defaults[0].texts, [meant]);
    }
}

#[test]
fn wrong_values_name_file_line_flag_and_what_is_allowed() {
    for (text, words) in [
        (
            "[defaults]\n\nkey-size = 0",
            "/etc/c.toml:3: --key-size 0 is out of range: 1 to 65536 bytes are allowed",
        ),
        (
            "[defaults]\nkey-size = -1",
            "c.toml:2: --key-size -1 is out of range",
        ),
        (
            "[presets.a]\nconnections = 99999999999999999999999999999999999999999",
            "c.toml:2: -n 99999999999999999999999999999999999999999 is out of range: 1 to 1024",
        ),
        (
            "[defaults]\nkey-size = \"64\"",
            "c.toml:2: key-size is a string, but --key-size takes a whole number: 1 to 65536 bytes",
        ),
        (
            "[defaults]\nport = 1.5",
            "port is a float, but --port takes a whole number: 1 to 65535",
        ),
        (
            "[defaults]\ncluster = 'yes'",
            "cluster is a string, but --cluster takes true or false",
        ),
        (
            "[defaults]\ndriver = 5",
            "driver is an integer, but --driver takes a text in quotes: auto, uring, tokio-uring or socket",
        ),
        (
            "[defaults]\nkey-prefix = []",
            "key-prefix is an array, but --key-prefix takes a text in quotes",
        ),
        ("[defaults]\nreactors = true", "reactors is a boolean"),
        (
            "[defaults]\nverify = false",
            "verify is a boolean, but --verify takes a number of keys",
        ),
        (
            "[defaults]\npassword-file = ''",
            "c.toml:2: --password-file is empty",
        ),
        (
            "[defaults]\nhost-map = 'a=b'",
            "host-map is a string, but --host-map takes a list",
        ),
        (
            "[defaults]\nhost-map = [1]",
            "host-map is an array of others",
        ),
        ("[defaults]\nhost-map = ['a']", "ANNOUNCED=REACHABLE"),
        ("[defaults]\nhost = 'db:7000'", "-h db -p 7000"),
        ("[defaults]\nusername = ''", "-u is empty"),
        (
            "[defaults]\ndriver = \"a\\nb\"",
            "--driver 'a\\nb' is not known",
        ),
        ("[defaults]\ncommand = 'get'", "it takes set, or mset:N"),
        (
            "[defaults]\nsend = 'zero'",
            "c.toml:2: --send 'zero' is not known: it takes auto, zc, fixed or copy",
        ),
        (
            "[defaults]\nsample = '101%'",
            "--sample 101% is out of range",
        ),
    ] {
        let message = refused(text);
        assert!(message.contains(words), "{text}: {message}");
    }
}

#[test]
fn wrong_names_and_tables_name_file_and_line() {
    for (text, words) in [
        ("[defaults]\nkey-size.x = 1", "key-size is a table"),
        (
            "[defaults]\nkey-sise = 1",
            "c.toml:2: key-sise is not a setting; did you mean key-size?",
        ),
        ("[defaults]\nkey_size = 1", "did you mean key-size?"),
        (
            "[defaults]\nzzz = 1",
            "zzz is not a setting; the names are those of the flags",
        ),
        (
            "key-size = 1",
            "c.toml:1: key-size stands outside of a table",
        ),
        (
            "[default]\n",
            "[default] is not known: there are [defaults] and [presets.NAME]; did you mean defaults?",
        ),
        ("[fill]\n", "[fill] is not known"),
        ("defaults = 1", "defaults is a table: write [defaults]"),
        (
            "[[presets]]\nname = 'a'",
            "presets is a table: write [presets.NAME]",
        ),
        (
            "[presets]\nkey-size = 1",
            "c.toml:2: key-size stands outside of a preset",
        ),
        ("[presets.'']\n", "'' is no name for a preset"),
        ("[presets.'-a']\n", "'-a' is no name for a preset"),
        ("[presets.'a b']\n", "'a b' is no name for a preset"),
        (
            "[defaults]\nkey-size = 1\nkey-size = 2",
            "c.toml:3: this is not TOML: duplicate key",
        ),
        ("[defaults\n", "c.toml:1: this is not TOML"),
        ("[defaults]\nkey-size 5", "c.toml:2: this is not TOML"),
    ] {
        let message = refused(text);
        assert!(message.contains(words), "{text}: {message}");
    }
    let failure = Config::parse(Path::new("c"), b"[defaults]\n\xff", None).unwrap_err();
    assert_eq!(failure.message, "c:2: this is not UTF-8");
}

#[test]
fn what_a_single_run_does_is_refused() {
    for (name, words) in [
        ("flush", "-f on the command line"),
        ("yes", "-y on the command line"),
        ("force", "on the command line each time"),
        ("resume", "for a single run"),
        ("append", "how much is filled"),
        ("data", "how much is filled"),
        ("dry-run", "for a single run"),
        ("serial", "connections = 1"),
        ("tune", "write what it found"),
        ("preset", "--preset on the command line"),
    ] {
        for table in ["[defaults]", "[presets.a]", ""] {
            let message = refused(&format!("{table}\n{name} = true"));
            let begin = format!("/etc/c.toml:2: {name} is not allowed here: ");
            assert!(
                message.starts_with(&begin) && message.contains(words),
                "{message}"
            );
        }
    }
}

#[test]
fn a_password_is_refused_and_never_shown() {
    for text in [
        "password = 'hunter2'",
        "[defaults]\npassword = 'hunter2'",
        "[presets.a]\npassword = 2\n# hunter2",
    ] {
        let message = refused(text);
        for word in ["password-file", "REDISCLI_AUTH", "ask-password"] {
            assert!(message.contains(word), "{message}");
        }
        assert!(!message.contains("hunter2"), "{message}");
    }
    for text in [
        "[defaults]\npassword = hunter2",
        "[defaults]\npassword = 'hunter2",
        "[defaults]\npassword = \"hunter2\\q\"",
        "[defaults]\npassword = 'a' hunter2",
        "[defaults]\npassword: hunter2",
        "password-file = ['hunter2'",
    ] {
        assert!(!refused(text).contains("hunter2"), "{}", refused(text));
    }
}

proptest! {
    /// Whatever a file holds, it is read or refused in one line that shows no control character.
    #[test]
    fn any_text_is_read_or_refused_in_one_line(
        head in "(\\[(defaults|presets(\\.\\PC{1,3})?|\\PC{0,9})\\]\n)?",
        name in "(key-size|driver|host-map|verify|\"\\PC{0,5}(\\\\n)?\"|\\PC{0,9})",
        value in "(=(-?[0-9]{1,40}|\"\\PC{0,9}(\\\\n)?\"|\\[\"\\PC{0,5}\"\\]|true|\\PC{0,9}))?",
    ) {
        let text = format!("{head}{name}{value}\n");
        if let Err(failure) = parse(&text) {
            prop_assert!(failure.message.starts_with("/etc/c.toml:"), "{}", failure.message);
            prop_assert!(!failure.message.contains(char::is_control), "{:?}", failure.message);
        }
    }
}

fn environment(home: &Path) -> Environment {
    Environment {
        config_home: Some(home.to_owned()),
        ..Environment::default()
    }
}

#[test]
fn the_user_s_own_file_is_read_where_it_exists() {
    let home = tempfile::tempdir().unwrap();
    let environment = environment(home.path());
    assert!(Config::read(None, &environment).unwrap().file.is_none());
    let folder = home.path().join("redis-client");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("config.toml");
    fs::write(&file, "[defaults]\nseed = 5\n").unwrap();
    let config = Config::read(None, &environment).unwrap();
    assert_eq!(config.file.as_deref(), Some(file.as_path()));
    assert_eq!(texts(&config), [("seed", "5".to_owned())]);
    // Another one takes its place, and an empty one is none.
    let config = Config::read(Some(Path::new("/dev/null")), &environment).unwrap();
    assert!(config.defaults.is_empty() && config.warnings.is_empty());
    // A file where the folder should be holds no config.
    let environment = self::environment(&file);
    assert!(Config::read(None, &environment).unwrap().file.is_none());
}

#[test]
fn a_file_that_cannot_be_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let read = |path: &Path| {
        let failure = Config::read(Some(path), &Environment::default()).unwrap_err();
        assert_eq!(failure.status.code(), 2);
        failure.message
    };
    let message = read(Path::new("/no/such/file"));
    assert!(
        message.contains("--config '/no/such/file'") && message.contains("/dev/null"),
        "{message}"
    );
    assert!(read(folder.path()).contains("directory"));
    let large = folder.path().join("large");
    fs::write(&large, vec![b'\n'; (1 << 20) + 1]).unwrap();
    assert!(read(&large).contains("longer than 1048576 bytes"));
}

#[test]
fn a_file_that_others_can_change_is_warned_of() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (mode, warnings) in [(0o600, 0), (0o644, 0), (0o666, 1), (0o620, 1)] {
        fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
        let config = Config::read(Some(file.path()), &Environment::default()).unwrap();
        assert_eq!(config.warnings.len(), warnings, "{mode:o}");
        assert!(
            config
                .warnings
                .iter()
                .all(|warning| warning.contains("chmod go-w"))
        );
    }
}
