//! Client metadata as they were written in the configuration, a request or on the command line, before validation.

use std::time::Duration;

use super::settings::TokenEndpointAuthMethod;
use crate::oauth::word_list::Word;

/// Unvalidated client metadata. A field that is `None` was left out; the configuration decides its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawMetadata {
    /// A name for people (RFC 7591 §2).
    pub client_name: Option<String>,
    /// `public` or `confidential`. Required.
    pub token_endpoint_auth_method: Option<String>,
    /// The grants that the client may use; by default all that are on, except `client_credentials`.
    pub grant_types: Option<Vec<String>>,
    /// The scopes that the client may ask for; one text may have several, separated by spaces. By default none.
    pub scope: Option<Vec<String>>,
    /// The roles of a client that acts for itself; by default none.
    pub roles: Option<Vec<String>>,
    /// The audience of a token for which neither a scope nor a `resource` parameter chooses one.
    pub default_audience: Option<String>,
    /// When a sign-in gives a refresh token: a word of [`RefreshTokens`](super::RefreshTokens).
    pub refresh_tokens: Option<String>,
    /// How long an access token lasts.
    pub access_token: Option<RawTime>,
    /// How long an unused refresh token lasts.
    pub refresh_idle: Option<RawTime>,
    /// How long a session lasts.
    pub refresh_absolute: Option<RawTime>,
    /// How long a repeated refresh gets the same tokens again: a duration or `until-used`.
    pub retry_window: Option<RawTime>,
    /// What the use of an old refresh token does: a word of [`ReusePolicy`](super::ReusePolicy).
    pub reuse: Option<String>,
    /// Whether revoking an access token ends the session; by default it does.
    pub revoke_access_tokens: Option<bool>,
    /// The audiences whose access tokens the client may introspect (RFC 7662); by default none.
    pub introspects: Option<Vec<String>>,
    /// Whether introspection shows the client the user's name; by default it does not.
    pub introspects_usernames: Option<bool>,
    /// The origins of the client's pages (RFC 6454); by default none.
    pub origins: Option<Vec<String>>,
    /// How the client gets its refresh tokens: a word of [`Delivery`](super::Delivery).
    pub refresh_token_delivery: Option<String>,
    /// Where authorization requests are answered; by default nowhere.
    pub redirect_uris: Option<Vec<String>>,
    /// Where a browser may be sent after signing out; by default nowhere.
    pub post_logout_redirect_uris: Option<Vec<String>>,
    /// What an authorization request is answered with (RFC 7591 §2): words of [`ResponseType`](super::ResponseType). It
    /// follows from the grants, so it can only be said, not chosen.
    pub response_types: Option<Vec<String>>,
    /// Whether the client must push its authorization requests; by default not.
    pub require_pushed_authorization_requests: Option<bool>,
    /// Whether it may leave out PKCE: a word of [`PkcePolicy`](super::PkcePolicy).
    pub pkce: Option<String>,
    /// Whether people are asked what it may do: a word of [`ConsentPolicy`](super::ConsentPolicy).
    pub consent: Option<String>,
    /// What its ID tokens are signed by (OpenID Connect Dynamic Client Registration §2): `RS256` or `ES256`.
    pub id_token_signed_response_alg: Option<String>,
    /// Where it is told that a login has ended.
    pub backchannel_logout_uri: Option<String>,
    /// Its home page.
    pub client_uri: Option<String>,
    /// What it does with personal data.
    pub policy_uri: Option<String>,
    /// Its terms of service.
    pub tos_uri: Option<String>,
    /// The name of its logo.
    pub logo: Option<String>,
}

/// A duration before validation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawTime {
    /// A text such as `10m`.
    Text(String),
    /// A number of seconds.
    Exact(Duration),
}

impl RawMetadata {
    /// How the client authenticates; `None` if the field is missing or wrong.
    #[must_use]
    pub fn method(&self) -> Option<TokenEndpointAuthMethod> {
        self.token_endpoint_auth_method.as_deref().and_then(Word::of)
    }

    /// Sets the method that the client is registered with; it can't be changed.
    #[must_use]
    pub fn of_registered(self, method: TokenEndpointAuthMethod) -> Self {
        Self { token_endpoint_auth_method: Some(method.as_str().to_owned()), ..self }
    }
}
