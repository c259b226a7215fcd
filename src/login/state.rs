//! A login's state, folded from its events.

use minicbor::{Decode, Encode};

use super::event::{Life, LoggedIn, LoginEvent, LogoutReason};
use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};
use crate::oauth::{AuthenticationMethod, LoginId, Nonce};
use crate::store::StreamId;

const FORMAT: u8 = 1;
/// The category of logins' streams.
pub const CATEGORY: u8 = b'l';

/// A login's state.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Login {
    /// How it began; its nonce and methods are the first ones.
    #[n(0)]
    pub begun: LoggedIn,
    /// Whether it is live.
    #[n(1)]
    pub status: Status,
    /// When the person last proved who they are: the `auth_time` of ID tokens.
    #[n(2)]
    pub auth_time: Timestamp,
    /// How they proved it then.
    #[n(3)]
    pub methods: Vec<AuthenticationMethod>,
    /// The nonce of the cookies that are accepted.
    #[n(4)]
    pub nonce: Nonce,
    /// When the last event happened.
    #[n(5)]
    pub last_event_at: Timestamp,
    /// The nonce before the person last proved again who they are.
    #[cbor(n(6), default)]
    pub previous_nonce: Option<Nonce>,
    /// For how long it lasts since the person last proved again who they are.
    #[n(7)]
    renewed: Option<Life>,
    /// The form by which they proved it.
    #[n(8)]
    form: Option<LoginId>,
}

/// Whether a login is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Status {
    /// It has not ended.
    #[n(0)]
    Live,
    /// It has ended.
    #[n(1)]
    Ended {
        /// When.
        #[n(0)]
        at: Timestamp,
        /// Why.
        #[n(1)]
        reason: LogoutReason,
    },
}

impl Login {
    /// The state after `event`; `None` only before [`LoginEvent::LoggedIn`].
    #[must_use]
    pub fn apply(login: Option<Self>, event: &LoginEvent) -> Option<Self> {
        let Some(mut login) = login else {
            return match event {
                LoginEvent::LoggedIn(begun) => Some(Self::new(begun.clone())),
                LoginEvent::Reauthenticated { .. } | LoginEvent::LoggedOut { .. } => None,
            };
        };
        login.last_event_at = login.last_event_at.max(event.at());
        match event {
            // A login begins once.
            LoginEvent::LoggedIn(_) => {}
            LoginEvent::Reauthenticated { at, methods, nonce, life, form } => {
                login.renewed = life.or(login.renewed);
                login.form = *form;
                login.auth_time = *at;
                login.methods.clone_from(methods);
                login.previous_nonce = Some(std::mem::replace(&mut login.nonce, *nonce));
            }
            LoginEvent::LoggedOut { at, reason, .. } => {
                if login.status == Status::Live {
                    login.status = Status::Ended { at: *at, reason: *reason };
                }
            }
        }
        Some(login)
    }

    fn new(begun: LoggedIn) -> Self {
        Self {
            status: Status::Live,
            auth_time: begun.at,
            methods: begun.methods.clone(),
            nonce: begun.nonce,
            last_event_at: begun.at,
            previous_nonce: None,
            renewed: None,
            form: None,
            begun,
        }
    }

    /// For how long it lasts.
    #[must_use]
    pub fn life(&self) -> Life {
        let LoggedIn { persistent, absolute_expiry, .. } = self.begun;
        self.renewed.unwrap_or(Life { persistent, absolute_expiry })
    }

    /// Whether it was this form by which the person last proved who they are. A login that begins has the id of its form.
    #[must_use]
    pub fn is_proved_by(&self, id: LoginId, form: LoginId) -> bool {
        let began_now = self.previous_nonce.is_none();
        self.form == Some(form) || (began_now && id == form)
    }

    /// Why the login has ended by itself: by an event, or because its longest life is over at `now`. A session that began
    /// from it and ends with it asks only this. Epochs are asked for the session itself: one that is kept when all others
    /// are ended does not end because its login does.
    #[must_use]
    pub fn ended(&self, now: Timestamp) -> Option<LogoutReason> {
        match self.status {
            Status::Ended { reason, .. } => Some(reason),
            // A clock that was set back must not revive an expired login.
            Status::Live => {
                (now.max(self.last_event_at) >= self.life().absolute_expiry).then_some(LogoutReason::Expired)
            }
        }
    }

    /// The login's stream.
    #[must_use]
    pub fn stream(id: LoginId) -> Option<StreamId> {
        StreamId::new(CATEGORY, id.as_bytes())
    }

    /// The state as a snapshot's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// The state from a snapshot's bytes.
    ///
    /// # Errors
    /// A newer format, or bytes that are not a snapshot.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}
