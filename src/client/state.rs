//! A client's state, folded from its events.

use minicbor::{Decode, Encode};

use super::event::ClientEvent;
use super::metadata::ClientMetadata;
use crate::encoding::{self, DecodeError};
use crate::oauth::{ClientId, SessionEpoch};
use crate::store::StreamId;

const FORMAT: u8 = 1;
/// The category of clients' streams.
pub const CATEGORY: u8 = b'c';

/// A client's state. A client that the configuration declares has a stream only after its sessions were ended or it was
/// switched off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Client {
    /// The epoch in which the client's sessions must have been started.
    #[n(0)]
    pub session_epoch: SessionEpoch,
    /// Whether an administrator switched it off.
    #[n(1)]
    pub disabled: bool,
    /// The registered metadata; `None` if the client was deleted, or is declared by the configuration.
    #[n(2)]
    pub metadata: Option<ClientMetadata>,
}

impl Client {
    /// The state after `event`.
    #[must_use]
    pub fn apply(self, event: &ClientEvent) -> Self {
        match event {
            ClientEvent::Disabled { .. } => {
                Self { session_epoch: self.session_epoch.raised(None), disabled: true, ..self }
            }
            ClientEvent::Enabled { .. } => Self { disabled: false, ..self },
            ClientEvent::SessionsEnded { .. } => {
                Self { session_epoch: self.session_epoch.raised(None), ..self }
            }
            // Raises the epoch too: the configuration may have declared this id before, and the new client must not
            // inherit its sessions.
            ClientEvent::Registered { metadata, .. } => Self {
                session_epoch: self.session_epoch.raised(None),
                disabled: false,
                metadata: Some((**metadata).clone()),
            },
            ClientEvent::Updated { metadata, .. } => Self { metadata: Some((**metadata).clone()), ..self },
            ClientEvent::SecretRotated { .. } => self,
            ClientEvent::Deleted { .. } => {
                Self { session_epoch: self.session_epoch.raised(None), disabled: false, metadata: None }
            }
        }
    }

    /// The client's stream.
    #[must_use]
    pub fn stream(id: &ClientId) -> Option<StreamId> {
        StreamId::new(CATEGORY, id.as_str().as_bytes())
    }

    /// The state as a snapshot's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// The state from a snapshot's bytes.
    ///
    /// # Errors
    /// A newer format, or bytes that are not a snapshot.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}
