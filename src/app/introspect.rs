//! Introspection (RFC 7662): whether a token is good right now.

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

/// How often an operator is told.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// What an operator is told once a minute at most, whoever asks how often.
#[derive(Debug, Default)]
pub(super) struct Hint(AtomicU64);

impl Hint {
    /// Whether it is time to tell it again, also if the clock was set back; then it counts as told.
    fn is_due(&self, now: Timestamp) -> bool {
        let told = self.0.load(Ordering::Relaxed);
        let then = Timestamp::from_millis(told);
        let is_due = told == 0 || now < then || now.since(then) >= TOLD_EVERY;
        is_due && self.0.compare_exchange(told, now.millis(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// A token that is good.
pub enum Active {
    /// An access token, as it says itself; its session is live. With the user's name, if the client is to know it.
    Access(Box<AccessToken>, Option<String>),
    /// The newest refresh token of a session.
    Refresh(Box<LiveSession>),
}

impl Tokens {
    /// What a token is, if it is good and the client may know. Resource servers may know of the access tokens that are
    /// for them, and a confidential client of its own refresh tokens. Everybody else is told what they would be told of
    /// a token that does not exist (RFC 7662 §2.2, §4).
    ///
    /// # Errors
    /// [`TokenError::Client`] for a client that has proved nothing (RFC 7662 §2.1: no scanning for tokens).
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

    /// A look changes nothing: an old generation is not active, and no reuse either.
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
