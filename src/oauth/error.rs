//! The error codes that a client can receive: a closed list.

/// The `error` of an OAuth answer. The RFC named with each code defines what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The request is malformed (RFC 6749 §5.2).
    InvalidRequest,
    /// The client is unknown or did not prove who it is (RFC 6749 §5.2).
    InvalidClient,
    /// The credentials or the refresh token are invalid, expired, revoked or another client's (RFC 6749 §5.2).
    InvalidGrant,
    /// The client may not use this grant (RFC 6749 §5.2).
    UnauthorizedClient,
    /// The server does not know this grant (RFC 6749 §5.2).
    UnsupportedGrantType,
    /// The scope is unknown, malformed, or more than was granted (RFC 6749 §5.2).
    InvalidScope,
    /// The resource is unknown or not the client's (RFC 8707 §2).
    InvalidTarget,
    /// The server does not revoke tokens of this type (RFC 7009 §2.2.1).
    UnsupportedTokenType,
    /// The server gives no such response (RFC 6749 §4.1.2.1).
    UnsupportedResponseType,
    /// The person refused (RFC 6749 §4.1.2.1).
    AccessDenied,
    /// The person must sign in, and no page may be shown (OpenID Connect Core §3.1.2.6).
    LoginRequired,
    /// The person must consent, and no page may be shown (OpenID Connect Core §3.1.2.6).
    ConsentRequired,
    /// The request URI has expired or was used (OpenID Connect Core §3.1.2.6).
    InvalidRequestUri,
    /// Request objects are not supported (OpenID Connect Core §3.1.2.6).
    RequestNotSupported,
    /// Only request URIs of this server are taken (OpenID Connect Core §3.1.2.6).
    RequestUriNotSupported,
    /// Clients don't register themselves in a request (OpenID Connect Core §3.1.2.6).
    RegistrationNotSupported,
    /// Too many attempts: the client must wait (RFC 8628 §3.5 defines the code).
    SlowDown,
    /// The server can't answer now: the client must wait (RFC 6749 §4.1.2.1).
    TemporarilyUnavailable,
    /// The server failed (RFC 6749 §4.1.2.1).
    ServerError,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 19] = [
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::InvalidScope,
        Self::InvalidTarget,
        Self::UnsupportedTokenType,
        Self::UnsupportedResponseType,
        Self::AccessDenied,
        Self::LoginRequired,
        Self::ConsentRequired,
        Self::InvalidRequestUri,
        Self::RequestNotSupported,
        Self::RequestUriNotSupported,
        Self::RegistrationNotSupported,
        Self::SlowDown,
        Self::TemporarilyUnavailable,
        Self::ServerError,
    ];

    /// The code, as in the `error` of an answer.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InvalidRequestUri => "invalid_request_uri",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::SlowDown => "slow_down",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6749 §A.7: `error` has printable ASCII without quotes and backslashes.
    #[test]
    fn every_code_is_a_word_of_its_own() {
        let mut codes = ErrorCode::ALL.map(ErrorCode::as_str).to_vec();
        assert!(
            codes
                .iter()
                .all(|code| code.contains('_') && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        );
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ErrorCode::ALL.len());
    }
}
