//! Why an authorization request is refused: what an error page says of it, and what the client is told.

use super::error::ErrorCode;

/// Why nothing may be sent to a redirect URI: the person sees a page. RFC 6749 §4.1.2.1: with a bad client or redirect URI
/// the server MUST NOT redirect. The messages are for the client's developer, and name nothing that is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// A parameter is not there.
    #[error("The parameter {0} is missing.")]
    Missing(&'static str),
    /// A parameter is there more than once (RFC 6749 §3.1).
    #[error("The parameter {0} is there more than once.")]
    Repeated(&'static str),
    /// There is no such client, or it is switched off.
    #[error("The client_id is the id of no client here.")]
    UnknownClient,
    /// RFC 9700 §4.1.3: redirect URIs are compared as strings.
    #[error(
        "The redirect_uri is not registered for this client. It must be the same text, character by character; only the \
         port of a loopback address may differ."
    )]
    RedirectUri,
    /// RFC 9126 §4: the request URI is of another client.
    #[error("The request_uri belongs to another client_id.")]
    ForeignRequestUri,
    /// The request URI is none that this server gave, or has expired.
    #[error("The request_uri was not given by this server, or is too old.")]
    RequestUri,
    /// The request is older than sign-ins may take, or was sealed under a secret that is no longer in use.
    #[error("The request is too old, or was not made by this server.")]
    Expired,
}

/// Why an authorization request is refused at its redirect URI (RFC 6749 §4.1.2.1). The messages are for the client's
/// developer, in the character set of that section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationError {
    /// RFC 6749 §3.1: parameters MUST NOT be included more than once.
    #[error("A parameter is there more than once: {0}.")]
    Repeated(&'static str),
    /// A parameter is not there.
    #[error("The parameter {0} is missing.")]
    Missing(&'static str),
    /// A value is longer than this server keeps.
    #[error("The {0} has more than {1} bytes.")]
    TooLong(&'static str, usize),
    /// Only codes are given (OAuth 2.1; RFC 9700 §2.1.2).
    #[error("The response_type must be code.")]
    ResponseType,
    /// An answer by a way that this server does not have.
    #[error("The response_mode must be query or form_post.")]
    ResponseMode,
    /// A form can't carry these characters unchanged.
    #[error("With response_mode=form_post the state must not have control characters.")]
    StateInForm,
    /// OpenID Connect Core §6.1.
    #[error("Request objects are not supported: send the parameters themselves, or push them to /oauth/par.")]
    RequestObject,
    /// OpenID Connect Core §6.2. RFC 9126: only what this server gave is taken.
    #[error("A request_uri is taken only if /oauth/par of this server gave it.")]
    ForeignRequestUri,
    /// RFC 9126 §4: a request URI is good once, and not for long.
    #[error("The request_uri has expired or was used before.")]
    RequestUri,
    /// OpenID Connect Core §7.2.1.
    #[error("The parameter registration is not supported.")]
    Registration,
    /// RFC 9126 §5.
    #[error("This client must push its requests to /oauth/par first.")]
    NotPushed,
    /// RFC 6749 §3.3.
    #[error("The scope is malformed, or longer than 64 words or 1 KiB.")]
    Scope,
    /// RFC 8707 §2.
    #[error("The resource is no name of a resource server.")]
    Resource,
    /// RFC 7636 §4.4.1; RFC 9700 §2.1.1: PKCE is required.
    #[error("The parameter code_challenge is missing: this client must use PKCE.")]
    NoChallenge,
    /// RFC 7636 §4.2: 43 characters of base64url for the SHA-256.
    #[error("The code_challenge must be the base64url of a SHA-256, without padding: 43 characters.")]
    Challenge,
    /// RFC 7636 §4.3: without a method it is plain, which shows the verifier to whoever sees the URL.
    #[error("The code_challenge_method must be S256.")]
    ChallengeMethod,
    /// A method without a challenge: something was taken away on the way.
    #[error("The code_challenge_method is there without a code_challenge.")]
    MethodAlone,
    /// Without PKCE only the nonce finds an injected code (RFC 9700 §4.5.3.2).
    #[error("Without a code_challenge the scope openid and a nonce are needed.")]
    NonceNeeded,
    /// OpenID Connect Core §3.1.2.1.
    #[error("The prompt must be none, or words out of login, consent, select_account and create.")]
    Prompt,
    /// OpenID Connect Core §3.1.2.1: seconds.
    #[error("The max_age must be a whole number of seconds.")]
    MaxAge,
}

impl AuthorizationError {
    /// The protocol's code.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::ResponseType => ErrorCode::UnsupportedResponseType,
            Self::RequestObject => ErrorCode::RequestNotSupported,
            Self::ForeignRequestUri => ErrorCode::RequestUriNotSupported,
            Self::RequestUri => ErrorCode::InvalidRequestUri,
            Self::Registration => ErrorCode::RegistrationNotSupported,
            Self::Scope => ErrorCode::InvalidScope,
            Self::Resource => ErrorCode::InvalidTarget,
            Self::Repeated(_)
            | Self::Missing(_)
            | Self::TooLong(..)
            | Self::ResponseMode
            | Self::StateInForm
            | Self::NotPushed
            | Self::NoChallenge
            | Self::Challenge
            | Self::ChallengeMethod
            | Self::MethodAlone
            | Self::NonceNeeded
            | Self::Prompt
            | Self::MaxAge => ErrorCode::InvalidRequest,
        }
    }
}
