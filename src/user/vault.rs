//! The vault's records of users: what must be unique, secret or erasable is stored here, outside the log.
//!
//! | key | value |
//! |---|---|
//! | `n`, profile version, normalised name | the user's id |
//! | `p`, id | the password's hash |
//! | `d`, id | the name as it is kept, for people |
//! | `f`, id | the profile: e-mail address, display name |
//! | `m`, profile version, normalised address | the id of the user who signs in with it |
//! | `s`, id, session's or login's id | the device of a session or login |
//! | `i`, SHA-256 of the code | an invitation: the id that the account will have, and until when |
//! | `o`, id that the account will have | the same invitation: the SHA-256 of its code, and until when |
//! | `q`, time (milliseconds, big endian), id | nothing: when an invitation expires, or what is left of it is removed |

use super::email::Email;
use super::name::{PROFILE_VERSION, Username};
use crate::clock::Timestamp;
use crate::oauth::UserId;
use crate::store::RecordKey;

/// The record of a name: its value is the id of the user who has it. There is one record a name, so inserting it makes
/// the name unique.
#[must_use]
pub fn by_name(name: &Username) -> RecordKey {
    RecordKey::vault(&[b"n", &[PROFILE_VERSION], name.as_str().as_bytes()])
}

/// The prefix of all names, for listing.
#[must_use]
pub fn names() -> RecordKey {
    RecordKey::vault(&[b"n", &[PROFILE_VERSION]])
}

/// The prefix of all names that begin with `prefix`, which is in normal form.
#[must_use]
pub fn names_with(prefix: &str) -> RecordKey {
    RecordKey::vault(&[b"n", &[PROFILE_VERSION], prefix.as_bytes()])
}

/// The record of a user's password hash.
#[must_use]
pub fn password(id: UserId) -> RecordKey {
    RecordKey::vault(&[b"p", id.as_bytes()])
}

/// The prefix of all password hashes.
#[must_use]
pub fn passwords() -> RecordKey {
    RecordKey::vault(&[b"p"])
}

/// The record of a user's name as it is shown to people.
#[must_use]
pub fn display_name(id: UserId) -> RecordKey {
    RecordKey::vault(&[b"d", id.as_bytes()])
}

/// The record of a user's profile.
#[must_use]
pub fn profile(id: UserId) -> RecordKey {
    RecordKey::vault(&[b"f", id.as_bytes()])
}

/// The record of an e-mail address: its value is the id of the user who signs in with it. There is one record an
/// address, so inserting it makes the address unique where it must be.
#[must_use]
pub fn by_address(address: &Email) -> RecordKey {
    RecordKey::vault(&[b"m", &[PROFILE_VERSION], address.key().as_bytes()])
}

/// The record of an invitation, by the SHA-256 of its code.
#[must_use]
pub fn invitation(digest: &[u8; 32]) -> RecordKey {
    RecordKey::vault(&[b"i", digest])
}

/// The record of an invitation that can still be used, by the id that the account will have.
#[must_use]
pub fn open_invitation(account: UserId) -> RecordKey {
    RecordKey::vault(&[b"o", account.as_bytes()])
}

/// The prefix of all invitations that can still be used, in the order in which they were made.
#[must_use]
pub fn open_invitations() -> RecordKey {
    RecordKey::vault(&[b"o"])
}

/// A record in the queue of invitations: at `at` the invitation to `account` expires, or, once that is done, the rest
/// of it is removed.
#[must_use]
pub fn invitation_due(at: Timestamp, account: UserId) -> RecordKey {
    RecordKey::vault(&[b"q", &at.millis().to_be_bytes(), account.as_bytes()])
}

/// The prefix of the queue of invitations, earliest first.
#[must_use]
pub fn invitations_due() -> RecordKey {
    RecordKey::vault(&[b"q"])
}

/// The time and the account of a record in the queue; `None` if the key is not one.
#[must_use]
pub fn due_invitation(place: &RecordKey) -> Option<(Timestamp, UserId)> {
    let (time, account) = place.as_bytes().get(2..)?.split_first_chunk::<8>()?;
    let account = <[u8; 16]>::try_from(account).ok()?;
    Some((Timestamp::from_millis(u64::from_be_bytes(*time)), UserId::from(account)))
}

/// The value of an invitation's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The id that the account will have. The invitation's event is on its stream.
    pub account: UserId,
    /// When it expires, in milliseconds since the Unix epoch.
    pub until: Timestamp,
}

impl Invitation {
    /// As the record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [self.account.as_bytes().as_slice(), &self.until.millis().to_be_bytes()].concat()
    }

    /// From the record's bytes; `None` if they are not an invitation.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (account, until) = bytes.split_first_chunk::<16>()?;
        let until = u64::from_be_bytes(until.try_into().ok()?);
        Some(Self { account: UserId::from(*account), until: Timestamp::from_millis(until) })
    }
}

/// The value of the record by which an invitation is found from the account's id, as long as it can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenInvitation {
    /// The SHA-256 of the invitation's code.
    pub digest: [u8; 32],
    /// When it expires, in milliseconds since the Unix epoch.
    pub until: Timestamp,
}

impl OpenInvitation {
    /// As the record's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [self.digest.as_slice(), &self.until.millis().to_be_bytes()].concat()
    }

    /// From the record's bytes; `None` if they are not an invitation.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (digest, until) = bytes.split_first_chunk::<32>()?;
        let until = u64::from_be_bytes(until.try_into().ok()?);
        Some(Self { digest: *digest, until: Timestamp::from_millis(until) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_survives_its_encoding_and_its_place_leads_back_to_it() {
        let (account, until) = (UserId::from([7; 16]), Timestamp::from_millis(77));
        let invitation = Invitation { account, until };
        assert_eq!(Invitation::decode(&invitation.encode()), Some(invitation));
        let open = OpenInvitation { digest: [9; 32], until };
        assert_eq!(OpenInvitation::decode(&open.encode()), Some(open));
        assert_eq!(due_invitation(&invitation_due(until, account)), Some((until, account)));
        assert_eq!(due_invitation(&invitations_due()), None);
    }
}
