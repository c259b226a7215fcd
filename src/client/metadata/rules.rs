//! The parts of the configuration that client metadata are validated against, and the defaults of a client.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::settings::{
    ConsentPolicy, Delivery, Lifetimes, PkcePolicy, RefreshTokens, RetryWindow, ReusePolicy,
    TokenEndpointAuthMethod,
};
use super::stored::ClientMetadata;
use crate::oauth::{Audience, GrantType, Origin, Scope, SigningAlgorithm};

/// The parts of the configuration that client metadata are validated against.
#[derive(Clone, Debug)]
pub struct MetadataRules<'a> {
    /// The issuer's origin; `None` if the configured issuer is invalid.
    pub issuer: Option<Origin>,
    /// The grants that are on.
    pub grant_types: Vec<GrantType>,
    /// Every scope of the configuration.
    pub scopes: BTreeSet<&'a str>,
    /// Every resource server of the configuration. The issuer is not among them: its scopes are granted only when asked
    /// for.
    pub audiences: BTreeSet<&'a Audience>,
    /// The resource server of a client that names none.
    pub default_audience: Audience,
    /// The token settings of a client that sets none itself.
    pub tokens: &'a TokenRules,
    /// The longest life of an access token: signing keys stay published that long, and no longer.
    pub longest_access_token: Duration,
    /// The files in the folder of logos, and what is wrong with each, if anything is; `None` if the configuration names no
    /// such folder.
    pub logos: Option<BTreeMap<&'a str, Option<&'static str>>>,
    /// What ID tokens can be signed by.
    pub id_token_algorithms: &'a [SigningAlgorithm],
    /// Whether the metadata will be stored in an event, as a registered client's are, and so must not be too large.
    pub is_stored: bool,
}

impl MetadataRules<'_> {
    /// The metadata of a client that sets nothing itself. Every default is defined here.
    #[must_use]
    pub fn usual(&self, method: TokenEndpointAuthMethod) -> ClientMetadata {
        ClientMetadata {
            client_name: String::new(),
            token_endpoint_auth_method: method,
            grant_types: self.grant_types.iter().copied().filter(|grant| grant.is_default()).collect(),
            scope: Scope::empty(),
            roles: Vec::new(),
            default_audience: self.default_audience.clone(),
            refresh_tokens: self.tokens.refresh_tokens,
            lifetimes: self.tokens.lifetimes,
            retry_window: self.tokens.window(method),
            reuse: self.tokens.reuse,
            revoke_access_tokens: true,
            introspects: Vec::new(),
            introspects_usernames: false,
            origins: Vec::new(),
            refresh_token_delivery: Delivery::default(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            require_pushed_authorization_requests: false,
            pkce: PkcePolicy::default(),
            consent: ConsentPolicy::default(),
            backchannel_logout_uri: None,
            client_uri: None,
            policy_uri: None,
            tos_uri: None,
            logo: None,
            id_token_signed_response_alg: SigningAlgorithm::default(),
        }
    }

    /// Whether the issuer is plain http on a loopback address, or not known: then other URLs may be so too.
    pub(super) fn is_local(&self) -> bool {
        self.issuer.as_ref().is_none_or(|issuer| !issuer.is_https() && issuer.is_loopback())
    }
}

/// Whether the server offers `grant`, given whether the password grant is on.
#[must_use]
pub const fn is_on(grant: GrantType, password_grant: bool) -> bool {
    match grant {
        GrantType::Password => password_grant,
        GrantType::RefreshToken | GrantType::ClientCredentials | GrantType::AuthorizationCode => true,
    }
}

/// The grants that the server offers, given whether the password grant is on.
#[must_use]
pub fn grant_types_on(password_grant: bool) -> Vec<GrantType> {
    GrantType::ALL.into_iter().filter(|grant| is_on(*grant, password_grant)).collect()
}

/// `[tokens]` of the configuration: the token settings of a client that sets none itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    /// How long tokens and sessions last.
    pub lifetimes: Lifetimes,
    /// The retry window of public clients.
    pub public_window: RetryWindow,
    /// The retry window of confidential clients.
    pub confidential_window: RetryWindow,
    /// What the use of an old refresh token does.
    pub reuse: ReusePolicy,
    /// When a sign-in gives a refresh token.
    pub refresh_tokens: RefreshTokens,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            lifetimes: Lifetimes::default(),
            public_window: RetryWindow::For(RetryWindow::USUAL),
            confidential_window: RetryWindow::UntilUsed,
            reuse: ReusePolicy::EndFamily,
            refresh_tokens: RefreshTokens::Always,
        }
    }
}

impl TokenRules {
    /// The retry window of a client that authenticates by `method`.
    #[must_use]
    pub const fn window(&self, method: TokenEndpointAuthMethod) -> RetryWindow {
        match method {
            TokenEndpointAuthMethod::None => self.public_window,
            TokenEndpointAuthMethod::ClientSecret => self.confidential_window,
        }
    }
}
