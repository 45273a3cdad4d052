//! The hot paths: what a client does per frame and per reply.

use std::hint::black_box;
use std::time::Instant;

use engine::lane::Replies;
use engine::reply::ReplyScanner;

use crate::frames::{KINDS, Kind, SIZES, Sender, Work};

/// Does some of a path, and says how many frames or replies that was.
type Turn = Box<dyn FnMut() -> u64>;

/// A hot path.
#[derive(Debug)]
pub struct HotPath {
    /// Its name in the baseline.
    pub name: &'static str,
    /// Turns that are counted: some million instructions.
    turns: u64,
    /// Prepares the work.
    prepare: fn() -> Turn,
}

/// All of them. Key and value have 512 bytes.
pub const PATHS: [HotPath; 11] = [
    path("patch a frame, counter", 1000, || patch(&KINDS[0])),
    path("patch a frame, stamped", 1000, || patch(&KINDS[1])),
    path("patch a frame, slotted", 1000, || patch(&KINDS[2])),
    path("patch a frame, node, contiguous slots", 500, || {
        patch(&KINDS[3])
    }),
    path("patch a frame, node, scattered slots", 500, || {
        patch(&KINDS[4])
    }),
    path("render a frame, stamped", 100, render),
    path("send a frame, fenced", 20, || {
        send(&KINDS[1], Replies::Fenced)
    }),
    path("send a frame, fenced, node", 20, || {
        send(&KINDS[3], Replies::Fenced)
    }),
    path("send a frame and read its reply", 20, || {
        send(&KINDS[1], Replies::Each)
    }),
    path("read a reply, OK", 1000, || {
        read(b"+OK\r\n".repeat(3277), 3277)
    }),
    path("read a reply, echo", 1000, || {
        read(b"+OK\r\n$16\r\n0123456789abcdef\r\n".repeat(100), 100)
    }),
];

const fn path(name: &'static str, turns: u64, prepare: fn() -> Turn) -> HotPath {
    HotPath {
        name,
        turns,
        prepare,
    }
}

impl HotPath {
    /// The path of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        const { &PATHS }.iter().find(|path| path.name == name)
    }

    /// Does its turns, `times` times over. How many frames or replies there were.
    #[must_use]
    pub fn run(&self, times: u64) -> u64 {
        let mut turn = (self.prepare)();
        (0..self.turns * times).map(|_| turn()).sum()
    }
}

fn patch(kind: &Kind) -> Turn {
    let mut work = Work::new(kind, SIZES[1]);
    Box::new(move || {
        work.patch();
        work.frames_per_turn()
    })
}

/// The first rendering of every block.
fn render() -> Turn {
    let mut work = Work::new(&KINDS[1], SIZES[1]);
    Box::new(move || {
        work.render();
        work.frames()
    })
}

fn send(kind: &Kind, replies: Replies) -> Turn {
    let mut sender = Sender::new(kind, replies);
    let now = Instant::now();
    Box::new(move || {
        sender.batch(now);
        sender.batch_frames()
    })
}

/// Reads `bytes`, in which there are `replies`.
fn read(bytes: Vec<u8>, replies: u64) -> Turn {
    let mut scanner = ReplyScanner::default();
    Box::new(move || {
        scanner.scan(black_box(&bytes), |reply| {
            black_box(&reply);
        });
        replies
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_path_has_a_name_of_its_own_and_something_to_do() {
        let names: BTreeSet<_> = PATHS.iter().map(|path| path.name).collect();
        assert_eq!(names.len(), PATHS.len());
        for name in names {
            let path = HotPath::named(name).unwrap();
            let mut turn = (path.prepare)();
            let (first, second) = (turn(), turn());
            assert!(
                first > 0 && first == second,
                "{name} counts {first}, {second}"
            );
        }
    }
}
