//! The protocol's endpoints, one file each, and what they share: reading a client's form, and refusing it.

pub mod client_auth;
mod cookie;
mod direct_json;
pub mod form;
pub mod introspect;
pub mod jwks;
pub mod metadata;
mod oauth_form;
pub mod par;
mod refusal;
pub mod revoke;
pub mod token;
pub mod userinfo;
