//! What it costs to turn a frame into that of the next key: the one thing the client does per
//! key. Blocks fit the cache, as they do in a fill, and are patched frame by frame in sequence.
//! `node` does so with the keys of one node of a cluster: those of a third of the slots, whose
//! indices are to be found first. `lane` has everything around it: counters, fences,
//! acknowledgements.
//!
//! The arguments are criterion's. Targets are printed at the end; the other benches know
//! `--strict`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use benches::machine::{self, Cores};
use benches::slots::Deal;
use benches::statistics::Spread;
use benches::verdict::Target;
use core_affinity::CoreId;
use criterion::{Criterion, Throughput};
use engine::frame::Frame;
use engine::lane::{Lane, LaneShape, Replies};
use engine::latency::Latencies;
use engine::plan::keyspace::{KeyLayout, Keyspace};
use engine::plan::sequence::KeySequence;
use engine::plan::values::ValueLayout;
use engine::segment::Segment;

/// About the size of a block in a fill; a larger frame stands alone in its block.
const SEGMENT_BYTES: usize = 128 << 10;
/// Frames patched between two looks at the clock, at least.
const FRAMES_PER_TURN_MIN: usize = 256;
/// Key and value sizes of the targets.
const SIZES: [(usize, usize); 3] = [(64, 256), (512, 512), (65_536, 524_288)];
/// A value too short for a stamp.
const UNSTAMPED_VALUE: usize = 8;
/// Turns of the plain stop watch.
const TURNS: usize = 2_000;
/// All keys that there are.
const KEYS: u64 = 1_000_000_000_000;
/// Nodes that share the slots.
const NODES: u16 = 3;

/// A kind of frame, and what patching one may take.
struct Kind {
    name: &'static str,
    layout: KeyLayout,
    is_stamped: bool,
    /// How the nodes share the slots, where the keys are those of one node.
    deal: Option<Deal>,
    nanoseconds_max: f64,
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "counter",
        layout: KeyLayout::Plain,
        is_stamped: false,
        deal: None,
        nanoseconds_max: 10.0,
    },
    Kind {
        name: "stamped",
        layout: KeyLayout::Plain,
        is_stamped: true,
        deal: None,
        nanoseconds_max: 20.0,
    },
    Kind {
        name: "slotted",
        layout: KeyLayout::Slotted,
        is_stamped: true,
        deal: None,
        nanoseconds_max: 25.0,
    },
    Kind {
        name: "node, contiguous slots",
        layout: KeyLayout::Slotted,
        is_stamped: true,
        deal: Some(Deal::Even),
        nanoseconds_max: 25.0,
    },
    Kind {
        name: "node, scattered slots",
        layout: KeyLayout::Slotted,
        is_stamped: true,
        deal: Some(Deal::Scattered),
        nanoseconds_max: 25.0,
    },
];

impl Kind {
    /// The size of its values where stamped ones have `stamped` bytes.
    fn value_size(&self, stamped: usize) -> usize {
        if self.is_stamped {
            stamped
        } else {
            UNSTAMPED_VALUE
        }
    }

    /// The keys of a node; `None` where keys follow one another.
    fn keys_of_node(&self) -> Option<KeySequence> {
        let slots = self.deal?.slots_of(1, NODES);
        Some(KeySequence::new(0, KEYS).within(&slots))
    }

    /// A pair of sizes as it is written.
    fn label(&self, (key_size, value_size): (usize, usize)) -> String {
        format!("{key_size}/{}", self.value_size(value_size))
    }
}

/// A block of rendered frames and the keys to come.
struct Work {
    segment: Segment,
    block: Vec<u8>,
    passes: usize,
    next: u64,
    keys_of_node: Option<KeySequence>,
}

impl Work {
    fn new(kind: &Kind, (key_size, value_size): (usize, usize)) -> Self {
        let value_size = kind.value_size(value_size);
        let keyspace = Keyspace::new(key_size, None, kind.layout).expect("the sizes are valid");
        let frame = Frame::new(keyspace, ValueLayout::new(value_size, key_size, 0), false);
        let frames = (SEGMENT_BYTES / frame.bytes()).max(1);
        let segment = Segment::new(frame, frames);
        let mut block = vec![0; segment.block_bytes()];
        segment.render(&mut block);
        Self {
            segment,
            block,
            passes: FRAMES_PER_TURN_MIN.div_ceil(frames),
            next: 0,
            keys_of_node: kind.keys_of_node(),
        }
    }

    fn frames_per_turn(&self) -> u64 {
        (self.passes * self.segment.frames()) as u64
    }

    /// Patches every frame of the block, `passes` times over.
    fn patch(&mut self) {
        match self.keys_of_node.take() {
            Some(keys) => {
                self.patch_with(|position| keys.at(position));
                self.keys_of_node = Some(keys);
            }
            None => self.patch_with(|position| position),
        }
    }

    /// The same, `index_at` telling the index of a key from its position.
    #[inline(always)]
    fn patch_with(&mut self, index_at: impl Fn(u64) -> u64) {
        let (frame, frame_bytes) = (self.segment.frame(), self.segment.frame().bytes());
        let end = self.segment.frames() * frame_bytes;
        // Nobody may know the keys beforehand.
        let mut position = black_box(self.next);
        for _ in 0..self.passes {
            for bytes in self.block[..end].chunks_exact_mut(frame_bytes) {
                frame.patch(index_at(position), bytes);
                position += 1;
            }
            black_box(&mut self.block);
        }
        self.next = position;
    }

    /// Writes every frame of the block anew.
    fn render(&mut self) {
        let (frame, frame_bytes) = (self.segment.frame(), self.segment.frame().bytes());
        let end = self.segment.frames() * frame_bytes;
        for bytes in self.block[..end].chunks_exact_mut(frame_bytes) {
            frame.render(black_box(self.next), 0, bytes);
            self.next += 1;
        }
        black_box(&mut self.block);
    }
}

fn patch(criterion: &mut Criterion) {
    for kind in &KINDS {
        let mut group = criterion.benchmark_group(format!("patch/{}", kind.name));
        for sizes in SIZES {
            let mut work = Work::new(kind, sizes);
            group.throughput(Throughput::Elements(work.frames_per_turn()));
            group.bench_function(kind.label(sizes), |bencher| bencher.iter(|| work.patch()));
        }
    }
}

/// The naive twin, for contrast.
fn render(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("render/stamped");
    for sizes in SIZES {
        let mut work = Work::new(&KINDS[1], sizes);
        group.throughput(Throughput::Elements(work.segment.frames() as u64));
        group.bench_function(KINDS[1].label(sizes), |bencher| {
            bencher.iter(|| work.render());
        });
    }
}

/// A lane whose every byte is taken at once and whose every fence is echoed at once: with keys that
/// follow one another, and with those of a node.
fn lane(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lane");
    for (kind, name) in [
        (&KINDS[1], "512/512, a batch"),
        (&KINDS[3], "512/512, a batch for a node"),
    ] {
        let Work {
            segment,
            mut block,
            keys_of_node,
            ..
        } = Work::new(kind, SIZES[1]);
        let frame_bytes = segment.frame().bytes();
        let batch_frames = (8 << 20) / frame_bytes as u64;
        let shape = LaneShape {
            segment: segment.into(),
            batch_frames,
            replies: Replies::Fenced,
        };
        let keys = keys_of_node.unwrap_or_else(|| KeySequence::new(0, KEYS));
        let mut lane = Lane::new(shape, keys);
        let mut latencies = Latencies::default();
        let mut fence = 0_u64;
        group.throughput(Throughput::Elements(batch_frames));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let now = Instant::now();
                let end = lane.frames_sent() + batch_frames;
                while lane.frames_sent() < end {
                    let part = lane.next(&mut block).expect("the window is open");
                    black_box(&mut block);
                    lane.sent(part.len(), now);
                }
                let echo = format!("+OK\r\n$16\r\n{fence:016x}\r\n");
                lane.received(echo.as_bytes(), now, &mut latencies)
                    .expect("the echo is right");
                fence += 1;
            });
        });
    }
}

/// Median time per frame by a plain stop watch, for the targets; criterion has the details.
fn nanoseconds_per_frame(kind: &Kind, sizes: (usize, usize)) -> f64 {
    let mut work = Work::new(kind, sizes);
    let frames = work.frames_per_turn() as f64;
    let mut turn = || {
        let started_at = Instant::now();
        work.patch();
        started_at.elapsed()
    };
    let warm_until = Instant::now() + Duration::from_millis(100);
    while Instant::now() < warm_until {
        turn();
    }
    let turns: Vec<f64> = (0..TURNS)
        .map(|_| turn().as_nanos() as f64 / frames)
        .collect();
    Spread::of(&turns).median
}

/// One line per target.
fn verdicts() {
    println!("\nmedian nanoseconds per frame, by key/value size");
    for kind in &KINDS {
        let figures = SIZES.map(|sizes| (kind.label(sizes), nanoseconds_per_frame(kind, sizes)));
        let worst = figures
            .iter()
            .map(|(_, figure)| *figure)
            .fold(0.0, f64::max);
        let cells = figures.map(|(label, figure)| format!("{figure:.1} ({label})"));
        let target = Target::AtMost(kind.nanoseconds_max);
        println!(
            "patch a frame, {}: {}, target {target}: {}",
            kind.name,
            cells.join(", "),
            target.judge(worst)
        );
    }
}

fn main() {
    let has = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    let is_short = !has("--bench") || has("--test") || has("--list");
    if !is_short {
        println!("{}", machine::describe(None));
    }
    // Where that is not permitted, the figures are noisier, not wrong.
    let _ = core_affinity::set_for_current(CoreId {
        id: Cores::observe().client,
    });
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    patch(&mut criterion);
    render(&mut criterion);
    lane(&mut criterion);
    criterion.final_summary();
    if !is_short {
        verdicts();
    }
}
