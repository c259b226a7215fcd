//! What has become of a client, folded from its events.

use minicbor::{Decode, Encode};

use super::event::ClientEvent;
use crate::encoding::{self, DecodeError};
use crate::oauth::{ClientId, Standing};
use crate::store::StreamId;

const FORMAT: u8 = 1;
/// The category of clients' streams.
pub const CATEGORY: u8 = b'c';

/// A client's state beyond its registration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Client {
    /// The epoch that its sessions must have been started in.
    #[n(0)]
    pub standing: Standing,
    /// Whether it is switched off.
    #[n(1)]
    pub disabled: bool,
}

impl Client {
    /// The state after `event`.
    #[must_use]
    pub fn apply(self, event: &ClientEvent) -> Self {
        match event {
            ClientEvent::Disabled { .. } => Self { standing: self.standing.raised(None), disabled: true },
            ClientEvent::Enabled { .. } => Self { disabled: false, ..self },
            ClientEvent::SessionsEnded { .. } => Self { standing: self.standing.raised(None), ..self },
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::oauth::SessionId;

    #[test]
    fn switching_a_client_off_and_on_leaves_its_old_sessions_ended() {
        let at = Timestamp::from_seconds(1);
        let client = Client::default().apply(&ClientEvent::Disabled { at });
        assert!(client.disabled);
        let client = client.apply(&ClientEvent::Enabled { at });
        assert!(!client.disabled);
        assert!(!client.standing.covers(SessionId::from([1; 16]), 0));
        assert_eq!(Client::decode(&client.encode()), Ok(client));
    }
}
