//! Fills that have to do with a server's memory: until so much of it is used, forecasts of what
//! will be needed, and servers that evict or expire.

use crate::fixtures::{Cluster, Server, eventually, fill};

/// Small keys: their tables weigh most.
const SMALL: &str = "--key-size 16 --value-size 16";

fn used(server: &Server) -> u64 {
    server
        .info("memory", "used_memory")
        .parse()
        .expect("a number of bytes")
}

/// Asserts that a server uses what was asked for: never more than 1 % above.
#[track_caller]
fn uses(server: &Server, target: u64) {
    let used = used(server);
    assert!(
        (target - target / 200..=target + target / 100).contains(&used),
        "{used} bytes are used instead of {target}"
    );
}

#[test]
fn until_a_size_is_reached() {
    for sizes in [SMALL, "", "--key-size 64 --value-size 8192"] {
        let server = Server::start();
        let until = fill(&server)
            .with("--until-memory 60mb --output json")
            .with(sizes);
        let report = until.run().succeeds().report();
        report.is_complete(server.dbsize());
        uses(&server, 60 << 20);
    }
}

#[test]
fn until_a_part_of_maxmemory_is_reached() {
    let server = Server::with("maxmemory", "80mb").start();
    fill(&server).with("--until-memory 50%").run().succeeds();
    uses(&server, 40 << 20);
    // Topping up goes on behind what is there.
    let before = server.dbsize();
    let more = fill(&server).with("--until-memory 75% --output json").run();
    more.succeeds().says([&*format!("from index {before}")]);
    more.report().is_complete(server.dbsize() - before);
    uses(&server, 60 << 20);
}

#[test]
fn an_amount_bounds_a_memory_target() {
    let server = Server::start();
    let bounded = fill(&server)
        .with("--until-memory 1gb --keys 5000 --output json")
        .run();
    bounded
        .succeeds()
        .says(["stops short"])
        .report()
        .is_complete(5000);
    assert_eq!(server.dbsize(), 5000);
    let again = fill(&server).with("--until-memory 1gb --keys 5000").run();
    again.is_refused(2, ["--keys", "exist"]);
}

#[test]
fn a_table_that_would_cross_the_target_is_not_doubled() {
    let server = Server::start();
    // 2^18 keys of 16 + 16 bytes take some 27 MB, their tables 2 MB; doubling adds 4 MB.
    fill(&server)
        .with(SMALL)
        .with("--keys 262144")
        .completes(262_144);
    let target = used(&server) + (2 << 20);
    let until = fill(&server)
        .with(SMALL)
        .with(&format!("--until-memory {target}b"));
    until.run().succeeds().says(["stops short", "double"]);
    assert_eq!(server.dbsize(), 262_144);
}

#[test]
fn what_is_lost_on_the_way_is_not_filled_twice() {
    let server = Server::start();
    let mut running = fill(&server)
        .with("--until-memory 300mb --output json")
        .start();
    eventually("the fill is under way", || {
        server.dbsize() > 20_000 || running.has_ended()
    });
    server.run("FLUSHALL SYNC");
    let outcome = running.wait();
    let report = outcome.succeeds().report();
    report.has([
        ("keys.present", server.dbsize().into()),
        ("nodes.0.until_memory.ended_by", "lost".into()),
    ]);
    assert!(used(&server) <= 303 << 20, "the target is not crossed");
}

#[test]
fn memory_that_others_free_meanwhile_does_not_lead_across() {
    let server = Server::start();
    fill(&server).with("--db 3 --keys 100000").run().succeeds();
    let mut running = fill(&server).with("--until-memory 500mb").start();
    eventually("the fill is under way", || {
        server.keys_in_db(0) > 20_000 || running.has_ended()
    });
    let mut other = server.connect();
    redis::cmd("SELECT")
        .arg(3)
        .exec(&mut other)
        .expect("there is a database 3");
    redis::cmd("FLUSHDB")
        .exec(&mut other)
        .expect("it can be emptied");
    running.wait().succeeds();
    uses(&server, 500 << 20);
}

#[test]
fn keys_that_exist_behind_a_gap_keep_their_values() {
    let server = Server::start();
    fill(&server)
        .with("--start-key 5000 --keys 20 --seed 7 --key-size 16")
        .run()
        .succeeds();
    let before = server.get(b"key:000000005003");
    fill(&server)
        .with("--keys 100 --key-size 16")
        .run()
        .succeeds();
    let until = fill(&server).with("--until-memory 20mb --key-size 16 --output json");
    let outcome = until.run();
    outcome
        .succeeds()
        .report()
        .has([("keys.existed", 20.into())]);
    assert_eq!(server.get(b"key:000000005003"), before);
}

#[test]
fn every_master_of_a_cluster_reaches_the_target() {
    let cluster = Cluster::start(3);
    let until = cluster.fill().with("--until-memory 30mb --output json");
    let report = until.run().succeeds().report();
    report.is_complete(cluster.dbsize());
    cluster.nodes().for_each(|node| uses(node, 30 << 20));
}

#[test]
fn memory_targets_that_make_no_sense_are_refused() {
    let server = Server::with("maxmemory", "50mb").start();
    server.add_foreign_keys(37);
    for (target, words) in [
        ("60mb", ["maxmemory", "less"]),
        ("100%", ["98 %", "less"]),
        ("100kb", ["already", "nothing to do"]),
        ("0%", ["--until-memory", "100 %"]),
        ("150%", ["--until-memory", "100 %"]),
        ("much", ["--until-memory", "number"]),
    ] {
        fill(&server)
            .with("--until-memory")
            .arg(target)
            .run()
            .is_refused(2, words);
    }
    server.keeps_foreign_keys(37);
    let unlimited = Server::start();
    let percent = fill(&unlimited).with("--until-memory 50%").run();
    percent.is_refused(2, ["maxmemory", "2gb"]);
    assert_eq!(unlimited.dbsize(), 0);
}

#[test]
fn a_fill_that_will_not_fit_ends_early_with_the_arithmetic() {
    let server = Server::with("maxmemory", "600mb").start();
    // 400 MiB of payload would fit, but keys of 16 + 64 bytes take more than that.
    let flags = "-d 400mb --key-size 16 --value-size 64 --output json";
    let outcome = fill(&server).with(flags).run();
    let report = outcome.exits_with(1).report();
    report.is_incomplete().has([
        ("keys.present", server.dbsize().into()),
        ("refused", serde_json::json!({})),
    ]);
    let reason = report.text("reason");
    for words in ["bytes per key", "maxmemory", "--force"] {
        outcome.check(reason.contains(words), words);
    }
}

#[test]
fn a_fill_that_is_forced_goes_on_until_the_server_is_full() {
    let server = Server::with("maxmemory", "100mb").start();
    let flags = "-d 80mb --key-size 16 --value-size 64 --force";
    fill(&server).with(flags).run().exits_with(1).says(["OOM"]);
    // Read buffers and a table that has just doubled are given back.
    assert!(used(&server) > 90 << 20, "it goes on all the same");
}

#[test]
fn a_fill_that_fits_is_not_warned_of() {
    let server = Server::with("maxmemory", "300mb").start();
    let flags = "-d 100mb --key-size 16 --value-size 64 --output json";
    let outcome = fill(&server).with(flags).run();
    outcome
        .succeeds()
        .never_mentions("no room")
        .report()
        .is_complete(1_310_720);
}

#[test]
fn evictions_are_counted_and_accepted_by_request() {
    for (flags, code) in [("", 1), ("--allow-eviction", 0)] {
        let server = Server::with("maxmemory", "20mb")
            .and("maxmemory-policy", "allkeys-lru")
            .start();
        let outcome = fill(&server)
            .with("--keys 60000 --output json")
            .with(flags)
            .run();
        let report = outcome.exits_with(code).report();
        let evicted: u64 = server
            .info("stats", "evicted_keys")
            .parse()
            .expect("a number");
        let told = report.number("nodes.0.evicted");
        outcome.check(
            told > 40_000 && told <= evicted,
            "as many as the server says",
        );
        outcome.check(report.text("reason").contains("evicted"), "the reason");
        report.has([("rounds", 0.into())]);
    }
}

#[test]
fn what_else_is_missing_is_not_accepted() {
    let server = Server::with("maxmemory", "20mb").start();
    let outcome = fill(&server)
        .with("--keys 60000 --force --allow-eviction")
        .run();
    outcome.exits_with(1).says(["OOM"]);
}
