//! The client aggregate: who may ask for tokens, and how. Pure.

pub mod decide;
pub mod event;
pub mod metadata;
pub mod registration;
pub mod secret;
pub mod state;
pub mod vault;

pub use decide::{Command, Denied, Order, decide};
pub use event::ClientEvent;
pub use metadata::{ClientMetadata, TokenEndpointAuthMethod};
pub use registration::{Delivery, Lifetimes, RefreshTokens, Registration, RetryWindow, ReusePolicy};
pub use secret::SecretDigest;
pub use state::Client;
