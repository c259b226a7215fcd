//! The indexes of sessions: store records derived from a session's events.
//!
//! | key | value | while the session |
//! |---|---|---|
//! | `u`, user's id, session's id | nothing: the sessions of a user | is live, and has a user |
//! | `c`, length and text of the client's id, session's id | nothing: the sessions of a client | is live |
//! | `e`, time (milliseconds, big endian), session's id | the expiry queue: nothing, or the version of the session's stream behind which the sweeper goes on | is live, or authorized and not begun |
//! | `r`, time (milliseconds, big endian), session's id | nothing: the removal queue, by when it ended | has ended |
//!
//! Here a session counts as live until an event ends it. One that has expired, or whose epoch was raised, stays in the
//! indexes until the sweeper has written its end.
//!
//! The times in the expiry queue are lower bounds: the sweeper loads the session of an entry, and ends it or queues it
//! again. So a refresh, which changes the expiry, never writes to the queue. An entry that was queued again stays after
//! its session has been ended; the sweeper then drops it. A session's first entry is at its first expiry, but at most a
//! month after its beginning, because the sweeper also summarizes old events. (Earlier versions always used the first
//! expiry, which is a lower bound too.)

use std::time::Duration;

use super::event::Started;
use super::state::{Session, Status};
use crate::clock::Timestamp;
use crate::oauth::{ClientId, SessionId, UserId};
use crate::store::{RecordChange, RecordKey};

/// The version of these functions. Raise it when the records that they make change: the next start then deletes the
/// records of other versions and makes all of them again.
pub const VERSION: u8 = 2;

/// The latest time of the sweeper's first visit, after the session's beginning.
const FIRST_VISIT: Duration = Duration::from_hours(31 * 24);

/// The kinds of keys that this module makes.
const KINDS: [&[u8]; 4] = [b"u", b"c", b"e", b"r"];

/// The record changes that belong to events which take a session from the status `before` (`None`: it did not exist) to
/// the state `after`.
#[must_use]
pub fn changes(id: SessionId, before: Option<Status>, after: &Session) -> Vec<RecordChange> {
    if before == Some(after.status) {
        return Vec::new();
    }
    let old = before.map(|status| entries_of(id, &after.started, status)).unwrap_or_default();
    let new = entries(id, after);
    let dropped = old.into_iter().filter(|key| !new.contains(key)).map(RecordChange::Delete);
    dropped.chain(new.iter().cloned().map(|key| RecordChange::Put(key, Vec::new()))).collect()
}

/// The index entries of a session.
#[must_use]
pub fn entries(id: SessionId, session: &Session) -> Vec<RecordKey> {
    entries_of(id, &session.started, session.status)
}

/// The entries follow from its beginning, which never changes, and its status.
fn entries_of(id: SessionId, started: &Started, status: Status) -> Vec<RecordKey> {
    match status {
        Status::Live => (started.user.map(|user| of_user(user, id)).into_iter())
            .chain([
                of_client(&started.client, id),
                queued(
                    started.idle_expiry.min(started.absolute_expiry).min(started.at.after(FIRST_VISIT)),
                    id,
                ),
            ])
            .collect(),
        // Nobody sees it before it begins.
        Status::Authorized { until } => vec![queued(until, id)],
        Status::Ended { at, .. } => vec![removable(at, id)],
    }
}

/// A live session of a user.
#[must_use]
pub fn of_user(user: UserId, id: SessionId) -> RecordKey {
    RecordKey::index(VERSION, &[b"u", user.as_bytes(), id.as_bytes()])
}

/// The live sessions of a user, in the order in which they began.
#[must_use]
pub fn all_of_user(user: UserId) -> RecordKey {
    RecordKey::index(VERSION, &[b"u", user.as_bytes()])
}

/// A live session of a client.
#[must_use]
pub fn of_client(client: &ClientId, id: SessionId) -> RecordKey {
    RecordKey::index(VERSION, &[b"c", &client_key(client), id.as_bytes()])
}

/// The live sessions of a client, in the order in which they began.
#[must_use]
pub fn all_of_client(client: &ClientId) -> RecordKey {
    RecordKey::index(VERSION, &[b"c", &client_key(client)])
}

/// The entry of a session in the expiry queue.
#[must_use]
pub fn queued(expiry: Timestamp, id: SessionId) -> RecordKey {
    RecordKey::index(VERSION, &[b"e", &expiry.millis().to_be_bytes(), id.as_bytes()])
}

/// The expiry queue, earliest first.
#[must_use]
pub fn expiry_queue() -> RecordKey {
    RecordKey::index(VERSION, &[b"e"])
}

/// The entry of a session in the removal queue.
#[must_use]
pub fn removable(ended: Timestamp, id: SessionId) -> RecordKey {
    RecordKey::index(VERSION, &[b"r", &ended.millis().to_be_bytes(), id.as_bytes()])
}

/// The removal queue, earliest first.
#[must_use]
pub fn removal_queue() -> RecordKey {
    RecordKey::index(VERSION, &[b"r"])
}

/// The prefixes of all records that another version of these functions made.
#[must_use]
pub fn made_by(version: u8) -> [RecordKey; 4] {
    KINDS.map(|kind| RecordKey::index(version, &[kind]))
}

/// The session named by a key of any of these indexes.
#[must_use]
pub fn session_of(key: &RecordKey) -> Option<SessionId> {
    key.as_bytes().last_chunk().copied().map(SessionId::from)
}

/// The time and session of an entry in one of the queues.
#[must_use]
pub fn place_of(key: &RecordKey) -> Option<(Timestamp, SessionId)> {
    let time = key.as_bytes().get(3..11)?.first_chunk().copied().map(u64::from_be_bytes)?;
    Some((Timestamp::from_millis(time), session_of(key)?))
}

/// The id's length comes first, so that no client's key begins with another's.
fn client_key(client: &ClientId) -> Vec<u8> {
    let text = client.as_str().as_bytes();
    // A client's id has at most 64 bytes.
    std::iter::once(u8::try_from(text.len()).unwrap_or(u8::MAX)).chain(text.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::event::{EndReason, SessionEvent};

    fn started() -> Session {
        let at = Timestamp::from_seconds(1000);
        let started = Started {
            at,
            client: "web".parse().unwrap(),
            client_epoch: 0,
            user: Some(UserId::from([7; 16])),
            user_epoch: 0,
            scope: "read".parse().unwrap(),
            audience: None,
            absolute_expiry: Timestamp::from_seconds(9000),
            idle_expiry: Timestamp::from_seconds(5000),
            refreshable: true,
            installation_epoch: None,
            login: None,
        };
        Session::apply(None, &SessionEvent::Started(started)).unwrap()
    }

    #[test]
    fn a_session_that_ends_leaves_the_lists_and_joins_the_removal_queue() {
        let (id, live) = (SessionId::from([1; 16]), started());
        let [user, client, queue] = changes(id, None, &live).try_into().unwrap();
        assert_eq!(user, RecordChange::Put(of_user(UserId::from([7; 16]), id), Vec::new()));
        assert_eq!(client, RecordChange::Put(of_client(&"web".parse().unwrap(), id), Vec::new()));
        assert_eq!(queue, RecordChange::Put(queued(Timestamp::from_seconds(5000), id), Vec::new()));

        let end =
            SessionEvent::Ended { at: Timestamp::from_seconds(2000), reason: EndReason::User, by: None };
        let ended = Session::apply(Some(live.clone()), &end).unwrap();
        let gone: Vec<_> = entries(id, &live).into_iter().map(RecordChange::Delete).collect();
        let kept = RecordChange::Put(removable(Timestamp::from_seconds(2000), id), Vec::new());
        assert_eq!(changes(id, Some(live.status), &ended), [gone, vec![kept]].concat());
        assert_eq!(changes(id, Some(live.status), &live), Vec::new());
        assert_eq!(changes(id, Some(ended.status), &ended), Vec::new());
    }

    #[test]
    fn a_session_that_may_rest_for_long_is_looked_at_after_a_month() {
        let mut session = started();
        session.started.idle_expiry = session.started.at.after(Duration::from_hours(8760));
        session.started.absolute_expiry = session.started.idle_expiry;
        let id = SessionId::from([1; 16]);
        assert!(
            entries(id, &session).contains(&queued(session.started.at.after(Duration::from_hours(744)), id))
        );
    }

    #[test]
    fn keys_lead_back_to_their_sessions() {
        let (id, at) = (SessionId::from([9; 16]), Timestamp::from_millis(77));
        assert_eq!(place_of(&queued(at, id)), Some((at, id)));
        assert_eq!(place_of(&removable(at, id)), Some((at, id)));
        assert_eq!(session_of(&of_user(UserId::from([2; 16]), id)), Some(id));
        assert_eq!(place_of(&expiry_queue()), None);
    }

    #[test]
    fn no_clients_sessions_are_among_anothers() {
        let id = SessionId::from([1; 16]);
        let (short, long): (ClientId, ClientId) = ("web".parse().unwrap(), "web-2".parse().unwrap());
        let is_under = |client| of_client(&long, id).as_bytes().starts_with(all_of_client(client).as_bytes());
        assert!(is_under(&long) && !is_under(&short));
    }
}
