//! Everything about HTTP; only this module knows status codes.
//!
//! | Folder, file | What it is |
//! |---|---|
//! | [`server`] | the listener: connections, TLS, HTTP/1 and 2, limits |
//! | `layers` | what every request goes through: the issuer's path, HSTS, hosts, CORS, the form of errors |
//! | `router` | all layers and endpoints put together |
//! | [`oauth`] | the protocol's endpoints: token, revoke, introspect, userinfo, metadata, JWKS |
//! | [`account`] | sign-up, the person's own account and devices |
//! | [`admin`] | administration |
//! | `pages` | the pages on which people sign in and see their account |
//! | [`operations`] | health, metrics, the operators' socket |
//! | [`docs`] | the specification and the pages that show it |
//!
//! The other files are used by several of these.

pub mod account;
pub mod admin;
mod allowed_methods;
pub mod bearer;
mod caller;
mod cookies;
pub mod docs;
pub mod error;
mod json_body;
mod json_values;
mod layers;
pub mod oauth;
pub mod operations;
mod pages;
pub mod peer;
pub mod problem;
mod request_body;
mod router;
pub mod server;
mod service;
mod settings;
mod tag;

pub use router::endpoint;
pub use settings::HttpSettings;
