//! Indexes that are made from a session's events: records in the store's `view/` half.
//!
//! | key | value |
//! |---|---|
//! | `u`, user's id, session's id | nothing: the sessions of a user |
//! | `c`, length and text of the client's id, session's id | nothing: the sessions of a client |
//! | `e`, time (milliseconds, big endian), session's id | nothing: the expiry queue |
//!
//! The queue's times are lower bounds: whoever pops an entry loads the session, and ends it or queues it again. So a
//! refresh, which moves the expiry, never touches the queue.

use super::event::SessionEvent;
use crate::clock::Timestamp;
use crate::oauth::{ClientId, SessionId, UserId};
use crate::store::{RecordChange, RecordKey};

/// The version of these functions. Raise it when what they make changes.
const VERSION: u8 = 1;

/// The record changes that land with `event` of the session `id`.
#[must_use]
pub fn changes(id: SessionId, event: &SessionEvent) -> Vec<RecordChange> {
    match event {
        SessionEvent::Started(started) => {
            let expiry = started.idle_expiry.min(started.absolute_expiry);
            vec![
                RecordChange::Put(of_user(started.user, id), Vec::new()),
                RecordChange::Put(of_client(&started.client, id), Vec::new()),
                RecordChange::Put(queued(expiry, id), Vec::new()),
            ]
        }
        SessionEvent::TokensIssued { .. }
        | SessionEvent::TokensRotated { .. }
        | SessionEvent::AccessTokenIssued { .. }
        | SessionEvent::ReuseDetected { .. }
        | SessionEvent::ForeignClientRefused { .. }
        | SessionEvent::Ended { .. } => Vec::new(),
    }
}

/// The sessions of a user.
#[must_use]
pub fn of_user(user: UserId, id: SessionId) -> RecordKey {
    RecordKey::view(VERSION, &[b"u", user.as_bytes(), id.as_bytes()])
}

/// The sessions of a user, in the order in which they began.
#[must_use]
pub fn all_of_user(user: UserId) -> RecordKey {
    RecordKey::view(VERSION, &[b"u", user.as_bytes()])
}

/// A session of a client.
#[must_use]
pub fn of_client(client: &ClientId, id: SessionId) -> RecordKey {
    RecordKey::view(VERSION, &[b"c", &client_key(client), id.as_bytes()])
}

/// The sessions of a client, in the order in which they began.
#[must_use]
pub fn all_of_client(client: &ClientId) -> RecordKey {
    RecordKey::view(VERSION, &[b"c", &client_key(client)])
}

/// The session that a key of any of these indexes names; `None` if it names none.
#[must_use]
pub fn session_of(key: &RecordKey) -> Option<SessionId> {
    key.as_bytes().last_chunk().copied().map(SessionId::from)
}

/// The length first, so that no client's key begins with another's.
fn client_key(client: &ClientId) -> Vec<u8> {
    let text = client.as_str().as_bytes();
    // A client's id has at most 64 bytes.
    std::iter::once(u8::try_from(text.len()).unwrap_or(u8::MAX)).chain(text.iter().copied()).collect()
}

/// A place in the expiry queue.
#[must_use]
pub fn queued(expiry: Timestamp, id: SessionId) -> RecordKey {
    RecordKey::view(VERSION, &[b"e", &expiry.millis().to_be_bytes(), id.as_bytes()])
}
