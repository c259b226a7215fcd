//! Client metadata as a door was given it, not looked at yet.

use std::time::Duration;

use super::settings::TokenEndpointAuthMethod;
use crate::oauth::word_list::Word;

/// Client metadata that is not validated yet. What is none was left out, and is as the configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawMetadata {
    /// A name for people.
    pub client_name: Option<String>,
    /// `public` or `confidential`; may not be left out.
    pub token_endpoint_auth_method: Option<String>,
    /// The grants; by default all that are on.
    pub grant_types: Option<Vec<String>>,
    /// The scopes that it may ask for; a text may hold several, separated by spaces. By default none.
    pub scope: Option<Vec<String>>,
    /// The audience of a token for which neither a scope nor a `resource` names one.
    pub default_audience: Option<String>,
    /// Whether a sign-in gives a refresh token: a word of [`RefreshTokens`](super::RefreshTokens).
    pub refresh_tokens: Option<String>,
    /// How long an access token lasts.
    pub access_token: Option<RawTime>,
    /// How long a refresh token lasts that is not used.
    pub refresh_idle: Option<RawTime>,
    /// How long a session lasts.
    pub refresh_absolute: Option<RawTime>,
    /// How long a repeated refresh gets the same answer; or `until-used`.
    pub retry_window: Option<RawTime>,
    /// What an old refresh token does: a word of [`ReusePolicy`](super::ReusePolicy).
    pub reuse: Option<String>,
    /// Whether revoking an access token ends the session; by default it does.
    pub revoke_access_tokens: Option<bool>,
    /// The audiences that it is; by default none.
    pub introspects: Option<Vec<String>>,
    /// Whether introspection tells it the user's name; by default it does not.
    pub introspects_usernames: Option<bool>,
    /// Where its pages come from; by default it has none.
    pub origins: Option<Vec<String>>,
    /// How it gets its refresh tokens: a word of [`Delivery`](super::Delivery).
    pub refresh_token_delivery: Option<String>,
}

/// A length of time as a door was given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawTime {
    /// A text such as `10m`.
    Text(String),
    /// A number of seconds.
    Exact(Duration),
}

impl RawMetadata {
    /// How the client proves who it is, if that is said and is a word that there is.
    #[must_use]
    pub fn method(&self) -> Option<TokenEndpointAuthMethod> {
        self.token_endpoint_auth_method.as_deref().and_then(Word::of)
    }

    /// With the method that a client is registered with already, which never changes.
    #[must_use]
    pub fn of_registered(self, method: TokenEndpointAuthMethod) -> Self {
        Self { token_endpoint_auth_method: Some(method.as_str().to_owned()), ..self }
    }
}
