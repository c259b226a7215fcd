//! A registered client (RFC 6749 §2).

use super::metadata::ClientMetadata;
use super::secret::SecretDigest;
use crate::oauth::ClientId;

/// A registered client, as requests are checked against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The `client_id` (RFC 6749 §2.2).
    pub id: ClientId,
    /// Its metadata (RFC 7591 §2).
    pub metadata: ClientMetadata,
    /// The digests of a confidential client's valid secrets; the client may use any of them.
    pub secrets: Vec<SecretDigest>,
    /// Whether an administrator switched it off.
    pub disabled: bool,
}
