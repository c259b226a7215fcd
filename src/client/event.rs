//! What happens to a client. No event holds a secret, nor a digest of one: see [`super::vault`].

use minicbor::{Decode, Encode};

use super::metadata::ClientMetadata;
use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};
use crate::oauth::Actor;

const FORMAT: u8 = 1;

/// An event on a client's stream.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ClientEvent {
    /// It was switched off; its sessions end.
    #[n(0)]
    Disabled {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Who did it.
        #[n(9)]
        by: Option<Actor>,
    },
    /// It was switched on again; what had ended stays so.
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
    /// It was registered; sessions of whoever had its id before end.
    #[n(3)]
    Registered {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// What was registered.
        #[n(1)]
        metadata: ClientMetadata,
        /// Who did it.
        #[n(9)]
        by: Option<Actor>,
    },
    /// Its registration was changed.
    #[n(4)]
    Updated {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// What is registered from now on.
        #[n(1)]
        metadata: ClientMetadata,
        /// Who did it.
        #[n(9)]
        by: Option<Actor>,
    },
    /// It was given a new secret.
    #[n(5)]
    SecretRotated {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Until when the old one is good.
        #[n(1)]
        old_until: Timestamp,
        /// Who did it.
        #[n(9)]
        by: Option<Actor>,
    },
    /// It was deleted; its sessions end.
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
    /// The event as a store keeps it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// The event as a store kept it.
    ///
    /// # Errors
    /// A newer format, or bytes that are no event.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}
