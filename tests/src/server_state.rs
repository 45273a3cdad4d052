//! Servers that are not empty or not open to everybody: flushing, databases, logins, keys that
//! are not ours, keys that are there already.

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::fixtures::program::on_a_terminal;
use crate::fixtures::{Server, fill, jail, oracle, program};

#[test]
fn flushing_removes_what_was_there_and_says_how_much() {
    let server = Server::start();
    server.add_foreign_keys(37);
    let outcome = fill(&server).with("-f --keys 500 --output json").run();
    outcome
        .succeeds()
        .says(["37 keys"])
        .report()
        .is_complete(500);
    assert_eq!((server.dbsize(), server.count("other:*")), (500, 0));
}

#[test]
fn flushing_alone_fills_nothing() {
    let server = Server::start();
    server.add_foreign_keys(37);
    fill(&server).with("-f").run().succeeds().says(["37 keys"]);
    assert_eq!((server.dbsize(), server.calls("set")), (0, 37));
}

#[test]
fn flushing_an_empty_server_is_no_error() {
    let server = Server::start();
    fill(&server)
        .with("--flush")
        .run()
        .succeeds()
        .says(["0 keys"]);
    fill(&server).with("-f --keys 500").completes(500);
}

#[test]
fn flushing_a_large_keyspace_is_over_before_the_fill_begins() {
    let server = Server::start();
    fill(&server)
        .with("--keys 300000 --key-size 16 --value-size 16")
        .completes(300_000);
    fill(&server)
        .with("-f --keys 777 --key-size 16 --value-size 16")
        .completes(777);
    assert_eq!(server.info("memory", "lazyfree_pending_objects"), "0");
}

#[test]
fn without_the_flag_nothing_is_flushed() {
    let server = Server::start();
    server.add_foreign_keys(37);
    fill(&server).with("--keys 500").report().is_complete(500);
    assert_eq!((server.calls("flushdb"), server.calls("flushall")), (0, 0));
    server.keeps_foreign_keys(37);
}

#[test]
fn another_database_is_filled_and_flushed_by_itself() {
    let server = Server::start();
    server.add_foreign_keys(37);
    for keys in [500, 400] {
        let report = fill(&server)
            .with(&format!("--db 3 -f --keys {keys} -n 3"))
            .report();
        report
            .is_complete(keys)
            .has([("keys.created", keys.into())]);
        assert_eq!((server.keys_in_db(3), server.keys_in_db(0)), (keys, 37));
    }
    server.keeps_foreign_keys(37);
}

#[test]
fn the_largest_database_of_a_server_with_more() {
    let server = Server::with("databases", "100").start();
    fill(&server)
        .with("--db 99 --keys 500")
        .report()
        .is_complete(500);
    assert_eq!(server.keys_in_db(99), 500);
}

/// A server that nobody may use without this password.
fn server_with_password(password: &str) -> Server {
    let server = Server::start();
    server.run(&format!("CONFIG SET requirepass {password}"));
    server
}

#[test]
fn a_password_on_the_command_line() {
    let server = server_with_password("opensesame");
    let outcome = fill(&server)
        .with("--keys 500 -n 4 -a opensesame --output json -v")
        .run();
    outcome
        .succeeds()
        .never_mentions("opensesame")
        .report()
        .is_complete(500);
    assert_eq!(server.dbsize(), 500);
}

#[test]
fn a_password_in_the_environment() {
    let server = server_with_password("opensesame");
    let command = fill(&server)
        .with("--keys 500")
        .env("REDISCLI_AUTH", "opensesame");
    command.completes(500);
    let wrong = fill(&server)
        .with("--keys 500")
        .env("REDISCLI_AUTH", "wrong");
    wrong.with("-a opensesame").report().is_complete(500);
}

#[test]
fn a_password_in_a_file() {
    let server = server_with_password("opensesame");
    for content in [
        "opensesame\n",
        "opensesame",
        "opensesame\r\nsomething else\n",
    ] {
        let file = NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), content).expect("it can be written to");
        let path = file.path().display().to_string();
        let command = fill(&server)
            .with("-f --keys 500 --password-file")
            .arg(&path);
        command.completes(500);
    }
}

#[test]
fn a_password_typed_on_the_terminal() {
    let server = server_with_password("opensesame");
    let command = fill(&server)
        .with("--keys 500 --ask-password --no-progress")
        .command_line();
    let mut terminal = on_a_terminal(&command).start();
    terminal.answer("assword", "opensesame\n");
    terminal
        .wait()
        .succeeds()
        .prints(["500", "complete"])
        .never_mentions("opensesame");
    assert_eq!(server.dbsize(), 500);
}

#[test]
fn an_acl_user() {
    let server = Server::start();
    server.run("ACL SETUSER default off");
    server.run("ACL SETUSER filler on >opensesame ~* +@all");
    fill(&server)
        .with("--keys 500 -u filler -a opensesame")
        .completes(500);
    let by_environment = fill(&server).with("--keys 500 -u filler");
    by_environment
        .env("REDISCLI_AUTH", "opensesame")
        .report()
        .is_complete(500);
}

#[test]
fn an_acl_user_who_may_do_no_more_than_a_fill_needs() {
    let server = Server::start();
    server.run("ACL SETUSER filler on >opensesame ~key:* +set +dbsize +exists +info +select +ping");
    fill(&server)
        .with("--keys 500 -u filler -a opensesame")
        .completes(500);
}

#[test]
fn a_password_although_the_server_wants_none() {
    // Redis 6 and later refuse AUTH then; so a login that does nothing is told, not ignored.
    let server = Server::start();
    let outcome = fill(&server).with("--keys 500 -a opensesame").run();
    outcome.is_refused(3, ["-a"]).never_mentions("opensesame");
    assert_eq!(server.dbsize(), 0);
}

#[test]
fn keys_of_others_stay_and_are_not_counted() {
    let server = Server::start();
    server.add_foreign_keys(37);
    let report = fill(&server).with("--keys 500").report();
    report
        .is_complete(500)
        .has([("keys.created", 500.into()), ("keys.existed", 0.into())]);
    assert_eq!(server.dbsize(), 537);
    server.keeps_foreign_keys(37);
}

#[test]
fn filling_twice_overwrites_and_says_so() {
    let server = Server::start();
    fill(&server).with("--keys 500").completes(500);
    let outcome = fill(&server).with("--keys 500 --output json").run();
    outcome.succeeds().says(["already", "overwritten"]);
    let report = outcome.report();
    report
        .is_complete(500)
        .has([("keys.created", 0.into()), ("keys.existed", 500.into())]);
    assert_eq!(server.dbsize(), 500);
}

#[test]
fn filling_twice_replaces_every_value() {
    let server = Server::start();
    fill(&server).with("--keys 500 --seed 1").completes(500);
    fill(&server)
        .with("--keys 500 --seed 2")
        .report()
        .is_complete(500);
    for index in 0..500 {
        let value = server
            .get(&oracle::default_key(index, 512))
            .expect("the key is there");
        oracle::assert_value(&value, index, (512, 512), 2);
    }
}

#[test]
fn a_larger_fill_adds_what_a_smaller_one_left_out() {
    let server = Server::start();
    fill(&server).with("--keys 300").completes(300);
    let report = fill(&server).with("--keys 500").report();
    report
        .is_complete(500)
        .has([("keys.created", 200.into()), ("keys.existed", 300.into())]);
    assert_eq!(server.dbsize(), 500);
}

#[test]
fn a_planned_key_of_another_type_is_replaced() {
    let server = Server::start();
    let list = String::from_utf8(oracle::default_key(7, 512)).expect("keys are text");
    server.run(&format!("LPUSH {list} a b c"));
    let report = fill(&server).with("--keys 500").report();
    report
        .is_complete(500)
        .has([("keys.created", 499.into()), ("keys.existed", 1.into())]);
    assert_eq!(server.ask::<String>(&format!("TYPE {list}")), "string");
    assert_eq!(server.dbsize(), 500);
}

#[test]
fn a_key_of_others_that_expires_meanwhile_is_not_missed() {
    let server = Server::start();
    server.run("SET other:1 value PX 30");
    let report = fill(&server).with("--keys 500").report();
    report.is_complete(500);
    assert_eq!(server.count("key:*"), 500);
}

#[test]
fn the_node_tells_what_it_took() {
    let server = Server::start();
    let report = fill(&server)
        .with("--keys 5000 --value-size 2000")
        .completes(5000);
    let address = Value::from(server.address());
    report.has([
        ("plan.target", address.clone()),
        ("nodes.0.address", address),
        ("nodes.0.keys", 5000.into()),
        ("nodes.0.created", 5000.into()),
        ("bytes.payload", (5000 * 2512).into()),
    ]);
    let before = report.number("nodes.0.used_memory_before");
    let after = report.number("nodes.0.used_memory_after");
    assert!(after - before > 5000 * 2512, "{before} {after}");
}

#[test]
fn every_address_of_a_name_is_tried() {
    let server = Server::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let lines = "::1 two-faces\n127.0.0.1 two-faces\n";
    let Some(hosts) = jail::with_hosts(folder.path(), lines) else {
        return;
    };
    let port = server.port();
    let command = program().with(&format!("fill -h two-faces -p {port}"));
    command
        .with("--keys 500")
        .under(hosts)
        .report()
        .is_complete(500);
    assert_eq!(server.dbsize(), 500);
}

#[test]
fn a_server_that_listens_on_ipv6_alone() {
    let server = Server::with("bind", "127.0.0.1 ::1").start();
    let port = server.port();
    for host in ["::1", "[::1]", "localhost"] {
        let command = program().with(&format!("fill -h {host} -p {port}"));
        command.with("-f --keys 500").report().is_complete(500);
        assert_eq!(server.dbsize(), 500);
    }
}
