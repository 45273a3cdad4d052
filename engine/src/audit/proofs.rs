//! What earlier looks have seen of each slot's keys, so that no key that was there is looked for
//! again. Forgets what may have been replaced since; asks nobody.

use crate::cluster::slot::SLOTS;
use crate::nodes::Nodes;
use crate::plan::sequence::KeySequence;

/// What was seen of one slot's keys.
#[derive(Clone, Debug)]
struct Proof {
    /// Where.
    node: usize,
    /// Those that were not there.
    open: KeySequence,
}

/// Keys to look for together: in a cluster those of one slot.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The slot; 0 stands for all keys of a server by itself.
    pub(crate) slot: u16,
    pub(crate) keys: KeySequence,
}

/// What was seen so far. A proof counts as long as the slot's owner, its process and the history
/// of its data stay the same and it holds at least as many keys as were seen there.
#[derive(Debug)]
pub(crate) struct Proofs {
    /// By slot.
    slots: Vec<Option<Proof>>,
    /// By node, the process and the history of its data in which it was seen.
    histories: Vec<Option<String>>,
}

impl Default for Proofs {
    fn default() -> Self {
        Self {
            slots: vec![None; usize::from(SLOTS)],
            histories: Vec::new(),
        }
    }
}

impl Proofs {
    /// Takes note of what is open in a slot.
    pub(crate) fn note(&mut self, slot: u16, node: usize, open: KeySequence) {
        self.slots[usize::from(slot)] = Some(Proof { node, open });
    }

    /// Takes note that nothing is open on a node.
    pub(crate) fn note_all(&mut self, nodes: &Nodes, node: usize) {
        for slot in slots_of(nodes, node) {
            self.note(slot, node, KeySequence::default());
        }
    }

    /// Owners have changed: what was seen of slots that went elsewhere says nothing any more,
    /// even if they come back.
    pub(crate) fn forget_others(&mut self, nodes: &Nodes) {
        for (number, node) in nodes.iter().enumerate() {
            for slot in node.slots.iter() {
                self.slots[usize::from(slot)].take_if(|proof| proof.node != number);
            }
        }
    }

    /// A node holds `keys` keys, in this history of its data: forgets what was seen in another
    /// one. What cannot be told apart, or has too few keys, may have lost some.
    pub(crate) fn judge(
        &mut self,
        nodes: &Nodes,
        node: usize,
        history: Option<&String>,
        keys: u64,
        planned: &KeySequence,
    ) {
        if self.histories.len() <= node {
            self.histories.resize(node + 1, None);
        }
        let is_same = history.is_some() && self.histories[node].as_ref() == history;
        if !is_same || keys < planned.count() - self.open_count(nodes, node, planned) {
            for proof in &mut self.slots {
                proof.take_if(|proof| proof.node == node);
            }
            self.histories[node] = history.cloned();
        }
    }

    /// How many of a node's `planned` keys were not seen there.
    pub(crate) fn open_count(&self, nodes: &Nodes, node: usize, planned: &KeySequence) -> u64 {
        let groups = self.groups(nodes, node, planned);
        groups.map(|group| group.keys.count()).sum()
    }

    /// Those of a node's `planned` keys that were not seen there, slot by slot.
    pub(crate) fn groups<'a>(
        &'a self,
        nodes: &'a Nodes,
        node: usize,
        planned: &'a KeySequence,
    ) -> impl Iterator<Item = Group> + 'a {
        let of_slot = move |slot| Group {
            slot,
            keys: match &self.slots[usize::from(slot)] {
                Some(proof) if proof.node == node => proof.open.clone(),
                _ if nodes.is_cluster() => planned.of_slot(slot),
                _ => planned.clone(),
            },
        };
        let groups = slots_of(nodes, node).map(of_slot);
        groups.filter(|group| group.keys.count() > 0)
    }
}

/// The slots of a node; for a server by itself one that stands for all its keys.
fn slots_of(nodes: &Nodes, node: usize) -> impl Iterator<Item = u16> + '_ {
    let alone = (!nodes.is_cluster()).then_some(0);
    nodes.node(node).slots.iter().chain(alone)
}
