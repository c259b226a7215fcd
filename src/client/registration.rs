//! A client as it is registered (RFC 6749 §2).

use super::metadata::ClientMetadata;
use super::secret::SecretDigest;
use crate::oauth::ClientId;

/// A client as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its identifier.
    pub id: ClientId,
    /// What is registered of it.
    pub metadata: ClientMetadata,
    /// The secrets of a confidential client, any of which proves who it is.
    pub secrets: Vec<SecretDigest>,
    /// Whether it is switched off.
    pub disabled: bool,
}
