//! Revocation (RFC 7009): a client signs out.

use super::access::is_of;
use super::authenticate::AuthenticatedClient;
use super::error::TokenError;
use super::repository::{Change, Loaded, OutcomeUnknown};
use super::tokens::Tokens;
use crate::client::Registration;
use crate::oauth::{NotOpened, SessionId};
use crate::session::{self, EndReason, Session};
use crate::token::AccessToken;

impl Tokens {
    /// Ends the session of a token. A refresh token may be of any generation. A text that is not a token of this client
    /// changes nothing, and gets the same answer (RFC 7009 §2.2). The kinds of tokens can't be confused, so the hint is
    /// not needed.
    ///
    /// # Errors
    /// [`TokenError::Client`] if the client is switched off. [`TokenError::AccessTokenRevocation`] for an access token,
    /// if the client is configured so. [`TokenError::Store`] if the end could not be made durable.
    /// [`TokenError::SecretUnusable`].
    pub async fn revoke(&self, client: &AuthenticatedClient, token: &str) -> Result<(), TokenError> {
        self.clients.session_epoch(client).await?;
        let client = &*client.registration;
        match self.keys.codec().decode(token) {
            Ok(token) => return self.log_out(client, token.session, None).await,
            Err(NotOpened::Foreign) => {}
            Err(NotOpened::SecretUnusable) => return Err(TokenError::SecretUnusable),
        }
        // An expired token needs no revocation.
        let Ok(token) = self.verifier.verified(token) else { return Ok(()) };
        if token.client_id != client.id.as_str() {
            return Ok(());
        }
        if !client.metadata.revoke_access_tokens {
            return Err(TokenError::AccessTokenRevocation);
        }
        match token.sid.parse() {
            Ok(session) => self.log_out(client, session, Some(&token)).await,
            Err(_) => Ok(()),
        }
    }

    /// Whether a refresh token, of any generation, belongs to a live session of the client.
    ///
    /// # Errors
    /// [`TokenError`] if it could not be found out.
    pub async fn is_of_a_live_session(
        &self,
        client: &AuthenticatedClient,
        token: &str,
    ) -> Result<bool, TokenError> {
        let token = match self.keys.codec().decode(token) {
            Ok(token) => token,
            Err(NotOpened::Foreign) => return Ok(false),
            Err(NotOpened::SecretUnusable) => return Err(TokenError::SecretUnusable),
        };
        let live = self.sessions.live(token.session).await?;
        Ok(live.is_some_and(|live| live.session.started.client == client.registration.id))
    }

    async fn log_out(
        &self,
        client: &Registration,
        id: SessionId,
        token: Option<&AccessToken>,
    ) -> Result<(), TokenError> {
        let ours = &client.id;
        let decide = |loaded: Loaded<Session>| async {
            let Some(session) = &loaded.state else { return Ok(Change::none(loaded, false)) };
            // RFC 7009 §2.1: the token must have been issued to the client that revokes it.
            if session.started.client != *ours {
                tracing::info!(session.id = %id, client.id = %ours, "another client's token was not revoked");
                return Ok(Change::none(loaded, false));
            }
            // One that the client had for itself may be of a session that has ended before.
            if token.is_some_and(|token| !is_of(id, session, token)) {
                return Ok(Change::none(loaded, false));
            }
            let events = session::end(session, EndReason::Logout, self.clock.now());
            let ends = !events.is_empty();
            Ok(Change::of(loaded, events, ends))
        };
        // If the append may have succeeded, loading again shows whether it has.
        let ended: Result<_, TokenError> =
            self.repository.execute_with(OutcomeUnknown::IsLookedAt, &id, decide).await;
        if ended? {
            tracing::info!(session.id = %id, client.id = %ours, "signed out");
        }
        Ok(())
    }
}
