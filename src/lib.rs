//! heirloom is an OAuth 2 authorization server in one binary. It signs people in, hands out short-lived RS256 access
//! tokens and long-lived rotating refresh tokens, and records everything that happens to a session as events in an
//! embedded log. A refresh token is an heirloom: handed down from generation to generation in one family; and when
//! somebody turns up with an old one, the family is cut off.
//!
//! # The promises
//!
//! 1. **A lost answer doesn't sign anybody out.** A repeated refresh gets the current pair: any of the last four tokens
//!    within the retry window of its rotation, and the last one, for a client with credentials or one that is set so, until
//!    its successor has been used.
//! 2. **A stolen refresh token ends in the open.** Any use of an earlier generation outside that window, however old it
//!    is, ends exactly that one family, and the log says why. Only while four rotations lie within the window, those before
//!    them, whose time is no longer known, are refused and end nothing.
//! 3. **What is stored opens nothing.** No refresh token, nor a hash of one, is in the database; passwords are peppered.
//! 4. **What was answered is on disk.** No answer leaves before the event that it rests on is durable.
//!
//! # The way of a request
//!
//! ```text
//! socket ─ http::server ─ http::oauth ─ app::grants ──────────┐
//!            (limits)     (parse,        1 load the session    │ store   (durable state only)
//!                          authenticate  2 decide              │ session (pure: state, command → decision)
//!                          the client)   3 append, expecting   │ store   (on a conflict: 1 again, bounded)
//!                         render ◄────── 4 mint and sign ◄─────┘ token
//! ```
//!
//! One direction, no callbacks: `cli → http → app → {session, user, client, installation, token, password, throttle, store} → oauth`,
//! and a test holds it.
//!
//! # The modules
//!
//! | Module | What it is |
//! |---|---|
//! | [`cli`] | one file a command: `dev`, `serve`, `openapi`, `keys`, `user`, `client`, `session` |
//! | [`config`] | the configuration: typed, and checked whole before anything starts |
//! | [`http`] | the listener with its limits, the layers that every request goes through, and the endpoints, a folder a family; the only place that knows status codes |
//! | [`app`] | the use cases, in services that hold just what they touch: [`app::grants`], [`app::tokens`], [`app::clients`], [`app::accounts`], [`app::sessions`], [`app::admin`], [`app::sweep`], [`app::keys`], [`app::metrics`]; the aggregates in the store, [`app::repository`]; how all are put together, [`app::assemble`] |
//! | [`session`] | the aggregate of one sign-in on one device; the ten rows stand in [`session::decide`](mod@session::decide) |
//! | [`user`], [`client`], [`installation`] | the other aggregates |
//! | [`store`] | the contract of streams, snapshots and records; [`store::sled`] keeps it |
//! | [`token`] | the keys folder, signing keys and their life, access tokens, JWKS |
//! | [`password`], [`throttle`] | policy, pepper and the hashing pool; brute-force limits |
//! | [`oauth`] | the protocol's words: error codes, requests, scope, the refresh token's codec |
//! | [`encoding`] | how events and snapshots become bytes |
//! | `files` | files that are made in folders of somebody else |
//! | [`clock`], [`random`] | time and randomness as arguments |
//!
//! `session`, `user`, `client`, `installation` and `oauth` are pure: no async, no clock, no random numbers, no I/O.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::print_stdout, reason = "tests may panic"))]

pub mod app;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod encoding;
mod files;
#[cfg(test)]
#[expect(dead_code, reason = "the test program of the stored formats uses all of it")]
#[path = "../tests/formats/frozen.rs"]
mod frozen;
pub mod http;
pub mod installation;
pub mod oauth;
pub mod password;
pub mod random;
pub mod session;
pub mod store;
pub mod throttle;
pub mod token;
pub mod user;
