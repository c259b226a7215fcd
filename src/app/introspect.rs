//! Introspection (RFC 7662): whether a token is valid now.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::access::LiveSession;
use super::authenticate::AuthenticatedClient;
use super::error::TokenError;
use super::tokens::Tokens;
use crate::client::Registration;
use crate::clock::Timestamp;
use crate::oauth::RefreshToken;
use crate::session::{Presented, decide};
use crate::token::AccessToken;

/// How often the hint is logged at most.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// When a hint for the operator was last logged; it is logged once a minute at most.
#[derive(Debug, Default)]
pub(super) struct Hint(AtomicU64);

impl Hint {
    /// Whether the hint should be logged again, also if the clock was set back. It then counts as logged.
    fn is_due(&self, now: Timestamp) -> bool {
        let told = self.0.load(Ordering::Relaxed);
        let then = Timestamp::from_millis(told);
        let is_due = told == 0 || now < then || now.since(then) >= TOLD_EVERY;
        is_due && self.0.compare_exchange(told, now.millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

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
        self.clients.session_epoch(authenticated).await?;
        if let Ok(token) = self.keys.codec().decode(token) {
            return self.introspect_refresh_token(client, token).await;
        }
        let Ok(token) = self.verifier.verified(token) else { return Ok(None) };
        let is_for = |server: &crate::oauth::Audience| token.aud.iter().any(|aud| aud == server.as_str());
        let Ok(session) = token.sid.parse() else { return Ok(None) };
        if client.metadata.introspects.is_empty() && self.introspection_hint.is_due(self.clock.now()) {
            tracing::warn!(
                client.id = %client.id,
                "a client that is registered as no resource server asked about an access token and was told that it is not \
                 active: set `introspects` to the audiences that it is"
            );
        }
        if !client.metadata.introspects.iter().any(is_for) {
            return Ok(None);
        }
        let live = self.sessions.live(session).await?.filter(|live| live.is_of(&token));
        let Some(live) = live else { return Ok(None) };
        let name = match live.user_id().filter(|_| client.metadata.introspects_usernames) {
            Some(user) => self.accounts.name_of(user).await?,
            None => None,
        };
        Ok(Some(Active::Access(Box::new(token), name)))
    }

    /// Introspection changes nothing: an old generation is reported as inactive, and does not count as reuse.
    async fn introspect_refresh_token(
        &self,
        client: &Registration,
        token: RefreshToken,
    ) -> Result<Option<Active>, TokenError> {
        let RefreshToken { session, generation, nonce } = token;
        let live = self.sessions.live(session).await?;
        let newest =
            live.filter(|live| decide::current(&live.session) == Some(Presented { generation, nonce }));
        let own = newest.filter(|live| live.session.started.client == client.id);
        Ok(own.map(Box::new).map(Active::Refresh))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_is_told_once_a_minute_and_after_a_clock_is_set_back() {
        let hint = Hint::default();
        let start = Timestamp::from_seconds(1_000_000);
        assert!(hint.is_due(start));
        assert!(!hint.is_due(start.after(Duration::from_secs(59))));
        assert!(hint.is_due(start.after(TOLD_EVERY)));
        assert!(hint.is_due(start.before(Duration::from_hours(24))));
        assert!(!hint.is_due(start.before(Duration::from_hours(24))));
    }
}
