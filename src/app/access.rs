//! Access tokens that come back to us: whether what they stand on still holds.

use std::sync::Arc;

use super::App;
use super::error::TokenError;
use crate::client::Registration;
use crate::oauth::{SessionId, UserId};
use crate::session::{Session, Status};
use crate::store::Expected;
use crate::token::{AccessToken, VerifyError};
use crate::user::User;

/// A session that nothing has ended, with everything that it stands on.
pub struct LiveSession {
    /// Its id.
    pub id: SessionId,
    /// Its state.
    pub session: Session,
    /// The version of its stream that this is.
    pub expected: Expected,
    /// Its user, who is active.
    pub user: User,
    /// Its client, which is not switched off.
    pub registration: Arc<Registration>,
}

impl LiveSession {
    /// The user's id.
    #[must_use]
    pub const fn user_id(&self) -> UserId {
        self.session.started.user
    }
}

/// An access token that is good for heirloom's own API.
pub struct Access {
    /// What it says.
    pub token: AccessToken,
    /// The session that it belongs to.
    pub live: LiveSession,
}

/// Why an access token is no good for heirloom's own API (RFC 6750 §3.1).
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// It is not ours, not for us, damaged, or its session has ended: `invalid_token`.
    #[error("the access token is not valid")]
    Invalid,
    /// Its time is over: `invalid_token`.
    #[error("the access token has expired")]
    Expired,
    /// It does not have the scope: `insufficient_scope`.
    #[error("the access token does not have the scope {0}")]
    Scope(&'static str),
    /// It could not be found out.
    #[error(transparent)]
    Failed(#[from] TokenError),
}

impl App {
    /// What an access token gives access to, if it has `scope` and its session is live.
    ///
    /// # Errors
    /// [`AccessError`].
    pub async fn access(&self, token: &str, scope: &'static str) -> Result<Access, AccessError> {
        let now = self.clock.now();
        let verified = match self.own_tokens.verify(&self.keys, token, now) {
            // What brings the issuer into `aud` is a scope of its own API: it has none of them.
            Err(VerifyError::Audience) => self.any_tokens.verify(&self.keys, token, now),
            verified => verified,
        };
        let token = verified.map_err(|error| match error {
            VerifyError::Expired => AccessError::Expired,
            VerifyError::Malformed
            | VerifyError::Algorithm
            | VerifyError::Type
            | VerifyError::UnknownKey
            | VerifyError::Signature
            | VerifyError::Issuer
            | VerifyError::Audience
            | VerifyError::Claims => AccessError::Invalid,
        })?;
        let session = token.sid.parse().map_err(|_| AccessError::Invalid)?;
        let live = self.live(session).await?.ok_or(AccessError::Invalid)?;
        if !token.scope.split(' ').any(|word| word == scope) {
            return Err(AccessError::Scope(scope));
        }
        Ok(Access { token, live })
    }

    /// What an access token of ours says, whomever it is for; nothing is said of its session.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn verified(&self, token: &str) -> Result<AccessToken, VerifyError> {
        self.any_tokens.verify(&self.keys, token, self.clock.now())
    }

    /// A session, if nothing has ended it: no event, no expiry, no epoch of its user or its client.
    ///
    /// # Errors
    /// [`TokenError`] if it could not be found out.
    pub async fn live(&self, id: SessionId) -> Result<Option<LiveSession>, TokenError> {
        let loaded = self.repository.session(id).await?;
        let Some(session) = loaded.state else { return Ok(None) };
        let now = self.clock.now().max(session.last_event_at);
        if session.status != Status::Live
            || session.is_expired(now)
            || self.is_from_before_a_restore(&session)
        {
            return Ok(None);
        }
        let Some(user) = self.repository.user(session.started.user).await?.state else { return Ok(None) };
        let Some(client) = self.client(&session.started.client).await? else { return Ok(None) };
        let client_holds =
            client.usable().is_some_and(|client| client.covers(id, session.started.client_epoch));
        let user_holds = user.is_active() && user.standing.covers(id, session.started.user_epoch);
        let registration = client.registration;
        let live = LiveSession { id, session, expected: loaded.expected, user, registration };
        Ok((client_holds && user_holds).then_some(live))
    }
}
