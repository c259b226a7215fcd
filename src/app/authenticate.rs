//! Authenticates a client (RFC 6749 §2.3).

use std::sync::Arc;

use zeroize::Zeroizing;

use super::App;
use super::error::TokenError;
use crate::client::{Authentication, Registration, SecretDigest};
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
        let secrets = declared.as_ref().map(|declared| &declared.authentication);
        if secrets.is_some_and(|authentication| proves(authentication, presented.as_ref())) {
            return Ok(declared);
        }
        // For a declared client with a wrong secret as well: it costs what an unknown one does.
        let kept = self.client_secrets(&id).await?;
        let good = kept.good(self.clock.now()).map(|kept| kept.digest.clone()).collect();
        let registered = self.client(&id).await?.filter(|known| !known.declared);
        let Some(registered) = registered else { return Ok(None) };
        let authentication = match registered.registration.authentication {
            Authentication::None => Authentication::None,
            Authentication::Secret(_) => Authentication::Secret(good),
        };
        Ok(proves(&authentication, presented.as_ref()).then_some(registered.registration))
    }
}

/// Whether a client that authenticates so has proved who it is.
fn proves(authentication: &Authentication, presented: Option<&SecretDigest>) -> bool {
    match (authentication, presented) {
        // RFC 6749 §3.2.1: a public client names itself and has nothing to prove it by.
        (Authentication::None, None) => true,
        // All are compared, so that the time does not tell which one was right.
        (Authentication::Secret(secrets), Some(presented)) => {
            secrets.iter().fold(false, |found, secret| secret.matches(presented) | found)
        }
        (Authentication::None, Some(_)) | (Authentication::Secret(_), None) => false,
    }
}
