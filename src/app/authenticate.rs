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
    /// Authenticates a client by the readings of its credentials; one that is right suffices. They are one attempt.
    ///
    /// # Errors
    /// [`TokenError::Client`] if none is right; an unknown client costs the same work as a wrong secret.
    pub fn authenticate(&self, readings: &[Credentials]) -> Result<Arc<Registration>, TokenError> {
        let registrations: Vec<_> = readings.iter().map(|reading| self.authenticate_one(reading)).collect();
        let registration = registrations.into_iter().flatten().next();
        registration.filter(|registration| !registration.disabled).ok_or(TokenError::Client)
    }

    fn authenticate_one(&self, reading: &Credentials) -> Option<Arc<Registration>> {
        let registration = reading.id.parse::<ClientId>().ok().and_then(|id| self.clients.find(&id));
        let presented = reading.secret.as_ref().map(|secret| SecretDigest::of(secret));
        let unknown = Authentication::Secret(vec![SecretDigest::of("")]);
        let authentication = registration.as_ref().map_or(&unknown, |known| &known.authentication);
        let proved = match (authentication, presented) {
            // RFC 6749 §3.2.1: a public client names itself and has nothing to prove it by.
            (Authentication::None, None) => true,
            (Authentication::Secret(secrets), Some(presented)) => {
                // All are compared, so that the time does not tell which one was right.
                secrets.iter().fold(false, |found, secret| secret.matches(&presented) | found)
            }
            (Authentication::None, Some(_)) | (Authentication::Secret(_), None) => false,
        };
        registration.filter(|_| proved)
    }
}
