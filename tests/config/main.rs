//! The configuration: what it takes, what it refuses, and how it says so.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on should stop"
)]

mod clients;
mod example;
mod folder;
mod mistakes;
mod secrets;
mod settings;
mod sources;
