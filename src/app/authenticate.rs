//! Authenticates a client (RFC 6749 §2.3).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::App;
use super::error::TokenError;
use crate::client::{Registration, SecretDigest, TokenEndpointAuthMethod};
use crate::oauth::ClientId;

/// Who a client says it is. Has no `Debug`: it holds a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The `client_id`.
    pub id: String,
    /// The secret; none for a public client.
    pub secret: Option<Zeroizing<String>>,
}

impl App {
    /// Authenticates a client by the readings of its credentials; one that is right suffices. They are one attempt. A
    /// declared client that is right costs no look at the store.
    ///
    /// # Errors
    /// [`TokenError::Client`] if none is right; an unknown client costs the same work as a wrong secret.
    /// [`TokenError::Store`] if the store can't tell.
    pub async fn authenticate(&self, readings: &[Credentials]) -> Result<Arc<Registration>, TokenError> {
        let mut proved: Option<Arc<Registration>> = None;
        for reading in readings {
            let found = self.authenticate_one(reading).await?;
            proved = proved.or(found);
        }
        proved.filter(|registration| !registration.disabled).ok_or(TokenError::Client)
    }

    async fn authenticate_one(&self, reading: &Credentials) -> Result<Option<Arc<Registration>>, TokenError> {
        let Ok(id) = reading.id.parse::<ClientId>() else { return Ok(None) };
        let presented = reading.secret.as_ref().map(|secret| SecretDigest::of(secret));
        let declared = self.clients.find(&id);
        let is_proved = |client: &Registration, secrets: &[SecretDigest]| {
            proves(client.metadata.token_endpoint_auth_method, secrets, presented.as_ref())
        };
        if declared.as_ref().is_some_and(|declared| is_proved(declared, &declared.secrets)) {
            return Ok(declared);
        }
        // For a declared client with a wrong secret as well: it costs what an unknown one does.
        let kept = self.client_secrets(&id).await?;
        let good: Vec<_> = kept.good(self.clock.now()).map(|kept| kept.digest.clone()).collect();
        let registered = self.client(&id).await?.filter(|known| !known.declared);
        let registered = registered.map(|known| known.registration);
        Ok(registered.filter(|registered| is_proved(registered, &good)))
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
