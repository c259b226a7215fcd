//! Authenticates a client (RFC 6749 §2.3).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::clients::{Clients, KnownClient};
use super::error::TokenError;
use crate::client::{Registration, SecretDigest, TokenEndpointAuthMethod};
use crate::oauth::{ClientId, SessionEpoch};

/// Who a client says it is. Has no `Debug`: it holds a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The `client_id`.
    pub id: String,
    /// The secret; none for a public client.
    pub secret: Option<Zeroizing<String>>,
}

/// One reading of a request's credentials, and the client that it names. Has no `Debug`: it holds a secret's digest.
pub struct Candidate {
    id: Option<ClientId>,
    secret: Option<SecretDigest>,
    named: Named,
}

/// The client that a reading names.
enum Named {
    /// None that there is.
    Nobody,
    /// One that the configuration declares: not looked at in the store yet.
    Declared(Arc<Registration>),
    /// One that was registered here.
    Registered(KnownClient),
    /// The store can't tell.
    Failed(TokenError),
}

impl Candidate {
    /// What is registered of the client that is named, if there is such a client and the store could tell.
    #[must_use]
    pub const fn named(&self) -> Option<&Arc<Registration>> {
        match &self.named {
            Named::Declared(registration) | Named::Registered(KnownClient { registration, .. }) => {
                Some(registration)
            }
            Named::Nobody | Named::Failed(_) => None,
        }
    }
}

/// A client that has proved who it is.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    /// What is registered of it.
    pub registration: Arc<Registration>,
    /// Its session epoch, if it was loaded to authenticate it.
    session_epoch: Option<SessionEpoch>,
}

impl Clients {
    /// Finds the clients that the readings of a request's credentials name. Each is loaded once at most, and a declared one
    /// not at all.
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

    async fn named(&self, id: &ClientId, before: &[Candidate]) -> Named {
        if let Some(declared) = self.declared.find(id) {
            return Named::Declared(declared);
        }
        match before.iter().find(|before| before.id.as_ref() == Some(id)).map(|before| &before.named) {
            Some(Named::Registered(known)) => return Named::Registered(known.clone()),
            Some(Named::Nobody) => return Named::Nobody,
            Some(Named::Declared(_) | Named::Failed(_)) | None => {}
        }
        match self.known(id).await {
            Ok(Some(known)) => Named::Registered(known),
            Ok(None) => Named::Nobody,
            Err(error) => Named::Failed(error),
        }
    }

    /// Authenticates a client by the readings of its credentials; one that is right suffices. They are one attempt. A
    /// declared client that is right costs no look at the store.
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
                return Ok(Some(AuthenticatedClient {
                    registration: Arc::clone(declared),
                    session_epoch: None,
                }));
            }
            // It costs what an unknown one does.
            Named::Declared(_) => drop(self.repository.client(id).await?),
            Named::Registered(_) | Named::Nobody => {}
            Named::Failed(_) => {
                let failed = std::mem::replace(named, Named::Nobody);
                return if let Named::Failed(error) = failed { Err(error) } else { Ok(None) };
            }
        }
        let kept = self.secrets(id).await?;
        let good: Vec<_> = kept.valid_at(self.clock.now()).map(|kept| kept.digest.clone()).collect();
        let Named::Registered(known) = named else { return Ok(None) };
        let (registration, session_epoch) = (Arc::clone(&known.registration), Some(known.session_epoch));
        let proved = is_proved(&registration, &good);
        Ok(proved.then_some(AuthenticatedClient { registration, session_epoch }))
    }

    /// The session epoch of a client that has proved who it is: what was loaded to authenticate it, or else loaded now.
    ///
    /// # Errors
    /// [`TokenError::Client`] for a declared client that was switched off in the log: that it may authenticate is all that
    /// the configuration knows. [`TokenError::Store`] if the store can't tell.
    pub async fn session_epoch(&self, client: &AuthenticatedClient) -> Result<SessionEpoch, TokenError> {
        if let Some(session_epoch) = client.session_epoch {
            return Ok(session_epoch);
        }
        let stored = self.repository.client(&client.registration.id).await?.state.unwrap_or_default();
        if stored.disabled { Err(TokenError::Client) } else { Ok(stored.session_epoch) }
    }
}

/// Whether a client that authenticates so has proved who it is: what it presented is one of its secrets.
fn proves(
    method: TokenEndpointAuthMethod,
    secrets: &[SecretDigest],
    presented: Option<&SecretDigest>,
) -> bool {
    match (method, presented) {
        // RFC 6749 §3.2.1: a public client names itself and has nothing to prove it by.
        (TokenEndpointAuthMethod::None, None) => true,
        // All are compared, so that the time does not tell which one was right.
        (TokenEndpointAuthMethod::ClientSecret, Some(presented)) => {
            secrets.iter().fold(false, |found, secret| secret.matches(presented) | found)
        }
        (TokenEndpointAuthMethod::None, Some(_)) | (TokenEndpointAuthMethod::ClientSecret, None) => false,
    }
}
