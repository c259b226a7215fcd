//! Validated client metadata, as events and snapshots store them.

use minicbor::{Decode, Encode};

use super::settings::{
    ConsentPolicy, Delivery, Lifetimes, PkcePolicy, RefreshTokens, ResponseType, RetryWindow, ReusePolicy,
    TokenEndpointAuthMethod,
};
use crate::oauth::{Audience, GrantType, Origin, RedirectUri, Scope, SigningAlgorithm, WebUrl};

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
    /// Where authorization requests are answered (RFC 6749 §3.1.2).
    #[cbor(n(15), default)]
    pub redirect_uris: Vec<RedirectUri>,
    /// Where a browser may be sent after signing out (OpenID Connect RP-Initiated Logout §3.1).
    #[cbor(n(16), default)]
    pub post_logout_redirect_uris: Vec<RedirectUri>,
    /// Whether the client must push its authorization requests (RFC 9126 §6).
    #[cbor(n(17), default)]
    pub require_pushed_authorization_requests: bool,
    /// Whether it may leave out PKCE.
    #[cbor(n(18), default)]
    pub pkce: PkcePolicy,
    /// Whether people are asked what it may do.
    #[cbor(n(19), default)]
    pub consent: ConsentPolicy,
    /// Where it is told that a login has ended (OpenID Connect Back-Channel Logout §2.2).
    #[n(20)]
    pub backchannel_logout_uri: Option<WebUrl>,
    /// Its home page.
    #[n(21)]
    pub client_uri: Option<WebUrl>,
    /// What it does with personal data.
    #[n(22)]
    pub policy_uri: Option<WebUrl>,
    /// Its terms of service.
    #[n(23)]
    pub tos_uri: Option<WebUrl>,
    /// The name of its logo, a file in the folder of logos.
    #[n(24)]
    pub logo: Option<String>,
    /// What its ID tokens are signed by (OpenID Connect Dynamic Client Registration §2).
    #[cbor(n(25), default)]
    pub id_token_signed_response_alg: SigningAlgorithm,
}

impl ClientMetadata {
    /// What its authorization requests are answered with (RFC 7591 §2.1): it follows from the grants.
    #[must_use]
    pub fn response_types(&self) -> Vec<ResponseType> {
        let has_code = self.grant_types.contains(&GrantType::AuthorizationCode);
        has_code.then_some(ResponseType::Code).into_iter().collect()
    }
}
