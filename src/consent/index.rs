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

/// The version of these functions.
pub const VERSION: u8 = 1;

/// The record changes that belong to events which take a consent from the status `before` (`None`: it did not exist) to
/// the state `after`.
#[must_use]
pub fn changes(before: Option<Status>, after: &Consent) -> Vec<RecordChange> {
    let old = before.map(|status| entry(after, status));
    let new = entry(after, after.status);
    if old.as_ref() == Some(&new) {
        return Vec::new();
    }
    let client = after.client.as_str().as_bytes().to_vec();
    old.map(RecordChange::Delete).into_iter().chain([RecordChange::Put(new, client)]).collect()
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
