//! Indexes that are made from a session's events: records in the store's `view/` half.
//!
//! | key | value |
//! |---|---|
//! | `u`, user's id, session's id | nothing: the sessions of a user |
//! | `e`, time (milliseconds, big endian), session's id | nothing: the expiry queue |
//!
//! The queue's times are lower bounds: whoever pops an entry loads the session, and ends it or queues it again. So a
//! refresh, which moves the expiry, never touches the queue.

use super::event::SessionEvent;
use crate::clock::Timestamp;
use crate::oauth::{SessionId, UserId};
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

/// A place in the expiry queue.
#[must_use]
pub fn queued(expiry: Timestamp, id: SessionId) -> RecordKey {
    RecordKey::view(VERSION, &[b"e", &expiry.millis().to_be_bytes(), id.as_bytes()])
}
