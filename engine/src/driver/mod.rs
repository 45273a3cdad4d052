//! Drivers.
pub mod uring;
