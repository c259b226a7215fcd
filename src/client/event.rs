//! What happens to a client.

use minicbor::{Decode, Encode};

use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};

const FORMAT: u8 = 1;

/// An event on a client's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ClientEvent {
    /// It was switched off; its sessions end.
    #[n(0)]
    Disabled {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// It was switched on again; what had ended stays so.
    #[n(1)]
    Enabled {
        /// When.
        #[n(0)]
        at: Timestamp,
    },
    /// All its sessions were ended.
    #[n(2)]
    SessionsEnded {
        /// When.
        #[n(0)]
        at: Timestamp,
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
