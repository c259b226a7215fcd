//! Whether a session has ended without an event of its own.

use std::collections::HashMap;

use super::error::TokenError;
use super::sessions::Sessions;
use crate::login::LogoutReason;
use crate::oauth::{ClientId, LoginId, SessionEpoch, SessionId, UserId};
use crate::session::{EndReason, Session, Status};

/// What sessions are compared with. Those of one user share most of it, so each part is read once.
pub(super) struct Surroundings<'a> {
    sessions: &'a Sessions,
    installation_epoch: Option<u32>,
    users: HashMap<UserId, Option<SessionEpoch>>,
    clients: HashMap<ClientId, SessionEpoch>,
    logins: HashMap<LoginId, Option<LogoutReason>>,
}

impl Sessions {
    /// Why a session has ended without an event of its own.
    pub(super) async fn why_over(
        &self,
        id: SessionId,
        session: &Session,
    ) -> Result<Option<EndReason>, TokenError> {
        Surroundings::of(self).why_over(id, session).await
    }
}

impl<'a> Surroundings<'a> {
    /// Nothing is read yet.
    pub(super) fn of(sessions: &'a Sessions) -> Self {
        Self {
            sessions,
            installation_epoch: None,
            users: HashMap::new(),
            clients: HashMap::new(),
            logins: HashMap::new(),
        }
    }

    /// Why a session has ended without an event of its own: an epoch of the installation, its user or its client was
    /// raised, its login has ended, or it has expired. A client that the configuration lacks at the moment does not end a
    /// session for ever.
    pub(super) async fn why_over(
        &mut self,
        id: SessionId,
        session: &Session,
    ) -> Result<Option<EndReason>, TokenError> {
        if session.status != Status::Live {
            return Ok(None);
        }
        if !session.started.is_in(self.installation().await?) {
            return Ok(Some(EndReason::Restored));
        }
        let started = &session.started;
        if let Some(user) = started.user
            && self.user(user).await?.is_some_and(|epoch| !started.holds_in(id, epoch))
        {
            return Ok(Some(EndReason::UserEpoch));
        }
        if !self.client(&started.client).await?.covers(id, started.client_epoch) {
            return Ok(Some(EndReason::ClientEpoch));
        }
        let login = match started.online() {
            Some(login) => self.login(login).await?,
            None => None,
        };
        if login.is_some_and(|reason| reason != LogoutReason::Expired) {
            return Ok(Some(EndReason::LoginEnded));
        }
        let now = self.sessions.clock.now().max(session.last_event_at);
        Ok((session.is_expired(now) || login.is_some()).then_some(EndReason::Expired))
    }

    async fn installation(&mut self) -> Result<u32, TokenError> {
        if let Some(known) = self.installation_epoch {
            return Ok(known);
        }
        let epoch = self.sessions.installation.current().await?;
        self.installation_epoch = Some(epoch);
        Ok(epoch)
    }

    /// A user's epoch; `None` if there is no such user.
    async fn user(&mut self, id: UserId) -> Result<Option<SessionEpoch>, TokenError> {
        if let Some(known) = self.users.get(&id) {
            return Ok(*known);
        }
        let epoch = self.sessions.repository.user(id).await?.state.map(|user| user.session_epoch);
        self.users.insert(id, epoch);
        Ok(epoch)
    }

    async fn client(&mut self, id: &ClientId) -> Result<SessionEpoch, TokenError> {
        if let Some(known) = self.clients.get(id) {
            return Ok(*known);
        }
        let epoch = self.sessions.repository.client(id).await?.state.unwrap_or_default().session_epoch;
        self.clients.insert(id.clone(), epoch);
        Ok(epoch)
    }

    /// Why a login has ended; `None` if it has not.
    async fn login(&mut self, id: LoginId) -> Result<Option<LogoutReason>, TokenError> {
        if let Some(known) = self.logins.get(&id) {
            return Ok(*known);
        }
        let end = self.sessions.repository.login_end(Some(id), self.sessions.clock.now()).await?;
        self.logins.insert(id, end);
        Ok(end)
    }
}
