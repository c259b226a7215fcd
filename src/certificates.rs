//! Certificates and private keys in PEM files, and the certificate authorities that this machine trusts.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// Why a certificate or a key can't be used. Each message names the file, for the operator.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// The private key can be read by other users of the machine.
    #[error("{} can be read by others (mode {mode:03o}): chmod 600 it", path.display())]
    ReadableByOthers {
        /// The path of the file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file has no PEM section of the needed kind, or a damaged one.
    #[error("{} holds no {what} in PEM", path.display())]
    Pem {
        /// The path of the file.
        path: PathBuf,
        /// The kind of section.
        what: &'static str,
    },
    /// The certificate and the key don't belong together, or one of them is of an unsupported kind.
    #[error("the certificate in {} and the key in {} can't be used", cert.display(), key.display())]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// The TLS library's error.
        source: rustls::Error,
    },
    /// The machine has no certificate authorities.
    #[error("no certificate authority is known on this machine: {0}")]
    NoAuthorities(String),
}

/// Reads a certificate chain and its private key, and checks that they belong together.
pub(crate) fn read_pair(cert: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let chain = read_certificates(cert)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key, true)?)
        .map_err(|_| CertificateError::Pem { path: key.to_owned(), what: "private key" })?;
    CertifiedKey::from_der(chain, private, &rustls::crypto::aws_lc_rs::default_provider())
        .map_err(|source| CertificateError::Unusable { cert: cert.to_owned(), key: key.to_owned(), source })
}

/// The certificate authorities in a file.
pub(crate) fn read_authorities(path: &Path) -> Result<RootCertStore, CertificateError> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        let unusable = |_| CertificateError::Pem { path: path.to_owned(), what: "usable certificate" };
        roots.add(certificate).map_err(unusable)?;
    }
    Ok(roots)
}

/// The certificate authorities that this machine trusts, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
pub(crate) fn system_authorities() -> Result<RootCertStore, CertificateError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(|| "none was found".to_owned(), ToString::to_string);
        return Err(CertificateError::NoAuthorities(why));
    }
    Ok(roots)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    CertificateDer::pem_slice_iter(&read(path, false)?)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| CertificateError::Pem { path: path.to_owned(), what: "certificate" })
}

/// Reads a file; a secret one only if no other user can read it.
fn read(path: &Path, secret: bool) -> Result<Zeroizing<Vec<u8>>, CertificateError> {
    let failed = |source| CertificateError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    // As in PostgreSQL, root may share a key with a group, which is how secrets get into containers.
    let private = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if secret && mode & private != 0 {
        return Err(CertificateError::ReadableByOthers { path: path.to_owned(), mode });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0)));
    file.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &tempfile::TempDir, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_pair_is_read_and_each_error_names_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let cert = write(&dir, "cert.pem", &made.cert.pem(), 0o644);
        let key = write(&dir, "key.pem", &made.signing_key.serialize_pem(), 0o600);
        assert_eq!(read_pair(&cert, &key).unwrap().cert.len(), 1);
        assert_eq!(read_authorities(&cert).unwrap().len(), 1);

        let open = write(&dir, "open.pem", &made.signing_key.serialize_pem(), 0o644);
        let error = read_pair(&cert, &open).unwrap_err().to_string();
        assert!(error.contains("open.pem") && error.contains("644"), "{error}");

        for error in [read_pair(&key, &key).unwrap_err(), read_authorities(&key).unwrap_err()] {
            assert!(error.to_string().contains("key.pem holds no certificate"), "{error}");
        }

        let error = read_pair(&cert, &dir.path().join("none.pem")).unwrap_err().to_string();
        assert!(error.contains("none.pem"), "{error}");

        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let other = write(&dir, "other.pem", &other.signing_key.serialize_pem(), 0o600);
        let error = read_pair(&cert, &other).unwrap_err().to_string();
        assert!(error.contains("other.pem"), "{error}");
    }
}
