//! The command line, through the binary.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on should stop"
)]

mod administration;
mod command_line;
mod data_folder;
mod dev;
mod keys;
mod postgres;
#[path = "../support/postgres.rs"]
#[expect(dead_code, reason = "no server is killed here")]
mod postgres_server;
mod support;
