//! What a cluster is made of. Pure: no sockets, no clocks.

pub mod slot;
pub mod slot_set;
pub mod topology;
