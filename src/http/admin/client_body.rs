//! Clients as JSON.

use std::time::Duration;

use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};

use super::client_words::{
    AlgorithmWord, ConsentWord, DeliveryWord, Grant, PkceWord, RefreshTokensWord, ResponseTypeWord,
    ReuseWord, text, word,
};
use crate::app::admin::clients::{ClientDetails, SecretTimes};
use crate::client::metadata::RawTime;
use crate::client::{ClientMetadata, RawMetadata, RetryWindow, TokenEndpointAuthMethod};
use crate::oauth::WebUrl;

/// A client.
#[derive(Object, Clone)]
#[oai(rename = "ClientDetails", example)]
pub(super) struct Client {
    /// Its `client_id`.
    pub(super) id: String,
    /// Whether it has a secret to prove who it is.
    #[oai(rename = "type")]
    pub(super) kind: ClientType,
    /// Whether it can be used.
    pub(super) status: ClientStatus,
    /// Whether the configuration declares it: then it is changed there.
    pub(super) declared: bool,
    /// What is registered of it.
    #[oai(flatten)]
    pub(super) settings: ClientSettings,
    /// Its secrets that are good now, newest first; none of a declared one are listed.
    #[oai(default, skip_serializing_if_is_empty)]
    pub(super) secrets: Vec<SecretLife>,
}

/// What is registered of a client. What is left out in a request is as the configuration says.
#[derive(Object, Clone, Default)]
#[oai(rename = "UpdateClientRequest", example)]
pub(super) struct ClientSettings {
    /// A name for people.
    #[oai(default)]
    name: String,
    /// The grants that it may use.
    #[oai(skip_serializing_if_is_none)]
    grants: Option<Vec<Grant>>,
    /// The scopes that it may ask for.
    #[oai(default)]
    scopes: Vec<String>,
    /// Its roles where it acts for itself (`client_credentials`); for users, their own roles count.
    #[oai(default, skip_serializing_if_is_empty)]
    roles: Vec<String>,
    /// The audience of a token for which neither a scope nor a `resource` names one.
    #[oai(skip_serializing_if_is_none)]
    default_audience: Option<String>,
    /// Whether a sign-in gives it a refresh token.
    #[oai(skip_serializing_if_is_none)]
    refresh_tokens: Option<RefreshTokensWord>,
    /// Seconds that an access token lasts.
    #[oai(skip_serializing_if_is_none)]
    access_token: Option<u64>,
    /// Seconds that a refresh token lasts that is not used.
    #[oai(skip_serializing_if_is_none)]
    refresh_idle: Option<u64>,
    /// Seconds that a session lasts.
    #[oai(skip_serializing_if_is_none)]
    refresh_absolute: Option<u64>,
    /// Seconds in which the last refresh tokens may be sent again, and get the current pair. With `until-used` the one
    /// before the newest may be, until the newest has been used.
    #[oai(skip_serializing_if_is_none)]
    retry_window: Option<String>,
    /// What an old refresh token does.
    #[oai(skip_serializing_if_is_none)]
    reuse: Option<ReuseWord>,
    /// Whether revoking an access token of it ends the session; left out: it does.
    #[oai(skip_serializing_if_is_none)]
    revoke_access_tokens: Option<bool>,
    /// The audiences that it is: it may introspect the access tokens for them.
    #[oai(default, skip_serializing_if_is_empty)]
    introspects: Vec<String>,
    /// Whether introspection tells it the user's name; left out: it does not.
    #[oai(skip_serializing_if_is_none)]
    introspects_usernames: Option<bool>,
    /// Where its pages come from: browsers let only these read what it is answered.
    #[oai(default, skip_serializing_if_is_empty)]
    origins: Vec<String>,
    /// How it gets its refresh tokens.
    #[oai(skip_serializing_if_is_none)]
    refresh_token_delivery: Option<DeliveryWord>,
    /// Where authorization requests are answered: https, plain http on `127.0.0.1`, `[::1]` or `localhost`, whose port is free,
    /// or an app's own scheme.
    #[oai(default, skip_serializing_if_is_empty)]
    redirect_uris: Vec<String>,
    /// Where a browser may be sent after signing out.
    #[oai(default, skip_serializing_if_is_empty)]
    post_logout_redirect_uris: Vec<String>,
    /// What an authorization request is answered with (RFC 7591 §2.1): it follows from the grants.
    #[oai(skip_serializing_if_is_none)]
    response_types: Option<Vec<ResponseTypeWord>>,
    /// Whether it must push its authorization requests (RFC 9126); left out: it need not.
    #[oai(skip_serializing_if_is_none)]
    require_pushed_authorization_requests: Option<bool>,
    /// Whether authorization requests need a code challenge (RFC 7636).
    #[oai(skip_serializing_if_is_none)]
    pkce: Option<PkceWord>,
    /// Whether people are asked what it may do. An app on a device asks in any case unless the person has just typed the
    /// password (RFC 8252 §8.6).
    #[oai(skip_serializing_if_is_none)]
    consent: Option<ConsentWord>,
    /// What its ID tokens are signed by; left out: RS256.
    #[oai(skip_serializing_if_is_none)]
    id_token_signed_response_alg: Option<AlgorithmWord>,
    /// Where it is told that a login has ended (OpenID Connect Back-Channel Logout). heirloom sends logout tokens there.
    #[oai(skip_serializing_if_is_none)]
    backchannel_logout_uri: Option<String>,
    /// Its home page.
    #[oai(skip_serializing_if_is_none)]
    client_uri: Option<String>,
    /// What it does with personal data.
    #[oai(skip_serializing_if_is_none)]
    policy_uri: Option<String>,
    /// Its terms of service.
    #[oai(skip_serializing_if_is_none)]
    tos_uri: Option<String>,
    /// Its logo: the name of a PNG, JPEG or WebP file in the folder that the configuration names.
    #[oai(skip_serializing_if_is_none)]
    logo: Option<String>,
}

/// How long a secret is good.
#[derive(Object, Clone)]
pub(super) struct SecretLife {
    /// When it was made (RFC 3339).
    made_at: String,
    /// Until when it is good (RFC 3339); left out: until it is replaced.
    #[oai(skip_serializing_if_is_none)]
    expires_at: Option<String>,
}

/// Whether a client has a secret.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename_all = "lowercase")]
pub(super) enum ClientType {
    /// It has none: an app on a device or in a browser.
    Public,
    /// It has.
    Confidential,
}

/// Whether a client can be used.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename_all = "lowercase")]
pub(super) enum ClientStatus {
    /// Yes.
    Active,
    /// Not until it is enabled.
    Disabled,
}

impl Example for ClientSettings {
    fn example() -> Self {
        Self {
            name: "Our web app".to_owned(),
            grants: Some(vec![Grant::AuthorizationCode, Grant::RefreshToken]),
            scopes: vec!["account".to_owned()],
            refresh_tokens: Some(RefreshTokensWord::Always),
            access_token: Some(600),
            refresh_idle: Some(1_209_600),
            refresh_absolute: Some(5_184_000),
            retry_window: Some("30".to_owned()),
            reuse: Some(ReuseWord::EndFamily),
            redirect_uris: vec!["https://app.example.com/callback".to_owned()],
            ..Self::default()
        }
    }
}

impl Example for Client {
    fn example() -> Self {
        let made_at = "2026-01-31T12:00:00.000Z".to_owned();
        Self {
            id: "web-app".to_owned(),
            kind: ClientType::Confidential,
            status: ClientStatus::Active,
            declared: false,
            settings: ClientSettings::example(),
            secrets: vec![SecretLife { made_at, expires_at: None }],
        }
    }
}

impl From<ClientDetails> for Client {
    fn from(details: ClientDetails) -> Self {
        let registration = &details.known.registration;
        let kind = match registration.metadata.token_endpoint_auth_method {
            TokenEndpointAuthMethod::None => ClientType::Public,
            TokenEndpointAuthMethod::ClientSecret => ClientType::Confidential,
        };
        let status = if details.known.disabled { ClientStatus::Disabled } else { ClientStatus::Active };
        let secrets = details.secrets.iter().map(SecretLife::from).collect();
        Self {
            id: registration.id.to_string(),
            kind,
            status,
            declared: details.known.declared,
            settings: ClientSettings::from(&registration.metadata),
            secrets,
        }
    }
}

impl From<&SecretTimes> for SecretLife {
    fn from(times: &SecretTimes) -> Self {
        Self { made_at: times.made.to_string(), expires_at: times.until.map(|until| until.to_string()) }
    }
}

impl ClientType {
    /// What is asked for, not looked at yet.
    pub(super) fn with(self, settings: ClientSettings) -> RawMetadata {
        RawMetadata { token_endpoint_auth_method: text(&self), ..settings.into() }
    }
}

/// As it is asked for. Every field of [`RawMetadata`] has its line here.
impl From<ClientSettings> for RawMetadata {
    fn from(body: ClientSettings) -> Self {
        let seconds = |seconds: u64| RawTime::Exact(Duration::from_secs(seconds));
        Self {
            client_name: Some(body.name),
            // It stands beside these settings, and never changes.
            token_endpoint_auth_method: None,
            grant_types: body.grants.map(|grants| grants.iter().filter_map(text).collect()),
            scope: Some(body.scopes),
            roles: Some(body.roles),
            default_audience: body.default_audience,
            refresh_tokens: body.refresh_tokens.as_ref().and_then(text),
            access_token: body.access_token.map(seconds),
            refresh_idle: body.refresh_idle.map(seconds),
            refresh_absolute: body.refresh_absolute.map(seconds),
            retry_window: body.retry_window.map(window),
            reuse: body.reuse.as_ref().and_then(text),
            revoke_access_tokens: body.revoke_access_tokens,
            introspects: Some(body.introspects),
            introspects_usernames: body.introspects_usernames,
            origins: Some(body.origins),
            refresh_token_delivery: body.refresh_token_delivery.as_ref().and_then(text),
            redirect_uris: Some(body.redirect_uris),
            post_logout_redirect_uris: Some(body.post_logout_redirect_uris),
            response_types: body.response_types.map(|types| types.iter().filter_map(text).collect()),
            require_pushed_authorization_requests: body.require_pushed_authorization_requests,
            pkce: body.pkce.as_ref().and_then(text),
            consent: body.consent.as_ref().and_then(text),
            id_token_signed_response_alg: body.id_token_signed_response_alg.as_ref().and_then(text),
            backchannel_logout_uri: body.backchannel_logout_uri,
            client_uri: body.client_uri,
            policy_uri: body.policy_uri,
            tos_uri: body.tos_uri,
            logo: body.logo,
        }
    }
}

/// As it is shown. Every field of [`ClientMetadata`] has its line here.
impl From<&ClientMetadata> for ClientSettings {
    fn from(metadata: &ClientMetadata) -> Self {
        let ClientMetadata {
            client_name,
            token_endpoint_auth_method: _, // The `type` beside these settings.
            grant_types,
            scope,
            roles,
            default_audience,
            refresh_tokens,
            lifetimes,
            retry_window,
            reuse,
            revoke_access_tokens,
            introspects,
            introspects_usernames,
            origins,
            refresh_token_delivery,
            redirect_uris,
            post_logout_redirect_uris,
            require_pushed_authorization_requests,
            pkce,
            consent,
            backchannel_logout_uri,
            client_uri,
            policy_uri,
            tos_uri,
            logo,
            id_token_signed_response_alg,
        } = metadata;
        let url = |url: &Option<WebUrl>| url.as_ref().map(ToString::to_string);
        let seconds = |time: Duration| Some(time.as_secs());
        Self {
            name: client_name.clone(),
            grants: Some(grant_types.iter().copied().filter_map(word).collect()),
            scopes: scope.words().map(str::to_owned).collect(),
            roles: roles.clone(),
            default_audience: Some(default_audience.to_string()),
            refresh_tokens: word(*refresh_tokens),
            access_token: seconds(lifetimes.access_token),
            refresh_idle: seconds(lifetimes.refresh_idle),
            refresh_absolute: seconds(lifetimes.refresh_absolute),
            retry_window: Some(match retry_window {
                RetryWindow::For(window) => window.as_secs_f64().to_string(),
                RetryWindow::UntilUsed => RetryWindow::UNTIL_USED.to_owned(),
            }),
            reuse: word(*reuse),
            revoke_access_tokens: Some(*revoke_access_tokens),
            introspects: introspects.iter().map(ToString::to_string).collect(),
            introspects_usernames: introspects_usernames.then_some(true),
            origins: origins.iter().map(ToString::to_string).collect(),
            refresh_token_delivery: word(*refresh_token_delivery),
            redirect_uris: redirect_uris.iter().map(ToString::to_string).collect(),
            post_logout_redirect_uris: post_logout_redirect_uris.iter().map(ToString::to_string).collect(),
            response_types: Some(metadata.response_types().into_iter().filter_map(word).collect()),
            require_pushed_authorization_requests: require_pushed_authorization_requests.then_some(true),
            pkce: word(*pkce),
            consent: word(*consent),
            id_token_signed_response_alg: word(*id_token_signed_response_alg),
            backchannel_logout_uri: url(backchannel_logout_uri),
            client_uri: url(client_uri),
            policy_uri: url(policy_uri),
            tos_uri: url(tos_uri),
            logo: logo.clone(),
        }
    }
}

/// Seconds, perhaps with a fraction, as a window is shown; what is none of these is looked at later.
fn window(text: String) -> RawTime {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.map_or(RawTime::Text(text), RawTime::Exact)
}

#[cfg(test)]
#[path = "client_body_tests.rs"]
mod tests;
