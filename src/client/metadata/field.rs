//! The names of the fields.

/// A field of a client's registration. The variants have RFC 7591's names where it has one.
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
    /// The audience of a token for which nothing names one.
    DefaultAudience,
    /// Whether a sign-in gives a refresh token.
    RefreshTokens,
    /// How long an access token lasts.
    AccessToken,
    /// How long a refresh token lasts that is not used.
    RefreshIdle,
    /// How long a session lasts.
    RefreshAbsolute,
    /// How long a repeated refresh gets the same answer.
    RetryWindow,
    /// What an old refresh token does.
    Reuse,
    /// Whether revoking an access token ends the session.
    RevokeAccessTokens,
    /// The resource servers that the client is.
    Introspects,
    /// Whether introspection tells it the user's name.
    IntrospectsUsernames,
    /// Where its pages come from.
    Origins,
    /// How it gets its refresh tokens.
    RefreshTokenDelivery,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 17] = [
        Self::ClientId,
        Self::ClientName,
        Self::TokenEndpointAuthMethod,
        Self::GrantTypes,
        Self::Scope,
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
    ];

    /// The field as `[[clients]]` of the configuration and the JSON of `/admin/clients` name it. The first five had
    /// these names before; RFC 7591's are those of the variants.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClientId => "id",
            Self::ClientName => "name",
            Self::TokenEndpointAuthMethod => "type",
            Self::GrantTypes => "grants",
            Self::Scope => "scopes",
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
        }
    }
}
