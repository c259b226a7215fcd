//! What a client may be registered with: the rules that the configuration file keeps too.

use std::time::Duration;

use crate::app::Settings;
use crate::client::{
    ClientMetadata, Delivery, Lifetimes, RefreshTokens, RetryWindow, ReusePolicy, TokenEndpointAuthMethod,
};
use crate::oauth::{Audience, GrantType, Origin, Scope};

/// The longest name of a client, in bytes.
const LONGEST_NAME: usize = 200;
/// The most origins of a client: its registration must fit one event.
const MOST_ORIGINS: usize = 16;
/// The longest life of a session, in days.
const LONGEST_DAYS: u64 = 3650;

/// What is asked for. What is left out is as the configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// A name for people.
    pub name: String,
    /// The grants; by default all that are on.
    pub grants: Option<Vec<GrantType>>,
    /// The scopes that it may ask for.
    pub scopes: Scope,
    /// The audience of a token for which neither a scope nor a `resource` names one.
    pub default_audience: Option<Audience>,
    /// Whether a sign-in gives it a refresh token.
    pub refresh_tokens: Option<RefreshTokens>,
    /// How long an access token lasts.
    pub access_token: Option<Duration>,
    /// How long a refresh token lasts that is not used.
    pub refresh_idle: Option<Duration>,
    /// How long a session lasts.
    pub refresh_absolute: Option<Duration>,
    /// How long a repeated refresh gets the same answer.
    pub retry_window: Option<RetryWindow>,
    /// What an old refresh token does.
    pub reuse: Option<ReusePolicy>,
    /// Whether revoking an access token of it ends the session; by default it does.
    pub revoke_access_tokens: Option<bool>,
    /// The resource servers that it is.
    pub introspects: Vec<Audience>,
    /// Whether introspection tells it the user's name.
    pub introspects_usernames: bool,
    /// Where its pages come from.
    pub origins: Vec<Origin>,
    /// How it gets its refresh tokens.
    pub delivery: Delivery,
}

/// A setting that can't be. The text is fit for the administrator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TermsRefused {
    /// The setting.
    pub field: &'static str,
    /// The rule that it breaks, as a word.
    pub rule: &'static str,
    /// The rule as a sentence.
    pub message: String,
}

fn refuse<T>(field: &'static str, rule: &'static str, message: impl Into<String>) -> Result<T, TermsRefused> {
    Err(TermsRefused { field, rule, message: message.into() })
}

impl Wishes {
    /// What is registered of a client that wishes so.
    ///
    /// # Errors
    /// [`TermsRefused`].
    pub fn metadata(
        self,
        method: TokenEndpointAuthMethod,
        settings: &Settings,
    ) -> Result<ClientMetadata, TermsRefused> {
        let confidential = !method.is_public();
        if self.name.len() > LONGEST_NAME || self.name.chars().any(char::is_control) {
            let message = format!("A name has at most {LONGEST_NAME} bytes and no control characters.");
            return refuse("name", "not_permitted", message);
        }
        let grants = grants(self.grants, !self.introspects.is_empty(), settings)?;
        check_resource_server(&self.introspects, confidential, settings)?;
        if self.introspects_usernames && self.introspects.is_empty() {
            let message = "A client that introspects nothing learns no user's name.";
            return refuse("introspects_usernames", "no_introspects", message);
        }
        check_pages(&self.origins, self.delivery, confidential, settings)?;
        let known = settings.scopes.words();
        if let Some(unknown) = self.scopes.words().find(|word| !known.contains(word)) {
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return refuse(
                "scopes",
                "unknown",
                format!("No audience has a scope {unknown}. There are: {known}."),
            );
        }
        let default_audience = self.default_audience.unwrap_or_else(|| settings.default_audience.clone());
        if !settings.scopes.has_audience(&default_audience) {
            return refuse("default_audience", "unknown", "There is no such audience.");
        }
        let refresh_tokens = refresh_tokens(self.refresh_tokens, &grants, &self.scopes, settings)?;
        let usual = settings.tokens.lifetimes;
        let lifetimes = Lifetimes {
            access_token: self.access_token.unwrap_or(usual.access_token),
            refresh_idle: self.refresh_idle.unwrap_or(usual.refresh_idle),
            refresh_absolute: self.refresh_absolute.unwrap_or(usual.refresh_absolute),
        };
        check_lifetimes(lifetimes, settings)?;
        let retry_window = self.retry_window.unwrap_or_else(|| settings.tokens.window(method));
        check_window(retry_window, confidential, lifetimes)?;
        Ok(ClientMetadata {
            client_name: self.name,
            token_endpoint_auth_method: method,
            grant_types: grants,
            scope: self.scopes,
            default_audience,
            refresh_tokens,
            lifetimes,
            retry_window,
            reuse: self.reuse.unwrap_or(settings.tokens.reuse),
            revoke_access_tokens: self.revoke_access_tokens.unwrap_or(true),
            introspects: self.introspects,
            introspects_usernames: self.introspects_usernames,
            origins: self.origins,
            refresh_token_delivery: self.delivery,
        })
    }
}

/// Only a resource server may have none.
fn grants(
    asked: Option<Vec<GrantType>>,
    resource_server: bool,
    settings: &Settings,
) -> Result<Vec<GrantType>, TermsRefused> {
    let is_on = |grant: GrantType| settings.password_grant || grant != GrantType::Password;
    let Some(asked) = asked else {
        return Ok(GrantType::ALL.into_iter().filter(|grant| is_on(*grant)).collect());
    };
    let mut grants: Vec<GrantType> = Vec::new();
    for grant in asked {
        if !is_on(grant) {
            return refuse("grants", "off", "The password grant is turned off on this server.");
        }
        if !grants.contains(&grant) {
            grants.push(grant);
        }
    }
    if grants.is_empty() && !resource_server {
        return refuse("grants", "empty", "A client has at least one grant; to switch it off, disable it.");
    }
    Ok(grants)
}

fn check_resource_server(
    introspects: &[Audience],
    confidential: bool,
    settings: &Settings,
) -> Result<(), TermsRefused> {
    if introspects.iter().any(|audience| !settings.scopes.has_audience(audience)) {
        return refuse("introspects", "unknown", "There is no such audience.");
    }
    if !introspects.is_empty() && !confidential {
        return refuse("introspects", "public", "A public client can't introspect tokens.");
    }
    Ok(())
}

fn check_pages(
    origins: &[Origin],
    delivery: Delivery,
    confidential: bool,
    settings: &Settings,
) -> Result<(), TermsRefused> {
    const DELIVERY: &str = "refresh_token_delivery";
    let issuer = Origin::of(&settings.issuer);
    let issuer_is = |fits: fn(&Origin) -> bool| issuer.as_ref().is_some_and(fits);
    let local_issuer = issuer_is(|issuer| !issuer.is_https() && issuer.is_loopback());
    if origins.len() > MOST_ORIGINS {
        return refuse("origins", "too_many", format!("A client has at most {MOST_ORIGINS} origins."));
    }
    if !origins.iter().all(|origin| origin.is_https() || (origin.is_loopback() && local_issuer)) {
        let message = "Pages come from https, or from this machine beside such an issuer.";
        return refuse("origins", "not_https", message);
    }
    if delivery == Delivery::Body {
        return Ok(());
    }
    if confidential {
        return refuse(DELIVERY, "confidential", "An app in a browser can't keep a secret: it is public.");
    }
    if origins.is_empty() {
        return refuse("origins", "empty", "A client with a cookie has origins.");
    }
    // Only a cookie that goes over TLS alone can be tied to the host by its name.
    if !issuer_is(|issuer| issuer.is_https() || issuer.is_loopback()) {
        return refuse(DELIVERY, "not_https", "The issuer is not https.");
    }
    Ok(())
}

fn refresh_tokens(
    asked: Option<RefreshTokens>,
    grants: &[GrantType],
    scopes: &Scope,
    settings: &Settings,
) -> Result<RefreshTokens, TermsRefused> {
    if !grants.contains(&GrantType::RefreshToken) {
        return match asked {
            None | Some(RefreshTokens::Never) => Ok(RefreshTokens::Never),
            Some(RefreshTokens::Always | RefreshTokens::OfflineAccess) => {
                refuse("refresh_tokens", "no_grant", "The client does not have the grant refresh_token.")
            }
        };
    }
    if asked == Some(RefreshTokens::OfflineAccess) && !scopes.contains(Scope::OFFLINE_ACCESS) {
        let message = "The client may not ask for offline_access, so it could never get a refresh token.";
        return refuse("refresh_tokens", "no_scope", message);
    }
    Ok(asked.unwrap_or(settings.tokens.refresh_tokens))
}

fn check_lifetimes(lifetimes: Lifetimes, settings: &Settings) -> Result<(), TermsRefused> {
    let longest = settings.longest_access_token;
    if lifetimes.access_token.is_zero() || lifetimes.access_token > longest {
        let message = format!(
            "An access token lasts from 1 second to {} seconds, the longest that the configuration sets.",
            longest.as_secs()
        );
        return refuse("access_token", "range", message);
    }
    if lifetimes.refresh_idle < lifetimes.access_token {
        return refuse("refresh_idle", "too_short", "It must not be shorter than access_token.");
    }
    if lifetimes.refresh_absolute < lifetimes.refresh_idle {
        return refuse("refresh_absolute", "too_short", "It must not be shorter than refresh_idle.");
    }
    if lifetimes.refresh_absolute > Duration::from_hours(24 * LONGEST_DAYS) {
        let message = format!("A session lasts at most {LONGEST_DAYS} days.");
        return refuse("refresh_absolute", "range", message);
    }
    Ok(())
}

/// As the configuration file: see `[tokens] retry_window`.
fn check_window(window: RetryWindow, confidential: bool, lifetimes: Lifetimes) -> Result<(), TermsRefused> {
    const FIELD: &str = "retry_window";
    match window {
        RetryWindow::For(window) if window > Duration::from_hours(24) => {
            refuse(FIELD, "range", "A retry window is at most a day.")
        }
        RetryWindow::For(window)
            if !confidential && !window.is_zero() && window.saturating_mul(2) >= lifetimes.access_token =>
        {
            let message =
                "A public client's retry window must be shorter than half of its access token's life.";
            refuse(FIELD, "too_long", message)
        }
        RetryWindow::For(_) | RetryWindow::UntilUsed => Ok(()),
    }
}
