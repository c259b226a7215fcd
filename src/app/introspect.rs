//! Introspection (RFC 7662): whether a token is valid now.

use super::access::LiveSession;
use super::authenticate::AuthenticatedClient;
use super::error::TokenError;
use super::tokens::Tokens;
use crate::oauth::{NotOpened, RefreshToken};
use crate::session::{Presented, decide};
use crate::token::AccessToken;

/// A valid token.
pub enum Active {
    /// An access token with a live session; and the user's name, if the client may know it.
    Access(Box<AccessToken>, Option<String>),
    /// The newest refresh token of a session.
    Refresh(Box<LiveSession>),
}

impl Tokens {
    /// The token's contents, if it is valid and the client may know them. A resource server may introspect the access
    /// tokens for it, and a confidential client its own refresh tokens. Everybody else gets the answer for a token that
    /// does not exist (RFC 7662 §2.2, §4).
    ///
    /// # Errors
    /// [`TokenError::Client`] for a public client (RFC 7662 §2.1: nobody may scan for tokens).
    /// [`TokenError::Store`] if it could not be found out.
    pub async fn introspect(
        &self,
        authenticated: &AuthenticatedClient,
        token: &str,
    ) -> Result<Option<Active>, TokenError> {
        let client = &*authenticated.registration;
        if client.metadata.token_endpoint_auth_method.is_public() {
            return Err(TokenError::Client);
        }
        match self.keys.codec().decode(token) {
            Ok(token) => return self.introspect_refresh_token(authenticated, token).await,
            Err(NotOpened::Foreign) => {}
            Err(NotOpened::SecretUnusable) => return Err(TokenError::SecretUnusable),
        }
        let token = self.verifier.verified(token).ok();
        let Some((session, token)) = token.and_then(|token| Some((token.sid.parse().ok()?, token))) else {
            self.clients.session_epoch(authenticated).await?;
            return Ok(None);
        };
        let of = token.client_id.parse().ok();
        let (may_ask, live) = tokio::join!(
            self.clients.session_epoch(authenticated),
            self.sessions.live_of(session, of.as_ref()),
        );
        may_ask?;
        let is_for = |server: &crate::oauth::Audience| token.aud.iter().any(|aud| aud == server.as_str());
        if client.metadata.introspects.is_empty() && self.introspection_hint.is_due(self.clock.now()) {
            tracing::warn!(
                client.id = %client.id,
                "a client that is not registered as a resource server introspected an access token, and was answered that it \
                 is not active: set `introspects` to the audiences of the client"
            );
        }
        if !client.metadata.introspects.iter().any(is_for) {
            return Ok(None);
        }
        let Some(live) = live?.filter(|live| live.is_of(&token)) else { return Ok(None) };
        let name = match live.user_id().filter(|_| client.metadata.introspects_usernames) {
            Some(user) => self.accounts.name_of(user).await?,
            None => None,
        };
        Ok(Some(Active::Access(Box::new(token), name)))
    }

    /// Introspection changes nothing: an old generation is reported as inactive, and does not count as reuse.
    async fn introspect_refresh_token(
        &self,
        authenticated: &AuthenticatedClient,
        token: RefreshToken,
    ) -> Result<Option<Active>, TokenError> {
        let RefreshToken { session, generation, nonce } = token;
        let client = &authenticated.registration.id;
        let (may_ask, live) = tokio::join!(
            self.clients.session_epoch(authenticated),
            self.sessions.live_of(session, Some(client)),
        );
        may_ask?;
        let newest =
            live?.filter(|live| decide::current(&live.session) == Some(Presented { generation, nonce }));
        let own = newest.filter(|live| live.session.started.client == *client);
        Ok(own.map(Box::new).map(Active::Refresh))
    }
}
