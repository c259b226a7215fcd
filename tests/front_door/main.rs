//! Through the front door: a real server on a real listener, with a clock that moves only when told to.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests may panic"
)]

mod account;
mod admin;
mod browser;
mod counting;
mod devices;
mod discovery;
mod endings;
mod faults;
mod floods;
mod introspection;
mod issuer_path;
mod json_bodies;
mod log;
mod metrics;
mod own_account;
mod pace;
mod pages;
mod personal;
mod properties;
mod refresh;
mod refresh_rate;
mod replay;
mod restore;
mod revocation;
mod sign_in;
mod sign_up;
mod specification;
mod summaries;
mod support;
mod sweep;
mod timeline;
mod token_endpoint;
mod transport;
