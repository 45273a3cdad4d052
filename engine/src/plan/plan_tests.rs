//! Plans over many machines and options.

use proptest::prelude::*;

use super::amount::Amount;
use super::keyspace::KeyLayout;
use super::options::{CONNECTIONS_MAX, KEY_SIZE_MAX, PIPELINE_DEPTH_MAX, VALUE_SIZE_MAX};
use super::resources::{PAGE_BYTES, REGISTERED_BYTES_MAX};
use super::*;
use crate::machine::{Unavailable, Whereabouts};

fn options() -> PlanOptions {
    PlanOptions {
        amount: Amount::Bytes(1 << 30),
        key_size: 512,
        value_size: 512,
        pipeline_depth: 7738,
        connections: 2,
        key_prefix: None,
        start_key: 0,
        seed: 1,
        key_layout: KeyLayout::Plain,
        replies: RepliesChoice::Auto,
        driver: DriverChoice::Auto,
        send: SendChoice::Auto,
        reactors: ReactorChoice::Auto,
        pin: true,
        stall_timeout: Duration::from_secs(30),
        resume: false,
        only_missing: false,
        force: false,
        append: false,
        until: None,
        tune: None,
        command: Command::Set,
    }
}

fn machine() -> Machine {
    Machine {
        cores: vec![0, 1, 2, 3],
        io_uring: Ok(()),
        servers: Whereabouts::Here,
    }
}

fn plan(change: impl FnOnce(&mut PlanOptions)) -> Result<Plan> {
    let mut options = options();
    change(&mut options);
    Plan::new(&options, &machine())
}

fn message(change: impl FnOnce(&mut PlanOptions)) -> String {
    plan(change).unwrap_err().to_string()
}

#[test]
fn the_default_plan_is_the_documented_one() {
    let plan = plan(|_| {}).unwrap();
    assert_eq!((plan.keys(), plan.payload_bytes()), (1_048_576, 1 << 30));
    assert_eq!(
        (plan.driver, plan.send, plan.replies),
        (Driver::Uring, Send::Copy, Replies::Fenced)
    );
    assert_eq!(plan.reactor_cores, [Some(3)]);
    assert!(plan.notices.is_empty());
}

#[test]
fn a_primer_is_a_small_part_of_what_follows_it() {
    let whole = plan(|_| {}).unwrap();
    assert_eq!(whole.primer_bytes(1 << 20), 1 << 20);
    assert_eq!(whole.primer_bytes(1 << 13), 128 << 10);
    assert_eq!(whole.primer_bytes(1 << 11), 0, "too little to gain from it");
    let small = plan(|options| (options.key_size, options.value_size) = (16, 16)).unwrap();
    let commands = small.primer_bytes(1 << 30) / small.segment.frame().bytes();
    assert_eq!(commands, 2048, "others are not kept waiting");
    let large = plan(|options| options.value_size = 32 << 10).unwrap();
    assert_eq!(large.primer_bytes(1 << 20), 0, "such values have buffers");
    let until = plan(|options| {
        options.until = Some(MemoryTarget::Bytes(1 << 30));
    });
    assert_eq!(until.unwrap().primer_bytes(1 << 20), 0);
}

#[test]
fn values_out_of_range_name_flag_and_range() {
    for (message, flag, range) in [
        (message(|o| o.key_size = 0), "--key-size 0", "1 to 65536"),
        (
            message(|o| o.key_size = KEY_SIZE_MAX + 1),
            "--key-size 65537",
            "1 to 65536",
        ),
        (
            message(|o| o.value_size = 0),
            "--value-size 0",
            "1 to 524288",
        ),
        (
            message(|o| o.value_size = VALUE_SIZE_MAX + 1),
            "--value-size 524289",
            "1 to 524288",
        ),
        (
            message(|o| o.pipeline_depth = 0),
            "--pipeline-depth 0",
            "1 to 100000",
        ),
        (
            message(|o| o.pipeline_depth = PIPELINE_DEPTH_MAX + 1),
            "--pipeline-depth",
            "1 to 100000",
        ),
        (
            message(|o| o.connections = CONNECTIONS_MAX + 1),
            "-n 1025",
            "1 to 1024",
        ),
        (
            message(|o| o.reactors = ReactorChoice::Count(5)),
            "--reactors 5",
            "1 to 4",
        ),
        (message(|o| o.amount = Amount::Keys(0)), "--keys 0", "1 to"),
    ] {
        assert!(
            message.contains(flag) && message.contains(range),
            "{message}"
        );
    }
}

#[test]
fn a_key_size_that_cannot_name_the_keys_is_refused_with_the_one_that_can() {
    let message = message(|o| (o.key_size, o.value_size) = (2, 512));
    assert!(
        message.contains("65536 keys") && message.contains("--key-size 3"),
        "{message}"
    );
    let message = self::message(|o| o.start_key = u64::MAX);
    assert!(message.contains("--start-key"), "{message}");
}

#[test]
fn short_pipelines_read_each_reply() {
    assert_eq!(
        plan(|o| o.pipeline_depth = 31).unwrap().replies,
        Replies::Each
    );
    assert_eq!(
        plan(|o| o.pipeline_depth = 32).unwrap().replies,
        Replies::Fenced
    );
}

#[test]
fn without_io_uring_auto_goes_on_and_uring_explains() {
    let why = Unavailable {
        cause: "seccomp".into(),
        cure: "allow it".into(),
    };
    let machine = Machine {
        io_uring: Err(why),
        ..machine()
    };
    let plan = Plan::new(&options(), &machine).unwrap();
    assert_eq!(plan.driver, Driver::Socket);
    assert!(plan.notices[0].contains("seccomp; allow it"));
    let options = PlanOptions {
        driver: DriverChoice::Uring,
        ..options()
    };
    let message = Plan::new(&options, &machine).unwrap_err().to_string();
    assert!(message.contains("seccomp; allow it"), "{message}");
}

#[test]
fn zero_copy_is_for_other_machines_and_few_lanes() {
    let machine = Machine {
        servers: Whereabouts::Elsewhere,
        ..machine()
    };
    assert_eq!(Plan::new(&options(), &machine).unwrap().send, Send::Zc);
    let plan = plan(|o| (o.send, o.connections) = (SendChoice::Zc, 1024)).unwrap();
    assert_eq!(plan.send, Send::Copy);
    assert!(plan.notices[0].contains("--send zc"), "{:?}", plan.notices);
}

#[test]
fn only_cores_that_may_be_used_are_taken() {
    let message = message(|o| o.reactors = ReactorChoice::Cores(vec![1, 9]));
    assert!(
        message.contains("core 9") && message.contains("[0, 1, 2, 3]"),
        "{message}"
    );
    let plan = plan(|o| o.reactors = ReactorChoice::Cores(vec![1, 0])).unwrap();
    assert_eq!(plan.reactor_cores, [Some(1), Some(0)]);
}

#[test]
fn fences_stand_more_often_where_large_values_go_to_this_machine() {
    let batch_mib = |servers, value_size, command| {
        let machine = Machine {
            servers,
            ..machine()
        };
        let options = PlanOptions {
            value_size,
            command,
            pipeline_depth: PIPELINE_DEPTH_MAX,
            ..options()
        };
        let plan = Plan::new(&options, &machine).unwrap();
        let bytes = plan.batch_frames * plan.segment.frame().bytes() as u64;
        (bytes as f64 / f64::from(1 << 20)).round()
    };
    assert_eq!(batch_mib(Whereabouts::Here, 8192, Command::Set), 1.0);
    assert_eq!(batch_mib(Whereabouts::Elsewhere, 8192, Command::Set), 8.0);
    assert_eq!(batch_mib(Whereabouts::Both, 8192, Command::Set), 8.0);
    assert_eq!(batch_mib(Whereabouts::Here, 512, Command::Set), 8.0);
    assert_eq!(batch_mib(Whereabouts::Here, 512, Command::Mset(16)), 8.0);
}

proptest! {
    #[test]
    fn every_plan_keeps_its_limits(
        key_size in 1..=KEY_SIZE_MAX,
        value_size in 1..=VALUE_SIZE_MAX,
        pipeline_depth in 1..=PIPELINE_DEPTH_MAX,
        connections in 1..=CONNECTIONS_MAX,
        cores in 1_usize..80,
        servers in prop_oneof![Just(Whereabouts::Here), Just(Whereabouts::Elsewhere), Just(Whereabouts::Both)],
        nodes in 1_usize..17,
        send in prop_oneof![Just(SendChoice::Auto), Just(SendChoice::Zc), Just(SendChoice::Copy)],
        driver in prop_oneof![Just(DriverChoice::Auto), Just(DriverChoice::TokioUring)],
    ) {
        let send = if driver == DriverChoice::TokioUring { SendChoice::Auto } else { send };
        let options = PlanOptions {
            amount: Amount::Keys(200), key_size, value_size, pipeline_depth, connections, send, driver,
            ..options()
        };
        let machine = Machine { cores: (0..cores).collect(), io_uring: Ok(()), servers };
        let plan = match Plan::for_nodes(&options, &machine, nodes) {
            Ok(plan) => plan,
            Err(error) => {
                let too_many = connections * nodes > LANES_MAX;
                prop_assert!(driver == DriverChoice::TokioUring || too_many, "{}", error);
                return Ok(());
            }
        };
        let block_bytes = plan.segment.block_bytes().next_multiple_of(PAGE_BYTES);
        let blocks_bytes = block_bytes * plan.blocks_per_reactor * plan.reactor_cores.len();
        if plan.registers_blocks {
            prop_assert!(blocks_bytes <= REGISTERED_BYTES_MAX);
        }
        prop_assert!(plan.blocks_per_reactor > 0);
        prop_assert!(plan.segment.frames() as u64 <= plan.batch_frames);
        prop_assert!(plan.batch_frames <= pipeline_depth);
        prop_assert!(plan.batch_frames * plan.segment.frame().bytes() as u64 <= batch::bytes_max(servers, plan.segment.frame())
            || plan.batch_frames == 1);
        prop_assert!(!plan.reactor_cores.is_empty());
        prop_assert!(plan.reactor_cores.len() <= plan.lanes());
        prop_assert_eq!(plan.lanes(), plan.connections * nodes);
    }
}
