//! Makes deliveries of the outbox's entries.
//!
//! The deliveries of an entry take its place in one change of records, which also forgets that these clients know a
//! login that is over. Only where there are very many does that take several changes; the entry goes with the last one. If
//! the process ends between two, the next one makes the same deliveries, under the same ids.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::BackchannelLogout;
use super::delivery::{self, LogoutDelivery};
use super::outbox::{self, Ending, known_login};
use crate::app::error::TokenError;
use crate::clock::Timestamp;
use crate::oauth::{ClientId, LoginId, SessionEpoch, SessionId, UserId};
use crate::session::{EndReason, Session, Status, index as sessions};
use crate::store::{RecordChange, RecordKey, StoreError};

/// How many entries, logins, sessions or clients are read at a time.
const PAGE: usize = 100;
/// How many deliveries are written at a time.
const WRITTEN_AT_ONCE: usize = 100;

/// Who is told of what: the clients, with the logins that they know.
type Told = BTreeSet<(LoginId, ClientId)>;

impl BackchannelLogout {
    /// Makes deliveries of all entries. One that can't be expanded is dropped: it must not hold up the others.
    pub(super) async fn expand(&self) -> Result<(), TokenError> {
        loop {
            let entries = self.repository.scan(outbox::all(), None, PAGE).await?;
            if entries.is_empty() {
                return Ok(());
            }
            for (key, ending) in entries {
                let expanded = match Ending::decode(&ending) {
                    Ok(ending) => self.expand_one(key.clone(), ending).await,
                    Err(error) => Err(error.into()),
                };
                match expanded {
                    Ok(()) => {}
                    Err(error) if is_for_a_time(&error) => return Err(error),
                    Err(error) => {
                        tracing::error!(error = %error, "an entry of the logout outbox can't be used: nobody is told of it");
                        self.repository.change_records(vec![RecordChange::Delete(key)]).await?;
                    }
                }
            }
        }
    }

    async fn expand_one(&self, entry: RecordKey, ending: Ending) -> Result<(), TokenError> {
        let (user, told, is_forgotten) = match ending {
            Ending::Login { login, user } => {
                (user, self.who_know(outbox::all_who_know(user, login)).await?, true)
            }
            // The login lives on: the client may begin again by it, also with a code that it has already.
            Ending::Session { client, login, user } => (user, Told::from([(login, client)]), false),
            Ending::Consent { client, user, at } => {
                (user, self.told_of_withdrawal(user, &client, at).await?, false)
            }
            Ending::User { user, before } => (user, self.told_of_user(user, before).await?, true),
        };
        let now = self.clock.now();
        let (mut changes, mut made) = (Vec::new(), 0_u64);
        for (login, client) in told {
            if is_forgotten {
                changes.push(RecordChange::Delete(outbox::known_to(user, login, &client)));
            }
            if self.listens(&client).await? {
                let id = delivery::id(&entry, login, &client);
                // Due at once: at the earliest time that there is, so that the key is the same however often it is made.
                let key = delivery::pending(&client, Timestamp::default(), &id);
                let delivery = LogoutDelivery { client, user, login, since: now, tries: 0, last_error: None };
                changes.push(RecordChange::Put(key, delivery.encode()));
                made = made.saturating_add(1);
            }
            if changes.len() >= WRITTEN_AT_ONCE {
                self.repository.change_records(std::mem::take(&mut changes)).await?;
            }
        }
        changes.push(RecordChange::Delete(entry));
        self.repository.change_records(changes).await?;
        self.counts.added(made);
        Ok(())
    }

    /// Whether a client wants to be told.
    async fn listens(&self, client: &ClientId) -> Result<bool, TokenError> {
        let known = self.clients.known(client).await.map(Some);
        let known = readable(known, &format_args!("the client {client}"))?.flatten();
        Ok(known.is_some_and(|known| known.registration.metadata.backchannel_logout_uri.is_some()))
    }

    /// The clients of such records, with the logins that they know.
    async fn who_know(&self, records: RecordKey) -> Result<Told, TokenError> {
        Ok(self.every(records).await?.iter().filter_map(outbox::known_of).collect())
    }

    /// Whom to tell of a withdrawn consent: the client of each login that it knows, and of each session that ends with the
    /// consent. One with `offline_access` may have outlived its login.
    async fn told_of_withdrawal(
        &self,
        user: UserId,
        client: &ClientId,
        at: Timestamp,
    ) -> Result<Told, TokenError> {
        let mut told = self.who_know(outbox::all_who_know_any(user)).await?;
        told.retain(|(_, knows)| knows == client);
        for (_, session) in self.sessions_of(user).await? {
            let ends = match session.status {
                Status::Live => true,
                Status::Ended { at: ended, reason } => reason == EndReason::ConsentWithdrawn && ended >= at,
                Status::Authorized { .. } => false,
            };
            if let Some((_, login)) = known_login(&session.started)
                && ends
                && session.started.client == *client
            {
                told.insert((login, client.clone()));
            }
        }
        Ok(told)
    }

    /// Whom to tell when all logins and sessions of a user have ended, but what is kept: also who knows a login that was
    /// over before, of which nobody was told.
    async fn told_of_user(&self, user: UserId, before: SessionEpoch) -> Result<Told, TokenError> {
        let now = self.repository.user(user).await?.state.unwrap_or_default().session_epoch;
        let mut told = self.who_know(outbox::all_who_know_any(user)).await?;
        let logins: BTreeSet<LoginId> = told.iter().map(|(login, _)| *login).collect();
        for id in logins {
            let login = self.repository.login(id).await.map(|login| login.state);
            let login = readable(login, &format_args!("the login {id}"))?;
            // Nobody can use one that can't be read.
            let holds =
                login.map_or(now.kept == Some(id.into()), |login| now.covers(id, login.begun.user_epoch));
            if holds {
                told.retain(|(known, _)| *known != id);
            }
        }
        let mut kept = None;
        // Sessions with `offline_access` may have outlived their logins.
        for (id, session) in self.sessions_of(user).await? {
            let Some((_, login)) = known_login(&session.started) else { continue };
            let has_ended = self.ended_with((id, &session), before, now).await.map(Some);
            if readable(has_ended, &format_args!("the login {login}"))? == Some(true) {
                told.insert((login, session.started.client.clone()));
            } else if now.kept == Some(id.into()) {
                kept = Some((login, session.started.client.clone()));
            }
        }
        // The client of a session that was kept goes on, although the login is over.
        if let Some(kept) = kept {
            told.remove(&kept);
        }
        Ok(told)
    }

    /// The sessions of a user, but those that can't be read.
    async fn sessions_of(&self, user: UserId) -> Result<Vec<(SessionId, Session)>, TokenError> {
        let mut found = Vec::new();
        for id in self.every(sessions::all_of_user(user)).await?.iter().filter_map(sessions::session_of) {
            let session = self.repository.session(id).await.map(|session| session.state);
            let session = readable(session, &format_args!("the session {id}"))?;
            found.extend(session.map(|session| (id, session)));
        }
        Ok(found)
    }

    /// Whether a session held before its user's epoch was raised, and does not hold any more.
    async fn ended_with(
        &self,
        (id, session): (SessionId, &Session),
        before: SessionEpoch,
        now: SessionEpoch,
    ) -> Result<bool, TokenError> {
        let started = &session.started;
        let is_live = session.status == Status::Live
            && !session.is_expired(self.clock.now())
            && !self.installation.is_from_before_a_restore(session).await?;
        if !is_live || !started.holds_in(id, before) || started.holds_in(id, now) {
            return Ok(false);
        }
        Ok(self.repository.login_end(started.online(), self.clock.now()).await?.is_none())
    }

    /// All keys of an index.
    async fn every(&self, index: RecordKey) -> Result<Vec<RecordKey>, TokenError> {
        let mut keys: Vec<RecordKey> = Vec::new();
        loop {
            let page = self.repository.scan(index.clone(), keys.last().cloned(), PAGE).await?;
            let is_last = page.len() < PAGE;
            keys.extend(page.into_iter().map(|(key, _)| key));
            if is_last {
                return Ok(keys);
            }
        }
    }
}

/// Whether an error says that the store does not work at the moment, and nothing of what is stored.
pub(super) const fn is_for_a_time(error: &TokenError) -> bool {
    matches!(error, TokenError::Store(StoreError::Unavailable(_) | StoreError::NoRoom(_)))
}

/// What was read; `None` if there is nothing, or it can't be read: then it is skipped.
fn readable<T>(read: Result<Option<T>, TokenError>, what: &dyn Display) -> Result<Option<T>, TokenError> {
    match read {
        Err(error) if !is_for_a_time(&error) => {
            tracing::error!(error = %error, "{what} can't be read: told of a logout is who is known without it");
            Ok(None)
        }
        read => read,
    }
}
