//! Validated client metadata, as events and snapshots store them.

use minicbor::{Decode, Encode};

use super::settings::{
    Delivery, Lifetimes, RefreshTokens, RetryWindow, ReusePolicy, TokenEndpointAuthMethod,
};
use crate::oauth::{Audience, GrantType, Origin, Scope};

/// Everything registered of a client except its id and its secrets. Fields that RFC 7591 §2 defines have its names.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ClientMetadata {
    /// A name for people; may be empty.
    #[n(0)]
    pub client_name: String,
    /// How the client authenticates at the token endpoint.
    #[n(1)]
    pub token_endpoint_auth_method: TokenEndpointAuthMethod,
    /// The grants that it may use.
    #[n(2)]
    pub grant_types: Vec<GrantType>,
    /// The scopes that it may ask for.
    #[n(3)]
    pub scope: Scope,
    /// The audience of a token for which neither a scope nor a `resource` parameter chooses one.
    #[n(4)]
    pub default_audience: Audience,
    /// When a sign-in gives a refresh token.
    #[n(5)]
    pub refresh_tokens: RefreshTokens,
    /// How long its tokens last.
    #[n(6)]
    pub lifetimes: Lifetimes,
    /// How long a repeated refresh gets the same tokens again.
    #[n(7)]
    pub retry_window: RetryWindow,
    /// What the use of an old refresh token does.
    #[n(8)]
    pub reuse: ReusePolicy,
    /// Whether revoking one of the client's access tokens ends its session (RFC 7009 §2 lets the server choose).
    #[n(9)]
    pub revoke_access_tokens: bool,
    /// The resource servers that the client is: it may introspect access tokens whose `aud` names one of them (RFC
    /// 7662).
    #[n(10)]
    pub introspects: Vec<Audience>,
    /// The origins of the client's pages (RFC 6454): browsers let only these pages read answers to the client.
    #[n(11)]
    pub origins: Vec<Origin>,
    /// How the client gets its refresh tokens.
    #[n(12)]
    pub refresh_token_delivery: Delivery,
    /// Whether introspection shows the client the user's name (`username`, RFC 7662 §2.2).
    #[cbor(n(13), default)]
    pub introspects_usernames: bool,
    /// Its roles, which count where it acts for itself (`client_credentials`).
    #[cbor(n(14), default)]
    pub roles: Vec<String>,
}
