//! What it costs to turn a frame into that of the next key: the one thing the client does per
//! key. Blocks fit the cache, as they do in a fill, and are patched frame by frame in sequence.
//! `node` does so with the keys of one node of a cluster: those of a third of the slots, whose
//! indices are to be found first. `lane` has everything around it: counters, fences,
//! acknowledgements.
//!
//! The arguments are criterion's. Targets are printed at the end; the other benches know
//! `--strict`.

use std::time::{Duration, Instant};

use benches::frames::{KINDS, Kind, SIZES, Sender, Work};
use benches::machine::{self, Cores};
use benches::statistics::Spread;
use benches::verdict::Target;
use core_affinity::CoreId;
use criterion::{Criterion, Throughput};
use engine::lane::Replies;

/// Turns of the plain stop watch.
const TURNS: usize = 2_000;

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
        group.throughput(Throughput::Elements(work.frames()));
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
        let mut sender = Sender::new(kind, Replies::Fenced);
        group.throughput(Throughput::Elements(sender.batch_frames()));
        group.bench_function(name, |bencher| {
            bencher.iter(|| sender.batch(Instant::now()));
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
