//! heirloom is an OAuth 2 authorization server in one binary. It signs people in, hands out short-lived access
//! tokens and long-lived rotating refresh tokens, and records everything that happens to a session as events in an
//! embedded log. A refresh token is an heirloom: it is handed down from generation to generation in one family. Whoever
//! presents an old one ends that family.
//!
//! # The promises
//!
//! 1. **A lost answer doesn't sign anybody out.** A repeated refresh gets the current pair: with any of the last four
//!    tokens within the retry window of its rotation; and with the last one until its successor has been used, for a
//!    client with credentials or one configured so.
//! 2. **Using a stolen refresh token ends the session visibly.** Any use of an earlier generation outside that window,
//!    however old it is, ends exactly that one family, and the log records why. There is one exception: while four
//!    rotations lie within the window, the rotation times of the generations before them are no longer known; these are
//!    refused and end nothing.
//! 3. **A stolen database signs nobody in.** It has no refresh token and no hash of one; passwords are peppered.
//! 4. **What was answered is on disk.** No answer is sent before the event that it depends on is durable.
//!
//! # The path of a request
//!
//! ```text
//! socket ─ http::server ─ http::oauth ─ app::grants ──────────┐
//!            (limits)     (parse,        1 load the session    │ store   (durable state only)
//!                          authenticate  2 decide              │ session (pure: state, command → decision)
//!                          the client)   3 append, expecting   │ store   (on a conflict: 1 again, bounded)
//!                         render ◄────── 4 mint and sign ◄─────┘ token
//! ```
//!
//! Dependencies go one way, without callbacks: `cli → http → app → {session, login, consent, user, client,
//! installation, token, password, throttle, store} → oauth`. A test checks it.
//!
//! # The modules
//!
//! | Module | What it is |
//! |---|---|
//! | [`cli`] | one file a command: `dev`, `serve`, `openapi`, `keys`, `user`, `client`, `session` |
//! | [`config`] | the configuration: typed, and checked whole before anything starts |
//! | [`http`] | the listener with its limits, the layers that every request goes through, and the endpoints, a folder a family; the only place that knows status codes |
//! | [`app`] | the use cases, in services that own only what they use: [`app::grants`], [`app::tokens`], [`app::clients`], [`app::accounts`], [`app::sessions`], [`app::backchannel_logout`], [`app::admin`], [`app::sweep`], [`app::keys`], [`app::nodes`], [`app::metrics`]; how aggregates are loaded and appended, [`app::repository`]; how everything is put together, [`app::assemble`] |
//! | [`session`] | the aggregate of one sign-in on one device; the ten rows of its rules are in [`session::decide`](mod@session::decide) |
//! | [`login`], [`consent`] | the aggregates of a person signed in at the own pages, and of what a person allowed a client |
//! | [`user`], [`client`], [`installation`] | the other aggregates |
//! | [`store`] | the contract of streams, snapshots and records; [`store::sled`] implements it on disk, [`store::postgres`] in a database, [`store::memory`] in memory |
//! | [`token`] | keys in a folder or sealed in a database, signing keys and their life cycle, access tokens, JWKS |
//! | [`password`], [`throttle`] | policy, pepper and the hashing pool; brute-force limits |
//! | [`oauth`] | the protocol's types: error codes, ids, scope, the refresh token's codec |
//! | [`encoding`] | how events and snapshots become bytes |
//! | [`certificates`] | certificates, keys and authorities in PEM files |
//! | `files` | safe files in folders that another user owns |
//! | [`clock`], [`random`] | time and randomness as arguments |
//!
//! `session`, `login`, `consent`, `user`, `client`, `installation` and `oauth` are pure: no async, no clock, no random numbers, no I/O.
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::print_stdout, reason = "tests may panic"))]

pub mod app;
pub mod certificates;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod consent;
pub mod encoding;
mod files;
#[cfg(test)]
#[expect(dead_code, reason = "the test program of the stored formats uses all of it")]
#[path = "../tests/formats/frozen.rs"]
mod frozen;
pub mod http;
pub mod installation;
pub mod login;
pub mod oauth;
pub mod password;
pub mod random;
pub mod session;
pub mod store;
pub mod throttle;
pub mod token;
pub mod user;
