//! The client aggregate: who may ask for tokens, and how. Pure.

pub mod decide;
pub mod event;
pub mod metadata;
pub mod registration;
pub mod secret;
pub mod state;
pub mod vault;

pub use decide::{Command, CommandEnvelope, Denied, decide};
pub use event::ClientEvent;
pub use metadata::{
    ClientMetadata, ConsentPolicy, Delivery, Lifetimes, MetadataError, MetadataRules, PkcePolicy,
    RawMetadata, RefreshTokens, ResponseType, RetryWindow, ReusePolicy, TokenEndpointAuthMethod, TokenRules,
};
pub use registration::Registration;
pub use secret::SecretDigest;
pub use state::Client;
