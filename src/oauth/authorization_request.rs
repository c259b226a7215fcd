//! The authorization request (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1): from parameters to a checked request.
//!
//! The order matters. First client and redirect URI, which the caller looks up: until both are good, an error is a
//! [`PageError`]. Then [`Parameters::request`] checks the rest, whose errors go to the redirect URI.

use std::fmt;

use minicbor::{Decode, Encode};

use super::authorization_error::{AuthorizationError, PageError};
use super::ids::{Audience, ClientId};
use super::pkce::CodeChallenge;
use super::prompt::{Prompt, Prompts};
use super::scope::Scope;

/// The longest `state`, in bytes.
pub const MAX_STATE: usize = 4096;
/// The longest `nonce`, in bytes: ID tokens carry it.
pub const MAX_NONCE: usize = 2048;
/// The longest `login_hint`, in bytes.
const MAX_LOGIN_HINT: usize = 256;
/// The longest `ui_locales`, in bytes.
const MAX_LOCALES: usize = 256;
/// What a `request_uri` of our own begins with (RFC 9126 §2.2).
pub const REQUEST_URI: &str = "urn:ietf:params:oauth:request_uri:";

/// The parameters by name. Of those that are not in it, an error message says no name: they can be anything.
const KNOWN: [&str; 23] = [
    "acr_values",
    "claims",
    "claims_locales",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "display",
    "id_token_hint",
    "login_hint",
    "max_age",
    "nonce",
    "post_logout_redirect_uri",
    "prompt",
    "redirect_uri",
    "registration",
    "request",
    "request_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
    "ui_locales",
];

/// The parameters of a request as they came, without the empty ones (RFC 6749 §3.1: these count as left out).
pub struct Parameters {
    pairs: Vec<(String, String)>,
    /// The names that stood there more than once: of [`KNOWN`], or "unknown".
    repeated: Vec<&'static str>,
}

impl Parameters {
    /// Takes decoded pairs. Only `resource` may be repeated (RFC 8707 §2).
    #[must_use]
    pub fn new(pairs: Vec<(String, String)>) -> Self {
        let is_repeated = |(index, (name, _)): &(usize, &(String, String))| {
            name != "resource" && pairs.iter().take(*index).any(|(before, _)| before == name)
        };
        let known = |(_, (name, _)): (usize, &(String, String))| {
            KNOWN.into_iter().find(|known| known == name).unwrap_or("unknown")
        };
        let repeated = pairs.iter().enumerate().filter(is_repeated).map(known).collect();
        let pairs = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self { pairs, repeated }
    }

    /// The client.
    ///
    /// # Errors
    /// [`PageError`] if it is missing, there twice, or no id.
    pub fn client_id(&self) -> Result<ClientId, PageError> {
        self.once("client_id")?.parse().map_err(|_| PageError::UnknownClient)
    }

    /// The redirect URI, as it came.
    ///
    /// # Errors
    /// [`PageError`] if it is missing or there twice.
    pub fn redirect_uri(&self) -> Result<&str, PageError> {
        self.once("redirect_uri")
    }

    /// The part of a `request_uri` of our own that follows [`REQUEST_URI`].
    #[must_use]
    pub fn pushed(&self) -> Option<&str> {
        self.one("request_uri").and_then(|uri| uri.strip_prefix(REQUEST_URI))
    }

    /// The ID token that names the user (OpenID Connect Core §3.1.2.1).
    #[must_use]
    pub fn id_token_hint(&self) -> Option<&str> {
        self.one("id_token_hint")
    }

    /// A parameter, as it came.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.one(name)
    }

    /// A parameter that is there more than once (RFC 6749 §3.1).
    #[must_use]
    pub fn repeated(&self) -> Option<&'static str> {
        self.repeated.first().copied()
    }

    /// How the client is answered, as far as its parameters say so: an error of [`Parameters::request`] goes there too.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let mode = self.one("response_mode").and_then(ResponseMode::named).unwrap_or_default();
        let fits = |state: &&str| {
            let is_carried = mode == ResponseMode::Query || !state.chars().any(char::is_control);
            state.len() <= MAX_STATE && is_carried && !self.repeated.contains(&"state")
        };
        Answer { mode, state: self.one("state").filter(fits).map(Into::into) }
    }

    /// Checks everything but client and redirect URI.
    ///
    /// # Errors
    /// [`AuthorizationError`].
    pub fn request(
        &self,
        client: ClientId,
        pkce: PkceRule,
    ) -> Result<AuthorizationRequest, AuthorizationError> {
        if let Some(name) = self.repeated() {
            return Err(AuthorizationError::Repeated(name));
        }
        self.refuse_what_is_not_supported()?;
        // RFC 6749 §3.1.1: unsupported_response_type for a known parameter with another value.
        if self.one("response_type").ok_or(AuthorizationError::Missing("response_type"))? != "code" {
            return Err(AuthorizationError::ResponseType);
        }
        let state = self.bounded("state", MAX_STATE)?;
        let answer = self.checked_answer(state)?;
        let nonce = self.bounded("nonce", MAX_NONCE)?;
        let scope = self.one("scope").map(str::parse::<Scope>).transpose();
        let scope = scope.map_err(|_| AuthorizationError::Scope)?.filter(|scope| !scope.is_empty());
        let is_openid = scope.as_ref().is_some_and(|scope| scope.contains(Scope::OPENID));
        let challenge = self.challenge()?;
        match pkce {
            _ if challenge.is_some() => {}
            PkceRule::Required => return Err(AuthorizationError::NoChallenge),
            PkceRule::OrNonce if is_openid && nonce.is_some() => {}
            PkceRule::OrNonce => return Err(AuthorizationError::NonceNeeded),
            PkceRule::NotNeeded => {}
        }
        let resources = self.pairs.iter().filter(|(name, _)| name == "resource");
        let resources = resources.map(|(_, value)| value.parse::<Audience>()).collect::<Result<_, _>>();
        Ok(AuthorizationRequest {
            client,
            redirect_uri: self.one("redirect_uri").unwrap_or_default().into(),
            answer,
            scope,
            resources: resources.map_err(|_| AuthorizationError::Resource)?,
            challenge,
            nonce: nonce.map(Into::into),
            prompts: self.prompts()?,
            max_age: self.max_age()?,
            ui_locales: self.bounded("ui_locales", MAX_LOCALES)?.map(Into::into),
            login_hint: self.bounded("login_hint", MAX_LOGIN_HINT)?.map(Into::into),
        })
    }

    fn refuse_what_is_not_supported(&self) -> Result<(), AuthorizationError> {
        // OpenID Connect Core §6.1, §6.2, §7.2.1: each has an error of its own.
        for (name, error) in [
            ("request", AuthorizationError::RequestObject),
            ("request_uri", AuthorizationError::ForeignRequestUri),
            ("registration", AuthorizationError::Registration),
        ] {
            if self.one(name).is_some() {
                return Err(error);
            }
        }
        Ok(())
    }

    fn checked_answer(&self, state: Option<&str>) -> Result<Answer, AuthorizationError> {
        let answer = self.answer();
        let mode = self.one("response_mode");
        if mode.is_some_and(|mode| ResponseMode::named(mode).is_none()) {
            return Err(AuthorizationError::ResponseMode);
        }
        if answer.state.as_deref() != state {
            return Err(AuthorizationError::StateInForm);
        }
        Ok(answer)
    }

    /// RFC 7636 §4.3, with S256 only: `plain` shows the verifier to whoever sees the URL (RFC 9700 §2.1.1).
    fn challenge(&self) -> Result<Option<CodeChallenge>, AuthorizationError> {
        let method = self.one("code_challenge_method");
        let Some(challenge) = self.one("code_challenge") else {
            return if method.is_some() { Err(AuthorizationError::MethodAlone) } else { Ok(None) };
        };
        if method != Some("S256") {
            return Err(AuthorizationError::ChallengeMethod);
        }
        challenge.parse().map(Some).map_err(|_| AuthorizationError::Challenge)
    }

    fn prompts(&self) -> Result<Prompts, AuthorizationError> {
        let mut prompts = Prompts::default();
        for word in self.one("prompt").unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
            let prompt = Prompt::ALL.into_iter().find(|prompt| prompt.as_str() == word);
            prompts = prompts.with(prompt.ok_or(AuthorizationError::Prompt)?);
        }
        // OpenID Connect Core §3.1.2.1: `none` with any other value is an error.
        if prompts.contains(Prompt::None) && prompts != Prompts::default().with(Prompt::None) {
            return Err(AuthorizationError::Prompt);
        }
        Ok(prompts)
    }

    fn max_age(&self) -> Result<Option<u64>, AuthorizationError> {
        let Some(text) = self.one("max_age") else { return Ok(None) };
        let is_number = text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_number).map(Some).ok_or(AuthorizationError::MaxAge)
    }

    fn bounded(&self, name: &'static str, most: usize) -> Result<Option<&str>, AuthorizationError> {
        match self.one(name) {
            Some(value) if value.len() > most => Err(AuthorizationError::TooLong(name, most)),
            value => Ok(value),
        }
    }

    fn one(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn once(&self, name: &'static str) -> Result<&str, PageError> {
        if self.repeated.contains(&name) {
            return Err(PageError::Repeated(name));
        }
        self.one(name).ok_or(PageError::Missing(name))
    }
}

/// Values may be secrets in the wrong field.
impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameters").finish_non_exhaustive()
    }
}

/// Whether a client may leave PKCE out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PkceRule {
    /// It may not (OAuth 2.1 §4.1.1).
    Required,
    /// A confidential client may send `openid` and a `nonce` instead (RFC 9700 §2.1.1).
    OrNonce,
    /// A confidential client may send neither: old software, which its operator has registered as such.
    NotNeeded,
}

/// A checked request: what is asked for, in canonical form.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct AuthorizationRequest {
    /// The client.
    #[n(0)]
    pub client: ClientId,
    /// The redirect URI, as it came.
    #[n(1)]
    pub redirect_uri: Box<str>,
    /// How the client is answered.
    #[n(2)]
    pub answer: Answer,
    /// The scope that was asked for, if any was.
    #[n(3)]
    pub scope: Option<Scope>,
    /// The resource servers that the tokens are to be for (RFC 8707 §2).
    #[n(4)]
    pub resources: Vec<Audience>,
    /// The challenge of PKCE: the SHA-256 of the verifier (RFC 7636 §4.2).
    #[n(5)]
    pub challenge: Option<CodeChallenge>,
    /// The nonce for the ID token, byte for byte (OpenID Connect Core §3.1.2.1).
    #[n(6)]
    pub nonce: Option<Box<str>>,
    /// What the person is to be asked in any case.
    #[n(7)]
    pub prompts: Prompts,
    /// How long ago the person may have signed in, in seconds.
    #[n(8)]
    pub max_age: Option<u64>,
    /// The languages that the person prefers (BCP 47), separated by spaces.
    #[n(9)]
    pub ui_locales: Option<Box<str>>,
    /// The name to begin the log in page with.
    #[n(10)]
    pub login_hint: Option<Box<str>>,
}

/// `state` and `nonce` may be secrets of the client.
impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationRequest").field("client", &self.client).finish_non_exhaustive()
    }
}

/// How a client is answered.
#[derive(Clone, Default, PartialEq, Eq, Encode, Decode)]
pub struct Answer {
    /// By which way.
    #[n(0)]
    pub mode: ResponseMode,
    /// The client's `state`, byte for byte (RFC 6749 §4.1.1).
    #[n(1)]
    pub state: Option<Box<str>>,
}

/// The way of an answer to the redirect URI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ResponseMode {
    /// In the query of a redirect (RFC 6749 §4.1.2).
    #[default]
    #[n(0)]
    Query,
    /// In a form that the browser posts (OAuth 2.0 Form Post Response Mode).
    #[n(1)]
    FormPost,
}

impl ResponseMode {
    /// Every mode.
    pub const ALL: [Self; 2] = [Self::Query, Self::FormPost];

    /// As in `response_mode`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::FormPost => "form_post",
        }
    }

    fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

#[cfg(test)]
#[path = "authorization_request_tests.rs"]
mod tests;
