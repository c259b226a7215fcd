//! The protocol's endpoints, one file each, and what they share: how a client's form is read and how it is refused.

pub mod client_auth;
mod cookie;
mod direct_json;
pub mod form;
pub mod introspect;
pub mod jwks;
pub mod metadata;
mod oauth_form;
mod refusal;
pub mod revoke;
pub mod token;
pub mod userinfo;
