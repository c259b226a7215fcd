//! Every later version must read what heirloom stores: today's code reads bytes and folders that were written once.
//! `README.md` says what is here and how to add to it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests may panic"
)]

mod client;
mod consent;
mod folder;
mod frozen;
mod installation;
mod keys;
mod kinds;
mod login;
mod logout_deliveries;
mod nodes;
mod older;
mod parts;
mod recorded;
mod recorder;
mod records;
mod session;
mod sources;
mod tokens;
mod user;
mod values;

#[expect(dead_code, reason = "a part of the front door's harness is used here")]
#[path = "../front_door/support/mod.rs"]
mod support;

/// Replaces the front door's module that compares every answer with the specification; the front door's own program
/// does that.
mod specification {
    use reqwest::Method;

    use crate::support::Answer;

    pub(crate) const fn insist(_: &Method, _: &str, _: &Answer) {}
}
