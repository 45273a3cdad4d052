//! What a plan takes from the machine: cores, the driver, the kind of send, blocks of memory.

use super::options::{DriverChoice, PlanOptions, ReactorChoice, SendChoice};
use super::{Driver, Send};
use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::machine::{Machine, Whereabouts};
use crate::segment::Segment;

/// Blocks are about this large: larger sends gain nothing (docs/ARCHITECTURE.md, "Blocks").
const SEGMENT_BYTES: usize = 128 << 10;
/// Zero-copy sends smaller than this cost more than a copy.
pub(super) const ZC_SEGMENT_BYTES_MIN: usize = 16 << 10;
/// Memory that all reactors together register with the kernel.
pub const REGISTERED_BYTES_MAX: usize = 4 << 20;
/// Memory for buffers of a driver that needs one per connection.
const OWNED_BUFFERS_BYTES_MAX: usize = 48 << 20;
/// More blocks than this per reactor gain nothing.
const BLOCKS_MAX: usize = 8;
/// A zero-copy lane fills one block while the kernel still holds others.
const ZC_BLOCKS_PER_LANE: usize = 4;
/// So many lanes are driven by one reactor before another is started.
const LANES_PER_REACTOR: usize = 8;
/// Pages the kernel registers.
pub(super) const PAGE_BYTES: usize = 4096;

/// How many blocks of how many frames each reactor works with.
pub(super) struct Blocks {
    pub(super) frames: usize,
    pub(super) count: usize,
    pub(super) registered: bool,
}

impl Blocks {
    /// Fits blocks for `lanes` lanes into `budget` bytes of registered memory; where zero-copy
    /// does not fit, `send` falls back.
    pub(super) fn fit(
        frame: &Frame,
        batch_frames: u64,
        driver: Driver,
        send: &mut Send,
        lanes: usize,
        budget: usize,
    ) -> Result<Self> {
        let sized = |segment_bytes: usize| {
            let frames = (segment_bytes / frame.bytes())
                .max(1)
                .min(batch_frames as usize);
            let block_bytes = Segment::new(frame.clone(), frames).block_bytes();
            (frames, block_bytes.next_multiple_of(PAGE_BYTES))
        };
        let (frames, block_bytes) = sized(SEGMENT_BYTES);
        match driver {
            Driver::Socket => {
                return Ok(Self {
                    frames,
                    count: 1,
                    registered: false,
                });
            }
            Driver::TokioUring => {
                let (frames, block_bytes) = sized(SEGMENT_BYTES.min(budget / lanes));
                let bytes = lanes * block_bytes;
                if bytes > OWNED_BUFFERS_BYTES_MAX {
                    return Err(Error::Options {
                        what: format!(
                            "--driver tokio-uring needs a buffer per connection, {} MiB for {lanes} connections of one reactor",
                            bytes >> 20
                        ),
                        cure: "use fewer connections (-n) or --driver uring".into(),
                    });
                }
                return Ok(Self {
                    frames,
                    count: lanes,
                    registered: bytes <= budget,
                });
            }
            Driver::Uring => {}
        }
        if *send == Send::Zc {
            let per_block = (budget / (lanes * ZC_BLOCKS_PER_LANE)).min(SEGMENT_BYTES);
            let (frames, block_bytes) = sized(per_block.max(ZC_SEGMENT_BYTES_MIN));
            let count = (budget / block_bytes).min(lanes * ZC_BLOCKS_PER_LANE);
            if count > lanes {
                return Ok(Self {
                    frames,
                    count,
                    registered: true,
                });
            }
            *send = Send::Copy;
        }
        let count = budget / block_bytes;
        Ok(Self {
            frames,
            count: count.clamp(1, BLOCKS_MAX),
            registered: count > 0 && *send == Send::Fixed,
        })
    }
}

/// The cores to run on: as asked, or one reactor per eight lanes, and never all cores when the
/// server needs one of them.
pub(super) fn reactor_cores(
    options: &PlanOptions,
    machine: &Machine,
    connections: usize,
) -> Result<Vec<Option<usize>>> {
    let available = &machine.cores;
    let count = match &options.reactors {
        ReactorChoice::Cores(cores) => {
            if let Some(core) = cores.iter().find(|core| !available.contains(core)) {
                return Err(Error::Options {
                    what: format!(
                        "--reactors cores={core}: this process may not run on core {core}"
                    ),
                    cure: format!(
                        "it may use cores {available:?}: choose among these, or change its affinity (taskset, cgroup cpuset)"
                    ),
                });
            }
            return Ok(cores
                .iter()
                .take(connections)
                .map(|core| Some(*core))
                .collect());
        }
        ReactorChoice::Count(count) if options.pin && *count > available.len() => {
            return Err(Error::OutOfRange {
                flag: "--reactors",
                given: count.to_string(),
                min: 1,
                max: available.len() as u64,
                unit: "(one per core this process may use; more only with --no-pin)",
            });
        }
        ReactorChoice::Count(count) => *count,
        ReactorChoice::EveryCore => available.len(),
        ReactorChoice::Auto => {
            let spare = usize::from(machine.servers != Whereabouts::Elsewhere);
            let most = available.len().saturating_sub(spare).max(1);
            connections.div_ceil(LANES_PER_REACTOR).min(most)
        }
    };
    // From the last core down: the first ones usually serve interrupts and other daemons.
    let pinned = |reactor: usize| available.iter().rev().nth(reactor).copied();
    Ok((0..count.min(connections))
        .map(|reactor| pinned(reactor).filter(|_| options.pin))
        .collect())
}

pub(super) fn choose_driver(
    options: &PlanOptions,
    machine: &Machine,
    notices: &mut Vec<String>,
) -> Result<Driver> {
    let driver = match options.driver {
        DriverChoice::Socket => return Ok(Driver::Socket),
        DriverChoice::TokioUring => Driver::TokioUring,
        DriverChoice::Uring | DriverChoice::Auto => Driver::Uring,
    };
    match &machine.io_uring {
        Ok(()) => Ok(driver),
        Err(why) if options.driver == DriverChoice::Auto => {
            notices.push(format!(
                "going on with --driver socket, because io_uring cannot be used: {}; {}",
                why.cause, why.cure
            ));
            Ok(Driver::Socket)
        }
        Err(why) => Err(Error::DriverUnavailable {
            driver: driver.name(),
            cause: why.cause.clone(),
            cure: why.cure.clone(),
        }),
    }
}

pub(super) fn choose_send(
    options: &PlanOptions,
    machine: &Machine,
    driver: Driver,
    is_telling: bool,
) -> Result<Send> {
    let refuse = |takes: &str| Error::Options {
        what: format!(
            "--send {} does not go with --driver {}",
            options.send.name(),
            driver.name()
        ),
        cure: format!("that driver takes {takes}; or use --driver uring"),
    };
    match (driver, options.send) {
        (Driver::Uring, SendChoice::Zc) => Ok(Send::Zc),
        // A local peer always copies, so zero-copy can only lose there, and SEND copies faster than
        // WRITE_FIXED (docs/experiments/registered-writes-on-loopback.md).
        (Driver::Uring, SendChoice::Auto)
            if machine.servers != Whereabouts::Elsewhere || !is_telling =>
        {
            Ok(Send::Copy)
        }
        (Driver::Uring, SendChoice::Copy)
        | (Driver::Socket, SendChoice::Auto | SendChoice::Copy) => Ok(Send::Copy),
        (Driver::Uring | Driver::TokioUring, SendChoice::Fixed)
        | (Driver::TokioUring, SendChoice::Auto) => Ok(Send::Fixed),
        (Driver::Uring, SendChoice::Auto) => Ok(Send::Zc),
        (Driver::TokioUring, _) => Err(refuse("--send fixed")),
        (Driver::Socket, _) => Err(refuse("--send copy")),
    }
}

/// Why a plan has this kind of send.
pub(super) fn send_reason(
    options: &PlanOptions,
    machine: &Machine,
    driver: Driver,
    is_telling: bool,
    send: Send,
) -> String {
    let reason = match (driver, options.send, machine.servers) {
        (_, asked, _) if asked.name() == send.name() => "as asked for",
        (Driver::Socket | Driver::TokioUring, ..) => "the only kind that this driver has",
        (_, SendChoice::Zc | SendChoice::Fixed | SendChoice::Copy, _) => {
            "what was asked for does not fit into registered memory"
        }
        (.., Whereabouts::Here) => "the kernel copies in any case to a server on this machine",
        (.., Whereabouts::Both) => "some of the servers are on this machine",
        (.., Whereabouts::Elsewhere) if !is_telling => "too few bytes to find out which is best",
        (.., Whereabouts::Elsewhere) if send == Send::Zc => "to be found out on the first data",
        (.., Whereabouts::Elsewhere) => "zero-copy needs a block per connection, which do not fit",
    };
    reason.to_owned()
}
