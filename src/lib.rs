//! heirloom: an OAuth 2 authorization server in one binary.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::print_stdout, reason = "tests may panic"))]

pub mod app;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod encoding;
pub mod http;
pub mod oauth;
pub mod password;
pub mod random;
pub mod session;
pub mod store;
pub mod throttle;
pub mod token;
pub mod user;
