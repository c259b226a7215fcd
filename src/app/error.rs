//! Why a use case did not give a token, and the one place that turns reasons into the protocol's codes.

use std::borrow::Cow;
use std::time::Duration;

pub use super::scope_refused::ScopeRefused;
use crate::encoding::DecodeError;
use crate::oauth::{ErrorCode, NotOpened};
use crate::password::pool::PoolError;
use crate::random::NoRandomness;
use crate::session::{CodeRefused, Denied};
use crate::store::StoreError;
use crate::token::KeyError;
use crate::token::signing::SignError;

/// Why there is no token. `Display` is for the operator; [`TokenError::description`] is for the client.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The client is unknown, switched off, or did not prove who it is.
    #[error("the client did not prove who it is")]
    Client,
    /// The client is not registered for the grant.
    #[error("the client is not registered for this grant")]
    GrantNotRegistered,
    /// The password grant is off.
    #[error("the password grant is off")]
    PasswordGrantOff,
    /// The name or the password is wrong, or the account is switched off.
    #[error("wrong name or password")]
    Credentials,
    /// Too many failed attempts.
    #[error("too many failed sign-ins")]
    Throttled {
        /// When to come back.
        retry_after: Duration,
    },
    /// Too much to do.
    #[error("the password hashing queue is full")]
    Busy {
        /// When to come back.
        retry_after: Duration,
    },
    /// One session was refreshed too often in a short time.
    #[error("the session is refreshed too often")]
    TooManyRefreshes {
        /// When to come back.
        retry_after: Duration,
    },
    /// One user has signed in too often in a short time.
    #[error("the user signs in too often")]
    TooManySignIns {
        /// When to come back.
        retry_after: Duration,
    },
    /// One client has got new access tokens of its own too often in a short time.
    #[error("the client asks for new tokens too often")]
    TooManyClientTokens {
        /// When to come back.
        retry_after: Duration,
    },
    /// One user has changed the account too often in a short time.
    #[error("the user changes the account too often")]
    TooManyChanges {
        /// When to come back.
        retry_after: Duration,
    },
    /// Every key that could make tokens is compromised, and no new one can be read.
    #[error("no key can make tokens: see what the log says of the keys")]
    NoKey,
    /// What was presented may be under a secret that exists and can't be used at the moment.
    #[error("what was presented may be under a secret that can't be used: see what the log says of the keys")]
    SecretUnusable,
    /// A scope that is not given.
    #[error(transparent)]
    Scope(#[from] ScopeRefused),
    /// A resource that the client may not have a token for.
    #[error("the resource is unknown or not the client's")]
    Target,
    /// The refresh token is none of ours.
    #[error("not a refresh token of this server")]
    NotAToken,
    /// The client's access tokens can't be revoked.
    #[error("the client is not set to revoke access tokens")]
    AccessTokenRevocation,
    /// The authorization code is none of ours.
    #[error("not an authorization code of this server")]
    NotACode,
    /// The authorization does not allow it.
    #[error(transparent)]
    Code(#[from] CodeRefused),
    /// One login has let clients begin too often in a short time.
    #[error("the login authorizes clients too often")]
    TooManyAuthorizations {
        /// When to come back.
        retry_after: Duration,
    },
    /// The session does not allow it.
    #[error(transparent)]
    Session(#[from] Denied),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was stored can't be read.
    #[error("what was stored can't be read: {0}")]
    Undecodable(#[from] DecodeError),
    /// A defect, or a machine that fails.
    #[error("{0}")]
    Internal(String),
}

impl TokenError {
    /// The protocol's code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Client => ErrorCode::InvalidClient,
            Self::GrantNotRegistered => ErrorCode::UnauthorizedClient,
            Self::PasswordGrantOff => ErrorCode::UnsupportedGrantType,
            Self::Credentials | Self::NotAToken | Self::NotACode => ErrorCode::InvalidGrant,
            Self::Throttled { .. }
            | Self::TooManyRefreshes { .. }
            | Self::TooManySignIns { .. }
            | Self::TooManyClientTokens { .. }
            | Self::TooManyAuthorizations { .. }
            | Self::TooManyChanges { .. } => ErrorCode::SlowDown,
            Self::Busy { .. } | Self::NoKey | Self::SecretUnusable => ErrorCode::TemporarilyUnavailable,
            Self::Scope(_) => ErrorCode::InvalidScope,
            Self::Target => ErrorCode::InvalidTarget,
            Self::AccessTokenRevocation => ErrorCode::UnsupportedTokenType,
            Self::Session(denied) => match denied {
                Denied::Unknown
                | Denied::Ended(_)
                | Denied::ForeignClient
                | Denied::Expired
                | Denied::User
                | Denied::Client
                | Denied::Login
                | Denied::Restored
                | Denied::Rollback
                | Denied::Straggler
                | Denied::Reuse => ErrorCode::InvalidGrant,
                Denied::Scope => ErrorCode::InvalidScope,
                Denied::Target => ErrorCode::InvalidTarget,
            },
            // RFC 6749 §5.2 says so of all of these but the verifier, and RFC 7636 §4.6 of that.
            Self::Code(refused) => match refused {
                CodeRefused::Unknown
                | CodeRefused::Ended(_)
                | CodeRefused::ForeignClient
                | CodeRefused::RedirectUri
                | CodeRefused::Verifier
                | CodeRefused::Expired
                | CodeRefused::User
                | CodeRefused::Client
                | CodeRefused::Login
                | CodeRefused::Consent
                | CodeRefused::Restored
                | CodeRefused::Twice
                | CodeRefused::Reuse => ErrorCode::InvalidGrant,
                CodeRefused::Scope => ErrorCode::InvalidScope,
                CodeRefused::Target => ErrorCode::InvalidTarget,
            },
            Self::Store(error) => match error {
                StoreError::Unavailable(_)
                | StoreError::NoRoom(_)
                | StoreError::WrongExpectedVersion
                | StoreError::RecordExists => ErrorCode::TemporarilyUnavailable,
                StoreError::TooLarge | StoreError::Corrupt(_) => ErrorCode::ServerError,
            },
            Self::Undecodable(_) | Self::Internal(_) => ErrorCode::ServerError,
        }
    }

    /// What the client reads: a sentence in the character set of RFC 6749 §5.2, as a scope's words are.
    #[must_use]
    pub fn description(&self) -> Cow<'static, str> {
        if let Self::Scope(refused) = self {
            return refused.description().into();
        }
        self.fixed_description().into()
    }

    const fn fixed_description(&self) -> &'static str {
        match self {
            Self::Client => "Client authentication failed.",
            Self::GrantNotRegistered => "The client is not registered for this grant_type.",
            Self::PasswordGrantOff => "The password grant is turned off on this server.",
            Self::Credentials => "The username or the password is wrong.",
            Self::Throttled { .. } => {
                "Too many sign-ins that failed or are under way. Wait before the next one."
            }
            Self::TooManyRefreshes { .. } => {
                "This session is refreshed too often. Wait before the next refresh."
            }
            Self::TooManySignIns { .. } => "This account signs in too often. Wait before the next sign-in.",
            Self::TooManyClientTokens { .. } => {
                "This client asks for new tokens too often. Wait before the next one."
            }
            Self::TooManyChanges { .. } => "The account is changed too often. Wait before the next change.",
            Self::Busy { .. } => "The server is busy. Try again in a moment.",
            Self::NoKey | Self::SecretUnusable => Self::UNAVAILABLE,
            Self::Scope(_) => "The scope is not given.",
            Self::Target => "The resource is unknown or not registered for the client.",
            Self::NotAToken => Self::BAD_REFRESH_TOKEN,
            Self::NotACode => Self::BAD_CODE,
            Self::TooManyAuthorizations { .. } => "This browser signs in to apps too often. Wait a moment.",
            Self::AccessTokenRevocation => {
                "This client's access tokens cannot be revoked. Revoke the refresh token."
            }
            Self::Session(denied) => match denied {
                Denied::Unknown
                | Denied::Ended(_)
                | Denied::ForeignClient
                | Denied::Expired
                | Denied::User
                | Denied::Client
                | Denied::Login
                | Denied::Restored
                | Denied::Rollback
                | Denied::Straggler
                | Denied::Reuse => Self::BAD_REFRESH_TOKEN,
                Denied::Scope => Self::BEYOND_SCOPE,
                Denied::Target => Self::BEYOND_RESOURCE,
            },
            Self::Code(refused) => match refused {
                CodeRefused::Unknown
                | CodeRefused::Ended(_)
                | CodeRefused::ForeignClient
                | CodeRefused::Expired
                | CodeRefused::User
                | CodeRefused::Client
                | CodeRefused::Login
                | CodeRefused::Consent
                | CodeRefused::Restored
                | CodeRefused::Twice
                | CodeRefused::Reuse => Self::BAD_CODE,
                CodeRefused::RedirectUri => "The redirect_uri is not the one of the authorization request.",
                CodeRefused::Verifier => "The code_verifier does not fit the code_challenge of the request.",
                CodeRefused::Scope => Self::BEYOND_SCOPE,
                CodeRefused::Target => Self::BEYOND_RESOURCE,
            },
            Self::Store(error) => match error {
                StoreError::Unavailable(_) | StoreError::WrongExpectedVersion | StoreError::RecordExists => {
                    Self::UNAVAILABLE
                }
                StoreError::NoRoom(_) => "The server's disk is full or nearly full. Try again in a minute.",
                StoreError::TooLarge | StoreError::Corrupt(_) => Self::FAILED,
            },
            Self::Undecodable(_) | Self::Internal(_) => Self::FAILED,
        }
    }

    /// After how long the client should come back, where that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after }
            | Self::TooManyRefreshes { retry_after }
            | Self::TooManySignIns { retry_after }
            | Self::TooManyClientTokens { retry_after }
            | Self::TooManyAuthorizations { retry_after }
            | Self::TooManyChanges { retry_after }
            | Self::Busy { retry_after } => Some(*retry_after),
            // Another node may be able to.
            Self::SecretUnusable
            | Self::Store(StoreError::Unavailable(_) | StoreError::WrongExpectedVersion) => {
                Some(Duration::from_secs(1))
            }
            // Somebody has to do something first: make a key readable, or room on the disk.
            Self::NoKey | Self::Store(StoreError::NoRoom(_)) => Some(Duration::from_mins(1)),
            Self::Client
            | Self::GrantNotRegistered
            | Self::PasswordGrantOff
            | Self::Credentials
            | Self::Scope(_)
            | Self::Target
            | Self::NotAToken
            | Self::NotACode
            | Self::AccessTokenRevocation
            | Self::Session(_)
            | Self::Code(_)
            | Self::Store(StoreError::RecordExists | StoreError::TooLarge | StoreError::Corrupt(_))
            | Self::Undecodable(_)
            | Self::Internal(_) => None,
        }
    }

    /// The error of what is not opened; `foreign` if it is none of this server.
    pub(super) fn of_not_opened(why: NotOpened, foreign: Self) -> Self {
        match why {
            NotOpened::Foreign => foreign,
            NotOpened::SecretUnusable => Self::SecretUnusable,
        }
    }

    /// The reason in one word, for metrics and the log.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        super::metrics::outcome(self)
    }

    /// Whether a secret was refused, or not even looked at because too many were: not a failure of the server's.
    #[must_use]
    pub const fn is_about_a_secret(&self) -> bool {
        matches!(
            self,
            Self::Credentials
                | Self::Throttled { .. }
                | Self::TooManySignIns { .. }
                | Self::TooManyChanges { .. }
                | Self::Busy { .. }
        )
    }

    /// To the client, every refused refresh token looks the same.
    const BAD_REFRESH_TOKEN: &'static str =
        "The refresh token is invalid, expired, revoked or was used before.";
    /// To the client, most refused codes look the same.
    const BAD_CODE: &'static str = "The code is invalid, expired or was used before.";
    const BEYOND_SCOPE: &'static str = "The scope goes beyond what was granted.";
    const BEYOND_RESOURCE: &'static str = "The resource goes beyond what was granted.";
    /// What a client is told that can come back soon.
    pub(crate) const UNAVAILABLE: &'static str = "The server cannot answer now. Try again in a moment.";
    /// What a client is told that can do nothing about it.
    pub(crate) const FAILED: &'static str = "The server failed. Its log says why.";
}

impl From<PoolError> for TokenError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Busy { retry_after } => Self::Busy { retry_after },
            PoolError::TooManyAtOnce { retry_after } => Self::Throttled { retry_after },
            PoolError::Refused(_)
            | PoolError::NoRandomness(_)
            | PoolError::NotAccepted(_)
            | PoolError::Lost => Self::Internal(error.to_string()),
        }
    }
}

impl From<NoRandomness> for TokenError {
    fn from(error: NoRandomness) -> Self {
        Self::Internal(error.to_string())
    }
}

/// A running server has its keys: an error from them says that none is left.
impl From<KeyError> for TokenError {
    fn from(_: KeyError) -> Self {
        Self::NoKey
    }
}

impl From<SignError> for TokenError {
    fn from(error: SignError) -> Self {
        Self::Internal(error.to_string())
    }
}
