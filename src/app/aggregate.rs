//! What the repository needs to know of each aggregate: its stream, its encoding, how events change its state, and the
//! records that belong to them: of its indexes, and of the outbox of back-channel logout.

use super::backchannel_logout::outbox;
use crate::client::{self, Client, ClientEvent};
use crate::consent::{self, Consent, ConsentEvent, ConsentId};
use crate::encoding::DecodeError;
use crate::installation::{Installation, InstallationEvent};
use crate::login::{self, Login, LoginEvent};
use crate::oauth::{ClientId, LoginId, SessionId, UserId};
use crate::session::{Session, SessionEvent, index};
use crate::store::{RecordChange, StreamId};
use crate::user::{self, User, UserEvent};

/// A state that is folded from the events of one stream.
pub(super) trait Aggregate: Sized {
    /// The type of its id.
    type Id: Clone;
    /// The type of its events.
    type Event;

    /// Its stream; `None` if the id is too long for one.
    fn stream(id: &Self::Id) -> Option<StreamId>;

    /// Reads a snapshot.
    fn decode(snapshot: &[u8]) -> Result<Self, DecodeError>;

    /// Makes a snapshot.
    fn encode(&self) -> Vec<u8>;

    /// Makes the bytes of an event.
    fn encode_event(event: &Self::Event) -> Vec<u8>;

    /// The state after `events`, and the changes of records that belong to them; `None` if the aggregate does not
    /// exist.
    fn after(
        id: &Self::Id,
        before: Option<Self>,
        events: &[Self::Event],
    ) -> Option<(Self, Vec<RecordChange>)>;
}

impl Aggregate for Session {
    type Id = SessionId;
    type Event = SessionEvent;

    fn stream(id: &SessionId) -> Option<StreamId> {
        Self::stream(*id)
    }

    fn decode(snapshot: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(snapshot)
    }

    fn encode(&self) -> Vec<u8> {
        self.encode()
    }

    fn encode_event(event: &SessionEvent) -> Vec<u8> {
        event.encode()
    }

    fn after(
        id: &SessionId,
        before: Option<Self>,
        events: &[SessionEvent],
    ) -> Option<(Self, Vec<RecordChange>)> {
        let status = before.as_ref().map(|session| session.status);
        let after = events.iter().fold(before, Self::apply)?;
        let mut records = index::changes(*id, status, &after);
        records.extend(outbox::of_session(*id, events, &after));
        Some((after, records))
    }
}

impl Aggregate for Login {
    type Id = LoginId;
    type Event = LoginEvent;

    fn stream(id: &LoginId) -> Option<StreamId> {
        Self::stream(*id)
    }

    fn decode(snapshot: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(snapshot)
    }

    fn encode(&self) -> Vec<u8> {
        self.encode()
    }

    fn encode_event(event: &LoginEvent) -> Vec<u8> {
        event.encode()
    }

    fn after(id: &LoginId, before: Option<Self>, events: &[LoginEvent]) -> Option<(Self, Vec<RecordChange>)> {
        let status = before.as_ref().map(|login| login.status);
        let after = events.iter().fold(before, Self::apply)?;
        let mut records = login::index::changes(*id, status, &after);
        records.extend(outbox::of_login(*id, events, &after));
        Some((after, records))
    }
}

impl Aggregate for Consent {
    type Id = ConsentId;
    type Event = ConsentEvent;

    fn stream(id: &ConsentId) -> Option<StreamId> {
        id.stream()
    }

    fn decode(snapshot: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(snapshot)
    }

    fn encode(&self) -> Vec<u8> {
        self.encode()
    }

    fn encode_event(event: &ConsentEvent) -> Vec<u8> {
        event.encode()
    }

    fn after(
        id: &ConsentId,
        before: Option<Self>,
        events: &[ConsentEvent],
    ) -> Option<(Self, Vec<RecordChange>)> {
        let status = before.as_ref().map(|consent| consent.status);
        let after = events.iter().fold(before, Self::apply)?;
        let mut records = consent::index::changes(status, &after);
        records.extend(outbox::of_consent(id, events));
        Some((after, records))
    }
}

impl Aggregate for User {
    type Id = UserId;
    type Event = UserEvent;

    fn stream(id: &UserId) -> Option<StreamId> {
        user::stream(*id)
    }

    fn decode(snapshot: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(snapshot)
    }

    fn encode(&self) -> Vec<u8> {
        self.encode()
    }

    fn encode_event(event: &UserEvent) -> Vec<u8> {
        event.encode()
    }

    fn after(id: &UserId, before: Option<Self>, events: &[UserEvent]) -> Option<(Self, Vec<RecordChange>)> {
        let before = before.unwrap_or_default();
        let records = outbox::of_user(*id, events, &before);
        Some((events.iter().fold(before, Self::apply), records))
    }
}

impl Aggregate for Client {
    type Id = ClientId;
    type Event = ClientEvent;

    fn stream(id: &ClientId) -> Option<StreamId> {
        Self::stream(id)
    }

    fn decode(snapshot: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(snapshot)
    }

    fn encode(&self) -> Vec<u8> {
        self.encode()
    }

    fn encode_event(event: &ClientEvent) -> Vec<u8> {
        event.encode()
    }

    fn after(
        id: &ClientId,
        before: Option<Self>,
        events: &[ClientEvent],
    ) -> Option<(Self, Vec<RecordChange>)> {
        let before = before.unwrap_or_default();
        let after = events.iter().fold(before.clone(), Self::apply);
        let records = client::vault::changes(id, &before, &after);
        Some((after, records))
    }
}

impl Aggregate for Installation {
    /// There is one.
    type Id = ();
    type Event = InstallationEvent;

    fn stream((): &()) -> Option<StreamId> {
        Self::stream()
    }

    fn decode(snapshot: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(snapshot)
    }

    fn encode(&self) -> Vec<u8> {
        self.encode()
    }

    fn encode_event(event: &InstallationEvent) -> Vec<u8> {
        event.encode()
    }

    fn after(
        (): &(),
        before: Option<Self>,
        events: &[InstallationEvent],
    ) -> Option<(Self, Vec<RecordChange>)> {
        let before = before.unwrap_or_default();
        Some((events.iter().fold(before, Self::apply), Vec::new()))
    }
}
