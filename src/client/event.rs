//! The events on a client's stream. No event holds a secret, nor a digest of one: see [`super::vault`].

use minicbor::{Decode, Encode};

use super::metadata::ClientMetadata;
use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};
use crate::oauth::Actor;

const FORMAT: u8 = 1;

/// An event on a client's stream.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ClientEvent {
    /// The client was switched off; its sessions end.
    #[n(0)]
    Disabled {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Who did it.
        #[n(9)]
        by: Option<Actor>,
    },
    /// The client was switched on again; the sessions that had ended stay ended.
    #[n(1)]
    Enabled {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Who did it.
        #[n(9)]
        by: Option<Actor>,
    },
    /// All its sessions were ended.
    #[n(2)]
    SessionsEnded {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Who did it.
        #[n(9)]
        by: Option<Actor>,
    },
    /// The client was registered; the sessions of an earlier client with its id end.
    #[n(3)]
    Registered {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// The registered metadata.
        #[n(1)]
        metadata: Box<ClientMetadata>,
        /// Who did it.
        #[n(9)]
        by: Option<Actor>,
    },
    /// Its metadata were changed.
    #[n(4)]
    Updated {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// All metadata from now on.
        #[n(1)]
        metadata: Box<ClientMetadata>,
        /// Who did it.
        #[n(9)]
        by: Option<Actor>,
    },
    /// It got a new secret.
    #[n(5)]
    SecretRotated {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Until when the old secret stays valid, in milliseconds since the Unix epoch.
        #[n(1)]
        old_until: Timestamp,
        /// Who did it.
        #[n(9)]
        by: Option<Actor>,
    },
    /// The client was deleted; its sessions end.
    #[n(6)]
    Deleted {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Who did it.
        #[n(9)]
        by: Option<Actor>,
    },
}

impl ClientEvent {
    /// The event as stored bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// The event from stored bytes.
    ///
    /// # Errors
    /// A newer format, or bytes that are not an event.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}
