//! Authenticates a client (RFC 6749 §2.3).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::clients::{Clients, KnownClient};
use super::error::TokenError;
use crate::client::vault::Secrets;
use crate::client::{Registration, SecretDigest, TokenEndpointAuthMethod};
use crate::oauth::{ClientId, SessionEpoch};

/// The credentials that a client presents. No `Debug`, since they have a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The `client_id`.
    pub id: String,
    /// The secret; none for a public client.
    pub secret: Option<Zeroizing<String>>,
}

/// One possible reading of a request's credentials, and the client that it names. No `Debug`, since it has a secret's
/// digest.
pub struct Candidate {
    id: Option<ClientId>,
    secret: Option<SecretDigest>,
    named: Named,
}

/// The client that a reading names.
enum Named {
    /// There is no such client; its secrets were looked up too, which takes as long as for one that exists.
    Nobody,
    /// A client that the configuration declares; the store was not read.
    Declared(Arc<Registration>),
    /// A registered client, with its secrets.
    Registered(KnownClient, Secrets),
    /// The store failed.
    Failed(TokenError),
}

impl Candidate {
    /// The registration of the named client, if there is such a client and the store could be read.
    #[must_use]
    pub const fn named(&self) -> Option<&Arc<Registration>> {
        match &self.named {
            Named::Declared(registration) | Named::Registered(KnownClient { registration, .. }, _) => {
                Some(registration)
            }
            Named::Nobody | Named::Failed(_) => None,
        }
    }
}

/// An authenticated client.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    /// What is registered of it.
    pub registration: Arc<Registration>,
    /// Its session epoch, if the client was loaded for authenticating it.
    session_epoch: Option<SessionEpoch>,
}

impl Clients {
    /// Finds the clients that the readings of a request's credentials name. A registered client is loaded once at most,
    /// with its secrets, and a declared one not at all.
    pub async fn candidates(&self, readings: &[Credentials]) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = Vec::with_capacity(readings.len());
        for reading in readings {
            let id = reading.id.parse::<ClientId>().ok();
            let named = match &id {
                Some(id) => self.named(id, &candidates).await,
                None => Named::Nobody,
            };
            let secret = reading.secret.as_ref().map(|secret| SecretDigest::of(secret));
            candidates.push(Candidate { id, secret, named });
        }
        candidates
    }

    /// Whether every reading names a client that the configuration declares, so that the store need not be read.
    #[must_use]
    pub fn are_declared(&self, readings: &[Credentials]) -> bool {
        readings
            .iter()
            .all(|reading| reading.id.parse().is_ok_and(|id: ClientId| self.declared.find(&id).is_some()))
    }

    async fn named(&self, id: &ClientId, before: &[Candidate]) -> Named {
        if let Some(declared) = self.declared.find(id) {
            return Named::Declared(declared);
        }
        match before.iter().find(|before| before.id.as_ref() == Some(id)).map(|before| &before.named) {
            Some(Named::Registered(known, secrets)) => {
                return Named::Registered(known.clone(), secrets.clone());
            }
            Some(Named::Nobody) => return Named::Nobody,
            Some(Named::Declared(_) | Named::Failed(_)) | None => {}
        }
        match tokio::try_join!(self.known(id), self.secrets(id)) {
            Ok((Some(known), secrets)) => Named::Registered(known, secrets),
            Ok((None, _)) => Named::Nobody,
            Err(error) => Named::Failed(error),
        }
    }

    /// Authenticates a client by the possible readings of its credentials; one right reading is enough. Together they
    /// count as one attempt. For a declared client with the right secret the store is not read.
    ///
    /// # Errors
    /// [`TokenError::Client`] if none is right; an unknown client costs the same work as a wrong secret.
    /// [`TokenError::Store`] if the store can't tell.
    pub async fn authenticate(
        &self,
        candidates: &mut [Candidate],
    ) -> Result<AuthenticatedClient, TokenError> {
        let mut proved: Option<AuthenticatedClient> = None;
        for candidate in candidates {
            let found = self.authenticate_one(candidate).await?;
            proved = proved.or(found);
        }
        proved.filter(|client| !client.registration.disabled).ok_or(TokenError::Client)
    }

    async fn authenticate_one(
        &self,
        candidate: &mut Candidate,
    ) -> Result<Option<AuthenticatedClient>, TokenError> {
        let Candidate { id: Some(id), secret, named } = candidate else { return Ok(None) };
        let is_proved = |client: &Registration, secrets: &[SecretDigest]| {
            proves(client.metadata.token_endpoint_auth_method, secrets, secret.as_ref())
        };
        match named {
            Named::Declared(declared) if is_proved(declared, &declared.secrets) => {
                Ok(Some(AuthenticatedClient { registration: Arc::clone(declared), session_epoch: None }))
            }
            // A wrong secret must take as long as an unknown client.
            Named::Declared(_) => {
                tokio::try_join!(self.repository.client(id), self.secrets(id))?;
                Ok(None)
            }
            Named::Registered(known, kept) => {
                let good: Vec<_> = kept.valid_at(self.clock.now()).map(|kept| kept.digest.clone()).collect();
                let proved = is_proved(&known.registration, &good);
                Ok(proved.then(|| AuthenticatedClient {
                    registration: Arc::clone(&known.registration),
                    session_epoch: Some(known.session_epoch),
                }))
            }
            Named::Nobody => Ok(None),
            Named::Failed(_) => {
                let failed = std::mem::replace(named, Named::Nobody);
                if let Named::Failed(error) = failed { Err(error) } else { Ok(None) }
            }
        }
    }

    /// The session epoch of an authenticated client: the one loaded for authenticating it, or else it is loaded now.
    ///
    /// # Errors
    /// [`TokenError::Client`] for a declared client that an administrator has switched off: the configuration alone
    /// could not know that when the client was authenticated. [`TokenError::Store`] if the store fails.
    pub async fn session_epoch(&self, client: &AuthenticatedClient) -> Result<SessionEpoch, TokenError> {
        if let Some(session_epoch) = client.session_epoch {
            return Ok(session_epoch);
        }
        let stored = self.repository.client(&client.registration.id).await?.state.unwrap_or_default();
        if stored.disabled { Err(TokenError::Client) } else { Ok(stored.session_epoch) }
    }
}

/// Whether the presented secret authenticates a client with this method and these secrets.
fn proves(
    method: TokenEndpointAuthMethod,
    secrets: &[SecretDigest],
    presented: Option<&SecretDigest>,
) -> bool {
    match (method, presented) {
        // RFC 6749 §3.2.1: a public client only names itself.
        (TokenEndpointAuthMethod::None, None) => true,
        // All are compared, so that the time does not tell which one was right.
        (TokenEndpointAuthMethod::ClientSecret, Some(presented)) => {
            secrets.iter().fold(false, |found, secret| secret.matches(presented) | found)
        }
        (TokenEndpointAuthMethod::None, Some(_)) | (TokenEndpointAuthMethod::ClientSecret, None) => false,
    }
}
