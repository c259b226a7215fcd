//! The outbox of back-channel logout: what apps must be told of, in the order in which it happened. Pure functions make
//! its entries from events, as they make the indexes; an entry is in the same append as its event, so neither is ever
//! there without the other.
//!
//! | key | value |
//! |---|---|
//! | `bo`, time (milliseconds, big endian), id of the login, session or user, epoch (0 but for a user) | what has ended |
//! | `bo`, time (milliseconds, big endian), user's id, digest of the client's id | what a withdrawn consent has ended |
//! | `bk`, user's id, login's id, client's id | nothing: a client that knows a login by the `sid` of its ID tokens, and was not told of its end |
//!
//! A client gets to know a login when it begins to sign somebody in, and is forgotten when it is to be told that the login
//! has ended, or with the login. That outlives the client's sessions, which may be as short as one access token, and the
//! login's own life: an app's cookie may live for weeks.
//!
//! Both are records of the vault and not of an index: nobody could make one again that was lost.

use minicbor::{Decode, Encode};

use crate::clock::Timestamp;
use crate::consent::{ConsentEvent, ConsentId};
use crate::encoding::{self, DecodeError};
use crate::login::{Login, LoginEvent, LogoutReason};
use crate::oauth::{ClientId, LoginId, Scope, SessionEpoch, SessionId, UserId};
use crate::session::event::Started;
use crate::session::{EndReason, Session, SessionEvent};
use crate::store::{RecordChange, RecordKey};
use crate::user::{User, UserEvent};

const FORMAT: u8 = 1;

/// What has ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Ending {
    /// A login: by the person, or because somebody else signed in in the same browser.
    #[n(0)]
    Login {
        /// The login.
        #[n(0)]
        login: LoginId,
        /// Whose it was.
        #[n(1)]
        user: UserId,
    },
    /// One session, which somebody ended.
    #[n(1)]
    Session {
        /// The client.
        #[n(0)]
        client: ClientId,
        /// The login that it began from.
        #[n(1)]
        login: LoginId,
        /// Whose it was.
        #[n(2)]
        user: UserId,
    },
    /// All logins and sessions of a user, but one perhaps.
    #[n(2)]
    User {
        /// The user.
        #[n(0)]
        user: UserId,
        /// The epoch until then. What it covered, and the user's present epoch does not cover, has ended.
        #[n(1)]
        before: SessionEpoch,
    },
    /// All sessions of a client for a user, who has withdrawn what the client was allowed.
    #[n(3)]
    Consent {
        /// The client.
        #[n(0)]
        client: ClientId,
        /// The user.
        #[n(1)]
        user: UserId,
        /// When.
        #[n(2)]
        at: Timestamp,
    },
}

impl Ending {
    /// The entry as stored bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// The entry from stored bytes.
    ///
    /// # Errors
    /// A newer format, or bytes that are not an entry.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}

/// The key of an entry.
#[must_use]
pub fn entry(at: Timestamp, id: &[u8; 16], epoch: u32) -> RecordKey {
    RecordKey::vault(&[b"bo", &at.millis().to_be_bytes(), id, &epoch.to_be_bytes()])
}

/// The key of the entry of a withdrawn consent.
#[must_use]
pub fn withdrawal(id: &ConsentId, at: Timestamp) -> RecordKey {
    RecordKey::vault(&[b"bo", &at.millis().to_be_bytes(), id.user.as_bytes(), &id.client.digest()])
}

/// All entries, oldest first.
#[must_use]
pub fn all() -> RecordKey {
    RecordKey::vault(&[b"bo"])
}

/// A client that knows a login of a user.
#[must_use]
pub fn known_to(user: UserId, login: LoginId, client: &ClientId) -> RecordKey {
    RecordKey::vault(&[b"bk", user.as_bytes(), login.as_bytes(), client.as_str().as_bytes()])
}

/// The clients that know a login of a user.
#[must_use]
pub fn all_who_know(user: UserId, login: LoginId) -> RecordKey {
    RecordKey::vault(&[b"bk", user.as_bytes(), login.as_bytes()])
}

/// The clients that know any login of a user.
#[must_use]
pub fn all_who_know_any(user: UserId) -> RecordKey {
    RecordKey::vault(&[b"bk", user.as_bytes()])
}

/// The login and the client of a key that [`known_to`] made.
#[must_use]
pub fn known_of(key: &RecordKey) -> Option<(LoginId, ClientId)> {
    let (login, client) = key.as_bytes().get(19..)?.split_first_chunk::<16>()?;
    Some(((*login).into(), std::str::from_utf8(client).ok()?.parse().ok()?))
}

/// Whether one of these changes writes an entry.
pub(in crate::app) fn is_among(changes: &[RecordChange]) -> bool {
    let is_entry = |change: &RecordChange| {
        let (key, value) = change.key_and_value();
        value.is_some() && key.as_bytes().starts_with(all().as_bytes())
    };
    changes.iter().any(is_entry)
}

/// The entries of a login's events. An end that only the sweeper writes down has none: nobody ended a login that has
/// reached its longest life, and of an epoch clients were told when it was raised.
pub(in crate::app) fn of_login(id: LoginId, events: &[LoginEvent], after: &Login) -> Vec<RecordChange> {
    let told = |event: &LoginEvent| match event {
        LoginEvent::LoggedOut {
            at,
            reason: LogoutReason::Logout | LogoutReason::Replaced | LogoutReason::Evicted,
            ..
        } => {
            let ending = Ending::Login { login: id, user: after.begun.user };
            Some(RecordChange::Put(entry(*at, id.as_bytes(), 0), ending.encode()))
        }
        LoginEvent::LoggedOut {
            reason: LogoutReason::UserEpoch | LogoutReason::Expired | LogoutReason::Restored,
            ..
        }
        | LoginEvent::LoggedIn(_)
        | LoginEvent::Reauthenticated { .. } => None,
    };
    events.iter().filter_map(told).collect()
}

/// The entries of a session's events; and, when a client begins to sign somebody in, the record that it knows the login.
/// A session that did not begin from a login has neither, and so has one without the scope `openid`: its client has no
/// `sid`.
pub(in crate::app) fn of_session(
    id: SessionId,
    events: &[SessionEvent],
    after: &Session,
) -> Vec<RecordChange> {
    let Some((user, login)) = known_login(&after.started) else { return Vec::new() };
    let client = &after.started.client;
    let made = |event: &SessionEvent| match event {
        SessionEvent::Authorized(_) => Some(RecordChange::Put(known_to(user, login, client), Vec::new())),
        SessionEvent::Ended { at, reason, .. } if is_told(*reason) => {
            let ending = Ending::Session { client: client.clone(), login, user };
            Some(RecordChange::Put(entry(*at, id.as_bytes(), 0), ending.encode()))
        }
        SessionEvent::Ended { .. }
        | SessionEvent::Started(_)
        | SessionEvent::TokensIssued { .. }
        | SessionEvent::TokensRotated { .. }
        | SessionEvent::AccessTokenIssued { .. }
        | SessionEvent::ReuseDetected { .. }
        | SessionEvent::ForeignClientRefused { .. }
        | SessionEvent::RotationsSummarized(_) => None,
    };
    events.iter().filter_map(made).collect()
}

/// The entries of a user's events: those that raise the epoch.
pub(in crate::app) fn of_user(id: UserId, events: &[UserEvent], before: &User) -> Vec<RecordChange> {
    let before = before.session_epoch;
    let ended = |event: &UserEvent| match event {
        UserEvent::PasswordChanged { at, .. }
        | UserEvent::SessionsEnded { at, .. }
        | UserEvent::Disabled { at, .. }
        | UserEvent::Deleted { at, .. } => {
            let ending = Ending::User { user: id, before };
            Some(RecordChange::Put(entry(*at, id.as_bytes(), before.epoch), ending.encode()))
        }
        UserEvent::Registered { .. }
        | UserEvent::PasswordRehashed { .. }
        | UserEvent::Enabled { .. }
        | UserEvent::RolesChanged { .. }
        | UserEvent::Invited { .. }
        | UserEvent::InvitationWithdrawn { .. }
        | UserEvent::ProfileChanged { .. } => None,
    };
    events.iter().filter_map(ended).collect()
}

/// The entry of a consent's events.
pub(in crate::app) fn of_consent(id: &ConsentId, events: &[ConsentEvent]) -> Vec<RecordChange> {
    let ended = |event: &ConsentEvent| match event {
        ConsentEvent::Withdrawn { at, .. } => Some(of_withdrawal(id, *at)),
        ConsentEvent::Given(_) => None,
    };
    events.iter().filter_map(ended).collect()
}

/// The entry of a withdrawal, also of one where no consent was asked for.
pub(in crate::app) fn of_withdrawal(id: &ConsentId, at: Timestamp) -> RecordChange {
    let ending = Ending::Consent { client: id.client.clone(), user: id.user, at };
    RecordChange::Put(withdrawal(id, at), ending.encode())
}

/// Whose login the client of a session knows by the `sid` of its ID tokens.
pub(super) fn known_login(started: &Started) -> Option<(UserId, LoginId)> {
    let login = started.login.as_ref().filter(|_| started.scope.contains(Scope::OPENID))?;
    Some((started.user?, login.id))
}

/// Whether the client is told of a session's end: if somebody ended it, other than the client itself. Of an epoch, a
/// login and a withdrawn consent it is told when that happens, not when the end of each session is written down.
const fn is_told(reason: EndReason) -> bool {
    match reason {
        EndReason::User | EndReason::Admin | EndReason::Reuse | EndReason::CodeReuse => true,
        EndReason::Logout
        | EndReason::ConsentWithdrawn
        | EndReason::UserEpoch
        | EndReason::ClientEpoch
        | EndReason::Expired
        | EndReason::Evicted
        | EndReason::Rollback
        | EndReason::Restored
        | EndReason::LoginEnded => false,
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
