//! The state of the listener's certificate, for monitoring.

use std::sync::PoisonError;

use super::metrics::Monitoring;
use crate::clock::Timestamp;

/// The state of the listener's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateStatus {
    /// When the one in use expires, in milliseconds since the Unix epoch; `None` if that can't be read from it.
    pub until: Option<Timestamp>,
    /// Whether the files contain a certificate or key that can't be used.
    pub refused: bool,
}

impl Monitoring {
    /// Records the state of the listener's certificate.
    pub fn note_certificate(&self, status: CertificateStatus) {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }

    /// The state of the listener's certificate; `None` if it has none.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateStatus> {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many whole days the certificate is still valid.
    #[must_use]
    pub fn certificate_days_left(&self) -> Option<u64> {
        let until = self.certificate()?.until?;
        Some(until.since(self.clock.now()).as_secs() / 86_400)
    }
}
