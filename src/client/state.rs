//! What has become of a client, folded from its events.

use minicbor::{Decode, Encode};

use super::event::ClientEvent;
use super::metadata::ClientMetadata;
use crate::encoding::{self, DecodeError};
use crate::oauth::{ClientId, SessionEpoch};
use crate::store::StreamId;

const FORMAT: u8 = 1;
/// The category of clients' streams.
pub const CATEGORY: u8 = b'c';

/// A client's state. One that the configuration declares has a stream only once its sessions have been ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Client {
    /// The epoch that its sessions must have been started in.
    #[n(0)]
    pub session_epoch: SessionEpoch,
    /// Whether it is switched off.
    #[n(1)]
    pub disabled: bool,
    /// What is registered of it; none if it was deleted, or never registered here.
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
            // Raised here too: the configuration may have declared the id before, and its sessions are not inherited.
            ClientEvent::Registered { metadata, .. } => Self {
                session_epoch: self.session_epoch.raised(None),
                disabled: false,
                metadata: Some(metadata.clone()),
            },
            ClientEvent::Updated { metadata, .. } => Self { metadata: Some(metadata.clone()), ..self },
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

    /// The state as a snapshot.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// The state out of a snapshot.
    ///
    /// # Errors
    /// A newer format, or bytes that are no snapshot.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}
