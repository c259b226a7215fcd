//! The listener's certificate, for those who watch the server.

use std::sync::PoisonError;

use super::metrics::Monitoring;
use crate::clock::Timestamp;

/// How the listener's certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateStatus {
    /// Until when the one in use is good; none if it does not tell.
    pub until: Option<Timestamp>,
    /// Whether the files hold one that can't be used.
    pub refused: bool,
}

impl Monitoring {
    /// Notes how the listener's certificate is.
    pub fn note_certificate(&self, status: CertificateStatus) {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    }

    /// How the listener's certificate is; none if it has none.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateStatus> {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many whole days the certificate is still good.
    #[must_use]
    pub fn certificate_days_left(&self) -> Option<u64> {
        let until = self.certificate()?.until?;
        Some(until.since(self.clock.now()).as_secs() / 86_400)
    }
}
