//! The configuration: what it accepts, what it refuses, and its error messages.
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
mod pages;
mod secrets;
mod settings;
mod sources;
mod store;
