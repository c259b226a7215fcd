//! The authorization endpoint's use case (RFC 6749 §4.1): what a client asks for, what the person is asked next, and what
//! the client is answered. Nothing is stored until the person lets the client begin: a request under way is in the URLs
//! and forms of the pages, sealed.
//!
//! | File | What it says |
//! |---|---|
//! | [`begin`] | which requests are good, and where errors go |
//! | `question` | what the person is asked next |
//! | [`answer`] | how the client is answered |
//! | [`log_out`] | which requests to log out are good |

use std::sync::Arc;

use super::Settings;
use super::authorizations::{Authorizations, Authorize, AuthorizeError};
use super::clients::Clients;
use super::consents::Consents;
use super::error::TokenError;
use super::keys::TokenKeys;
use super::logins::CurrentLogin;
use super::scopes::Grant;
use crate::client::Registration;
use crate::clock::{Clock, Timestamp};
use crate::consent::{Allowed, ConsentId};
use crate::oauth::sealed_request::Authentication;
use crate::oauth::{AuthorizationError, ErrorCode, PageError, Prompt, RedirectUri, SealedRequest, SessionId};
use crate::random::Random;

pub mod answer;
pub mod begin;
pub mod log_out;
mod question;

pub use answer::ClientAnswer;
pub use question::LogInReason;
use question::{Asked, ConsentRule};

/// Leads from a client's request to its answer.
pub struct AuthorizationRequests {
    pub(super) clients: Arc<Clients>,
    pub(super) consents: Arc<Consents>,
    pub(super) authorizations: Arc<Authorizations>,
    pub(super) keys: Arc<TokenKeys>,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Random,
}

/// A request whose client and redirect URI are good.
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// What is asked for.
    pub sealed: SealedRequest,
    /// The client.
    pub client: Arc<Registration>,
    /// Where it is answered.
    pub redirect_uri: RedirectUri,
    /// What it would be granted.
    pub grant: Grant,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// The person signs in.
    LogIn(LogInReason),
    /// The person is asked what the client may do.
    Consent,
    /// The client is answered.
    Answer(ClientAnswer),
}

/// Why there is no next step.
#[derive(Debug, thiserror::Error)]
pub enum NotOpen {
    /// The person sees a page, since nothing may be sent to a client.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The request is good in all else, but too old. The client is told of where it can be reached.
    #[error("the request is too old")]
    Expired(Arc<Registration>),
    /// The client is told.
    #[error("the client is told why")]
    Answer(Box<ClientAnswer>),
    /// The server failed before it knew the client.
    #[error(transparent)]
    Failed(#[from] TokenError),
}

/// Whom a code is for, besides the login.
#[derive(Clone, Copy, Debug)]
pub struct Device<'a> {
    /// The browser's `User-Agent` header.
    pub user_agent: Option<&'a str>,
}

/// What lets a client begin.
#[derive(Clone, Copy)]
struct Permission {
    /// Since when the person's consent stands, if it needs one that is remembered.
    consent_since: Option<Timestamp>,
}

impl AuthorizationRequests {
    /// What comes next for a person who is signed in with `login`, or not at all.
    ///
    /// # Errors
    /// [`NotOpen`].
    pub async fn next(
        &self,
        open: &OpenRequest,
        login: Option<&CurrentLogin>,
        device: Device<'_>,
    ) -> Result<Next, NotOpen> {
        let is_quiet = open.sealed.request.prompts.contains(Prompt::None);
        let login = match question::log_in(&open.sealed, login) {
            Asked::Nothing(login) => login,
            Asked::LogIn(_) if is_quiet => {
                return Ok(Next::Answer(
                    open.refused(ErrorCode::LoginRequired, "Nobody is signed in as asked for."),
                ));
            }
            Asked::LogIn(reason) => return Ok(Next::LogIn(reason)),
            Asked::SomebodyElse => {
                let said = "Another person has signed in than the id_token_hint names.";
                return Ok(Next::Answer(open.refused(ErrorCode::LoginRequired, said)));
            }
        };
        match self.permission(open, login).await.map_err(|error| open.failed(&error))? {
            Some(permission) => self.code(open, login, (permission, device)).await.map(Next::Answer),
            None if is_quiet => Ok(Next::Answer(
                open.refused(ErrorCode::ConsentRequired, "The person has not allowed this yet."),
            )),
            None => Ok(Next::Consent),
        }
    }

    /// Why a person who is signed in with `login`, or not at all, must sign in before anything else.
    #[must_use]
    pub fn why_log_in(&self, open: &OpenRequest, login: Option<&CurrentLogin>) -> Option<LogInReason> {
        match question::log_in(&open.sealed, login) {
            Asked::Nothing(_) => None,
            Asked::LogIn(reason) => Some(reason),
            Asked::SomebodyElse => Some(LogInReason::SomebodyElse),
        }
    }

    /// The person lets the client begin.
    ///
    /// # Errors
    /// [`NotOpen`].
    pub async fn allow(
        &self,
        open: &OpenRequest,
        login: &CurrentLogin,
        device: Device<'_>,
    ) -> Result<ClientAnswer, NotOpen> {
        let (id, allowed) = open.consent(login);
        let given = self.consents.give(&id, &allowed).await;
        let consent_since = given.map_err(|error| {
            if error.should_log() {
                tracing::error!(client.id = %id.client, user.id = %id.user, error = %error, "a consent was not remembered");
            }
            open.failed(&error)
        })?;
        self.code(open, login, (Permission { consent_since }, device)).await
    }

    /// The same request, for a person who wants to sign in as somebody else.
    ///
    /// # Errors
    /// [`NotOpen::Failed`].
    pub fn with_another_account(&self, open: &OpenRequest) -> Result<String, NotOpen> {
        let mut sealed = open.sealed.clone();
        // A pushed request is remembered as used until its first time is over.
        if !sealed.is_pushed {
            sealed.at = self.clock.now();
        }
        sealed.authentication = None;
        sealed.request.prompts = sealed.request.prompts.with(Prompt::SelectAccount);
        self.seal(&sealed)
    }

    /// The text of a request for URLs and forms.
    ///
    /// # Errors
    /// [`NotOpen::Failed`] if there is no secret to seal with.
    pub fn seal(&self, sealed: &SealedRequest) -> Result<String, NotOpen> {
        Ok(sealed.seal(&self.keys.mac_keys()).ok_or(TokenError::NoKey)?)
    }

    /// What lets the client begin; `None` if the person must be asked.
    async fn permission(
        &self,
        open: &OpenRequest,
        login: &CurrentLogin,
    ) -> Result<Option<Permission>, TokenError> {
        let policy = open.client.metadata.consent;
        match question::consent(&open.sealed, login, policy, open.is_native()) {
            ConsentRule::Now => Ok(None),
            ConsentRule::Implied => Ok(Some(Permission { consent_since: None })),
            ConsentRule::Remembered => {
                let (id, allowed) = open.consent(login);
                let since = self.consents.covers(&id, &allowed).await?;
                Ok(since.map(|since| Permission { consent_since: Some(since) }))
            }
        }
    }

    /// Starts the session and answers with its code.
    async fn code(
        &self,
        open: &OpenRequest,
        login: &CurrentLogin,
        by: (Permission, Device<'_>),
    ) -> Result<ClientAnswer, NotOpen> {
        let code = match self.authorize(open, open.sealed.session, login, by).await {
            // RFC 9126 §7.3: a pushed request is good once.
            Err(AuthorizeError::Used(_)) if open.sealed.is_pushed => {
                return Err(NotOpen::Answer(Box::new(open.invalid(AuthorizationError::RequestUri))));
            }
            // The person went back and lets the client begin once more.
            Err(AuthorizeError::Used(_)) => {
                let id = self.random.uuid(self.clock.now()).map_err(|error| open.failed(&error.into()))?;
                self.authorize(open, SessionId::from(id), login, by).await
            }
            authorized => authorized,
        };
        match code {
            Ok(code) => Ok(open.answered(Ok(code))),
            Err(AuthorizeError::User | AuthorizeError::Used(_)) => {
                Ok(open.refused(ErrorCode::LoginRequired, "The person is no longer signed in."))
            }
            Err(AuthorizeError::Failed(TokenError::Client)) => Err(PageError::UnknownClient.into()),
            Err(AuthorizeError::Failed(error)) => Err(open.failed(&error)),
        }
    }

    async fn authorize(
        &self,
        open: &OpenRequest,
        id: SessionId,
        login: &CurrentLogin,
        (permission, device): (Permission, Device<'_>),
    ) -> Result<String, AuthorizeError> {
        let sealed = &open.sealed;
        let request = &sealed.request;
        let by = login.authorizer();
        let asked = Authorize {
            id,
            by,
            client: &open.client,
            grant: open.grant.clone(),
            redirect_uri: &request.redirect_uri,
            challenge: request.challenge,
            nonce: request.nonce.as_deref(),
            consent_since: permission.consent_since,
            kept_until: sealed.is_pushed.then(|| sealed.at.after(begin::LIFE).after(begin::PUSHED_LIFE)),
            user_agent: device.user_agent,
        };
        self.authorizations.authorize(asked).await
    }
}

impl OpenRequest {
    /// The person refuses.
    #[must_use]
    pub fn denied(&self) -> ClientAnswer {
        self.refused(ErrorCode::AccessDenied, "The person refused.")
    }

    /// The same request, for which the person has just typed the password.
    #[must_use]
    pub fn authenticated_by(&self, login: &CurrentLogin) -> Self {
        let mut open = self.clone();
        open.sealed.authentication = Some(Authentication { login: login.id, auth_time: login.auth_time });
        open
    }

    /// Whether the answer goes to an app on the person's device: by a scheme of its own, or to a port that the client has
    /// not registered, as whoever registers a URI without a port (RFC 8252 §7.1, §7.3). A page that is developed on this machine
    /// has its port registered.
    fn is_native(&self) -> bool {
        let (metadata, uri) = (&self.client.metadata, &self.redirect_uri);
        let is_registered = uri.has_loopback_port() && metadata.redirect_uris.contains(uri);
        let has_free_port = uri.is_loopback() && !is_registered;
        metadata.token_endpoint_auth_method.is_public() && (uri.has_private_scheme() || has_free_port)
    }

    /// What is remembered if the person agrees.
    fn consent(&self, login: &CurrentLogin) -> (ConsentId, Allowed) {
        let Grant { scope, audience } = self.grant.clone();
        let id = ConsentId { user: login.user, client: self.client.id.clone() };
        (id, Allowed { scope, resource: audience, redirect_host: self.redirect_uri.host().to_owned() })
    }

    fn refused(&self, code: ErrorCode, description: &str) -> ClientAnswer {
        self.answered(Err((code, description.to_owned())))
    }

    fn invalid(&self, error: AuthorizationError) -> ClientAnswer {
        self.answered(Err((error.code(), error.to_string())))
    }

    fn answered(&self, outcome: Result<String, (ErrorCode, String)>) -> ClientAnswer {
        let request = &self.sealed.request;
        ClientAnswer {
            client: Arc::clone(&self.client),
            redirect_uri: request.redirect_uri.clone(),
            answer: request.answer.clone(),
            outcome,
        }
    }

    /// A failure of the server's, told to the client.
    fn failed(&self, error: &TokenError) -> NotOpen {
        NotOpen::Answer(Box::new(self.answered(Err(answer::told(error)))))
    }
}
