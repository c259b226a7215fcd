//! Verifies access tokens presented to heirloom, and that their sessions are still live.

use std::sync::Arc;

use super::Settings;
use super::admin::SCOPE;
use super::error::TokenError;
use super::session_reads::SessionReading;
use super::sessions::Sessions;
use crate::client::Registration;
use crate::clock::Clock;
use crate::oauth::{Actor, ClientId, Scope, SessionId, UserId};
use crate::session::{Session, Status};
use crate::store::Expected;
use crate::token::claims::jti;
use crate::token::{AccessToken, SigningKeys, Verifier, VerifyError};
use crate::user::User;

/// A live session, with its user and client.
pub struct LiveSession {
    /// Its id.
    pub id: SessionId,
    /// Its state.
    pub session: Session,
    /// The version of the session's stream that was loaded.
    pub expected: Expected,
    /// Its user, who is active; none if the client acts for itself.
    pub user: Option<User>,
    /// Its client, which is not switched off.
    pub registration: Arc<Registration>,
}

impl LiveSession {
    /// The user's id; none if the client acts for itself.
    #[must_use]
    pub const fn user_id(&self) -> Option<UserId> {
        self.session.started.user
    }

    /// Whether an access token that names this session is one of it. One that the client had for itself may be of a session
    /// before it.
    #[must_use]
    pub fn is_of(&self, token: &AccessToken) -> bool {
        is_of(self.id, &self.session, token)
    }
}

/// An access token that is valid for heirloom's own API, with its live session.
pub struct Access {
    /// What it says.
    pub token: AccessToken,
    /// The session that it belongs to.
    pub live: LiveSession,
    /// The user.
    pub user: UserId,
    /// The user's roles, as they are now.
    pub roles: Vec<String>,
}

/// Why an access token is refused by heirloom's own API (RFC 6750 §3.1).
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// It is not heirloom's, not for its own API, damaged, or its session has ended: `invalid_token`.
    #[error("the access token is not valid")]
    Invalid,
    /// It has expired: `invalid_token`.
    #[error("the access token has expired")]
    Expired,
    /// It does not have the scope, or none of those of which it needs one: `insufficient_scope`.
    #[error("the access token does not have the scope {0}")]
    Scope(&'static str),
    /// Whether it is valid could not be found out.
    #[error(transparent)]
    Failed(#[from] TokenError),
}

/// Verifies access tokens that come back to us.
pub struct AccessTokens {
    pub(super) sessions: Arc<Sessions>,
    pub(super) settings: Arc<Settings>,
    pub(super) signing: Arc<SigningKeys>,
    /// Verifies access tokens for heirloom's own API.
    pub(super) own: Verifier,
    /// Verifies access tokens for any audience.
    pub(super) any: Verifier,
    pub(super) clock: Arc<dyn Clock>,
}

impl AccessTokens {
    /// Verifies an access token for heirloom's own API: it must have one of `scopes`, and its session must be live. If it has
    /// none of them, the first is what the error names.
    ///
    /// # Errors
    /// [`AccessError`].
    pub async fn access(&self, token: &str, scopes: &[&'static str]) -> Result<Access, AccessError> {
        let now = self.clock.now();
        let verified = match self.own.verify(&self.signing, token, now) {
            // Only a scope of heirloom's own API brings the issuer into `aud`: this token has none of them.
            Err(VerifyError::Audience) => self.any.verify(&self.signing, token, now),
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
        let client = token.client_id.parse().ok();
        let mut live = self.sessions.live_of(session, client.as_ref()).await?.ok_or(AccessError::Invalid)?;
        if !live.is_of(&token) {
            return Err(AccessError::Invalid);
        }
        let refused = || AccessError::Scope(scopes.first().copied().unwrap_or_default());
        if !token.scope.split(' ').any(|word| scopes.contains(&word)) {
            return Err(refused());
        }
        // No client gets such a scope for itself.
        let (Some(user), Some(id)) = (&mut live.user, live.session.started.user) else {
            return Err(refused());
        };
        let roles = std::mem::take(&mut user.roles);
        Ok(Access { token, live, user: id, roles })
    }

    /// The contents of an access token of this server for any audience. Its session is not checked.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn verified(&self, token: &str) -> Result<AccessToken, VerifyError> {
        self.any.verify(&self.signing, token, self.clock.now())
    }

    /// The administrator who uses this access token. A role that was taken away after the token was issued counts no
    /// more.
    ///
    /// # Errors
    /// [`AccessError::Scope`].
    pub fn administrator(&self, access: &Access) -> Result<Actor, AccessError> {
        let live = &access.live;
        let scope: Scope = std::iter::once(SCOPE).collect();
        let permitted = self.settings.scopes.permitted(&scope, &live.registration, &access.roles);
        if permitted.contains(SCOPE) {
            Ok(Actor::Administrator(access.user))
        } else {
            Err(AccessError::Scope(SCOPE))
        }
    }
}

/// Whether an access token that names a session is one of it, and of none that was before it on its stream.
pub(super) fn is_of(id: SessionId, session: &Session, token: &AccessToken) -> bool {
    session.started.user.is_some()
        || jti(&session.token_family(id), session.generation.0, token.iat, &token.scope) == token.jti
}

impl Sessions {
    /// A session, unless it has ended by an event, its expiry, a raised epoch of its user or client, or with its login.
    ///
    /// # Errors
    /// [`TokenError`] if that could not be found out.
    pub async fn live(&self, id: SessionId) -> Result<Option<LiveSession>, TokenError> {
        self.live_of(id, None).await
    }

    /// As [`live`](Self::live), where somebody says whose session it is: that client is read at the same time.
    ///
    /// # Errors
    /// [`TokenError`] if that could not be found out.
    pub(super) async fn live_of(
        &self,
        id: SessionId,
        client: Option<&ClientId>,
    ) -> Result<Option<LiveSession>, TokenError> {
        let expected = async {
            match client {
                Some(client) => self.clients.known(client).await,
                None => Ok(None),
            }
        };
        let (reading, installation_epoch, known) = tokio::try_join!(
            self.repository.session_reading(id, self.clock.now()),
            self.installation.current(),
            expected,
        )?;
        let SessionReading { session: loaded, user, login_end } = reading;
        let Some(session) = loaded.state else { return Ok(None) };
        let now = self.clock.now().max(session.last_event_at);
        if session.status != Status::Live
            || session.is_expired(now)
            || !session.started.is_in(installation_epoch)
            || login_end.is_some()
        {
            return Ok(None);
        }
        let known = match known {
            Some(known) if known.registration.id == session.started.client => Some(known),
            Some(_) | None => self.clients.known(&session.started.client).await?,
        };
        let Some(client) = known else { return Ok(None) };
        let client_holds =
            client.usable().is_some_and(|client| client.covers(id, session.started.client_epoch));
        let user_holds = session.started.user.is_none()
            || user
                .as_ref()
                .is_some_and(|user| user.is_active() && session.started.holds_in(id, user.session_epoch));
        let registration = client.registration;
        let live = LiveSession { id, session, expected: loaded.expected, user, registration };
        Ok((client_holds && user_holds).then_some(live))
    }
}
