//! The service for consents: what a person has allowed which client.

use std::sync::Arc;

use super::Repository;
use super::backchannel_logout::outbox;
use super::clients::Clients;
use super::error::TokenError;
use super::repository::{Change, Loaded};
use super::sessions::Sessions;
use super::sweep::{Sweeper, Swept};
use crate::clock::{Clock, Timestamp};
use crate::consent::{Allowed, Consent, ConsentId, Given, Status, decide, index};
use crate::oauth::{Actor, ClientId, Scope, UserId};
use crate::store::{RecordChange, RecordKey, StoreError};

/// How many consents are read at a time.
const PAGE: usize = 100;

/// Remembers, finds and withdraws consents.
pub struct Consents {
    pub(super) repository: Repository,
    pub(super) clients: Arc<Clients>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) clock: Arc<dyn Clock>,
}

/// A consent that stands, in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedConsent {
    /// The client.
    pub client: ClientId,
    /// The client's name, for people.
    pub client_name: String,
    /// All that is allowed, for whatever resource.
    pub scope: Scope,
    /// Since when something is allowed.
    pub since: Timestamp,
}

impl Consents {
    /// Since when the consent stands by which a person has allowed a client what it asks for; `None` if they have not. What
    /// was allowed before all sessions of the client were ended, or it was switched off or deleted, does not count.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn covers(&self, id: &ConsentId, asked: &Allowed) -> Result<Option<Timestamp>, TokenError> {
        let Some(consent) = self.repository.consent(id).await?.state else { return Ok(None) };
        let client_epoch = self.client_epoch(&id.client).await?;
        Ok(consent.stands_since(client_epoch).filter(|_| consent.covers(asked, client_epoch)))
    }

    /// Remembers what a person allows a client, and returns since when that consent stands. What is too long to be
    /// remembered is asked for each time.
    ///
    /// # Errors
    /// [`TokenError`], and whether it is remembered is unknown.
    pub async fn give(&self, id: &ConsentId, allowed: &Allowed) -> Result<Option<Timestamp>, TokenError> {
        self.repository.has_room()?;
        let client_epoch = self.client_epoch(&id.client).await?;
        let give = |loaded: Loaded<Consent>| async move {
            let (at, allowed) = (self.clock.now(), allowed.clone());
            let ConsentId { user, client } = id.clone();
            let given = Given { at, user, client, client_epoch, allowed };
            let events = decide::give(loaded.state.as_ref(), given);
            let consent = events.iter().fold(loaded.state.clone(), Consent::apply);
            let since = consent.and_then(|consent| consent.stands_since(client_epoch));
            Ok::<_, TokenError>(Change::of(loaded, events, since))
        };
        self.repository.execute(id, give).await
    }

    /// Withdraws all that a person has allowed a client, and ends the client's sessions of that person, even where no
    /// consent was asked for.
    ///
    /// # Errors
    /// [`TokenError`]; some sessions may be left. It can be repeated.
    pub async fn withdraw(&self, id: &ConsentId, by: Option<Actor>) -> Result<(), TokenError> {
        if !self.withdraw_consent(id, by).await? {
            // Where no consent was asked for, there is no event: the client is to be told all the same.
            self.repository.note_ending(outbox::of_withdrawal(id, self.clock.now())).await?;
        }
        self.sessions.end_all_of_client(id.user, &id.client).await
    }

    /// What a person has allowed, by client.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn all_of(&self, user: UserId) -> Result<Vec<ListedConsent>, TokenError> {
        let mut listed = Vec::new();
        for client in self.clients_of(user).await? {
            let Some(known) = self.clients.known(&client).await? else { continue };
            let id = ConsentId { user, client };
            let Some(consent) = self.repository.consent(&id).await?.state else { continue };
            let Status::Given { since } = consent.status else { continue };
            if consent.holds(known.session_epoch.epoch) {
                let scopes = consent.allowed.iter().map(|allowed| &allowed.scope);
                listed.push(ListedConsent {
                    client: id.client,
                    client_name: known.registration.metadata.client_name.clone(),
                    scope: scopes.fold(Scope::empty(), |all, scope| all.union(scope)),
                    since,
                });
            }
        }
        Ok(listed)
    }

    /// Returns whether there was a consent.
    async fn withdraw_consent(&self, id: &ConsentId, by: Option<Actor>) -> Result<bool, TokenError> {
        let withdraw = |loaded: Loaded<Consent>| async move {
            let now = self.clock.now();
            let events = loaded.state.as_ref().map(|consent| decide::withdraw(consent, by, now));
            let events = events.unwrap_or_default();
            let is_withdrawn = !events.is_empty();
            Ok::<_, TokenError>(Change::of(loaded, events, is_withdrawn))
        };
        self.repository.execute(id, withdraw).await
    }

    async fn clients_of(&self, user: UserId) -> Result<Vec<ClientId>, TokenError> {
        let mut clients = Vec::new();
        let mut after = None;
        loop {
            let page = self.repository.scan(index::all_of_user(user), after, PAGE).await?;
            clients.extend(page.iter().filter_map(|(_, client)| index::client_of(client)));
            match page.last() {
                Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
                Some(_) | None => return Ok(clients),
            }
        }
    }

    async fn client_epoch(&self, client: &ClientId) -> Result<u32, TokenError> {
        let client = self.repository.client(client).await?.state.unwrap_or_default();
        Ok(client.session_epoch.epoch)
    }
}

impl Consents {
    /// Withdraws all that the owner of a deleted account has allowed.
    pub(super) async fn forget(&self, user: UserId, by: Option<Actor>) -> Result<(), TokenError> {
        for client in self.clients_of(user).await? {
            self.withdraw_consent(&ConsentId { user, client }, by).await?;
        }
        Ok(())
    }
}

impl Sweeper {
    /// Removes consents that were withdrawn before `oldest_kept`: at most `limit`. Returns whether more may be due.
    pub(super) async fn sweep_consents(
        &self,
        oldest_kept: Timestamp,
        limit: usize,
        swept: &mut Swept,
    ) -> Result<bool, TokenError> {
        let front = self.repository.scan(index::removal_queue(), None, limit).await?;
        let due: Vec<_> = front
            .into_iter()
            .map_while(|(place, client)| {
                let (time, id) = index::place_of(&place, &client)?;
                (time <= oldest_kept).then_some((place, id))
            })
            .collect();
        let more = due.len() == limit;
        for (place, id) in due {
            match self.remove_consent(place, &id, oldest_kept).await {
                Ok(()) => swept.consents = swept.consents.saturating_add(1),
                // It is given again at this moment, which takes its place out of the queue.
                Err(TokenError::Store(StoreError::WrongExpectedVersion)) => {}
                Err(error) => {
                    if error.should_log() {
                        let ConsentId { user, client } = &id;
                        tracing::error!(user.id = %user, client.id = %client, error = %error, "a consent can't be swept");
                    }
                    swept.failed = swept.failed.saturating_add(1);
                }
            }
        }
        Ok(more)
    }

    async fn remove_consent(
        &self,
        place: RecordKey,
        id: &ConsentId,
        oldest_kept: Timestamp,
    ) -> Result<(), TokenError> {
        let Loaded { state, expected, .. } = self.repository.consent(id).await?;
        let taken = vec![RecordChange::Delete(place)];
        match state.map(|consent| consent.status) {
            Some(Status::Withdrawn { at }) if at <= oldest_kept => {
                Ok(self.repository.remove::<Consent>(id, expected, taken).await?)
            }
            Some(Status::Withdrawn { .. } | Status::Given { .. }) | None => {
                Ok(self.repository.change_guarded::<Consent>(id, expected, taken).await?)
            }
        }
    }
}
