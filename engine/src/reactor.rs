//! One reactor: a thread pinned to a core, a driver, and the lanes it drives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use core_affinity::CoreId;
use nix::sys::resource::UsageWho;

use crate::driver;
use crate::driver::contract::{LaneEnd, NodeLane, Outcome, Shared};
use crate::driver::desk::Desk;
use crate::driver::waits::Waits;
use crate::error::{Error, Result};
use crate::lane::Replies;
use crate::latency::Latencies;
use crate::plan::Plan;
use crate::plan::sequence::KeySequence;
use crate::scheduling::{Scheduling, cpu_time};

/// What became of one lane.
#[derive(Clone, Debug)]
pub struct LaneResult {
    /// Number of the node that it filled.
    pub node: usize,
    /// The part of its sequence that was handed to the kernel.
    pub sent: KeySequence,
    /// The rest of its sequence.
    pub unsent: KeySequence,
    /// Keys acknowledged.
    pub acked: u64,
    /// Keys sent more than once.
    pub resent: u64,
    /// Keys of each command that it sent.
    pub keys_per_command: u64,
    /// Bytes of the acknowledged commands.
    pub wire_bytes: u64,
    /// How its last connection acknowledged.
    pub replies: Replies,
    /// Commands refused, by class, where replies say so.
    pub refused: std::collections::BTreeMap<String, u64>,
    /// How it ended.
    pub end: LaneEnd,
}

/// What became of one reactor.
#[derive(Clone, Debug)]
pub struct ReactorResult {
    /// Its lanes.
    pub lanes: Vec<LaneResult>,
    /// How the driver went about it.
    pub outcome: Outcome,
    /// Latencies of all its lanes.
    pub latencies: Latencies,
    /// When anything of each node last moved.
    pub moved_at: Vec<Instant>,
    /// CPU time of its thread.
    pub cpu: Duration,
    /// How long its thread waited for a core.
    pub waited: Duration,
    /// What its connections were held up by.
    pub waits: Waits,
}

/// Runs `lanes` on the calling thread, pinned to `core`.
///
/// # Errors
/// Explicit pinning is not permitted, or the driver cannot be set up.
pub fn run(
    plan: &Arc<Plan>,
    core: Option<usize>,
    lanes: Vec<NodeLane>,
    shared: Shared,
) -> Result<ReactorResult> {
    let mut pinning_notice = None;
    if let Some(core) = core
        && !core_affinity::set_for_current(CoreId { id: core })
    {
        if plan.pinning_is_explicit {
            return Err(Error::Setup {
                what: "the reactor",
                message: format!("it may not be pinned to core {core}"),
                cure: "choose other cores with --reactors, or use --no-pin",
            });
        }
        pinning_notice = Some(format!(
            "could not pin a reactor to core {core}: going on unpinned"
        ));
    }
    let (desk, mut outcome) = driver::run(plan, Desk::new(lanes, shared))?;
    outcome.notices.extend(pinning_notice);
    let lanes = (0..desk.lane_count())
        .map(|number| {
            let lane = desk.lane(number);
            let frame = lane.segment().frame();
            let keys = frame.keys() as u64;
            LaneResult {
                node: desk.node(number),
                unsent: lane.sequence().tail(lane.frames_seen_max() * keys),
                sent: lane.sequence().head(lane.frames_seen_max() * keys),
                acked: lane.frames_acked() * keys,
                resent: desk.resent(number) * keys,
                keys_per_command: keys,
                wire_bytes: lane.frames_acked() * frame.bytes() as u64,
                replies: lane.replies(),
                refused: lane.refused().clone(),
                end: desk.end(number).cloned().unwrap_or(LaneEnd::Stopped),
            }
        })
        .collect();
    Ok(ReactorResult {
        lanes,
        outcome,
        latencies: desk.latencies().clone(),
        moved_at: desk.moved_at().to_vec(),
        cpu: cpu_time(UsageWho::RUSAGE_THREAD)
            .map_or(Duration::ZERO, |(user, system)| user + system),
        waited: Scheduling::of_this_thread().unwrap_or_default().waiting,
        waits: desk.waits(),
    })
}
