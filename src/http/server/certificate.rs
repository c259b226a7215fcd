//! A certificate and its key, reloaded from their files when those change, so that a renewal needs no restart.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::tls::server_config;
use super::validity::Validity;
use crate::certificates::{CertificateError, read_pair};

/// The certificate in use, and its files.
#[derive(Debug)]
pub struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
    /// The state of the files when they were last read; `None`: read them again.
    seen: Mutex<Option<Seen>>,
}

/// The result of a check of the files.
#[derive(Debug)]
pub enum Look {
    /// The files are unchanged.
    Unchanged,
    /// The files have changed, but contain the pair in use.
    Same,
    /// The files contain another pair, which is in use from now on.
    Taken,
    /// The files have changed and can't be used; the previous pair stays in use. Unreadable files are tried again at
    /// each check.
    Refused(CertificateError),
}

/// The pair that new connections get.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

/// Identifies both files through symbolic links: renewals replace a link, which then points to other files.
type Seen = [Option<(u64, u64, u64, (i64, i64), (i64, i64))>; 2];

impl Certificate {
    /// Reads both files.
    ///
    /// # Errors
    /// [`CertificateError`], naming the file.
    pub fn open(cert: &Path, key: &Path) -> Result<Self, CertificateError> {
        let seen = Mutex::new(Some(seen(cert, key)));
        let current = Arc::new(Current(RwLock::new(Arc::new(read_pair(cert, key)?))));
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&current);
        let config = server_config(resolver).map_err(|source| CertificateError::Unusable {
            cert: cert.to_owned(),
            key: key.to_owned(),
            source,
        })?;
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), current, config, seen })
    }

    /// The configuration for a listener; it follows the files.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Checks whether the files have changed, and uses a valid new pair.
    pub fn look(&self) -> Look {
        let now = seen(&self.cert, &self.key);
        let mut before = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *before == Some(now) {
            return Look::Unchanged;
        }
        // A change while the files are read is noticed at the next check.
        *before = Some(now);
        match read_pair(&self.cert, &self.key) {
            Ok(pair) if pair.cert == self.current.pair().cert => Look::Same,
            Ok(pair) => {
                *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
                Look::Taken
            }
            Err(error) => {
                if matches!(error, CertificateError::Read { .. }) {
                    // The reason may disappear although the files stay the same.
                    *before = None;
                }
                Look::Refused(error)
            }
        }
    }

    /// The validity of the certificate in use; `None` if it can't be parsed.
    #[must_use]
    pub fn validity(&self) -> Option<Validity> {
        Validity::of(self.current.pair().cert.first()?)
    }
}

impl Current {
    fn pair(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.pair())
    }
}

fn seen(cert: &Path, key: &Path) -> Seen {
    [cert, key].map(|path| {
        let file = fs::metadata(path).ok()?;
        let (modified, changed) = ((file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec()));
        Some((file.dev(), file.ino(), file.len(), modified, changed))
    })
}

/// Reads a certificate chain and its private key, both PEM. The listener then offers HTTP/2 and HTTP/1.1 (ALPN) over
/// TLS 1.2 and 1.3.
///
/// # Errors
/// [`CertificateError`], naming the file.
pub fn tls_config(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, CertificateError> {
    Ok(Certificate::open(cert, key)?.config())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A pair in its own folder.
    fn pair(folder: &Path, name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        fs::create_dir(folder.join(name)).unwrap();
        write(&folder.join(name).join("cert.pem"), &cert);
        write(&folder.join(name).join("key.pem"), &key);
        (cert, key)
    }

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[test]
    fn a_link_that_is_swapped_brings_the_new_pair_and_a_bad_pair_leaves_the_old_one() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        pair(folder, "one");
        let (_, other_key) = pair(folder, "two");
        let link = |to: &str| {
            symlink(to, folder.join("fresh")).unwrap();
            fs::rename(folder.join("fresh"), folder.join("live")).unwrap();
        };
        link("one");
        let (cert, key) = (folder.join("live/cert.pem"), folder.join("live/key.pem"));
        let certificate = Certificate::open(&cert, &key).unwrap();
        let first = certificate.current.pair();
        assert!(matches!(certificate.look(), Look::Unchanged));
        link("two");
        assert!(matches!(certificate.look(), Look::Taken));
        let second = certificate.current.pair();
        assert_ne!(first.cert, second.cert);
        assert!(matches!(certificate.look(), Look::Unchanged));

        // One of the two is written before the other: they are refused until both are there.
        link("one");
        write(&folder.join("one/key.pem"), &other_key);
        let Look::Refused(error) = certificate.look() else { panic!("taken") };
        assert!(error.to_string().contains("live/key.pem"), "{error}");
        assert_eq!(certificate.current.pair().cert, second.cert);
        assert!(matches!(certificate.look(), Look::Unchanged), "told once");
        fs::remove_file(&cert).unwrap();
        assert!(matches!(certificate.look(), Look::Refused(_)));
        assert!(matches!(certificate.look(), Look::Refused(_)), "that may pass");
        let validity = certificate.validity().unwrap();
        assert!(validity.from < validity.until);
    }
}
