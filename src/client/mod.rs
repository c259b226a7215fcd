//! The client aggregate: who may ask for tokens, and how. Pure.

pub mod event;
pub mod registration;
pub mod secret;
pub mod state;

pub use event::ClientEvent;
pub use registration::{
    Authentication, Delivery, Lifetimes, RefreshTokens, Registration, RetryWindow, ReusePolicy,
};
pub use secret::SecretDigest;
pub use state::Client;
