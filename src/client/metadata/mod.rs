//! Client metadata (RFC 7591 §2): everything registered of a client except its id and its secrets.
//!
//! Metadata come from three sources. All of them call [`RawMetadata::validate`], so the same mistake gets the same
//! message everywhere:
//!
//! | Source | What it reads | How it names a wrong field |
//! |---|---|---|
//! | `config::clients` | `[[clients]]` of the configuration | by file and line |
//! | `http::admin::client_body` | the JSON of `/admin/clients` | by `field` in a problem document |
//! | `cli::client_flags` | the flags of `heirloom client add`, sent on as JSON | by its flag |
//!
//! # Adding a field
//!
//! If you miss one of these places, the compiler nearly always says so, because the sources name every field of
//! [`RawMetadata`].
//!
//! 1. Here: the field in [`ClientMetadata`], under a number that was never used, with a default for what is stored
//!    already (`#[cbor(default)]`); in [`RawMetadata`]; in [`Field`], under its RFC 7591 name if it has one. Its default is a
//!    line of [`MetadataRules::usual`], its rules are a function of `validate.rs`, `browser.rs`,
//!    `sign_in.rs`, `logo.rs` or `time.rs`.
//! 2. The configuration: one line in `config::metadata`, and its description in `examples/heirloom.toml`.
//! 3. The admin API: the field of `ClientSettings` in `http::admin::client_body`, which is its description in the
//!    specification, and its line in each direction. A line in `http::admin::event_body` shows it in events.
//! 4. The command line: the flag in `cli::client_flags`, its line in [`RawMetadata`], and in the JSON that is sent.
//! 5. A row of bad values in `tests/front_door/client_metadata.rs`, which sends them through all three doors.

mod browser;
mod client_id;
mod error;
mod field;
mod logo;
mod raw;
mod rules;
mod settings;
mod sign_in;
mod stored;
mod time;
mod validate;

pub use client_id::{declared_id, registered_id};
pub use error::MetadataError;
pub use field::Field;
pub use logo::is_logo;
pub use raw::{RawMetadata, RawTime};
pub use rules::{MetadataRules, TokenRules, grant_types_on, is_on};
pub use settings::{
    ConsentPolicy, Delivery, Lifetimes, PkcePolicy, RefreshTokens, ResponseType, RetryWindow, ReusePolicy,
    TokenEndpointAuthMethod,
};
pub use stored::ClientMetadata;
pub use time::{LONGEST_ACCESS_TOKEN, lifetime, retry_window};
