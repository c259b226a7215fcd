//! What is registered of a client, as its events and its snapshot keep it: everything but its id and its secrets.

use minicbor::{Decode, Encode};

use super::registration::{
    Authentication, Delivery, Lifetimes, RefreshTokens, Registration, RetryWindow, ReusePolicy,
};
use super::secret::SecretDigest;
use crate::oauth::{Audience, ClientId, GrantType, Origin, Scope};

/// What is registered of a client.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Terms {
    /// A name for people; empty if it has none.
    #[n(0)]
    pub name: String,
    /// Whether it has a secret to prove who it is.
    #[n(1)]
    pub confidential: bool,
    /// The grants that it may use.
    #[n(2)]
    pub grants: Vec<GrantType>,
    /// The scopes that it may ask for.
    #[n(3)]
    pub scopes: Scope,
    /// The audience of a token for which neither a scope nor a `resource` names one.
    #[n(4)]
    pub default_audience: Audience,
    /// Whether a sign-in gives it a refresh token.
    #[n(5)]
    pub refresh_tokens: RefreshTokens,
    /// How long its tokens last.
    #[n(6)]
    pub lifetimes: Lifetimes,
    /// How long a repeated refresh gets the same answer.
    #[n(7)]
    pub retry_window: RetryWindow,
    /// What an old refresh token does.
    #[n(8)]
    pub reuse: ReusePolicy,
    /// Whether revoking an access token of it ends the session.
    #[n(9)]
    pub revoke_access_tokens: bool,
    /// The resource servers that it is.
    #[n(10)]
    pub introspects: Vec<Audience>,
    /// Where its pages come from.
    #[n(11)]
    pub origins: Vec<Origin>,
    /// How it gets its refresh tokens.
    #[n(12)]
    pub delivery: Delivery,
    /// Whether introspection tells it the user's name.
    #[cbor(n(13), default)]
    pub introspects_usernames: bool,
}

impl Terms {
    /// The registration of the client `id`.
    #[must_use]
    pub fn registration(self, id: ClientId, secrets: Vec<SecretDigest>, disabled: bool) -> Registration {
        let authentication =
            if self.confidential { Authentication::Secret(secrets) } else { Authentication::None };
        Registration {
            id,
            name: self.name,
            authentication,
            grants: self.grants,
            scopes: self.scopes,
            default_audience: self.default_audience,
            refresh_tokens: self.refresh_tokens,
            lifetimes: self.lifetimes,
            retry_window: self.retry_window,
            reuse: self.reuse,
            revoke_access_tokens: self.revoke_access_tokens,
            introspects: self.introspects,
            introspects_usernames: self.introspects_usernames,
            origins: self.origins,
            delivery: self.delivery,
            disabled,
        }
    }
}
