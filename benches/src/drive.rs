//! The data plane by itself: lanes on one pinned core, into a sink on another; no control
//! connections, no monitor, no audit.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use engine::driver::contract::{LaneEnd, NodeLane, Shared, Tally};
use engine::handshake::{Greeted, Greeting};
use engine::lane::{Lane, Replies};
use engine::latency::Latencies;
use engine::plan::keyspace::KeyLayout;
use engine::plan::options::{STALL_SECONDS, depth_of_chunk};
use engine::plan::sequence::KeySequence;
use engine::plan::{DriverChoice, PlanOptions, ReactorChoice, RepliesChoice, SendChoice};
use engine::stop::{Halt, Stop};
use engine::target::Login;
use engine::{Amount, Machine, Plan, reactor};

use crate::Result;
use crate::process::Cost;
use crate::sink::Swallowed;

/// Sizes of keys and values.
pub const SIZES: (usize, usize) = (512, 512);
/// The default of `REDIS_CLIENT_FILL_CHUNK_KB`.
const CHUNK_KIB: u64 = 8192;

/// A fill of `keys` keys with default settings, over one connection per node, from `core`.
#[must_use]
pub fn options(keys: u64, key_layout: KeyLayout, core: usize) -> PlanOptions {
    let (key_size, value_size) = SIZES;
    PlanOptions {
        amount: Amount::Keys(keys),
        key_size,
        value_size,
        pipeline_depth: depth_of_chunk(CHUNK_KIB, key_size, value_size),
        connections: 1,
        key_prefix: None,
        start_key: 0,
        seed: 0,
        key_layout,
        replies: RepliesChoice::Fenced,
        driver: DriverChoice::Auto,
        send: SendChoice::Auto,
        reactors: ReactorChoice::Cores(vec![core]),
        pin: true,
        stall_timeout: Duration::from_secs(STALL_SECONDS),
        resume: false,
        only_missing: false,
        force: false,
        append: false,
        until: None,
        tune: None,
        command: engine::Command::Set,
    }
}

/// This machine, a sink on it being the server, as a server on loopback would be.
#[must_use]
pub fn machine() -> Machine {
    engine::observe::machine(&[([127, 0, 0, 1], 0).into()])
}

/// How lanes introduce themselves to a sink.
#[must_use]
pub fn greeting(plan: &Plan, address: SocketAddr) -> Greeting {
    Greeting {
        address,
        login: Login::default(),
        db: 0,
        replies: plan.replies,
        silence_max: plan.silence_max(),
        primer_bytes: 0,
    }
}

/// Each node's keys, split over the lanes that go to its address.
#[must_use]
pub fn lanes(plan: &Plan, nodes: &[(KeySequence, SocketAddr)]) -> Vec<NodeLane> {
    let mut lanes = Vec::new();
    for (node, (keys, address)) in nodes.iter().enumerate() {
        let greeting = Arc::new(greeting(plan, *address));
        let parts = keys.split(plan.connections);
        lanes.extend(parts.into_iter().map(|keys| NodeLane {
            lane: Lane::new(plan.lane_shape(), keys),
            node,
            greeting: Arc::clone(&greeting),
        }));
    }
    lanes
}

/// Runs the lanes on the calling thread, from dialing to the last acknowledgement.
///
/// # Errors
/// Not every key was acknowledged, or not sent in the planned way.
pub fn drive(plan: &Arc<Plan>, lanes: Vec<NodeLane>) -> Result<()> {
    let shared = Shared {
        stop: Stop::default(),
        halt: Halt::default(),
        tally: Arc::new(Tally::new(plan.nodes)),
        stall_timeout: plan.stall_timeout,
        silence_max: plan.silence_max(),
    };
    let result = reactor::run(plan, plan.reactor_cores[0], lanes, shared)?;
    if let Some(lane) = result.lanes.iter().find(|lane| lane.end != LaneEnd::Done) {
        return Err(format!("a lane of node {}: {:?}", lane.node, lane.end).into());
    }
    let acked: u64 = result.lanes.iter().map(|lane| lane.acked).sum();
    if acked != plan.keys() {
        return Err(format!("{acked} of {} keys were acknowledged", plan.keys()).into());
    }
    if result.outcome.send != plan.send {
        return Err(format!(
            "it sent {} instead of {}: {}",
            result.outcome.send.name(),
            plan.send.name(),
            result.outcome.notices.join("; ")
        )
        .into());
    }
    Ok(())
}

/// The baseline: the same greeting, segments and fences, patched by the same code, sent by
/// blocking writes and nothing else. It reads only when two fences are outstanding.
///
/// # Errors
/// The sink refuses something or leaves; the core may not be used.
pub fn write_all(plan: &Plan, greeting: &Greeting) -> Result<()> {
    if let Some(core) = plan.reactor_cores[0]
        && !core_affinity::set_for_current(CoreId { id: core })
    {
        return Err(format!("it may not be pinned to core {core}").into());
    }
    let mut block = vec![0; plan.segment.block_bytes()];
    plan.segment.render(&mut block);
    let mut first = vec![0; plan.segment.frame().bytes()];
    plan.segment
        .frame()
        .render(plan.sequence().at(0), 0, &mut first);
    let Greeted::Ready(mut stream, replies) = greeting.dial(&first)? else {
        return Err("the sink refused the first frame".into());
    };
    assert_eq!(replies, Replies::Fenced, "the sink takes CLIENT REPLY");
    let mut lane = Lane::new(plan.lane_shape(), plan.sequence().clone());
    lane.connected(replies);
    let mut latencies = Latencies::default();
    let mut received = [0; 256];
    while !lane.is_done() {
        if let Some(part) = lane.next(&mut block) {
            stream.write_all(&block[part.clone()])?;
            lane.sent(part.len(), Instant::now());
        } else {
            let length = stream.read(&mut received)?;
            if length == 0 {
                return Err("the sink left".into());
            }
            lane.received(&received[..length], Instant::now(), &mut latencies)
                .map_err(|error| format!("{error:?}"))?;
        }
    }
    Ok(())
}

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Bytes on the wire over time on the clock.
    pub gigabytes_per_second: f64,
    /// CPU of the client, by bytes on the wire.
    pub cpu_seconds_per_gib: f64,
    /// CPU of the sink over time on the clock.
    pub sink_busy_percent: f64,
}

impl Run {
    /// Of a run that cost `cost` and that the sink should have seen `bytes` of.
    ///
    /// # Errors
    /// It saw more or less.
    pub fn of(cost: Cost, swallowed: Swallowed, bytes: u64) -> Result<Self> {
        if swallowed.bytes != bytes {
            return Err(format!("the sink saw {} of {bytes} bytes", swallowed.bytes).into());
        }
        let wall = cost.wall.as_secs_f64();
        Ok(Self {
            gigabytes_per_second: bytes as f64 / wall / 1e9,
            cpu_seconds_per_gib: cost.cpu.as_secs_f64() / (bytes as f64 / f64::from(1 << 30)),
            sink_busy_percent: swallowed.cpu_seconds / wall * 100.0,
        })
    }
}
