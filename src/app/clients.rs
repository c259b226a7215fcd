//! Finds clients: declared ones, which are in memory, and registered ones, which are in the store. If both have the
//! same id, the declared one is used.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::TokenError;
use super::{Repository, Settings};
use crate::client::vault::{self, Secrets};
use crate::client::{ClientMetadata, Delivery, Registration};
use crate::clock::Clock;
use crate::oauth::{ClientId, GrantType, Origin, SessionEpoch};

/// The clients that the configuration declares.
#[derive(Clone, Debug, Default)]
pub struct DeclaredClients(BTreeMap<ClientId, Arc<Registration>>);

impl DeclaredClients {
    /// All declared ones, in the order of their ids.
    pub fn every(&self) -> impl Iterator<Item = &Arc<Registration>> {
        self.0.values()
    }

    /// The declared client with this id; [`Clients::known`] knows them all.
    #[must_use]
    pub fn find(&self, id: &ClientId) -> Option<Arc<Registration>> {
        self.0.get(id).cloned()
    }

    /// The ids after `after`, in order.
    pub fn behind(&self, after: Option<&ClientId>) -> impl Iterator<Item = &ClientId> {
        self.0.keys().filter(move |id| after.is_none_or(|after| *id > after))
    }
}

impl FromIterator<Registration> for DeclaredClients {
    fn from_iter<I: IntoIterator<Item = Registration>>(registrations: I) -> Self {
        let entry = |registration: Registration| (registration.id.clone(), Arc::new(registration));
        Self(registrations.into_iter().map(entry).collect())
    }
}

/// A client, switched off or not.
#[derive(Clone, Debug)]
pub struct KnownClient {
    /// What is registered of it. The secrets of one that is not declared are not in it: see
    /// [`Clients::secrets`].
    pub registration: Arc<Registration>,
    /// Its session epoch.
    pub session_epoch: SessionEpoch,
    /// Whether the configuration declares it.
    pub declared: bool,
    /// Whether it is switched off: by the configuration, or by an administrator.
    pub disabled: bool,
}

impl KnownClient {
    /// Its session epoch; none while it is switched off.
    #[must_use]
    pub fn usable(&self) -> Option<SessionEpoch> {
        (!self.disabled).then_some(self.session_epoch)
    }
}

/// Finds and authenticates clients.
pub struct Clients {
    /// Those that the configuration declares.
    pub declared: DeclaredClients,
    pub(super) repository: Repository,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Clients {
    /// The client with this id: one load of its stream, where its epoch stands too. Nothing is kept in memory, so
    /// nothing is ever stale.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn known(&self, id: &ClientId) -> Result<Option<KnownClient>, TokenError> {
        let stored = self.repository.client(id).await?.state.unwrap_or_default();
        let session_epoch = stored.session_epoch;
        if let Some(registration) = self.declared.find(id) {
            let disabled = registration.disabled || stored.disabled;
            return Ok(Some(KnownClient { registration, session_epoch, declared: true, disabled }));
        }
        let Some(metadata) = stored.metadata else { return Ok(None) };
        let (metadata, disabled) = (self.as_configured(metadata), stored.disabled);
        let registration = Registration { id: id.clone(), metadata, secrets: Vec::new(), disabled };
        let registration = Arc::new(registration);
        Ok(Some(KnownClient { registration, session_epoch, declared: false, disabled }))
    }

    /// Clients that are registered for the password grant although it is off, among the first thousand; for a warning.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn without_their_grant(&self) -> Result<Vec<ClientId>, TokenError> {
        const LOOKED_AT: usize = 1000;
        let mut found = Vec::new();
        if self.settings.password_grant {
            return Ok(found);
        }
        let prefix = vault::all_registered();
        for (key, _) in self.repository.scan(prefix.clone(), None, LOOKED_AT).await? {
            let id =
                key.as_bytes().strip_prefix(prefix.as_bytes()).and_then(|id| std::str::from_utf8(id).ok());
            let Some(Ok(id)) = id.map(str::parse::<ClientId>) else { continue };
            let client = self.known(&id).await?;
            if client
                .is_some_and(|client| client.registration.metadata.grant_types.contains(&GrantType::Password))
            {
                found.push(id);
            }
        }
        Ok(found)
    }

    /// The secrets of a client that is not declared.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn secrets(&self, id: &ClientId) -> Result<Secrets, TokenError> {
        let record = self.repository.record(vault::secrets(id)).await?;
        Ok(record.map(|record| Secrets::decode(&record)).transpose()?.unwrap_or_default())
    }

    /// Whether a registered client has pages from `origin`, and whether one of those gets its refresh tokens in a
    /// cookie. Declared clients don't count.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn registered_from(&self, origin: &str) -> Result<Option<Delivery>, TokenError> {
        let Ok(origin) = origin.parse::<Origin>() else { return Ok(None) };
        // Those with a cookie come first.
        let found = self.repository.scan(vault::all_from(&origin), None, 1).await?;
        Ok(found.first().and_then(|(key, _)| vault::delivery_of(&origin, key)))
    }

    /// Adapts metadata that were registered under an earlier configuration: the audience may be gone, and signing keys
    /// may not stay published as long as the access tokens would live.
    fn as_configured(&self, mut metadata: ClientMetadata) -> ClientMetadata {
        let settings = &self.settings;
        if !settings.scopes.has_audience(&metadata.default_audience) {
            metadata.default_audience = settings.default_audience.clone();
        }
        metadata.lifetimes.access_token = metadata.lifetimes.access_token.min(settings.longest_access_token);
        metadata
    }
}
