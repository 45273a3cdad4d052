//! The plain loop, as one of the clients.

use super::{Client, Place, Role};
use crate::Result;
use crate::peers::cell::Setting;
use crate::peers::job::Job;
use crate::peers::plain;

/// A plain loop of blocking `write_all`.
#[derive(Debug)]
pub(in crate::peers) struct Plain;

impl Client for Plain {
    fn name(&self) -> String {
        "plain write_all loop".to_owned()
    }

    fn role(&self) -> Role {
        Role::Reference
    }

    fn job(&self, place: &Place, _setting: Option<Setting>) -> Result<Job> {
        let core = place.rig.cores.client;
        Ok(plain::command(place.cell, place.port, core)?.into())
    }

    fn stores_a_fill(&self) -> bool {
        true
    }
}
