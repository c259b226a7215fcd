//! The names of the metadata fields.

/// A metadata field. The variants have RFC 7591's names where it defines one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// `client_id` (RFC 7591 §3.2.1).
    ClientId,
    /// `client_name`.
    ClientName,
    /// `token_endpoint_auth_method`.
    TokenEndpointAuthMethod,
    /// `grant_types`.
    GrantTypes,
    /// `scope`.
    Scope,
    /// The roles of a client that acts for itself.
    Roles,
    /// The audience of a token for which neither a scope nor a `resource` parameter chooses one.
    DefaultAudience,
    /// When a sign-in gives a refresh token.
    RefreshTokens,
    /// How long an access token lasts.
    AccessToken,
    /// How long an unused refresh token lasts.
    RefreshIdle,
    /// How long a session lasts.
    RefreshAbsolute,
    /// How long a repeated refresh gets the same tokens again.
    RetryWindow,
    /// What the use of an old refresh token does.
    Reuse,
    /// Whether revoking an access token ends the session.
    RevokeAccessTokens,
    /// The audiences whose access tokens the client may introspect.
    Introspects,
    /// Whether introspection shows the client the user's name.
    IntrospectsUsernames,
    /// The origins of the client's pages.
    Origins,
    /// How the client gets its refresh tokens.
    RefreshTokenDelivery,
    /// Where authorization requests are answered.
    RedirectUris,
    /// Where a browser may be sent after signing out.
    PostLogoutRedirectUris,
    /// `response_types`.
    ResponseTypes,
    /// Whether the client must push its authorization requests.
    RequirePushedAuthorizationRequests,
    /// Whether it may leave out PKCE.
    Pkce,
    /// Whether people are asked what it may do.
    Consent,
    /// What its ID tokens are signed by.
    IdTokenSignedResponseAlg,
    /// Where it is told that a login has ended.
    BackchannelLogoutUri,
    /// Its home page.
    ClientUri,
    /// What it does with personal data.
    PolicyUri,
    /// Its terms of service.
    TosUri,
    /// The name of its logo.
    Logo,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 30] = [
        Self::ClientId,
        Self::ClientName,
        Self::TokenEndpointAuthMethod,
        Self::GrantTypes,
        Self::Scope,
        Self::Roles,
        Self::DefaultAudience,
        Self::RefreshTokens,
        Self::AccessToken,
        Self::RefreshIdle,
        Self::RefreshAbsolute,
        Self::RetryWindow,
        Self::Reuse,
        Self::RevokeAccessTokens,
        Self::Introspects,
        Self::IntrospectsUsernames,
        Self::Origins,
        Self::RefreshTokenDelivery,
        Self::RedirectUris,
        Self::PostLogoutRedirectUris,
        Self::ResponseTypes,
        Self::RequirePushedAuthorizationRequests,
        Self::Pkce,
        Self::Consent,
        Self::IdTokenSignedResponseAlg,
        Self::BackchannelLogoutUri,
        Self::ClientUri,
        Self::PolicyUri,
        Self::TosUri,
        Self::Logo,
    ];

    /// The field's name in `[[clients]]` of the configuration and in the JSON of `/admin/clients`. The first five
    /// differ from RFC 7591's names, which the variants have, because they are older.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientId => "id",
            Self::ClientName => "name",
            Self::TokenEndpointAuthMethod => "type",
            Self::GrantTypes => "grants",
            Self::Scope => "scopes",
            Self::Roles => "roles",
            Self::DefaultAudience => "default_audience",
            Self::RefreshTokens => "refresh_tokens",
            Self::AccessToken => "access_token",
            Self::RefreshIdle => "refresh_idle",
            Self::RefreshAbsolute => "refresh_absolute",
            Self::RetryWindow => "retry_window",
            Self::Reuse => "reuse",
            Self::RevokeAccessTokens => "revoke_access_tokens",
            Self::Introspects => "introspects",
            Self::IntrospectsUsernames => "introspects_usernames",
            Self::Origins => "origins",
            Self::RefreshTokenDelivery => "refresh_token_delivery",
            Self::RedirectUris => "redirect_uris",
            Self::PostLogoutRedirectUris => "post_logout_redirect_uris",
            Self::ResponseTypes => "response_types",
            Self::RequirePushedAuthorizationRequests => "require_pushed_authorization_requests",
            Self::Pkce => "pkce",
            Self::Consent => "consent",
            Self::IdTokenSignedResponseAlg => "id_token_signed_response_alg",
            Self::BackchannelLogoutUri => "backchannel_logout_uri",
            Self::ClientUri => "client_uri",
            Self::PolicyUri => "policy_uri",
            Self::TosUri => "tos_uri",
            Self::Logo => "logo",
        }
    }
}
