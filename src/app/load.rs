//! Aggregates out of the store, and events back into it.

use super::App;
use super::error::TokenError;
use crate::client::{Client, Registration};
use crate::oauth::{ClientId, SessionId, Standing, UserId};
use crate::session::{Session, SessionEvent, view};
use crate::store::{Append, Expected, RecordChange, StoreError, StreamId};
use crate::user::{self, User};

/// An aggregate's state, and the version of its stream that this is.
pub struct Loaded<T> {
    /// The state; `None` if there is no such stream.
    pub state: Option<T>,
    /// The version, for the next append.
    pub expected: Expected,
}

impl App {
    pub(super) async fn load_session(&self, id: SessionId) -> Result<Loaded<Session>, TokenError> {
        self.load(Session::stream(id), Session::decode).await
    }

    pub(super) async fn load_user(&self, id: UserId) -> Result<Loaded<User>, TokenError> {
        self.load(user::stream(id), User::decode).await
    }

    pub(super) async fn load_client(&self, id: &ClientId) -> Result<Loaded<Client>, TokenError> {
        self.load(Client::stream(id), Client::decode).await
    }

    /// Refuses what begins something new when the disk is nearly full, so that those who are signed in stay so.
    pub(super) fn has_room(&self) -> Result<(), StoreError> {
        if self.store.is_nearly_full() {
            return Err(StoreError::NoRoom("the disk is nearly full: nothing new is begun".to_owned()));
        }
        Ok(())
    }

    /// The standing of a client; none if it is switched off or gone.
    pub(super) async fn client_standing(
        &self,
        registration: &Registration,
    ) -> Result<Option<Standing>, TokenError> {
        let stored = self.load_client(&registration.id).await?.state.unwrap_or_default();
        let usable = match self.clients.find(&registration.id) {
            Some(declared) => !declared.disabled,
            None => stored.metadata.is_some(),
        };
        Ok((usable && !stored.disabled).then_some(stored.standing))
    }

    /// The standing of a client that has proved who it is. A declared one that was switched off in the log is refused
    /// here as one that can't prove it: that it may authenticate is all that the configuration knows.
    pub(super) async fn usable(&self, registration: &Registration) -> Result<Standing, TokenError> {
        self.client_standing(registration).await?.ok_or(TokenError::Client)
    }

    async fn load<T>(
        &self,
        stream: Option<StreamId>,
        decode: impl Fn(&[u8]) -> Result<T, crate::encoding::DecodeError>,
    ) -> Result<Loaded<T>, TokenError> {
        let stream = stream.ok_or_else(|| TokenError::Internal("a stream's name is too long".to_owned()))?;
        Ok(match self.store.load(stream).await? {
            Some(snapshot) => {
                Loaded { state: Some(decode(&snapshot.data)?), expected: Expected::Exact(snapshot.version) }
            }
            None => Loaded { state: None, expected: Expected::NoStream },
        })
    }

    /// Appends a session's events to what was loaded, with its views, and returns the state after them.
    pub(super) async fn append_session(
        &self,
        id: SessionId,
        loaded: Loaded<Session>,
        events: &[SessionEvent],
    ) -> Result<Session, StoreError> {
        self.append_session_with(id, loaded, events, Vec::new()).await
    }

    /// As [`App::append_session`], with more record changes that land with the events.
    pub(super) async fn append_session_with(
        &self,
        id: SessionId,
        loaded: Loaded<Session>,
        events: &[SessionEvent],
        more: Vec<RecordChange>,
    ) -> Result<Session, StoreError> {
        let (append, after) = session_append(id, loaded, events, more)?;
        self.store.append(append).await?;
        Ok(after)
    }

    /// Changes records that no stream guards any more, or that need no guard.
    pub(super) async fn change_records(&self, records: Vec<RecordChange>) -> Result<(), StoreError> {
        // A stream that never is: an append without events makes none.
        let stream = StreamId::new(b'-', b"records").ok_or(StoreError::TooLarge)?;
        let (events, snapshot) = (Vec::new(), Vec::new());
        let append = Append { stream, expected: Expected::NoStream, events, snapshot, records };
        self.store.append(append).await.map(drop)
    }
}

/// What appends a session's events to what was loaded, with its views and more record changes; and the state after them.
pub(super) fn session_append(
    id: SessionId,
    loaded: Loaded<Session>,
    events: &[SessionEvent],
    more: Vec<RecordChange>,
) -> Result<(Append, Session), StoreError> {
    let before = loaded.state.as_ref().map(|session| session.status);
    let after = events.iter().fold(loaded.state, Session::apply);
    let (Some(stream), Some(after)) = (Session::stream(id), after) else {
        return Err(StoreError::Corrupt("events of a session that never started".to_owned()));
    };
    let mut records = view::changes(id, before, &after);
    records.extend(more);
    let append = Append {
        stream,
        expected: loaded.expected,
        events: events.iter().map(SessionEvent::encode).collect(),
        snapshot: after.encode(),
        records,
    };
    Ok((append, after))
}
