//! What administrators do with clients. Registered clients can be changed here. Those that the configuration declares
//! can only be switched off and on, and their sessions ended.

use zeroize::Zeroizing;

use super::Administration;
use crate::app::clients::KnownClient;
use crate::app::error::TokenError;
use crate::app::repository::{Change, Loaded};
use crate::client::metadata::registered_id;
use crate::client::vault::{self, Secrets};
use crate::client::{
    self, Client, ClientEvent, Command, CommandEnvelope, Denied, MetadataError, MetadataRules, RawMetadata,
    SecretDigest,
};
use crate::clock::Timestamp;
use crate::oauth::{Actor, ClientId, GrantType, Origin};
use crate::store::{RecordChange, StoreError};

/// The length of a generated secret: 256 bits.
const SECRET: usize = 43;
/// The length of a generated id.
const ID: usize = 22;

/// Why a client was not registered or changed. The texts are fit for the administrator.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Fields of its metadata are not what they must be; at least one.
    #[error("{}", sentences(.0))]
    Metadata(Vec<MetadataError>),
    /// The configuration declares it.
    #[error("The configuration declares this client; change it there.")]
    Declared,
    /// There is one with this id.
    #[error("There is a client with this id.")]
    Exists,
    /// There is none with this id.
    #[error("There is no such client.")]
    Unknown,
    /// It is public, and has no secret.
    #[error("A public client has no secret, and can't be made a confidential one.")]
    Kind,
    /// It could not be done.
    #[error(transparent)]
    Failed(#[from] TokenError),
}

impl From<Denied> for ClientError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Exists => Self::Exists,
            Denied::Unknown => Self::Unknown,
            Denied::Kind => Self::Kind,
        }
    }
}

impl From<Vec<MetadataError>> for ClientError {
    fn from(errors: Vec<MetadataError>) -> Self {
        Self::Metadata(errors)
    }
}

fn sentences(errors: &[MetadataError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl From<StoreError> for ClientError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// A client, and since when it has its secrets.
#[derive(Clone, Debug)]
pub struct ClientDetails {
    /// The client.
    pub known: KnownClient,
    /// Of a registered confidential client: its secrets, newest first.
    pub secrets: Vec<SecretTimes>,
}

/// When a secret was made, and until when it is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretTimes {
    /// When it was made.
    pub made: Timestamp,
    /// Until when it is good; none: until it is replaced.
    pub until: Option<Timestamp>,
}

/// A secret that is shown once. Has no `Debug`.
pub struct NewSecret(pub Zeroizing<String>);

impl Administration {
    /// Registers a client; makes up an id if none is wished. The secret of a confidential one is returned, and kept
    /// nowhere.
    ///
    /// # Errors
    /// [`ClientError`], and nothing was registered.
    pub async fn register_client(
        &self,
        id: Option<&str>,
        raw: &RawMetadata,
        by: Actor,
    ) -> Result<(ClientId, Option<NewSecret>), ClientError> {
        self.repository.has_room()?;
        let id = id.map(registered_id).transpose();
        let parsed = id.as_ref().ok().and_then(Option::as_ref);
        let metadata = raw.validate(parsed, &self.metadata_rules());
        let (id, metadata) = match (id, metadata) {
            (Ok(id), Ok(metadata)) => (id, metadata),
            (id, metadata) => {
                let errors = id.err().into_iter().chain(metadata.err().unwrap_or_default());
                return Err(errors.collect::<Vec<_>>().into());
            }
        };
        let id = id.map_or_else(|| self.made_up_id(), Ok)?;
        if self.clients.declared.find(&id).is_some() {
            return Err(ClientError::Exists);
        }
        let is_public = metadata.token_endpoint_auth_method.is_public();
        let secret = if is_public { None } else { Some(self.new_secret()?) };
        let digest = secret.as_ref().map(|secret| SecretDigest::of(&secret.0));
        self.change_client(&id, &Ordered { command: Command::Register { metadata }, digest, by }).await?;
        Ok((id, secret))
    }

    /// Replaces a client's metadata, which takes effect at its next token.
    ///
    /// # Errors
    /// [`ClientError`], and nothing was changed.
    pub async fn update_client(&self, id: &ClientId, raw: RawMetadata, by: Actor) -> Result<(), ClientError> {
        let stored = self.repository.client(id).await?.state.unwrap_or_default().metadata;
        let method = match (self.clients.declared.find(id), stored) {
            (Some(_), _) => return Err(ClientError::Declared),
            (None, None) => return Err(ClientError::Unknown),
            (None, Some(metadata)) => metadata.token_endpoint_auth_method,
        };
        let metadata = raw.of_registered(method).validate(Some(id), &self.metadata_rules())?;
        self.administer_client(id, Command::Update { metadata }, by).await
    }

    /// What the metadata of a client that is registered now must fit.
    fn metadata_rules(&self) -> MetadataRules<'_> {
        let settings = &self.settings;
        MetadataRules {
            issuer: Origin::of(&settings.issuer),
            grant_types: GrantType::ALL.into_iter().filter(|grant| settings.offers(*grant)).collect(),
            scopes: settings.scopes.words(),
            audiences: settings.scopes.declared_audiences().collect(),
            default_audience: settings.default_audience.clone(),
            tokens: &settings.tokens,
            longest_access_token: settings.longest_access_token,
            logos: settings.pages.logos.as_ref().map(crate::app::Logos::found),
            id_token_algorithms: &settings.id_token_algorithms,
            is_stored: true,
        }
    }

    /// Gives a confidential client a new secret. The old one stays valid for `overlap`.
    ///
    /// # Errors
    /// [`ClientError`], and nothing was changed.
    pub async fn rotate_client_secret(
        &self,
        id: &ClientId,
        overlap: std::time::Duration,
        by: Actor,
    ) -> Result<(NewSecret, Timestamp), ClientError> {
        if self.clients.declared.find(id).is_some() {
            return Err(ClientError::Declared);
        }
        let secret = self.new_secret()?;
        let old_until = self.clock.now().after(overlap);
        let digest = Some(SecretDigest::of(&secret.0));
        self.change_client(id, &Ordered { command: Command::RotateSecret { old_until }, digest, by }).await?;
        Ok((secret, old_until))
    }

    /// Switches a client off or on, ends its sessions, or deletes it; a declared one can't be deleted.
    ///
    /// # Errors
    /// [`ClientError`], and nothing was changed.
    pub async fn administer_client(
        &self,
        id: &ClientId,
        command: Command,
        by: Actor,
    ) -> Result<(), ClientError> {
        let declared = self.clients.declared.find(id);
        match (&command, declared) {
            // The configuration switches it off: enabling it here would change nothing.
            (Command::Enable, Some(declared)) if declared.disabled => return Err(ClientError::Declared),
            (Command::EndSessions | Command::Disable | Command::Enable, _) | (_, None) => {}
            (_, Some(_)) => return Err(ClientError::Declared),
        }
        self.change_client(id, &Ordered { command, digest: None, by }).await
    }

    /// A client by its id.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn client_details(&self, id: &ClientId) -> Result<Option<ClientDetails>, TokenError> {
        let Some(known) = self.clients.known(id).await? else { return Ok(None) };
        let kept = if known.declared { Secrets::default() } else { self.clients.secrets(id).await? };
        let secrets = kept.valid_at(self.clock.now());
        let secrets = secrets.map(|kept| SecretTimes { made: kept.made, until: kept.until }).collect();
        Ok(Some(ClientDetails { known, secrets }))
    }

    /// At most `limit` clients, declared and registered ones, in the order of their ids, after `after`; and the one
    /// after which the next page begins.
    ///
    /// # Errors
    /// [`TokenError`] if the store can't tell.
    pub async fn list_clients(
        &self,
        after: Option<&ClientId>,
        limit: usize,
    ) -> Result<(Vec<ClientDetails>, Option<ClientId>), TokenError> {
        let prefix = vault::all_registered();
        let skip = prefix.as_bytes().len();
        let stored = self.repository.scan(prefix, after.map(vault::registered), limit).await?;
        let id = |key: &[u8]| std::str::from_utf8(key.get(skip..)?).ok()?.parse::<ClientId>().ok();
        let mut ids: Vec<ClientId> = stored.iter().filter_map(|(key, _)| id(key.as_bytes())).collect();
        ids.extend(self.clients.declared.behind(after).take(limit).cloned());
        ids.sort();
        ids.dedup();
        ids.truncate(limit);
        let next = ids.last().cloned().filter(|_| ids.len() == limit);
        let mut listed = Vec::with_capacity(ids.len());
        for id in ids {
            // A client that is being deleted is left out; the page is then not taken for the last one.
            listed.extend(self.client_details(&id).await?);
        }
        Ok((listed, next))
    }

    async fn change_client(&self, id: &ClientId, ordered: &Ordered) -> Result<(), ClientError> {
        let decide = |loaded: Loaded<Client>| async {
            let before = loaded.state.as_ref();
            let envelope = CommandEnvelope {
                command: ordered.command.clone(),
                declared: self.clients.declared.find(id).is_some(),
                by: Some(ordered.by),
                at: self.clock.now(),
            };
            let events = client::decide(&before.cloned().unwrap_or_default(), envelope)?;
            let mut records = Vec::new();
            for event in &events {
                records.extend(self.secrets_after(id, event, ordered.digest.as_ref()).await?);
            }
            Ok(Change::of(loaded, events, ()).with(records))
        };
        self.repository.execute(id, decide).await
    }

    /// The secrets after an event. The record can't change before the append, because it changes only together with the
    /// client's stream.
    async fn secrets_after(
        &self,
        id: &ClientId,
        event: &ClientEvent,
        digest: Option<&SecretDigest>,
    ) -> Result<Option<RecordChange>, TokenError> {
        let put = |secrets: &Secrets| Some(RecordChange::Put(vault::secrets(id), secrets.encode()));
        let digest = digest.cloned();
        Ok(match event {
            ClientEvent::Registered { at, .. } => {
                digest.and_then(|digest| put(&Secrets::default().rotated(digest, *at, *at)))
            }
            ClientEvent::SecretRotated { at, old_until, .. } => {
                let secrets = self.clients.secrets(id).await?;
                digest.and_then(|digest| put(&secrets.rotated(digest, *at, *old_until)))
            }
            ClientEvent::Deleted { .. } => Some(RecordChange::Delete(vault::secrets(id))),
            ClientEvent::Disabled { .. }
            | ClientEvent::Enabled { .. }
            | ClientEvent::SessionsEnded { .. }
            | ClientEvent::Updated { .. } => None,
        })
    }

    fn new_secret(&self) -> Result<NewSecret, TokenError> {
        Ok(NewSecret(Zeroizing::new(self.random.alphanumeric(SECRET)?)))
    }

    fn made_up_id(&self) -> Result<ClientId, TokenError> {
        let id = self.random.alphanumeric(ID)?;
        id.parse().map_err(|error| TokenError::Internal(format!("{error}")))
    }
}

/// A command on a client, and who gave it.
struct Ordered {
    command: Command,
    /// Of the new secret, if there is one.
    digest: Option<SecretDigest>,
    by: Actor,
}
