//! A user's sessions: listing them, and ending them from the list. Logins are in [`super::browsers`].

use super::account_rate_limits::AccountChange;
use super::error::TokenError;
use super::logins::CurrentLogin;
use super::repository::{Change, Loaded};
use super::sessions::Sessions;
use super::users::{UserError, decided};
use super::why_over::Surroundings;
use crate::login;
use crate::oauth::{ClientId, KeptId, SessionId, UserId};
use crate::session::{self, Device, EndReason, Session, Status, device, index};
use crate::store::{RecordChange, RecordKey};
use crate::user::{Command, User};

/// How many records are deleted at a time.
const FORGOTTEN_AT_ONCE: usize = 100;

/// Whose sessions to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionOwner {
    /// A user's.
    User(UserId),
    /// A client's.
    Client(ClientId),
}

impl SessionOwner {
    pub(super) fn index(&self) -> RecordKey {
        match self {
            Self::User(user) => index::all_of_user(*user),
            Self::Client(client) => index::all_of_client(client),
        }
    }

    pub(super) fn place(&self, session: SessionId) -> RecordKey {
        match self {
            Self::User(user) => index::of_user(*user, session),
            Self::Client(client) => index::of_client(client, session),
        }
    }
}

/// A part of a list of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionsPage {
    /// The session after which the page begins.
    pub after: Option<SessionId>,
    /// How many sessions are read.
    pub limit: usize,
}

/// A live session in a list.
#[derive(Clone, Debug)]
pub struct ListedSession {
    /// Its id.
    pub id: SessionId,
    /// Its state.
    pub session: Session,
    /// The client's name, for people.
    pub client_name: String,
    /// What its device said of itself.
    pub device: Device,
}

impl Sessions {
    /// The live sessions of a user or a client, in the order in which they began, and the session after which the next
    /// page begins. It reads `limit` sessions and leaves out those that have ended, so a page can have fewer sessions
    /// without being the last.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn sessions(
        &self,
        owner: &SessionOwner,
        page: SessionsPage,
    ) -> Result<(Vec<ListedSession>, Option<SessionId>), TokenError> {
        let after = page.after.map(|session| owner.place(session));
        let keys = self.repository.scan(owner.index(), after, page.limit).await?;
        let next = if keys.len() == page.limit { keys.last() } else { None };
        let next = next.and_then(|(key, _)| index::session_of(key));
        let mut listed = Vec::with_capacity(keys.len());
        for id in keys.iter().filter_map(|(key, _)| index::session_of(key)) {
            let Some(live) = self.live(id).await? else { continue };
            let device = match live.user_id() {
                Some(user) => self.device(user, id).await?,
                None => Device::default(),
            };
            let client_name = live.registration.metadata.client_name.clone();
            listed.push(ListedSession { id, session: live.session, client_name, device });
        }
        Ok((listed, next))
    }

    /// A session of a user, also an ended one until it is removed; `None` if the user has no such session.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn own_session(
        &self,
        user: UserId,
        id: SessionId,
    ) -> Result<Option<ListedSession>, TokenError> {
        let state = self.repository.session(id).await?.state;
        let Some(session) = state.filter(|session| session.started.user == Some(user)) else {
            return Ok(None);
        };
        let client = self.clients.known(&session.started.client).await?;
        let client_name = client.map_or_else(
            || session.started.client.to_string(),
            |client| client.registration.metadata.client_name.clone(),
        );
        let device = self.device(user, id).await?;
        Ok(Some(ListedSession { id, session, client_name, device }))
    }

    /// What the device of a session or login sent about itself.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn device(&self, user: UserId, id: impl Into<KeptId>) -> Result<Device, TokenError> {
        let record = self.repository.record(device::record(user, id)).await?;
        Ok(record.map(|record| Device::decode(&record)).transpose()?.unwrap_or_default())
    }

    /// Ends one of a user's own sessions. `false` if the user has no such session; one that has ended already is not
    /// changed.
    ///
    /// # Errors
    /// [`TokenError`], and whether it has ended is unknown.
    pub async fn end_own_session(&self, user: UserId, id: SessionId) -> Result<bool, TokenError> {
        let end = |loaded: Loaded<Session>| async move {
            let Some(session) = loaded.state.as_ref().filter(|session| session.started.user == Some(user))
            else {
                return Ok(Change::none(loaded, false));
            };
            let reason = self.why_over(id, session).await?.unwrap_or(EndReason::User);
            if session.status == Status::Live && !loaded.is_retry {
                self.rate_limits.count_change(user, AccountChange::Sessions)?;
            }
            let events = session::end(session, reason, self.clock.now());
            Ok(Change::of(loaded, events, true))
        };
        self.repository.execute(&id, end).await
    }

    /// Ends all sessions of a user but `keep`, by one event, however many there are. If there is none, nothing is
    /// written.
    ///
    /// # Errors
    /// [`UserError`], and none has ended.
    pub async fn end_all_sessions(&self, user: UserId, keep: Option<SessionId>) -> Result<(), UserError> {
        let command = Command::EndSessions { keep: keep.map(Into::into) };
        let Some(keep) = keep else {
            self.rate_limits.count_change(user, AccountChange::Sessions)?;
            let end = |loaded: Loaded<User>| async {
                let events = decided(&loaded, command.clone(), self.clock.now())?;
                Ok(Change::of(loaded, events, ()))
            };
            return self.repository.execute(&user, end).await;
        };
        let command = &command;
        let end = |loaded: Loaded<User>| async move {
            // Checked for the version that is appended to: a session that somebody has just ended must not keep itself
            // and so become valid again.
            if self.live(keep).await?.is_none_or(|live| live.user_id() != Some(user)) {
                return Err(UserError::Unknown);
            }
            if !self.has_others(user, keep).await? {
                return Ok(Change::none(loaded, ()));
            }
            if !loaded.is_retry {
                self.rate_limits.count_change(user, AccountChange::Sessions)?;
            }
            let events = decided(&loaded, command.clone(), self.clock.now())?;
            Ok(Change::of(loaded, events, ()))
        };
        self.repository.execute(&user, end).await
    }

    /// Ends all sessions and logins of a user but this login and the sessions that began from it, by one event.
    ///
    /// # Errors
    /// [`UserError`], and none has ended. [`UserError::Unknown`] if the login itself was ended.
    pub async fn end_all_but_login(&self, login: &CurrentLogin) -> Result<(), UserError> {
        let end = |loaded: Loaded<User>| async move {
            // Checked for the version that is appended to, as above.
            let epoch = loaded.state.as_ref().map(|user| user.session_epoch);
            if !epoch.is_some_and(|epoch| login.holds_in(epoch)) {
                return Err(UserError::Unknown);
            }
            if !loaded.is_retry {
                self.rate_limits.count_change(login.user, AccountChange::Sessions)?;
            }
            let command = Command::EndSessions { keep: Some(login.id.into()) };
            let events = decided(&loaded, command, self.clock.now())?;
            Ok(Change::of(loaded, events, ()))
        };
        self.repository.execute(&login.user, end).await
    }

    /// Ends a client's sessions of one user, who has withdrawn a consent.
    pub(super) async fn end_all_of_client(&self, user: UserId, client: &ClientId) -> Result<(), TokenError> {
        let is_of_client = |session: &Session| session.started.client == *client;
        self.end_which(user, EndReason::ConsentWithdrawn, is_of_client).await
    }

    /// Ends some of a user's sessions, for this reason unless they have ended for another one.
    pub(super) async fn end_which(
        &self,
        user: UserId,
        reason: EndReason,
        which: impl Fn(&Session) -> bool + Sync,
    ) -> Result<(), TokenError> {
        let which = &which;
        let mut after = None;
        loop {
            let page = self.repository.scan(index::all_of_user(user), after, self.most_sessions()).await?;
            for id in page.iter().filter_map(|(key, _)| index::session_of(key)) {
                let end = |loaded: Loaded<Session>| async move {
                    let Some(session) = loaded.state.as_ref().filter(|session| which(session)) else {
                        return Ok::<_, TokenError>(Change::none(loaded, ()));
                    };
                    let reason = self.why_over(id, session).await?.unwrap_or(reason);
                    let events = session::end(session, reason, self.clock.now());
                    Ok(Change::of(loaded, events, ()))
                };
                self.repository.execute(&id, end).await?;
            }
            // There are more than fit on a page only after the limit of sessions was lowered.
            match page.into_iter().last() {
                Some((last, _)) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Whether a user has a live session besides `keep`, or a live login. It reads as many as there can be; if there are
    /// more, it assumes that one is live.
    async fn has_others(&self, user: UserId, keep: SessionId) -> Result<bool, TokenError> {
        let most = self.most_sessions();
        let keys = self.repository.scan(index::all_of_user(user), None, most).await?;
        let mut surroundings = Surroundings::of(self);
        for id in keys.iter().filter_map(|(key, _)| index::session_of(key)).filter(|id| *id != keep) {
            let Loaded { state: Some(session), .. } = self.repository.session(id).await? else { continue };
            let over = surroundings.why_over(id, &session).await?;
            // An expired session may become live again if the clock is corrected.
            if session.status == Status::Live && (over.is_none() || over == Some(EndReason::Expired)) {
                return Ok(true);
            }
        }
        if keys.len() == most { Ok(true) } else { self.has_login(user).await }
    }

    async fn has_login(&self, user: UserId) -> Result<bool, TokenError> {
        let most = self.most_sessions();
        let keys = self.repository.scan(login::index::all_of_user(user), None, most).await?;
        let standing = self.login_standing(user).await?;
        for id in keys.iter().filter_map(|(key, _)| login::index::login_of(key)) {
            let Some(login) = self.repository.login(id).await?.state else { continue };
            let over = login::decide::why_over(id, &login, &standing);
            if over.is_none() || over == Some(login::LogoutReason::Expired) {
                return Ok(true);
            }
        }
        Ok(keys.len() == most)
    }

    /// Deletes what the devices of a user said of themselves.
    ///
    /// # Errors
    /// [`TokenError`]; some may be left.
    pub async fn forget_devices(&self, user: UserId) -> Result<(), TokenError> {
        loop {
            let found = self.repository.scan(device::records_of(user), None, FORGOTTEN_AT_ONCE).await?;
            if found.is_empty() {
                return Ok(());
            }
            let deleted = found.into_iter().map(|(key, _)| RecordChange::Delete(key)).collect();
            self.repository.change_records(deleted).await?;
        }
    }
}
