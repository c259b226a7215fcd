//! The state of the listener's certificate, for monitoring.

use crate::clock::Timestamp;

/// The state of the listener's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateStatus {
    /// When the one in use expires, in milliseconds since the Unix epoch; `None` if that can't be read from it.
    pub until: Option<Timestamp>,
    /// Whether the files contain a certificate or key that can't be used.
    pub refused: bool,
}
