//! The indexes of consents: store records derived from a consent's events.
//!
//! | key | value | while the consent |
//! |---|---|---|
//! | `gu`, user's id, digest of the client's id | the client's id: the clients that a person allowed something | stands |
//! | `gr`, time (milliseconds, big endian), user's id, digest of the client's id | the client's id: the removal queue, by when it was withdrawn | was withdrawn |

use super::state::{Consent, ConsentId, Status};
use crate::clock::Timestamp;
use crate::oauth::{ClientId, UserId};
use crate::store::{RecordChange, RecordKey};

/// The version of these functions. Raise it when the records that they make change: the next start then deletes the
/// records of other versions and makes all of them again.
pub const VERSION: u8 = 1;

/// The kinds of keys that this module makes.
const KINDS: [&[u8]; 2] = [b"gu", b"gr"];

/// The record changes that belong to events which take a consent from the status `before` (`None`: it did not exist) to
/// the state `after`.
#[must_use]
pub fn changes(before: Option<Status>, after: &Consent) -> Vec<RecordChange> {
    let old = before.map(|status| entry(after, status));
    let new = entry(after, after.status);
    if old.as_ref() == Some(&new) {
        return Vec::new();
    }
    old.map(RecordChange::Delete).into_iter().chain([put(after)]).collect()
}

/// What makes the index entry of a consent.
#[must_use]
pub fn put(consent: &Consent) -> RecordChange {
    RecordChange::Put(entry(consent, consent.status), consent.client.as_str().as_bytes().to_vec())
}

fn entry(consent: &Consent, status: Status) -> RecordKey {
    match status {
        Status::Given { .. } => of_user(consent.user, &consent.client),
        Status::Withdrawn { at } => removable(at, consent.user, &consent.client),
    }
}

/// A consent of a user that stands.
#[must_use]
pub fn of_user(user: UserId, client: &ClientId) -> RecordKey {
    RecordKey::index(VERSION, &[b"gu", user.as_bytes(), &client.digest()])
}

/// The consents of a user that stand.
#[must_use]
pub fn all_of_user(user: UserId) -> RecordKey {
    RecordKey::index(VERSION, &[b"gu", user.as_bytes()])
}

/// The entry of a consent in the removal queue.
#[must_use]
pub fn removable(withdrawn: Timestamp, user: UserId, client: &ClientId) -> RecordKey {
    let time = withdrawn.millis().to_be_bytes();
    RecordKey::index(VERSION, &[b"gr", &time, user.as_bytes(), &client.digest()])
}

/// The removal queue, earliest first.
#[must_use]
pub fn removal_queue() -> RecordKey {
    RecordKey::index(VERSION, &[b"gr"])
}

/// The prefixes of all records that another version of these functions made.
#[must_use]
pub fn made_by(version: u8) -> [RecordKey; 2] {
    KINDS.map(|kind| RecordKey::index(version, &[kind]))
}

/// The client in an entry of any of these indexes.
#[must_use]
pub fn client_of(value: &[u8]) -> Option<ClientId> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The time and consent of an entry in the removal queue.
#[must_use]
pub fn place_of(key: &RecordKey, value: &[u8]) -> Option<(Timestamp, ConsentId)> {
    let (time, rest) = key.as_bytes().get(4..)?.split_first_chunk::<8>()?;
    let user = UserId::from(*rest.first_chunk::<16>()?);
    let client = client_of(value)?;
    Some((Timestamp::from_millis(u64::from_be_bytes(*time)), ConsentId { user, client }))
}
