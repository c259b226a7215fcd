//! Reads and ends sessions for administrators.

use super::Administration;
use crate::app::devices::SessionOwner;
use crate::app::error::TokenError;
use crate::app::repository::{Change, Loaded};
use crate::clock::Timestamp;
use crate::oauth::{Actor, SessionId};
use crate::session::{self, EndReason, Session, Status, index};

/// A session, and whether it is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDetails {
    /// Its id.
    pub id: SessionId,
    /// Its state.
    pub session: Session,
    /// Why it has ended; `None` if it is live. An expiry and a raised epoch are reported even before they are recorded.
    pub over: Option<EndReason>,
    /// When it ended, if that is recorded.
    pub ended_at: Option<Timestamp>,
}

impl Administration {
    /// At most `limit` sessions of a user or a client whose end is not in the log, in the order of their ids,
    /// after `after`; and the one after which the next page begins.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn list_sessions(
        &self,
        owner: &SessionOwner,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<(Vec<SessionDetails>, Option<SessionId>), TokenError> {
        let page = self.repository.scan(owner.index(), after.map(|after| owner.place(after)), limit).await?;
        let ids: Vec<SessionId> = page.iter().filter_map(|(key, _)| index::session_of(key)).collect();
        let next = ids.last().copied().filter(|_| page.len() == limit);
        let mut sessions = Vec::with_capacity(ids.len());
        for id in ids {
            sessions.extend(self.session_details(id).await?);
        }
        Ok((sessions, next))
    }

    /// A session by its id.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn session_details(&self, id: SessionId) -> Result<Option<SessionDetails>, TokenError> {
        let Some(session) = self.repository.session(id).await?.state else { return Ok(None) };
        let (over, ended_at) = match session.status {
            Status::Ended { at, reason } => (Some(reason), Some(at)),
            Status::Live => (self.no_longer_holds(id, &session).await?, None),
            // Nobody is signed in by it yet.
            Status::Authorized { .. } => return Ok(None),
        };
        Ok(Some(SessionDetails { id, session, over, ended_at }))
    }

    /// Ends a session; changes nothing if it has ended already. `false` if there is none.
    ///
    /// # Errors
    /// [`TokenError`], and whether it ended is unknown.
    pub async fn administer_session_end(&self, id: SessionId, by: Actor) -> Result<bool, TokenError> {
        let end = |loaded: Loaded<Session>| async {
            let Some(session) = &loaded.state else { return Ok(Change::none(loaded, false)) };
            let events = session::end_by(session, EndReason::Admin, Some(by), self.clock.now());
            Ok(Change::of(loaded, events, true))
        };
        self.repository.execute(&id, end).await
    }

    /// Why a session whose end is not in the log has ended nevertheless.
    async fn no_longer_holds(
        &self,
        id: SessionId,
        session: &Session,
    ) -> Result<Option<EndReason>, TokenError> {
        let started = &session.started;
        if session.is_expired(self.clock.now().max(session.last_event_at)) {
            return Ok(Some(EndReason::Expired));
        }
        if self.sessions.installation.is_from_before_a_restore(session).await? {
            return Ok(Some(EndReason::Restored));
        }
        if let Some(user) = started.user {
            let user = self.repository.user(user).await?.state.filter(crate::user::User::is_active);
            if !user.is_some_and(|user| started.holds_in(id, user.session_epoch)) {
                return Ok(Some(EndReason::UserEpoch));
            }
        }
        let client = self.clients.known(&started.client).await?.and_then(|client| client.usable());
        let holds = client.is_some_and(|session_epoch| session_epoch.covers(id, started.client_epoch));
        if !holds {
            return Ok(Some(EndReason::ClientEpoch));
        }
        Ok(self.sessions.login_end(session).await?.map(|_| EndReason::LoginEnded))
    }
}
