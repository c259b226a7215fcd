//! The installation aggregate: facts about all data of a server at once. Pure.
//!
//! There is one installation with one stream. It has an *epoch*, as users and clients have: a session is valid only in
//! the installation's epoch in which it was started.

use minicbor::{Decode, Encode};

use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};
use crate::oauth::Actor;
use crate::store::StreamId;

const FORMAT: u8 = 1;
/// The category of its stream.
pub const CATEGORY: u8 = b'i';

/// An event on the installation's stream.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum InstallationEvent {
    /// `sessions_ended_by_restore`: the data were restored from a backup, which ended every session in them.
    #[n(0)]
    SessionsEndedByRestore {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Who restored them.
        #[n(9)]
        by: Option<Actor>,
    },
}

/// The installation's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Installation {
    /// Starts at 0; raised by one when every session is to end.
    #[n(0)]
    pub epoch: u32,
    /// When the data were last restored from a backup, in milliseconds since the Unix epoch.
    #[n(1)]
    pub restored_at: Option<Timestamp>,
}

impl Installation {
    /// The state after `event`.
    #[must_use]
    pub const fn apply(self, event: &InstallationEvent) -> Self {
        match event {
            InstallationEvent::SessionsEndedByRestore { at, .. } => {
                Self { epoch: self.epoch.saturating_add(1), restored_at: Some(*at) }
            }
        }
    }

    /// The installation's only stream.
    #[must_use]
    pub fn stream() -> Option<StreamId> {
        StreamId::new(CATEGORY, b"")
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

impl InstallationEvent {
    /// The event's name, as it is shown to administrators.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SessionsEndedByRestore { .. } => "sessions_ended_by_restore",
        }
    }

    /// When it happened.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::SessionsEndedByRestore { at, .. } => *at,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_restore_raises_the_epoch_and_all_survives_its_encoding() {
        let event = InstallationEvent::SessionsEndedByRestore {
            at: Timestamp::from_seconds(7),
            by: Some(Actor::Operator(0)),
        };
        assert_eq!(InstallationEvent::decode(&event.encode()).as_ref(), Ok(&event));
        let state = Installation::default().apply(&event).apply(&event);
        assert_eq!(state, Installation { epoch: 2, restored_at: Some(Timestamp::from_seconds(7)) });
        assert_eq!(Installation::decode(&state.encode()), Ok(state));
    }
}
