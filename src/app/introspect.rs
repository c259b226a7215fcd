//! Introspection (RFC 7662): whether a token is good right now.

use super::App;
use super::access::LiveSession;
use super::error::TokenError;
use crate::client::{Authentication, Registration};
use crate::oauth::RefreshToken;
use crate::session::{Presented, decide};
use crate::token::AccessToken;

/// A token that is good.
pub enum Active {
    /// An access token, as it says itself; its session is live.
    Access(Box<AccessToken>),
    /// The newest refresh token of a session.
    Refresh(Box<LiveSession>),
}

impl App {
    /// What a token is, if it is good and the client may know. Resource servers may know of the access tokens that are
    /// for them, and a confidential client of its own refresh tokens. Everybody else is told what they would be told of
    /// a token that does not exist (RFC 7662 §2.2, §4).
    ///
    /// # Errors
    /// [`TokenError::Client`] for a client that has proved nothing (RFC 7662 §2.1: no scanning for tokens).
    /// [`TokenError::Store`] if it could not be found out.
    pub async fn introspect(&self, client: &Registration, token: &str) -> Result<Option<Active>, TokenError> {
        match client.authentication {
            Authentication::None => return Err(TokenError::Client),
            Authentication::Secret(_) => {}
        }
        self.usable(client).await?;
        if let Ok(token) = self.codec().decode(token) {
            return self.introspect_refresh_token(client, token).await;
        }
        let Ok(token) = self.verified(token) else { return Ok(None) };
        let is_for = |server: &crate::oauth::Audience| token.aud.iter().any(|aud| aud == server.as_str());
        let Ok(session) = token.sid.parse() else { return Ok(None) };
        if !client.introspects.iter().any(is_for) {
            return Ok(None);
        }
        Ok(self.live(session).await?.map(|_| Active::Access(Box::new(token))))
    }

    /// A look changes nothing: an old generation is not active, and no reuse either.
    async fn introspect_refresh_token(
        &self,
        client: &Registration,
        token: RefreshToken,
    ) -> Result<Option<Active>, TokenError> {
        let RefreshToken { session, generation, nonce } = token;
        let live = self.live(session).await?;
        let newest =
            live.filter(|live| decide::current(&live.session) == Some(Presented { generation, nonce }));
        let own = newest.filter(|live| live.session.started.client == client.id);
        Ok(own.map(Box::new).map(Active::Refresh))
    }
}
