//! Every driver, every send path, both reply modes: the same fill by any of them.

use crate::fixtures::report::Report;
use crate::fixtures::{Server, fill, jail, program};

/// Everything that can be combined.
const DRIVERS: [&str; 6] = [
    "--driver uring --send zc",
    "--driver uring --send fixed",
    "--driver uring --send copy",
    "--driver uring --send auto",
    "--driver tokio-uring",
    "--driver socket",
];
const REPLIES: [&str; 2] = ["--replies fenced", "--replies each"];

/// Fills an empty server by every combination and looks at every key on it.
fn every_engine_fills(args: &str, keys: u64, (key_size, value_size): (usize, usize)) {
    let server = Server::start();
    let sizes = format!("--key-size {key_size} --value-size {value_size}");
    for driver in DRIVERS {
        for replies in REPLIES {
            server.clear();
            let command = fill(&server)
                .with(driver)
                .with(replies)
                .with(args)
                .with(&sizes);
            let report = command.completes(keys);
            assert_eq!(
                server.misfits(key_size, value_size),
                0,
                "{}",
                command.command_line()
            );
            let (driver, replies) = (last_word(driver, 1), last_word(replies, 1));
            assert_eq!(
                report.text("plan.driver"),
                driver,
                "{}",
                command.command_line()
            );
            assert_eq!(
                report.text("plan.replies"),
                replies,
                "{}",
                command.command_line()
            );
        }
    }
}

/// The word at a place.
fn last_word(words: &str, place: usize) -> &str {
    words.split(' ').nth(place).expect("there is such a word")
}

#[test]
fn with_default_sizes() {
    every_engine_fills("--keys 2501", 2501, (512, 512));
}

#[test]
fn with_tiny_frames() {
    every_engine_fills("--keys 20011 --pipeline-depth 333", 20_011, (8, 1));
}

#[test]
fn with_frames_larger_than_a_block() {
    every_engine_fills("--keys 41 -n 3", 41, (100, 300_000));
}

#[test]
fn with_many_connections() {
    every_engine_fills("--keys 3001 -n 20", 3001, (64, 256));
}

#[test]
fn with_one_command_at_a_time() {
    every_engine_fills("--keys 301 --pipeline-depth 1", 301, (64, 256));
}

#[test]
fn with_values_that_span_many_socket_buffers() {
    every_engine_fills("--keys 13 -n 2 --pipeline-depth 4", 13, (65_536, 524_288));
}

#[test]
fn with_slotted_keys() {
    every_engine_fills("--keys 2501 --key-layout slotted", 2501, (64, 64));
}

#[test]
fn the_send_path_asked_for_is_the_one_used() {
    let server = Server::start();
    for (send, used) in [
        ("zc", "zc"),
        ("fixed", "fixed"),
        ("copy", "copy"),
        ("auto", "copy"),
    ] {
        let report = fill(&server)
            .with("--keys 500 --driver uring --send")
            .with(send)
            .report();
        assert_eq!(report.text("plan.send"), used);
    }
}

#[test]
fn short_pipelines_read_each_reply() {
    let server = Server::start();
    for (depth, replies) in [("31", "each"), ("32", "fenced")] {
        let report = fill(&server)
            .with("--keys 500 --pipeline-depth")
            .with(depth)
            .report();
        assert_eq!(report.text("plan.replies"), replies);
    }
}

#[test]
fn where_fences_are_forbidden_each_reply_is_read() {
    for forbidden in ["-client", "-client|reply", "-echo"] {
        let server = Server::start();
        server.run(&format!(
            "ACL SETUSER filler on >secret ~* +@all {forbidden}"
        ));
        let command = fill(&server).with("--keys 500 -u filler -a secret --replies fenced");
        let report = command.completes(500);
        assert_eq!(report.text("plan.replies"), "each", "{forbidden}");
    }
}

#[test]
fn fenced_fills_are_acknowledged_once_per_batch() {
    let server = Server::start();
    fill(&server)
        .with("--keys 2000 --pipeline-depth 100 -n 1 --replies fenced")
        .completes(2000);
    // One echo to see whether it is allowed. The first frame goes alone; then twenty batches, the
    // last of them short.
    assert_eq!(server.calls("echo"), 1 + 20);
}

#[test]
fn reactors_as_many_as_asked_for() {
    let server = Server::start();
    for (args, reactors) in [
        ("--reactors 1 -n 4", 1),
        ("--reactors 3 -n 4 --no-pin", 3),
        ("--reactors 8 -n 4 --no-pin", 4),
        ("-n 4", 1),
    ] {
        server.clear();
        let report = fill(&server).with("--keys 3001").with(args).completes(3001);
        assert_eq!(report.number("plan.reactors"), reactors, "{args}");
    }
}

#[test]
fn reactors_on_named_cores() {
    let server = Server::start();
    let core = first_core();
    for core in [
        format!("cores={core}"),
        format!("cores={core} --no-progress"),
    ] {
        server.clear();
        let report = fill(&server)
            .with("--keys 3001 --reactors")
            .with(&core)
            .completes(3001);
        assert_eq!(report.number("plan.reactors"), 1);
    }
    let report = fill(&server)
        .with("-n 64 --keys 3001 --reactors cores")
        .report();
    let cores = std::thread::available_parallelism()
        .expect("a number of cores")
        .get();
    assert_eq!(report.number("plan.reactors"), cores as u64);
}

#[test]
fn on_one_core_shared_with_the_server() {
    let server = Server::start();
    let core = jail::on_core(first_core());
    for driver in DRIVERS {
        server.clear();
        fill(&server)
            .with("--keys 2001 -n 10")
            .with(driver)
            .under(core.clone())
            .completes(2001);
    }
}

#[test]
fn serially() {
    let server = Server::start();
    let report = fill(&server).with("--keys 2001 -s").completes(2001);
    report.has([("plan.connections", 1.into()), ("plan.reactors", 1.into())]);
    let long = fill(&server).with("--keys 2001 --serial").report();
    assert_eq!(long.number("plan.connections"), 1);
}

#[test]
fn without_io_uring_the_socket_driver_goes_on_and_says_why() {
    let server = Server::start();
    let command = fill(&server)
        .with("--keys 2001 --output json")
        .under(jail::without_io_uring());
    let outcome = command.run();
    outcome
        .succeeds()
        .says(["--driver socket", "io_uring", "seccomp"]);
    outcome
        .report()
        .is_complete(2001)
        .has([("plan.driver", "socket".into())]);
    assert_eq!(server.dbsize(), 2001);
}

/// The first core this process may run on.
fn first_core() -> usize {
    let mask = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).expect("a mask");
    (0..nix::sched::CpuSet::count())
        .find(|core| mask.is_set(*core) == Ok(true))
        .expect("a core")
}

/// Fills the server at the other end of a veth pair; `None` where there can be none.
fn fill_across(flags: &str) -> Option<Report> {
    let across = jail::across_a_veth_pair()?;
    let outcome = program()
        .with("fill --driver uring --output json -p 6379 -h")
        .arg(jail::ELSEWHERE)
        .with(flags)
        .under(across)
        .run();
    let report = outcome.succeeds().report();
    let keys = report.at("keys.planned").as_u64().expect("a number");
    report.has([("keys.present", keys.into()), ("keys.sent", keys.into())]);
    outcome.says([format!("keys on the server: {keys}").as_str()]);
    Some(report)
}

#[test]
fn where_the_kernel_copies_auto_is_not_zero_copy_and_says_why() {
    for flags in ["--keys 400000", "--keys 600000 -n 20"] {
        let Some(report) = fill_across(flags) else {
            return;
        };
        assert!(["fixed", "copy"].contains(&report.text("plan.send")));
        let reason = report.text("plan.send_reason");
        assert!(
            reason.starts_with("the kernel copied 4 of 4 zero-copy sends; fixed took"),
            "{reason}"
        );
    }
}

#[test]
fn small_fills_do_not_try_kinds_of_send() {
    let Some(report) = fill_across("--keys 5000") else {
        return;
    };
    report.has([
        ("plan.send", "copy".into()),
        (
            "plan.send_reason",
            "too few bytes to find out which is best".into(),
        ),
    ]);
}

#[test]
fn without_registered_memory_auto_copies_and_says_why() {
    // Root may lock as much as it likes.
    let wrapper = [
        vec![
            "sh".into(),
            "-c".into(),
            "ulimit -l 64 && exec \"$@\"".into(),
            "sh".into(),
        ],
        jail::as_ordinary_user(64_321),
    ]
    .concat();
    let (_folder, everybody) = jail::program_for_everybody();
    let Some(across) = jail::across_a_veth_pair().filter(|_| jail::is_root()) else {
        return;
    };
    let outcome = program()
        .from(&everybody)
        .with("fill --keys 400000 --driver uring --output json -p 6379 -h")
        .arg(jail::ELSEWHERE)
        .under(across)
        .under(wrapper)
        .run();
    let report = outcome.succeeds().report();
    report.has([
        ("plan.send", "copy".into()),
        ("keys.present", 400_000.into()),
    ]);
    let reason = report.text("plan.send_reason");
    assert!(
        reason.starts_with("no memory may be registered"),
        "{reason}"
    );
}

/// The most that any data connection's buffer in the server was seen to have room for, in bytes.
fn largest_buffer(server: &Server, flags: &str) -> u64 {
    let mut running = fill(server).with(flags).start();
    let mut largest = 0;
    while !running.has_ended() {
        let clients: String = server.ask("CLIENT LIST");
        let of_fill = clients
            .lines()
            .filter(|line| line.contains("name=redis-client-fill"));
        for line in of_fill {
            let bytes = |field: &str| -> u64 {
                let value = line.split(' ').find_map(|pair| pair.strip_prefix(field));
                value.and_then(|text| text.parse().ok()).unwrap_or(0)
            };
            largest = largest.max(bytes("qbuf=") + bytes("qbuf-free="));
        }
    }
    running.wait().succeeds();
    largest
}

#[test]
fn a_server_is_made_to_read_much_at_a_time() {
    let server = Server::start();
    let primed = largest_buffer(&server, "-d 256mb -n 1 -f -y --value-size 2000");
    assert!(primed >= 1 << 20, "{primed}");
    // Its memory is not used up by buffers where little is sent, or a target is to be met.
    let small = largest_buffer(&server, "-d 3mb -n 1 -f -y --value-size 2000");
    assert!(small < 64 << 10, "{small}");
    server.clear();
    let aimed = largest_buffer(&server, "--until-memory 200mb -n 1 --value-size 2000");
    assert!(aimed < 256 << 10, "{aimed}");
}
