//! End-to-end tests: the real program against real servers, as a user would run it. Each file
//! holds one subject; `fixtures` is the language they are written in.

#![deny(unsafe_code)]

mod bottlenecks;
mod boxes;
mod chaos;
mod cluster_access;
mod cluster_changes;
mod cluster_commands;
mod cluster_fills;
mod cluster_trouble;
mod cluster_wrong;
mod clusters;
mod commands;
mod config;
mod contents;
mod doctor;
mod doctor_hostile;
mod doctor_servers;
mod documents;
mod engines;
mod examples;
mod fixtures;
mod flags;
mod going_on;
mod hazards;
mod hostile;
mod layout;
mod limits;
mod memory;
mod output;
mod presets;
mod promises;
mod refusals;
mod reports;
mod server_state;
mod shells;
mod sizes;
mod standalone_changes;
mod trouble;
mod tuning;
mod verify;
mod verify_cluster;
mod verify_trouble;
mod wrong_input;
mod wrong_server;
