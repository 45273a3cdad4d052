//! What all passes of a fill did together: sums over nodes, lanes and reactors. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::audit::count::Sent;
use crate::driver::contract::{LaneEnd, Outcome};
use crate::driver::waits::Waits;
use crate::lane::Replies;
use crate::latency::Latencies;
use crate::plan::sequence::KeySequence;
use crate::reactor::ReactorResult;

/// What a node got.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeWork {
    pub(crate) sent: Sent,
    /// Keys it acknowledged, those sent again included.
    pub(crate) acked: u64,
    /// Time during which it had something to do, over all passes.
    pub(crate) busy: Duration,
}

/// What a reactor did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReactorWork {
    /// CPU time of its thread.
    pub(crate) cpu: Duration,
    /// How long its thread waited for a core.
    pub(crate) waited: Duration,
}

/// One pass that is over.
pub(crate) struct Pass {
    pub(crate) reactors: Vec<ReactorResult>,
    pub(crate) started_at: Instant,
    pub(crate) elapsed: Duration,
    /// User and system time of this process.
    pub(crate) cpu: (Duration, Duration),
    pub(crate) reconnects: u64,
    /// Whether it sent again what an audit found missing.
    pub(crate) is_mending: bool,
    /// Whether the audit will ask which keys were sent.
    pub(crate) keeps_heads: bool,
}

/// All passes so far.
#[derive(Debug, Default)]
pub(crate) struct Passes {
    pub(crate) nodes: Vec<NodeWork>,
    /// What the last pass did not get round to.
    pub(crate) unsent: KeySequence,
    /// Keys sent, each counted once.
    pub(crate) sent: u64,
    /// Keys sent more than once.
    pub(crate) resent: u64,
    pub(crate) reconnects: u64,
    /// Passes over missing keys.
    pub(crate) rounds: u64,
    pub(crate) latencies: Latencies,
    /// Acknowledged commands, those sent again too.
    pub(crate) commands: u64,
    /// Bytes of acknowledged commands, of those sent again too.
    pub(crate) wire_bytes: u64,
    /// Refused commands by class, where replies say so.
    pub(crate) refused: BTreeMap<String, u64>,
    /// Why a lane of the last pass gave up, and on which node.
    pub(crate) failure: Option<(usize, LaneEnd)>,
    /// How the drivers went about it.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) notices: BTreeSet<String>,
    /// How the servers acknowledged.
    pub(crate) replies: Option<Replies>,
    /// By reactor.
    pub(crate) reactors: Vec<ReactorWork>,
    /// What connections were held up by.
    pub(crate) waits: Waits,
    /// Time of all passes, without what was waited in between.
    pub(crate) sending: Duration,
    /// User and system time of this process.
    pub(crate) cpu: (Duration, Duration),
    /// Time of all passes.
    pub(crate) elapsed: Duration,
    /// The most lanes that a pass had.
    pub(crate) lanes: usize,
}

impl Passes {
    /// Takes in a pass over so many nodes.
    pub(crate) fn take_in(&mut self, pass: Pass, nodes: usize) {
        self.nodes.resize_with(nodes, NodeWork::default);
        let reactors = self.reactors.len().max(pass.reactors.len());
        self.reactors.resize(reactors, ReactorWork::default());
        self.sending += pass.elapsed;
        self.elapsed += pass.elapsed;
        self.cpu = (self.cpu.0 + pass.cpu.0, self.cpu.1 + pass.cpu.1);
        self.reconnects += pass.reconnects;
        self.rounds += u64::from(pass.is_mending);
        self.failure = None;
        let mut unsent = Vec::new();
        let lanes = pass.reactors.iter().map(|reactor| reactor.lanes.len());
        self.lanes = self.lanes.max(lanes.sum());
        let mut busy = vec![Duration::ZERO; nodes];
        for (number, reactor) in pass.reactors.into_iter().enumerate() {
            self.reactors[number].cpu += reactor.cpu;
            self.reactors[number].waited += reactor.waited;
            self.waits.add(&reactor.waits);
            self.latencies.add(&reactor.latencies);
            self.notices.extend(reactor.outcome.notices.iter().cloned());
            self.outcome.get_or_insert(reactor.outcome);
            for (busy, moved_at) in busy.iter_mut().zip(reactor.moved_at) {
                *busy = (*busy).max(moved_at.saturating_duration_since(pass.started_at));
            }
            for lane in reactor.lanes {
                let node = &mut self.nodes[lane.node];
                node.acked += lane.acked;
                let sent = lane.sent.count() + lane.resent;
                match lane.keys_per_command {
                    1 => node.sent.sets += sent,
                    keys => node.sent.msets += sent / keys,
                }
                self.commands += lane.acked / lane.keys_per_command;
                self.wire_bytes += lane.wire_bytes;
                node.sent.resent += lane.resent;
                node.sent.is_cut_short |= lane.end != LaneEnd::Done;
                self.resent += lane.resent;
                // One lane that was refused CLIENT REPLY says more than the others.
                if lane.replies == Replies::Each || self.replies.is_none() {
                    self.replies = Some(lane.replies);
                }
                for (class, count) in lane.refused {
                    *self.refused.entry(class).or_default() += count;
                }
                if pass.is_mending {
                    node.sent.resent += lane.sent.count();
                    self.resent += lane.sent.count();
                } else {
                    self.sent += lane.sent.count();
                    node.sent.keys += lane.sent.count();
                    unsent.push(lane.unsent);
                    if pass.keeps_heads {
                        node.sent.heads.push(lane.sent);
                    }
                }
                if matches!(lane.end, LaneEnd::Refused(_) | LaneEnd::Failed(_)) {
                    self.failure.get_or_insert((lane.node, lane.end));
                }
            }
        }
        for (node, busy) in self.nodes.iter_mut().zip(busy) {
            node.busy += busy;
        }
        self.unsent = KeySequence::join(unsent);
    }

    /// Takes note of keys that a pass had nobody to send to.
    pub(crate) fn leave(&mut self, keys: KeySequence) {
        if keys.count() > 0 {
            self.unsent = KeySequence::join([std::mem::take(&mut self.unsent), keys]);
        }
    }

    /// Keys acknowledged, those sent again included.
    pub(crate) fn acked(&self) -> u64 {
        self.nodes.iter().map(|node| node.acked).sum()
    }
}
