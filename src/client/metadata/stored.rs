//! Client metadata that has been validated, as events and snapshots hold it.

use minicbor::{Decode, Encode};

use super::settings::{
    Delivery, Lifetimes, RefreshTokens, RetryWindow, ReusePolicy, TokenEndpointAuthMethod,
};
use crate::oauth::{Audience, GrantType, Origin, Scope};

/// What is registered of a client besides its id and its secrets. Fields that RFC 7591 §2 knows have its names.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClientMetadata {
    /// A name for people; empty if it has none.
    #[n(0)]
    pub client_name: String,
    /// How it proves who it is.
    #[n(1)]
    pub token_endpoint_auth_method: TokenEndpointAuthMethod,
    /// The grants that it may use.
    #[n(2)]
    pub grant_types: Vec<GrantType>,
    /// The scopes that it may ask for.
    #[n(3)]
    pub scope: Scope,
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
    /// Whether revoking an access token of it ends the session (RFC 7009 §2 leaves it to the server).
    #[n(9)]
    pub revoke_access_tokens: bool,
    /// The resource servers that it is: it may introspect the access tokens whose `aud` has one of them (RFC 7662).
    #[n(10)]
    pub introspects: Vec<Audience>,
    /// Where its pages come from: browsers let only these read what it is answered.
    #[n(11)]
    pub origins: Vec<Origin>,
    /// How it gets its refresh tokens.
    #[n(12)]
    pub refresh_token_delivery: Delivery,
    /// Whether introspection tells it the user's name (`username`, RFC 7662 §2.2).
    #[cbor(n(13), default)]
    pub introspects_usernames: bool,
}
