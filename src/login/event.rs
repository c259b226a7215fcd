//! The events on a login's stream. None of them names a person, an address or a device.

use minicbor::{Decode, Encode};

use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};
use crate::oauth::{Actor, AuthenticationMethod, LoginId, Nonce, UserId};

const FORMAT: u8 = 1;

/// An event on a login's stream.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum LoginEvent {
    /// `logged_in`: somebody proved who they are, in a browser that had no live login of theirs.
    #[n(0)]
    LoggedIn(#[n(0)] LoggedIn),
    /// `reauthenticated`: the same person proved it again. The cookies from before are not accepted any more.
    #[n(1)]
    Reauthenticated {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// How they proved it.
        #[n(1)]
        methods: Vec<AuthenticationMethod>,
        /// The nonce of the cookies from now on.
        #[n(2)]
        nonce: Nonce,
        /// For how long the login lasts from now on; none in an event from before it was made longer by this.
        #[n(3)]
        life: Option<Life>,
        /// The form by which they proved it, so that one that is sent twice counts once.
        #[n(4)]
        form: Option<LoginId>,
    },
    /// `logged_out`: it is over.
    #[n(2)]
    LoggedOut {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Why.
        #[n(1)]
        reason: LogoutReason,
        /// Who did it, if somebody else than the person did.
        #[n(2)]
        by: Option<Actor>,
    },
}

/// For how long a login lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Life {
    /// Whether the person wants to stay signed in when the browser is closed.
    #[n(0)]
    pub persistent: bool,
    /// When it is over however much it is used, in milliseconds since the Unix epoch.
    #[n(1)]
    pub absolute_expiry: Timestamp,
}

/// How a login began.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LoggedIn {
    /// When, in milliseconds since the Unix epoch.
    #[n(0)]
    pub at: Timestamp,
    /// Who.
    #[n(1)]
    pub user: UserId,
    /// The user's epoch at that time.
    #[n(2)]
    pub user_epoch: u32,
    /// The installation's epoch at that time.
    #[n(3)]
    pub installation_epoch: u32,
    /// How they proved who they are.
    #[n(4)]
    pub methods: Vec<AuthenticationMethod>,
    /// The nonce of its cookies.
    #[n(5)]
    pub nonce: Nonce,
    /// Whether the person wants to stay signed in when the browser is closed.
    #[n(6)]
    pub persistent: bool,
    /// When it is over however much it is used, in milliseconds since the Unix epoch.
    #[n(7)]
    pub absolute_expiry: Timestamp,
}

/// Why a login is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum LogoutReason {
    /// The person logged out.
    #[n(0)]
    Logout,
    /// Somebody else signed in in the same browser.
    #[n(1)]
    Replaced,
    /// All the user's sessions were ended: the password was changed, or the account was switched off or deleted.
    #[n(2)]
    UserEpoch,
    /// It has reached its longest life.
    #[n(3)]
    Expired,
    /// The data were restored from a backup.
    #[n(4)]
    Restored,
    /// The user had too many logins, and this one began first.
    #[n(5)]
    Evicted,
}

impl LogoutReason {
    /// The reason, as logs and events show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Replaced => "replaced",
            Self::UserEpoch => "user_epoch",
            Self::Expired => "expired",
            Self::Restored => "restored",
            Self::Evicted => "evicted",
        }
    }
}

impl LoginEvent {
    /// The event's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::LoggedIn(_) => "logged_in",
            Self::Reauthenticated { .. } => "reauthenticated",
            Self::LoggedOut { .. } => "logged_out",
        }
    }

    /// When it happened.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::LoggedIn(LoggedIn { at, .. })
            | Self::Reauthenticated { at, .. }
            | Self::LoggedOut { at, .. } => *at,
        }
    }

    /// The event as stored bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encoding::encode(FORMAT, self)
    }

    /// The event from stored bytes.
    ///
    /// # Errors
    /// A newer format, or bytes that are not an event.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        encoding::decode(FORMAT, bytes)
    }
}
