//! Stub.
pub mod peer;
pub mod server;
