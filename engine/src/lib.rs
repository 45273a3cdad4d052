//! The fill engine. A [`Plan`] says what will be sent; lanes cut it into bytes; a driver moves
//! the bytes; the audit looks whether the keys are there; the [`Report`] says so.
//!
//! Control plane (may allocate, returns `Result`): [`plan`], [`machine`], [`observe`], [`target`],
//! [`handshake`], [`control`], [`nodes`], [`monitor`], [`audit`], [`run`], [`verify`], [`report`],
//! [`checkup`]. Data plane (no allocation, no formatting, no locks, no clock per frame): [`frame`], [`segment`], [`lane`],
//! [`reply`], [`driver`], [`reactor`]. Imports run one way, from `run` down to `plan`.

#![deny(unsafe_code)]

pub mod answer;
pub mod audit;
pub mod bottleneck;
pub mod checkup;
pub mod cluster;
mod commands;
pub mod control;
mod discovery;
pub mod driver;
pub mod error;
pub mod event;
pub mod fill;
pub mod frame;
pub mod handshake;
mod hazards;
pub mod info;
pub mod lane;
pub mod latency;
pub mod machine;
pub mod memory;
mod meter;
pub mod monitor;
pub mod nodes;
pub mod observe;
mod open_files;
pub mod plan;
pub mod preflight;
pub mod reactor;
pub mod refusal;
pub mod reply;
pub mod report;
pub mod run;
pub mod scheduling;
pub mod segment;
pub mod socket;
pub mod statistics;
pub mod stop;
pub mod talk;
pub mod target;
pub mod tuning;
pub mod verify;
mod window;

pub use error::{Error, Phase, Result};
pub use machine::Machine;
pub use plan::amount::Amount;
pub use plan::command::Command;
pub use plan::{Plan, PlanOptions};
pub use report::Report;
pub use target::Target;
