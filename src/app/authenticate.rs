//! Authenticates a client (RFC 6749 §2.3).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::App;
use super::clients::KnownClient;
use super::error::TokenError;
use crate::client::{Authentication, Registration, SecretDigest};
use crate::oauth::{ClientId, Standing};

/// Who a client says it is. Has no `Debug`: it holds a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The `client_id`.
    pub id: String,
    /// The secret; none for a public client.
    pub secret: Option<Zeroizing<String>>,
}

/// A client that has proved who it is.
pub struct AuthenticatedClient {
    /// What is registered of it.
    pub registration: Arc<Registration>,
    /// Its standing.
    pub standing: Standing,
}

impl App {
    /// Authenticates a client by the readings of its credentials; one that is right suffices. They are one attempt.
    ///
    /// # Errors
    /// [`TokenError::Client`] if none is right; an unknown client costs the same work as a wrong secret.
    pub async fn authenticate(&self, readings: &[Credentials]) -> Result<AuthenticatedClient, TokenError> {
        let mut proved: Option<KnownClient> = None;
        for reading in readings {
            let found = self.authenticate_one(reading).await?;
            proved = proved.or(found);
        }
        let client = proved.ok_or(TokenError::Client)?;
        let standing = client.usable().ok_or(TokenError::Client)?;
        Ok(AuthenticatedClient { registration: client.registration, standing })
    }

    async fn authenticate_one(&self, reading: &Credentials) -> Result<Option<KnownClient>, TokenError> {
        let Ok(id) = reading.id.parse::<ClientId>() else { return Ok(None) };
        let client = self.client(&id).await?;
        let presented = reading.secret.as_ref().map(|secret| SecretDigest::of(secret));
        let unknown = Authentication::Secret(vec![SecretDigest::of("")]);
        let authentication = client.as_ref().map_or(&unknown, |known| &known.registration.authentication);
        let proved = match (authentication, presented) {
            // RFC 6749 §3.2.1: a public client names itself and has nothing to prove it by.
            (Authentication::None, None) => true,
            (Authentication::Secret(secrets), Some(presented)) => {
                match_any(secrets, &presented) || {
                    // Read for an unknown client too, which so costs what a wrong secret does.
                    let kept = self.client_secrets(&id).await?;
                    let good: Vec<_> =
                        kept.good(self.clock.now()).map(|secret| secret.digest.clone()).collect();
                    let declared = client.as_ref().is_none_or(|known| known.declared);
                    match_any(&good, &presented) && !declared
                }
            }
            (Authentication::None, Some(_)) | (Authentication::Secret(_), None) => false,
        };
        Ok(client.filter(|_| proved))
    }
}

/// All are compared, so that the time does not tell which one was right.
fn match_any(secrets: &[SecretDigest], presented: &SecretDigest) -> bool {
    secrets.iter().fold(false, |found, secret| secret.matches(presented) | found)
}
