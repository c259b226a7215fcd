//! The binary as a process of its own: started, asked, killed, stopped and started again.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "tests may panic, and wait for real"
)]

mod answer;
mod certificate;
mod chain;
mod dev;
#[path = "../support/free_port.rs"]
mod free_port;
mod keys;
mod keys_and_data;
mod killed;
mod pages;
mod production;
mod resource_server;
mod secrets;
#[path = "../support/small_key.rs"]
mod small_key;
mod small_volume;
mod stopped;
mod support;
mod tour;
mod trial;
