//! The events on a session's stream. None of them names a person, an address or a device.

use minicbor::{Decode, Encode};

use super::code::{Code, LoginReference};
pub use super::end_reason::EndReason;
use crate::clock::Timestamp;
use crate::encoding::{self, DecodeError};
use crate::oauth::{
    Actor, Audience, ClientId, Generation, Kid, LoginId, Nonce, Scope, SessionEpoch, SessionId, UserId,
};

const FORMAT: u8 = 1;

/// An event on a session's stream.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SessionEvent {
    /// `session_started`: somebody signed in, or a client began to act for itself.
    #[n(0)]
    Started(#[n(0)] Started),
    /// `tokens_issued`: the pair of generation 0 was issued.
    #[n(1)]
    TokensIssued {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// The refresh token's nonce.
        #[n(1)]
        nonce: Nonce,
        /// The access token.
        #[n(2)]
        access: Issued,
    },
    /// `tokens_rotated`: a refresh token was used and its successor issued.
    #[n(2)]
    TokensRotated {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// The successor's generation.
        #[n(1)]
        generation: Generation,
        /// The successor's nonce.
        #[n(2)]
        nonce: Nonce,
        /// The access token.
        #[n(3)]
        access: Issued,
        /// When the successor expires if it is not used, in milliseconds since the Unix epoch.
        #[n(4)]
        idle_expiry: Timestamp,
    },
    /// `access_token_issued`: a retry needed another access token beside the same refresh token, or a client that acts for
    /// itself another one.
    #[n(3)]
    AccessTokenIssued {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// The access token.
        #[n(1)]
        access: Issued,
    },
    /// `reuse_detected`: an earlier generation was used again, or the code.
    #[n(4)]
    ReuseDetected {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// The generation that was presented; 0 if it was the code, which comes before.
        #[n(1)]
        presented: Generation,
        /// The generation that was current.
        #[n(2)]
        current: Generation,
        /// Seconds since the current generation was issued.
        #[n(3)]
        seconds_since: u64,
        /// When the code was redeemed, if it was the code that was used again.
        #[n(4)]
        code_redeemed_at: Option<Timestamp>,
    },
    /// `foreign_client_refused`: another client presented a token of this session. Recorded once a session.
    #[n(5)]
    ForeignClientRefused {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// The other client.
        #[n(1)]
        client: ClientId,
    },
    /// `session_ended`: none of its tokens is accepted any more.
    #[n(6)]
    Ended {
        /// When it happened, in milliseconds since the Unix epoch.
        #[n(0)]
        at: Timestamp,
        /// Why.
        #[n(1)]
        reason: EndReason,
        /// Who ended it, if a person did.
        #[n(2)]
        by: Option<Actor>,
    },
    /// `rotations_summarized`: replaces old refreshes by their summary.
    #[n(7)]
    RotationsSummarized(#[n(0)] Summary),
    /// `session_authorized`: a person let a client begin. The session begins once the client redeems the code.
    #[n(8)]
    Authorized(#[n(0)] Box<Authorized>),
}

/// A summary of consecutive refreshes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Summary {
    /// How often the refresh token was rotated; 0 in a session that a client has of its own, which has no refresh token.
    #[n(0)]
    pub rotations: u64,
    /// How many further access tokens were issued: for retries, or to a client for itself.
    #[n(1)]
    pub access_tokens: u64,
    /// When the first of them happened.
    #[n(2)]
    pub first: Timestamp,
    /// When the last of them happened.
    #[n(3)]
    pub last: Timestamp,
    /// The generation after the last rotation; the first one without a rotation.
    #[n(4)]
    pub generation: Generation,
    /// The last rotations, latest last: one more than a session's state remembers.
    #[n(5)]
    pub newest: Vec<Rotation>,
    /// The last access token.
    #[n(6)]
    pub access: Issued,
    /// When the last refresh token would have expired unused.
    #[n(7)]
    pub idle_expiry: Timestamp,
}

/// A rotation of the refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Rotation {
    /// When.
    #[n(0)]
    pub at: Timestamp,
    /// The successor's nonce.
    #[n(1)]
    pub nonce: Nonce,
}

/// How a session began.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Started {
    /// When the user signed in with the client, or the client began to act for itself.
    #[n(0)]
    pub at: Timestamp,
    /// The client that the user signed in with, or that acts for itself.
    #[n(1)]
    pub client: ClientId,
    /// The client's epoch at that time.
    #[n(2)]
    pub client_epoch: u32,
    /// The user; none if the client acts for itself.
    #[n(3)]
    pub user: Option<UserId>,
    /// The user's epoch then; 0 where there is no user.
    #[n(4)]
    pub user_epoch: u32,
    /// The scope granted to the client. Which part of it the user's roles permit is decided for each token.
    #[n(5)]
    pub scope: Scope,
    /// The resource server that the tokens are for; `None` if they are only for heirloom's own API.
    #[n(6)]
    pub audience: Option<Audience>,
    /// When the session ends however often it is refreshed, in milliseconds since the Unix epoch.
    #[n(7)]
    pub absolute_expiry: Timestamp,
    /// When the first refresh token expires if it is not used.
    #[n(8)]
    pub idle_expiry: Timestamp,
    /// Whether the client got a refresh token.
    #[n(9)]
    pub refreshable: bool,
    /// The installation's epoch at that time; `None` means 0.
    #[n(10)]
    pub installation_epoch: Option<u32>,
    /// The login from which it began, if it began at heirloom's own pages.
    #[n(11)]
    pub login: Option<LoginReference>,
}

impl Started {
    /// When the user proved who they are: the `auth_time` of its tokens.
    #[must_use]
    pub fn auth_time(&self) -> Timestamp {
        self.login.as_ref().map_or(self.at, |login| login.auth_time)
    }

    /// The login that it ends with: that of an online session, which was not granted `offline_access`.
    #[must_use]
    pub fn online(&self) -> Option<LoginId> {
        self.login.as_ref().filter(|_| !self.scope.contains(Scope::OFFLINE_ACCESS)).map(|login| login.id)
    }

    /// Whether it is one of the user's sessions of `epoch`, or one that was kept: by itself, or with its login.
    #[must_use]
    pub fn holds_in(&self, session: SessionId, epoch: SessionEpoch) -> bool {
        let login = self.login.as_ref().map(|login| login.id);
        epoch.covers(session, self.user_epoch)
            || login.is_some_and(|login| epoch.covers(login, self.user_epoch))
    }

    /// When the session of a client that acts for itself expires if it gets no further access token after `at`.
    #[must_use]
    pub fn idle_expiry_after(&self, at: Timestamp) -> Timestamp {
        at.after(self.idle_expiry.since(self.at)).min(self.absolute_expiry)
    }

    /// Whether it began in this epoch of the installation.
    #[must_use]
    pub fn is_in(&self, installation_epoch: u32) -> bool {
        self.installation_epoch.unwrap_or_default() == installation_epoch
    }
}

/// An authorization, as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Authorized {
    /// How the session begins once the code is redeemed.
    #[n(0)]
    pub started: Started,
    /// The code.
    #[n(1)]
    pub code: Code,
    /// When the code expires, in milliseconds since the Unix epoch.
    #[n(2)]
    pub expiry: Timestamp,
}

/// The data that identify an issued access token: together with the session's state, they give all its claims.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Issued {
    /// Its `iat`, in seconds since the Unix epoch.
    #[n(0)]
    pub iat: u64,
    /// Its `exp`, in seconds since the Unix epoch.
    #[n(1)]
    pub exp: u64,
    /// Its scope; `None` if it is the whole scope that the session was granted.
    #[n(2)]
    pub scope: Option<Scope>,
    /// The key that signed it.
    #[n(3)]
    pub kid: Kid,
}

impl SessionEvent {
    /// The event's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started(_) => "session_started",
            Self::TokensIssued { .. } => "tokens_issued",
            Self::TokensRotated { .. } => "tokens_rotated",
            Self::AccessTokenIssued { .. } => "access_token_issued",
            Self::ReuseDetected { .. } => "reuse_detected",
            Self::ForeignClientRefused { .. } => "foreign_client_refused",
            Self::Ended { .. } => "session_ended",
            Self::RotationsSummarized(_) => "rotations_summarized",
            Self::Authorized(_) => "session_authorized",
        }
    }

    /// When it happened; for a summary, when the last refresh in it happened.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Started(Started { at, .. })
            | Self::TokensIssued { at, .. }
            | Self::TokensRotated { at, .. }
            | Self::AccessTokenIssued { at, .. }
            | Self::ReuseDetected { at, .. }
            | Self::ForeignClientRefused { at, .. }
            | Self::Ended { at, .. }
            | Self::RotationsSummarized(Summary { last: at, .. }) => *at,
            Self::Authorized(authorized) => authorized.started.at,
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
