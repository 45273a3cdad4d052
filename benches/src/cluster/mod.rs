//! The parts of the bench `cluster`, one file each: what lanes to many nodes cost the client, what
//! planning for many masters costs, and what filling a cluster takes compared with servers that
//! are none.

pub mod lanes;
pub mod overhead;
pub mod planning;
