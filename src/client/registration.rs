//! What is registered of a client (RFC 6749 §2).

use std::time::Duration;

use minicbor::{Decode, Encode};

use super::secret::SecretDigest;
use crate::oauth::{Audience, ClientId, GrantType, Origin, Scope};

/// A client as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its identifier.
    pub id: ClientId,
    /// A name for people; empty if it has none.
    pub name: String,
    /// How it proves who it is.
    pub authentication: Authentication,
    /// The grants that it may use.
    pub grants: Vec<GrantType>,
    /// The scopes that it may ask for.
    pub scopes: Scope,
    /// The audience of a token for which neither a scope nor a `resource` names one.
    pub default_audience: Audience,
    /// Whether a sign-in gives it a refresh token.
    pub refresh_tokens: RefreshTokens,
    /// How long its tokens last.
    pub lifetimes: Lifetimes,
    /// How long a repeated refresh gets the same answer.
    pub retry_window: RetryWindow,
    /// What an old refresh token does.
    pub reuse: ReusePolicy,
    /// Whether revoking an access token of it ends the session (RFC 7009 §2 leaves it to the server).
    pub revoke_access_tokens: bool,
    /// The resource servers that it is: it may introspect the access tokens whose `aud` has one of them (RFC 7662).
    pub introspects: Vec<Audience>,
    /// Whether introspection tells it the user's name (`username`, RFC 7662 §2.2).
    pub introspects_usernames: bool,
    /// Where its pages come from: browsers let only these read what it is answered.
    pub origins: Vec<Origin>,
    /// How it gets its refresh tokens.
    pub delivery: Delivery,
    /// Whether it is switched off.
    pub disabled: bool,
}

/// How a client proves who it is (RFC 6749 §2.1, §2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// A public client: not at all.
    None,
    /// A confidential client: by one of these secrets, in the `Authorization` header or in the body.
    Secret(Vec<SecretDigest>),
}

/// Whether a sign-in gives a client a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum RefreshTokens {
    /// With every sign-in.
    #[n(0)]
    Always,
    /// Only when the scope `offline_access` is asked for (OpenID Connect Core §11).
    #[n(1)]
    OfflineAccess,
    /// Never: a session lasts as long as its access token.
    #[n(2)]
    Never,
}

/// How a client gets its refresh tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Delivery {
    /// In the body of the answer (RFC 6749 §5.1).
    #[default]
    #[n(0)]
    Body,
    /// In a cookie that scripts can't read; then every request of the client needs an `Origin` that is its own.
    #[n(1)]
    Cookie,
}

/// How long a client's tokens last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Lifetimes {
    /// An access token.
    #[cbor(n(0), with = "crate::encoding::millis")]
    pub access_token: Duration,
    /// A refresh token that is not used.
    #[cbor(n(1), with = "crate::encoding::millis")]
    pub refresh_idle: Duration,
    /// A session, whatever is done with it.
    #[cbor(n(2), with = "crate::encoding::millis")]
    pub refresh_absolute: Duration,
}

impl Default for Lifetimes {
    /// 10 minutes, 14 days and 60 days.
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self {
            access_token: Duration::from_mins(10),
            refresh_idle: DAY.saturating_mul(14),
            refresh_absolute: DAY.saturating_mul(60),
        }
    }
}

/// How long a repeated refresh gets the same answer again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RetryWindow {
    /// This long after the rotation, or after this process's start if that was later. Zero turns retries off.
    #[n(0)]
    For(#[cbor(n(0), with = "crate::encoding::millis")] Duration),
    /// The generation before until its successor has been used, and earlier ones for [`RetryWindow::USUAL`].
    #[n(1)]
    UntilUsed,
}

impl RetryWindow {
    /// How long after its rotation a token may be sent again, unless it is set otherwise.
    pub const USUAL: Duration = Duration::from_secs(30);

    /// How long after its rotation any of the last generations may be sent again.
    #[must_use]
    pub const fn duration(self) -> Duration {
        match self {
            Self::For(window) => window,
            Self::UntilUsed => Self::USUAL,
        }
    }

    /// The window that is used unless another is set: 30 seconds for a public client, until used for a confidential one.
    #[must_use]
    pub const fn usual(authentication: &Authentication) -> Self {
        match authentication {
            Authentication::None => Self::For(Self::USUAL),
            Authentication::Secret(_) => Self::UntilUsed,
        }
    }
}

/// What the use of an old refresh token does (RFC 9700 §4.14.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ReusePolicy {
    /// It ends the family.
    #[default]
    #[n(0)]
    EndFamily,
    /// It is refused and recorded, and ends nothing. Then the victim of a theft may be the one who is refused.
    #[n(1)]
    Refuse,
}
