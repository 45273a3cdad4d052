//! Warnings from what servers of several versions say.

use super::*;

const MIB: u64 = 1 << 20;

fn load(mib: u64) -> Load {
    Load {
        keys: mib * 1024,
        payload_bytes: mib * MIB,
        wire_bytes: mib * MIB + mib * 1024 * 36,
    }
}

fn says(pairs: &[(&str, &str)]) -> Settings {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn snapshot_rules_that_the_fill_reaches_are_named() {
    let settings = says(&[(SAVE, "3600 1 300 100 60 1000000")]);
    let quiet = Info::default();
    let warning = snapshots(&settings, &quiet, &load(300)).unwrap();
    assert!(warning.contains("(save 3600 1 300 100)"), "{warning}");
    // What others have changed counts.
    let busy = Info::parse("rdb_changes_since_last_save:999999\r\n");
    let warning = snapshots(&settings, &busy, &load(300)).unwrap();
    assert!(
        warning.contains("(save 3600 1 300 100 60 1000000)"),
        "{warning}"
    );
}

#[test]
fn without_a_rule_that_the_fill_reaches_there_are_no_snapshots() {
    for rules in ["", "60 1000000", "60", "sixty 1"] {
        let warning = snapshots(&says(&[(SAVE, rules)]), &Info::default(), &load(300));
        assert_eq!(warning, None, "{rules}");
    }
    assert_eq!(
        snapshots(&says(&[]), &Info::default(), &load(300)),
        None,
        "not told"
    );
}

#[test]
fn the_append_only_file_and_its_disk() {
    let file = |append, sync| append_only_file(&says(&[(APPEND, append), (SYNC, sync)]));
    assert_eq!(file("no", "always"), None);
    assert_eq!(append_only_file(&says(&[])), None);
    let usual = file("yes", "everysec").unwrap();
    assert!(usual.contains("CONFIG SET appendonly no") && !usual.contains("always"));
    let slow = file("yes", "always").unwrap();
    assert!(slow.contains("appendfsync always") && slow.contains("appendfsync everysec"));
}

#[test]
fn the_append_only_file_is_rewritten_once_it_has_grown_enough() {
    let settings = says(&[(APPEND, "yes"), (GROWTH, "100"), (REWRITE_MIN, "67108864")]);
    let of_size = |mib: u64| {
        let bytes = mib * MIB;
        Info::parse(&format!(
            "aof_current_size:{bytes}\r\naof_base_size:{bytes}\r\n"
        ))
    };
    let warning = rewrites(&settings, &of_size(0), &load(300)).unwrap();
    assert!(warning.contains("CONFIG SET auto-aof-rewrite-percentage 0"));
    assert!(rewrites(&settings, &of_size(300), &load(300)).is_some());
    assert_eq!(rewrites(&settings, &of_size(400), &load(300)), None);
    // Below the least size for that.
    assert_eq!(rewrites(&settings, &of_size(0), &load(50)), None);
    for (name, value) in [(APPEND, "no"), (GROWTH, "0")] {
        let mut settings = settings.clone();
        settings.insert(name.into(), value.into());
        assert_eq!(rewrites(&settings, &of_size(0), &load(300)), None, "{name}");
    }
}

#[test]
fn a_fork_that_is_there_already() {
    let of = |snapshot: u8, rewrite: u8| {
        under_way(&Info::parse(&format!(
            "rdb_bgsave_in_progress:{snapshot}\r\naof_rewrite_in_progress:{rewrite}\r\n"
        )))
    };
    assert_eq!(of(0, 0), None);
    assert!(of(1, 0).unwrap().contains("rdb_bgsave_in_progress:0"));
    assert!(of(0, 1).unwrap().contains("aof_rewrite_in_progress:0"));
    assert_eq!(under_way(&Info::default()), None);
}

#[test]
fn limits_of_replicas_are_read_in_the_words_of_each_version() {
    let expected = BufferLimit {
        hard_bytes: 268_435_456,
        soft_bytes: 67_108_864,
        soft_seconds: 60,
    };
    for limits in [
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
        "normal 0 0 0 replica 268435456 67108864 60 pubsub 33554432 8388608 60",
        "replica 268435456 67108864 60",
    ] {
        assert_eq!(BufferLimit::of_replicas(limits), Some(expected), "{limits}");
    }
    for other in [
        "",
        "normal 0 0 0 pubsub 33554432 8388608 60",
        "slave 1mb 1mb 60",
        "slave 1 1",
    ] {
        assert_eq!(BufferLimit::of_replicas(other), None, "{other}");
    }
}

#[test]
fn a_limit_is_reached_by_what_exceeds_it() {
    let limit = |hard_bytes, soft_bytes, soft_seconds| BufferLimit {
        hard_bytes,
        soft_bytes,
        soft_seconds,
    };
    for (limit, backlog, wire, lag) in [
        (limit(0, 0, 0), 1, u64::MAX, None),
        (limit(100, 0, 0), 1, 100, None),
        (limit(100, 0, 0), 1, 101, Some(100)),
        // The backlog is larger, and then counts instead.
        (limit(100, 0, 0), 200, 150, None),
        (limit(100, 0, 0), 200, 201, Some(200)),
        // 20 bytes behind for five seconds.
        (limit(0, 20, 5), 1, 100, None),
        (limit(0, 20, 5), 1, 101, Some(20)),
        (limit(0, 20, 0), 1, 21, Some(20)),
        (limit(150, 20, 5), 1, 160, Some(20)),
    ] {
        let reached = limit.cuts_off_at(backlog, wire);
        assert_eq!(reached, lag, "{limit:?} {backlog} {wire}");
    }
}

#[test]
fn replicas_are_warned_of_with_the_limit_and_the_amount() {
    let limits = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
    let settings = says(&[(LIMITS, limits), (BACKLOG, "1048576")]);
    assert_eq!(lagging_replicas(&settings, 2, &load(200)), None);
    let warning = lagging_replicas(&settings, 2, &load(300)).unwrap();
    for words in [
        "it has 2",
        "replica 268435456 67108864 60",
        &load(300).wire_bytes.to_string(),
        "CONFIG SET client-output-buffer-limit 'replica 0 0 0'",
    ] {
        assert!(warning.contains(words), "{words}: {warning}");
    }
    assert_eq!(lagging_replicas(&says(&[]), 2, &load(300)), None);
}

/// CLIENT LIST of Redis 7.0.
const IN_7: &str = "id=7 addr=127.0.0.1:50012 laddr=127.0.0.1:6379 fd=7 name= age=9 idle=0 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 qbuf=48 qbuf-free=20426 argv-mem=20 multi-mem=0 rbs=16384 rbp=16384 obl=0 oll=0 omem=0 tot-mem=37684 events=r cmd=hset user=default redir=-1 resp=2";
/// CLIENT LIST of Redis 5.0.
const IN_5: &str = "id=7 addr=[::1]:50012 fd=7 name=cmd age=9 idle=2 flags=N db=0 sub=0 psub=0 multi=-1 qbuf=26 qbuf-free=32742 obl=0 oll=0 omem=0 events=r cmd=set";

#[test]
fn clients_are_read_in_the_words_of_each_version() {
    for (line, address, idle_seconds, command) in [
        (IN_7, "127.0.0.1:50012", 0, "hset"),
        (IN_5, "[::1]:50012", 2, "set"),
    ] {
        let expected = Client {
            address,
            idle_seconds,
            command,
        };
        assert_eq!(Client::parse(line), Some(expected));
    }
    for line in [
        "",
        "garbage",
        "addr=1.2.3.4:5 idle=0 flags=N cmd=NULL",
        "addr=1.2.3.4:5 idle=soon flags=N cmd=set",
        "addr=1.2.3.4:5 idle=0 flags=S cmd=replconf",
        "addr=1.2.3.4:5 idle=0 flags=M cmd=set",
    ] {
        assert_eq!(Client::parse(line), None, "{line}");
    }
}

#[test]
fn only_those_who_write_at_the_moment_count() {
    let client = |port: u16, idle: u64, command: &str| {
        format!("id=1 addr=10.0.0.5:{port} name= idle={idle} flags=N cmd={command}\n")
    };
    let others = [
        client(1, 0, "get"),
        client(2, 3, "set"),
        client(3, 0, "client|list"),
        client(4, 0, "config|set"),
    ];
    assert_eq!(others_writing(&others.concat()), None);
    let one = others.concat() + &client(5, 2, "lpush");
    let warning = others_writing(&one).unwrap();
    assert!(
        warning.starts_with("another client (10.0.0.5:5) sends") && warning.contains("(LPUSH)"),
        "{warning}"
    );
    let many = ["set", "del", "set", "incr", "evalsha", "hset"].map(|name| client(6, 0, name));
    let warning = others_writing(&many.concat()).unwrap();
    assert!(
        warning.starts_with("6 other clients (one is 10.0.0.5:6) send")
            && warning.contains("(DEL, EVALSHA, HSET, INCR, ...)"),
        "{warning}"
    );
}

#[test]
fn what_a_server_says_cannot_move_the_cursor() {
    let warning = others_writing("addr=\u{1b}[2J idle=0 flags=N cmd=\u{7}\n").unwrap();
    assert!(!warning.contains(char::is_control), "{warning:?}");
}
