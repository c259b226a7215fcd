//! Clients as JSON.

use std::str::FromStr;
use std::time::Duration;

use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};

use crate::app::admin::clients::{ClientDetails, SecretTimes};
use crate::app::admin::terms::Wishes;
use crate::client::{Delivery, RefreshTokens, RetryWindow, ReusePolicy, TokenEndpointAuthMethod};
use crate::oauth::{GrantType, Scope};

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

/// A grant.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename_all = "snake_case")]
enum Grant {
    /// RFC 6749 §4.3.
    Password,
    /// RFC 6749 §6.
    RefreshToken,
}

/// Whether a sign-in gives a refresh token.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename = "RefreshTokens", rename_all = "snake_case")]
enum RefreshTokensWord {
    /// Every one.
    Always,
    /// When the scope `offline_access` is asked for.
    OfflineAccess,
    /// None.
    Never,
}

/// What an old refresh token does.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename = "Reuse", rename_all = "kebab-case")]
enum ReuseWord {
    /// It ends the family.
    EndFamily,
    /// It is refused.
    Refuse,
}

/// How a client gets its refresh tokens.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[oai(rename = "RefreshTokenDelivery", rename_all = "lowercase")]
enum DeliveryWord {
    /// In the body of the answer.
    Body,
    /// In a cookie that scripts can't read.
    Cookie,
}

impl Example for ClientSettings {
    fn example() -> Self {
        Self {
            name: "Our web app".to_owned(),
            grants: Some(vec![Grant::Password, Grant::RefreshToken]),
            scopes: vec!["account".to_owned()],
            refresh_tokens: Some(RefreshTokensWord::Always),
            access_token: Some(600),
            refresh_idle: Some(1_209_600),
            refresh_absolute: Some(5_184_000),
            retry_window: Some("30".to_owned()),
            reuse: Some(ReuseWord::EndFamily),
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
        let metadata = &registration.metadata;
        let seconds = |time: Duration| Some(time.as_secs());
        let grant = |grant: &GrantType| match grant {
            GrantType::Password => Grant::Password,
            GrantType::RefreshToken => Grant::RefreshToken,
        };
        let settings = ClientSettings {
            name: metadata.client_name.clone(),
            grants: Some(metadata.grant_types.iter().map(grant).collect()),
            scopes: metadata.scope.words().map(str::to_owned).collect(),
            default_audience: Some(metadata.default_audience.to_string()),
            refresh_tokens: Some(match metadata.refresh_tokens {
                RefreshTokens::Always => RefreshTokensWord::Always,
                RefreshTokens::OfflineAccess => RefreshTokensWord::OfflineAccess,
                RefreshTokens::Never => RefreshTokensWord::Never,
            }),
            access_token: seconds(metadata.lifetimes.access_token),
            refresh_idle: seconds(metadata.lifetimes.refresh_idle),
            refresh_absolute: seconds(metadata.lifetimes.refresh_absolute),
            retry_window: Some(match metadata.retry_window {
                RetryWindow::For(window) => window.as_secs_f64().to_string(),
                RetryWindow::UntilUsed => UNTIL_USED.to_owned(),
            }),
            reuse: Some(match metadata.reuse {
                ReusePolicy::EndFamily => ReuseWord::EndFamily,
                ReusePolicy::Refuse => ReuseWord::Refuse,
            }),
            revoke_access_tokens: Some(metadata.revoke_access_tokens),
            introspects: metadata.introspects.iter().map(ToString::to_string).collect(),
            introspects_usernames: metadata.introspects_usernames.then_some(true),
            origins: metadata.origins.iter().map(ToString::to_string).collect(),
            refresh_token_delivery: Some(match metadata.refresh_token_delivery {
                Delivery::Body => DeliveryWord::Body,
                Delivery::Cookie => DeliveryWord::Cookie,
            }),
        };
        let kind = match metadata.token_endpoint_auth_method {
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
            settings,
            secrets,
        }
    }
}

impl From<&SecretTimes> for SecretLife {
    fn from(times: &SecretTimes) -> Self {
        Self { made_at: times.made.to_string(), expires_at: times.until.map(|until| until.to_string()) }
    }
}

const UNTIL_USED: &str = "until-used";

/// A field that is no word of its kind.
pub(super) struct BadField(pub(super) &'static str, pub(super) &'static str);

impl TryFrom<ClientSettings> for Wishes {
    type Error = BadField;

    fn try_from(body: ClientSettings) -> Result<Self, BadField> {
        let grant = |grant| match grant {
            Grant::Password => GrantType::Password,
            Grant::RefreshToken => GrantType::RefreshToken,
        };
        let scopes: Scope = body
            .scopes
            .join(" ")
            .parse()
            .map_err(|_| BadField("scopes", "A scope has words of printable ASCII, 64 at most."))?;
        let audience = body.default_audience.map(|name| name.parse()).transpose();
        let window = body.retry_window.as_deref().map(window).transpose()?;
        Ok(Self {
            name: body.name,
            grants: body.grants.map(|grants| grants.into_iter().map(grant).collect()),
            scopes,
            default_audience: audience
                .map_err(|_| BadField("default_audience", "It is no name of an audience."))?,
            refresh_tokens: body.refresh_tokens.map(|word| match word {
                RefreshTokensWord::Always => RefreshTokens::Always,
                RefreshTokensWord::OfflineAccess => RefreshTokens::OfflineAccess,
                RefreshTokensWord::Never => RefreshTokens::Never,
            }),
            access_token: body.access_token.map(Duration::from_secs),
            refresh_idle: body.refresh_idle.map(Duration::from_secs),
            refresh_absolute: body.refresh_absolute.map(Duration::from_secs),
            retry_window: window,
            reuse: body.reuse.map(|word| match word {
                ReuseWord::EndFamily => ReusePolicy::EndFamily,
                ReuseWord::Refuse => ReusePolicy::Refuse,
            }),
            revoke_access_tokens: body.revoke_access_tokens,
            introspects: words(&body.introspects, BadField("introspects", "It is no name of an audience."))?,
            introspects_usernames: body.introspects_usernames.unwrap_or_default(),
            origins: words(&body.origins, BadField("origins", "Write for example https://app.example.com"))?,
            delivery: match body.refresh_token_delivery {
                Some(DeliveryWord::Cookie) => Delivery::Cookie,
                Some(DeliveryWord::Body) | None => Delivery::Body,
            },
        })
    }
}

/// Words of a kind, each once.
fn words<W: FromStr + PartialEq>(texts: &[String], bad: BadField) -> Result<Vec<W>, BadField> {
    let mut words = Vec::with_capacity(texts.len());
    for text in texts {
        let Ok(word) = text.parse() else { return Err(bad) };
        if !words.contains(&word) {
            words.push(word);
        }
    }
    Ok(words)
}

/// Seconds, perhaps with a fraction, as they are shown; or `until-used`.
fn window(text: &str) -> Result<RetryWindow, BadField> {
    if text == UNTIL_USED {
        return Ok(RetryWindow::UntilUsed);
    }
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.map(RetryWindow::For).ok_or(BadField("retry_window", "Write seconds, or until-used."))
}
