//! Which authorization requests are good, and where errors go: until client and redirect URI are good, to a page; then to
//! the redirect URI (RFC 6749 §4.1.2.1).

use std::sync::Arc;
use std::time::Duration;

use super::answer::told;
use super::{AuthorizationRequests, ClientAnswer, NotOpen, OpenRequest};
use crate::app::clients::KnownClient;
use crate::app::error::TokenError;
use crate::client::{PkcePolicy, Registration};
use crate::clock::Timestamp;
use crate::oauth::authorization_request::{Answer, AuthorizationRequest, REQUEST_URI};
use crate::oauth::{
    AuthorizationError, ClientId, ErrorCode, GrantType, PageError, Parameters, PkceRule, Prompt, RedirectUri,
    SealedRequest, SessionId,
};
use crate::token::id_token_hint;

/// How long a pushed request is good (RFC 9126 §2.2).
pub const PUSHED_LIFE: Duration = Duration::from_secs(90);
/// How long a person may take to sign in.
pub(super) const LIFE: Duration = Duration::from_hours(1);

/// A pushed request, as the client gets it (RFC 9126 §2.2).
pub struct Pushed {
    /// The `request_uri`.
    pub request_uri: String,
    /// How long it is good.
    pub life: Duration,
}

/// Why a request is not taken, before anybody knows where the error goes.
enum Refused {
    Invalid(AuthorizationError),
    Token(TokenError),
    Quiet,
}

impl AuthorizationRequests {
    /// Opens a request that a browser brings from a client.
    ///
    /// # Errors
    /// [`NotOpen`].
    pub async fn begin(&self, parameters: &Parameters) -> Result<OpenRequest, NotOpen> {
        let id = parameters.client_id()?;
        if let Some(pushed) = parameters.pushed() {
            return self.begin_pushed(&id, pushed).await;
        }
        let client = self.client(&id).await?;
        let redirect_uri = parameters.redirect_uri()?;
        let redirect_uri = registered(&client, redirect_uri).ok_or(PageError::RedirectUri)?;
        // From here on the client is told.
        let checked = if client.metadata.require_pushed_authorization_requests {
            Err(Refused::Invalid(AuthorizationError::NotPushed))
        } else {
            self.checked(&client, parameters, self.clock.now())
        };
        checked
            .and_then(|sealed| self.opened(&client, &redirect_uri, sealed))
            .map_err(|refused| refused.told(&client, &redirect_uri, parameters.answer()))
    }

    /// Takes a request that a client pushes (RFC 9126 §2.1).
    ///
    /// # Errors
    /// A code and its description (RFC 9126 §2.3), or [`TokenError`].
    pub fn push(
        &self,
        client: &Registration,
        parameters: &Parameters,
    ) -> Result<Pushed, (ErrorCode, String)> {
        must_have_the_grant(client).map_err(Refused::code)?;
        let invalid = |error: PageError| (ErrorCode::InvalidRequest, error.to_string());
        let redirect_uri = parameters.redirect_uri().map_err(invalid)?;
        registered(client, redirect_uri).ok_or_else(|| invalid(PageError::RedirectUri))?;
        let now = self.clock.now();
        let sealed = self.checked(client, parameters, now).map_err(Refused::code)?;
        self.grant(client, &sealed.request).map_err(Refused::code)?;
        let sealed = SealedRequest { is_pushed: true, ..sealed };
        let sealed = sealed.seal_pushed(&self.keys.mac_keys()).ok_or_else(|| told(&TokenError::NoKey))?;
        Ok(Pushed { request_uri: format!("{REQUEST_URI}{sealed}"), life: PUSHED_LIFE })
    }

    /// Opens a request that a page carries on.
    ///
    /// # Errors
    /// [`NotOpen`].
    pub async fn open(&self, text: &str) -> Result<OpenRequest, NotOpen> {
        let sealed = SealedRequest::open(&self.keys.mac_keys(), text).ok_or(PageError::Expired)?;
        let client = self.client(&sealed.request.client).await?;
        if self.is_older(&sealed, LIFE) {
            return Err(NotOpen::Expired(client));
        }
        self.reopened(&client, sealed)
    }

    async fn begin_pushed(&self, id: &ClientId, pushed: &str) -> Result<OpenRequest, NotOpen> {
        let sealed =
            SealedRequest::open_pushed(&self.keys.mac_keys(), pushed).ok_or(PageError::RequestUri)?;
        // RFC 9126 §2.2: the request URI is bound to the client.
        if sealed.request.client != *id {
            return Err(PageError::ForeignRequestUri.into());
        }
        let client = self.client(id).await?;
        let is_old = self.is_older(&sealed, PUSHED_LIFE);
        // The person's time begins now.
        let sealed = SealedRequest { at: self.clock.now(), ..sealed };
        let open = self.reopened(&client, sealed)?;
        if is_old {
            return Err(NotOpen::Answer(Box::new(open.invalid(AuthorizationError::RequestUri))));
        }
        Ok(open)
    }

    /// A sealed request whose client is asked again: it may have changed meanwhile.
    fn reopened(&self, client: &Arc<Registration>, sealed: SealedRequest) -> Result<OpenRequest, NotOpen> {
        let redirect_uri = registered(client, &sealed.request.redirect_uri).ok_or(PageError::RedirectUri)?;
        let answer = sealed.request.answer.clone();
        self.opened(client, &redirect_uri, sealed)
            .map_err(|refused| refused.told(client, &redirect_uri, answer))
    }

    fn opened(
        &self,
        client: &Arc<Registration>,
        redirect_uri: &RedirectUri,
        sealed: SealedRequest,
    ) -> Result<OpenRequest, Refused> {
        let grant = self.grant(client, &sealed.request)?;
        Ok(OpenRequest { sealed, client: Arc::clone(client), redirect_uri: redirect_uri.clone(), grant })
    }

    /// Checks everything but client and redirect URI.
    fn checked(
        &self,
        client: &Registration,
        parameters: &Parameters,
        now: Timestamp,
    ) -> Result<SealedRequest, Refused> {
        let request = parameters.request(client.id.clone(), pkce_rule(client)).map_err(Refused::Invalid)?;
        let hinted = match parameters.id_token_hint() {
            None => None,
            // OpenID Connect Core §3.1.2.1: it names who should be signed in. One that is not ours names nobody: without
            // a page, nobody can be signed in then.
            Some(hint) => {
                let read = id_token_hint::read(&self.keys.signing, &self.settings.issuer, hint);
                let user = read.ok().and_then(|hint| hint.sub.parse().ok());
                if user.is_none() && request.prompts.contains(Prompt::None) {
                    return Err(Refused::Quiet);
                }
                user
            }
        };
        let session = self.random.uuid(now).map_err(|error| Refused::Token(error.into()))?;
        let session = SessionId::from(session);
        Ok(SealedRequest { request, at: now, session, is_pushed: false, hinted, authentication: None })
    }

    fn grant(
        &self,
        client: &Registration,
        request: &AuthorizationRequest,
    ) -> Result<crate::app::scopes::Grant, Refused> {
        must_have_the_grant(client)?;
        let catalogue = &self.settings.scopes;
        catalogue.grant(request.scope.as_ref(), &request.resources, client).map_err(Refused::Token)
    }

    async fn client(&self, id: &ClientId) -> Result<Arc<Registration>, NotOpen> {
        let known = self.clients.known(id).await?;
        let usable = known.filter(|known| known.usable().is_some());
        usable
            .map(|KnownClient { registration, .. }| registration)
            .ok_or_else(|| PageError::UnknownClient.into())
    }

    fn is_older(&self, sealed: &SealedRequest, life: Duration) -> bool {
        self.clock.now().since(sealed.at) >= life
    }
}

/// The redirect URI of a request, if it is one of the client's.
fn registered(client: &Registration, presented: &str) -> Option<RedirectUri> {
    let presented: RedirectUri = presented.parse().ok()?;
    let is_public = client.metadata.token_endpoint_auth_method.is_public();
    client.metadata.redirect_uris.iter().any(|own| own.matches(&presented, is_public)).then_some(presented)
}

fn must_have_the_grant(client: &Registration) -> Result<(), Refused> {
    let has = client.metadata.grant_types.contains(&GrantType::AuthorizationCode);
    if has { Ok(()) } else { Err(Refused::Token(TokenError::GrantNotRegistered)) }
}

fn pkce_rule(client: &Registration) -> PkceRule {
    let is_public = client.metadata.token_endpoint_auth_method.is_public();
    match client.metadata.pkce {
        // RFC 9700 §2.1.1: "Public clients MUST use PKCE."
        _ if is_public => PkceRule::Required,
        PkcePolicy::Required => PkceRule::Required,
        PkcePolicy::Optional => PkceRule::OrNonce,
        PkcePolicy::Legacy => PkceRule::NotNeeded,
    }
}

impl Refused {
    fn code(self) -> (ErrorCode, String) {
        match self {
            Self::Invalid(error) => (error.code(), error.to_string()),
            Self::Token(error) => told(&error),
            Self::Quiet => {
                (ErrorCode::LoginRequired, "The id_token_hint is no ID token of this server.".to_owned())
            }
        }
    }

    fn told(self, client: &Arc<Registration>, redirect_uri: &RedirectUri, answer: Answer) -> NotOpen {
        NotOpen::Answer(Box::new(ClientAnswer {
            client: Arc::clone(client),
            redirect_uri: redirect_uri.as_str().into(),
            answer,
            outcome: Err(self.code()),
        }))
    }
}
