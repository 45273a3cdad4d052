//! Servers that cannot be reached, do not let us in, or cannot take a fill in their present
//! state: one message that says which and what to change, promptly, and nothing changed.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::fixtures::program::{Outcome, fill_port};
use crate::fixtures::server::free_port;
use crate::fixtures::{Fake, Server, eventually, fill, program};

/// Foreign keys on servers that must stay as they are.
const FOREIGN: u64 = 37;

/// A server with keys of others on it.
fn inhabited() -> Server {
    let server = Server::start();
    server.add_foreign_keys(FOREIGN);
    server
}

/// Asserts that each way to fill, also with a flush, is refused and changes nothing.
#[track_caller]
fn stays_untouched(server: &Server, args: &str, code: i32, words: &[&str]) {
    let changes = server.changes();
    let settings: Vec<String> = server.ask("CONFIG GET *");
    for amount in ["--keys 500", "-f --keys 500", "-f --keys 500 --force", "-f"] {
        let outcome = fill(server).with(amount).with(args).run();
        outcome.is_refused(code, words.iter().copied());
        outcome.check(server.changes() == changes, "something was changed");
    }
    assert_eq!(server.ask::<Vec<String>>("CONFIG GET *"), settings);
    server.keeps_foreign_keys(FOREIGN);
    assert_eq!(server.dbsize(), FOREIGN);
}

/// The outcome of a fill of something that is not a server.
fn fill_of(fake: &Fake) -> Outcome {
    fill_port(fake.port()).with("-f --keys 500").run()
}

#[test]
fn an_unknown_host() {
    let outcome = program()
        .with("fill -h no-such-host.invalid --keys 500")
        .run();
    outcome.is_refused(3, ["no-such-host.invalid", "-h"]);
}

#[test]
fn a_closed_port() {
    let port = free_port();
    let outcome = fill_port(port).with("--keys 500").run();
    outcome.is_refused(3, ["127.0.0.1", &port.to_string(), "refused", "-h", "-p"]);
}

#[test]
fn an_address_where_nobody_is() {
    // TEST-NET-3 of RFC 5737. Whether the network is silent or says so, it must not take long.
    let outcome = program().with("fill -h 203.0.113.7 --keys 500").run();
    outcome.is_refused(3, ["203.0.113.7"]);
}

#[test]
fn a_port_that_says_nothing() {
    let fake = Fake::silent();
    fill_of(&fake).is_refused(3, ["did not answer", "-p", &fake.port().to_string()]);
}

#[test]
fn a_port_that_speaks_http() {
    let fake = Fake::http();
    fill_of(&fake).is_refused(3, ["RESP", "-p", "HTTP", &fake.port().to_string()]);
}

#[test]
fn a_port_that_speaks_first() {
    let fake = Fake::ssh();
    fill_of(&fake).is_refused(3, ["RESP", "-p", &fake.port().to_string()]);
}

#[test]
fn a_port_that_hangs_up() {
    let fake = Fake::closing();
    fill_of(&fake).is_refused(3, ["closed", "-p", &fake.port().to_string()]);
}

#[test]
fn a_port_that_answers_everything_alike() {
    let fake = Fake::answering(b"+OK\r\n");
    fill_of(&fake).is_refused(3, ["RESP", "-p"]);
}

#[test]
fn a_port_whose_answer_never_ends() {
    let slow = Fake::dripping();
    fill_of(&slow).is_refused(3, ["-p", &slow.port().to_string()]);
}

#[test]
fn a_port_whose_answer_is_enormous() {
    let fast = Fake::flooding();
    fill_of(&fast).is_refused(3, ["-p", &fast.port().to_string()]);
}

#[test]
fn a_server_in_protected_mode() {
    let fake =
        Fake::answering(b"-DENIED Redis is running in protected mode because it says so\r\n");
    let outcome = fill_of(&fake);
    outcome.says(["protected mode"]).is_prompt();
    outcome.check(!fake.heard().contains("FLUSH"), "it went on to flush");
}

#[test]
fn a_wrong_password() {
    let server = inhabited();
    server.run("CONFIG SET requirepass opensesame");
    stays_untouched(&server, "-a openbarley", 3, &["WRONGPASS", "-a", "-u"]);
    fill(&server)
        .with("--keys 10 -a openbarley -v")
        .run()
        .never_mentions("openbarley");
    let command = fill(&server)
        .with("--keys 10")
        .env("REDISCLI_AUTH", "openbarley");
    command
        .run()
        .is_refused(3, ["REDISCLI_AUTH"])
        .never_mentions("openbarley");
}

#[test]
fn a_missing_password() {
    let server = inhabited();
    server.run("CONFIG SET requirepass opensesame");
    let words = [
        "requires a password",
        "-a",
        "--password-file",
        "REDISCLI_AUTH",
    ];
    stays_untouched(&server, "", 3, &words);
}

#[test]
fn an_unknown_user() {
    stays_untouched(
        &inhabited(),
        "-u nobody -a opensesame",
        3,
        &["nobody", "WRONGPASS", "-u"],
    );
}

#[test]
fn a_user_who_may_not_set() {
    let server = inhabited();
    server.run("ACL SETUSER reader on >opensesame ~* +@all -set");
    let changes = server.changes();
    for amount in ["--keys 500", "-f --keys 500", "-f --keys 500 --force"] {
        let outcome = fill(&server)
            .with("-u reader -a opensesame")
            .with(amount)
            .run();
        outcome.is_refused(3, ["NOPERM", "SET", "-u"]);
        assert_eq!(server.changes(), changes, "{amount}");
    }
    server.keeps_foreign_keys(FOREIGN);
}

#[test]
fn a_user_who_may_not_touch_these_keys() {
    let server = inhabited();
    server.run("ACL SETUSER guest on >opensesame ~guest:* +@all");
    let changes = server.changes();
    for amount in ["--keys 500", "-f --keys 500"] {
        let outcome = fill(&server)
            .with("-u guest -a opensesame")
            .with(amount)
            .run();
        outcome.is_refused(3, ["NOPERM", "-u"]);
        assert_eq!(server.changes(), changes, "{amount}");
    }
    fill(&server)
        .with("--keys 500 -u guest -a opensesame --key-prefix guest:")
        .report();
}

#[test]
fn a_user_who_may_not_flush() {
    let server = inhabited();
    server.run("ACL SETUSER filler on >opensesame ~* +@all -flushdb");
    let changes = server.changes();
    for amount in ["-f --keys 500", "-f"] {
        let outcome = fill(&server)
            .with("-u filler -a opensesame")
            .with(amount)
            .run();
        outcome.is_refused(3, ["NOPERM", "FLUSHDB"]);
        assert_eq!(server.changes(), changes, "{amount}");
    }
    fill(&server)
        .with("--keys 500 -u filler -a opensesame")
        .report()
        .is_complete(500);
}

#[test]
fn a_database_that_the_server_does_not_have() {
    let server = inhabited();
    stays_untouched(&server, "--db 16", 2, &["--db 16", "databases"]);
}

#[test]
fn a_server_that_is_loading() {
    let server = inhabited();
    fill(&server).with("--keys 20000 --value-size 100").report();
    let slowly = server.saved_for_another().and("key-load-delay", "20000");
    let loading = slowly
        .and("loading-process-events-interval-bytes", "1024")
        .start();
    assert_eq!(loading.info("persistence", "loading"), "1");
    for amount in ["--keys 500", "-f --keys 500", "-f"] {
        fill(&loading).with(amount).run().is_refused(2, ["loading"]);
    }
    assert_eq!(loading.info("persistence", "loading"), "1");
}

#[test]
fn a_server_that_does_nothing_but_load() {
    let fake = Fake::answering(b"-LOADING Redis is loading the dataset in memory\r\n");
    fill_of(&fake).is_refused(2, ["loading"]);
    assert!(
        !fake.heard().contains("FLUSHDB\r\n$5\r\nASYNC"),
        "it went on to flush"
    );
}

#[test]
fn a_replica() {
    let master = inhabited();
    let replica = Server::with("replicaof", &format!("127.0.0.1 {}", master.port())).start();
    eventually("the replica is in step", || replica.dbsize() == FOREIGN);
    stays_untouched(
        &replica,
        "",
        2,
        &["replica", "master", &master.port().to_string()],
    );
    master.keeps_foreign_keys(FOREIGN);
}

#[test]
fn a_replica_that_has_lost_its_master() {
    let server = inhabited();
    server.run("CONFIG SET replica-serve-stale-data no");
    server.run(&format!("REPLICAOF 127.0.0.1 {}", free_port()));
    for amount in ["--keys 500", "-f --keys 500", "-f"] {
        fill(&server)
            .with(amount)
            .run()
            .is_refused(2, ["replica", "master"]);
    }
    server.run("REPLICAOF NO ONE");
    server.keeps_foreign_keys(FOREIGN);
}

#[test]
fn a_node_in_cluster_mode() {
    let server = Server::with("cluster-enabled", "yes").start();
    for amount in ["--keys 500", "-f --keys 500", "-f"] {
        fill(&server)
            .with(amount)
            .run()
            .is_refused(2, ["cluster", "-c"]);
    }
    assert_eq!(server.changes(), 0);
}

#[test]
fn a_server_without_the_replicas_it_wants() {
    let server = inhabited();
    server.run("CONFIG SET min-replicas-to-write 1");
    stays_untouched(&server, "", 2, &["NOREPLICAS", "min-replicas-to-write"]);
}

#[test]
fn a_server_that_cannot_save() {
    let server = inhabited();
    server.run_words(&["CONFIG", "SET", "save", "3600 1"]);
    server.loses_its_folder();
    server.run("BGSAVE");
    eventually("the snapshot fails", || {
        server.info("persistence", "rdb_last_bgsave_status") == "err"
    });
    stays_untouched(&server, "", 2, &["MISCONF", "snapshot"]);
}

#[test]
fn a_server_busy_with_a_script() {
    let server = Server::with("busy-reply-threshold", "50").start();
    let mut other = server.connect();
    let script = std::thread::spawn(move || {
        redis::cmd("EVAL")
            .arg("while true do end")
            .arg(0)
            .exec(&mut other)
    });
    std::thread::sleep(Duration::from_millis(200));
    fill(&server)
        .with("-f --keys 500")
        .run()
        .is_refused(2, ["busy", "script"]);
    server.run("SCRIPT KILL");
    assert!(
        script.join().expect("the thread is well").is_err(),
        "the script was killed"
    );
    assert_eq!(server.changes(), 0);
}

#[test]
fn a_server_that_hangs() {
    let server = inhabited();
    let changes = server.changes();
    server.signal(Signal::SIGSTOP);
    let outcome = fill(&server).with("-f --keys 500").run();
    server.signal(Signal::SIGCONT);
    outcome.is_refused(3, ["did not answer", "-p"]);
    assert_eq!(server.changes(), changes);
    server.keeps_foreign_keys(FOREIGN);
}
