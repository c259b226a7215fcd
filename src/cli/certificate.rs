//! Watches the files of the listener's certificate while the server runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::error_text::with_sources;
use crate::app::Monitoring;
use crate::app::certificate::CertificateStatus;
use crate::certificates::CertificateError;
use crate::clock::Timestamp;
use crate::http::server::{Certificate, Look, Validity};

/// How often the files are checked.
const EVERY: Duration = Duration::from_secs(2);
/// How often the log repeats that the certificate should be renewed.
const REMIND: Duration = Duration::from_hours(24);

/// Opens the certificate and its key. The error has the whole reason.
pub(super) fn open(cert: &Path, key: &Path) -> Result<Arc<Certificate>, String> {
    Certificate::open(cert, key).map(Arc::new).map_err(|error: CertificateError| with_sources(&error))
}

/// Uses renewed certificates, logs unusable ones, and reminds of the expiry; never returns.
pub(super) async fn keep(certificate: Arc<Certificate>, monitoring: Arc<Monitoring>) {
    let mut reminder = Reminder::default();
    let (mut refused, mut logged) = (false, None);
    loop {
        let looking = Arc::clone(&certificate);
        match tokio::task::spawn_blocking(move || looking.look()).await {
            Ok(Look::Unchanged) | Err(_) => {}
            Ok(Look::Same) => (refused, logged) = (false, None),
            Ok(Look::Taken) => {
                (refused, logged) = (false, None);
                let until = certificate.validity().map(|validity| validity.until.to_string());
                tracing::info!(tls.until = until, "the TLS certificate was renewed: new connections get it");
            }
            Ok(Look::Refused(error)) => {
                refused = true;
                let error = Some(with_sources(&error));
                if logged != error {
                    tracing::error!(
                        error,
                        "the TLS certificate has changed and can't be used: the previous one stays in use"
                    );
                }
                logged = error;
            }
        }
        let validity = certificate.validity();
        monitoring
            .note_certificate(CertificateStatus { until: validity.map(|validity| validity.until), refused });
        if let Some(validity) = validity {
            reminder.look(validity, monitoring.now());
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Logs once a day that the certificate should be renewed.
#[derive(Debug, Default)]
struct Reminder(Option<Timestamp>);

impl Reminder {
    fn look(&mut self, validity: Validity, now: Timestamp) {
        if !self.is_due(validity, now) {
            return;
        }
        let days = validity.left(now).as_secs() / 86_400;
        if validity.until <= now {
            tracing::error!(tls.until = %validity.until, "the TLS certificate has expired: clients refuse it");
        } else {
            tracing::warn!(tls.until = %validity.until, tls.days_left = days, "the TLS certificate expires soon");
        }
    }

    fn is_due(&mut self, validity: Validity, now: Timestamp) -> bool {
        if !validity.is_due(now) {
            self.0 = None;
            return false;
        }
        let due = self.0.is_none_or(|last| now.since(last) >= REMIND);
        if due {
            self.0 = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_a_day_until_it_is_renewed() {
        let hour = |hours: u64| Timestamp::from_seconds(hours * 3600);
        let old = Validity { from: hour(0), until: hour(90 * 24) };
        let new = Validity { from: hour(80 * 24), until: hour(170 * 24) };
        let mut reminder = Reminder::default();
        let said: Vec<u64> =
            (0..100 * 24).filter(|at| reminder.is_due(old, hour(*at))).map(|at| at / 24).collect();
        assert_eq!(said, (76..100).collect::<Vec<_>>(), "from two weeks before its end, and behind it");
        assert!(!reminder.is_due(new, hour(100 * 24)));
        assert!(reminder.is_due(old, hour(100 * 24)), "at once, if the old one comes back");
    }
}
