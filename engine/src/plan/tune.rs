//! The same plan with other connections and another depth, for `--tune`: made again from its
//! options, so that every limit holds for each of them.

use std::sync::Arc;

use super::options::{PlanOptions, Tunable};
use super::{FENCED_DEPTH_MIN, LANES_MAX, Plan, batch};
use crate::error::Result;
use crate::machine::Machine;
use crate::tuning::{Bounds, Setting};

/// Most connections per node that are tried.
const CONNECTIONS_TRIED_MAX: usize = 16;

/// What a plan is made again from.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    options: PlanOptions,
    machine: Machine,
    tunable: Tunable,
}

impl Recipe {
    /// Where settings are to be tried, what that takes.
    pub(super) fn of(options: &PlanOptions, machine: &Machine) -> Option<Arc<Self>> {
        let recipe = |tunable| Self {
            options: options.clone(),
            machine: machine.clone(),
            tunable,
        };
        options.tune.map(recipe).map(Arc::new)
    }
}

impl Plan {
    /// What it has of what is tuned.
    pub(crate) fn setting(&self) -> Setting {
        Setting {
            connections: self.connections,
            pipeline_depth: self.pipeline_depth,
        }
    }

    /// Whether settings are to be tried.
    #[must_use]
    pub fn tunes(&self) -> bool {
        self.recipe.is_some()
    }

    /// Between which bounds settings may be tried, where that is asked for. Deeper than a fence
    /// stands anyway changes nothing, and below a depth of 32 replies are read instead.
    pub(crate) fn tuning_bounds(&self) -> Option<Bounds> {
        let tunable = self.recipe.as_ref()?.tunable;
        let frame = self.segment.frame();
        let keys_per_fence = batch::frames_max(self.batch_bytes_max, frame) * frame.keys() as u64;
        let deepest = keys_per_fence.max(self.pipeline_depth);
        let shallowest = FENCED_DEPTH_MIN.min(self.pipeline_depth);
        Some(Bounds {
            connections: match tunable.connections {
                true => (1, self.most_lanes() / self.nodes.max(1)),
                false => (self.connections, self.connections),
            },
            pipeline_depth: match tunable.pipeline_depth {
                true if self.pipeline_depth >= FENCED_DEPTH_MIN => (shallowest, deepest),
                _ => (self.pipeline_depth, self.pipeline_depth),
            },
        })
    }

    /// Connections to all nodes together, as many as there may be while settings are tried.
    pub(crate) fn most_lanes(&self) -> usize {
        let nodes = self.nodes.max(1);
        let most = match self.recipe.as_ref().map(|recipe| recipe.tunable) {
            Some(tunable) if tunable.connections => CONNECTIONS_TRIED_MAX
                .min(LANES_MAX / nodes)
                .max(self.connections),
            _ => self.connections,
        };
        most * nodes
    }

    /// The same keys by another setting.
    ///
    /// # Errors
    /// The driver has not enough memory for so many connections.
    pub(crate) fn tuned(&self, setting: Setting) -> Result<Self> {
        let Some(recipe) = &self.recipe else {
            return Ok(self.clone());
        };
        let options = PlanOptions {
            connections: setting.connections,
            pipeline_depth: setting.pipeline_depth,
            ..recipe.options.clone()
        };
        let tuned = Self::for_nodes(&options, &recipe.machine, self.nodes)?;
        Ok(Self {
            sequence: self.sequence.clone(),
            start_key: self.start_key,
            // What was found out about kinds of send holds for other settings, too.
            trial: tuned.trial.and(self.trial.clone()),
            ..tuned
        })
    }
}
