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
mod frozen;
mod installation;
mod keys;
mod kinds;
mod older;
mod parts;
mod records;
mod session;
mod sources;
mod tokens;
mod user;
mod values;
