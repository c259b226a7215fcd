//! A client's request to log somebody out (OpenID Connect RP-Initiated Logout 1.0): what is good, and where the browser
//! goes afterwards.

use std::time::Duration;

use super::AuthorizationRequests;
use super::answer::with_query;
use crate::app::error::TokenError;
use crate::app::logins::CurrentLogin;
use crate::oauth::authorization_request::MAX_STATE;
use crate::oauth::{ClientId, LogoutRequest, Parameters};
use crate::token::id_token_hint;

/// How long a person may take to answer.
const LIFE: Duration = Duration::from_hours(1);

/// Why a request to log out is not taken. The messages are for the client's developer; nothing is redirected.
#[derive(Debug, thiserror::Error)]
pub enum LogoutRefused {
    /// A parameter is there more than once.
    #[error("A parameter is there more than once: {0}.")]
    Repeated(&'static str),
    /// The ID token is forged, unsigned, another server's, or signed by a key that is gone.
    #[error("The id_token_hint is no ID token of this server.")]
    Hint,
    /// The ID token is another client's.
    #[error("The client_id is another one than the id_token_hint was given to.")]
    Client,
    /// RP-Initiated Logout §3: the URI MUST have been registered.
    #[error(
        "The post_logout_redirect_uri is not registered for this client. It must be the same text, character by \
         character."
    )]
    RedirectUri,
    /// The `state` is longer than this server carries.
    #[error("The state has more than {MAX_STATE} bytes.")]
    State,
    /// The server failed.
    #[error(transparent)]
    Failed(#[from] TokenError),
}

/// What is done about a request to log out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logout {
    /// Nobody is signed in.
    Nobody,
    /// It is the login that the client means: it ends.
    End,
    /// The person is asked.
    Ask,
}

impl AuthorizationRequests {
    /// Checks a request to log out; `None` if it has no ID token: then the person is asked, and nothing is redirected.
    ///
    /// # Errors
    /// [`LogoutRefused`].
    pub async fn logout_request(
        &self,
        parameters: &Parameters,
    ) -> Result<Option<LogoutRequest>, LogoutRefused> {
        if let Some(name) = parameters.repeated() {
            return Err(LogoutRefused::Repeated(name));
        }
        let Some(hint) = parameters.id_token_hint() else { return Ok(None) };
        let hint = id_token_hint::read(&self.keys.signing, &self.settings.issuer, hint);
        let hint = hint.map_err(|_| LogoutRefused::Hint)?;
        let client: ClientId = hint.aud.parse().map_err(|_| LogoutRefused::Hint)?;
        // RP-Initiated Logout §2: the server MUST verify that the two match.
        if parameters.get("client_id").is_some_and(|id| id != client.as_str()) {
            return Err(LogoutRefused::Client);
        }
        let state = parameters.get("state");
        if state.is_some_and(|state| state.len() > MAX_STATE) {
            return Err(LogoutRefused::State);
        }
        let redirect_uri = parameters.get("post_logout_redirect_uri");
        if let Some(uri) = redirect_uri
            && !self.has_post_logout_uri(&client, uri).await?
        {
            return Err(LogoutRefused::RedirectUri);
        }
        Ok(Some(LogoutRequest {
            client,
            user: hint.sub.parse().map_err(|_| LogoutRefused::Hint)?,
            login: hint.sid.and_then(|sid| sid.parse().ok()),
            redirect_uri: redirect_uri.map(Into::into),
            state: state.map(Into::into),
            at: self.clock.now(),
        }))
    }

    /// Opens a request that a page carries on; `None` if it is too old or was not made here.
    #[must_use]
    pub fn open_logout(&self, text: &str) -> Option<LogoutRequest> {
        let request = LogoutRequest::open(&self.keys.mac_keys(), text)?;
        (self.clock.now().since(request.at) < LIFE).then_some(request)
    }

    /// The text of a request for URLs and forms.
    ///
    /// # Errors
    /// [`TokenError::NoKey`] if there is no secret to seal with.
    pub fn seal_logout(&self, request: &LogoutRequest) -> Result<String, TokenError> {
        request.seal(&self.keys.mac_keys()).ok_or(TokenError::NoKey)
    }

    async fn has_post_logout_uri(&self, client: &ClientId, uri: &str) -> Result<bool, TokenError> {
        let known = self.clients.known(client).await?.filter(|known| known.usable().is_some());
        Ok(known.is_some_and(|known| {
            let registered = &known.registration.metadata.post_logout_redirect_uris;
            registered.iter().any(|own| own.as_str() == uri)
        }))
    }
}

/// What is done about a request, or about a person who comes without one.
#[must_use]
pub fn logout(request: Option<&LogoutRequest>, login: Option<&CurrentLogin>) -> Logout {
    match (request, login) {
        (_, None) => Logout::Nobody,
        // RP-Initiated Logout §2: the person SHOULD be asked, and MUST be if the ID token is of somebody else.
        (Some(request), Some(login)) if request.login == Some(login.id) && request.user == login.user => {
            Logout::End
        }
        (_, Some(_)) => Logout::Ask,
    }
}

/// Where the browser goes afterwards.
#[must_use]
pub fn destination(request: &LogoutRequest) -> Option<String> {
    let state = request.state.as_deref().map(|state| ("state", state));
    let uri = request.redirect_uri.as_deref()?;
    Some(with_query(uri, state.as_slice()))
}
