//! What heirloom stores can be read by every later version: bytes and folders that were written once are read by today's
//! code. `README.md` says what lies here and how more is added.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "tests may panic"
)]

mod client;
mod folder;
mod frozen;
mod installation;
mod keys;
mod kinds;
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

/// In the place of the front door's module, which holds every answer against the specification: it does so in its own
/// program.
mod specification {
    use reqwest::Method;

    use crate::support::Answer;

    pub(crate) const fn insist(_: &Method, _: &str, _: &Answer) {}
}
