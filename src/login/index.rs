//! The indexes of logins: store records derived from a login's events.
//!
//! | key | value | while the login |
//! |---|---|---|
//! | `lu`, user's id, login's id | nothing: the logins of a user | is live |
//! | `le`, time (milliseconds, big endian), login's id | nothing: the expiry queue, by the absolute expiry | is live |
//! | `lr`, time (milliseconds, big endian), login's id | nothing: the removal queue, by when it ended | has ended |
//!
//! As with sessions, a login counts as live here until an event ends it, and the times in the expiry queue are lower bounds:
//! the sweeper queues a login again whose person has typed the password since.

use super::state::{Login, Status};
use crate::clock::Timestamp;
use crate::oauth::{LoginId, UserId};
use crate::store::{RecordChange, RecordKey};

/// The version of these functions. Raise it when the records that they make change: the next start then deletes the
/// records of other versions and makes all of them again.
pub const VERSION: u8 = 1;

/// The kinds of keys that this module makes.
const KINDS: [&[u8]; 3] = [b"lu", b"le", b"lr"];

/// The record changes that belong to events which take a login from the status `before` (`None`: it did not exist) to the
/// state `after`.
#[must_use]
pub fn changes(id: LoginId, before: Option<Status>, after: &Login) -> Vec<RecordChange> {
    if before == Some(after.status) {
        return Vec::new();
    }
    let old = before.map(|status| entries_of(id, after, status)).unwrap_or_default();
    let new = entries(id, after).into_iter();
    let dropped = old.into_iter().map(RecordChange::Delete);
    dropped.chain(new.map(|key| RecordChange::Put(key, Vec::new()))).collect()
}

/// The index entries of a login.
#[must_use]
pub fn entries(id: LoginId, login: &Login) -> Vec<RecordKey> {
    entries_of(id, login, login.status)
}

/// The entries follow from its beginning, which never changes, and its status.
fn entries_of(id: LoginId, login: &Login, status: Status) -> Vec<RecordKey> {
    match status {
        Status::Live => vec![of_user(login.begun.user, id), queued(login.begun.absolute_expiry, id)],
        Status::Ended { at, .. } => vec![removable(at, id)],
    }
}

/// A live login of a user.
#[must_use]
pub fn of_user(user: UserId, id: LoginId) -> RecordKey {
    RecordKey::index(VERSION, &[b"lu", user.as_bytes(), id.as_bytes()])
}

/// The live logins of a user, in the order in which they began.
#[must_use]
pub fn all_of_user(user: UserId) -> RecordKey {
    RecordKey::index(VERSION, &[b"lu", user.as_bytes()])
}

/// The entry of a login in the expiry queue.
#[must_use]
pub fn queued(expiry: Timestamp, id: LoginId) -> RecordKey {
    RecordKey::index(VERSION, &[b"le", &expiry.millis().to_be_bytes(), id.as_bytes()])
}

/// The expiry queue, earliest first.
#[must_use]
pub fn expiry_queue() -> RecordKey {
    RecordKey::index(VERSION, &[b"le"])
}

/// The entry of a login in the removal queue.
#[must_use]
pub fn removable(ended: Timestamp, id: LoginId) -> RecordKey {
    RecordKey::index(VERSION, &[b"lr", &ended.millis().to_be_bytes(), id.as_bytes()])
}

/// The removal queue, earliest first.
#[must_use]
pub fn removal_queue() -> RecordKey {
    RecordKey::index(VERSION, &[b"lr"])
}

/// The prefixes of all records that another version of these functions made.
#[must_use]
pub fn made_by(version: u8) -> [RecordKey; 3] {
    KINDS.map(|kind| RecordKey::index(version, &[kind]))
}

/// The login of a key of any of these indexes.
#[must_use]
pub fn login_of(key: &RecordKey) -> Option<LoginId> {
    key.as_bytes().last_chunk().copied().map(LoginId::from)
}

/// The time and login of an entry in one of the queues.
#[must_use]
pub fn place_of(key: &RecordKey) -> Option<(Timestamp, LoginId)> {
    let (time, id) = key.as_bytes().get(4..)?.split_first_chunk::<8>()?;
    let id = <[u8; 16]>::try_from(id).ok()?;
    Some((Timestamp::from_millis(u64::from_be_bytes(*time)), LoginId::from(id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::event::{LoggedIn, LoginEvent, LogoutReason};

    #[test]
    fn a_login_is_listed_while_it_is_live_and_in_one_queue_at_a_time_and_its_place_leads_back_to_it() {
        let (id, at) = (LoginId::from([1; 16]), Timestamp::from_seconds);
        let begun = LoggedIn {
            at: at(10),
            user: [2; 16].into(),
            user_epoch: 0,
            installation_epoch: 0,
            methods: Vec::new(),
            nonce: [3; 16].into(),
            persistent: false,
            absolute_expiry: at(100),
        };
        let live = Login::apply(None, &LoginEvent::LoggedIn(begun)).unwrap();
        let (listed, queued) = (of_user([2; 16].into(), id), queued(at(100), id));
        let put = |key: &RecordKey| RecordChange::Put(key.clone(), Vec::new());
        assert_eq!(changes(id, None, &live), [put(&listed), put(&queued)]);
        assert_eq!(changes(id, Some(live.status), &live), []);
        let out = LoginEvent::LoggedOut { at: at(50), reason: LogoutReason::Logout, by: None };
        let ended = Login::apply(Some(live.clone()), &out).unwrap();
        let removable = removable(at(50), id);
        let gone = [&listed, &queued].map(|key| RecordChange::Delete(key.clone())).to_vec();
        assert_eq!(changes(id, Some(live.status), &ended), [gone, vec![put(&removable)]].concat());
        assert_eq!(login_of(&listed), Some(id));
        assert_eq!((place_of(&queued), place_of(&removable)), (Some((at(100), id)), Some((at(50), id))));
        assert_eq!(place_of(&expiry_queue()), None);
    }
}
