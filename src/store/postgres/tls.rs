//! TLS to the database. Its modes mean what libpq's mean.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError as Invalid, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_postgres::Config;

use super::hosts::is_here;
use crate::certificates::{CertificateError, read_authorities, read_pair, system_authorities};

/// How connections to the database are encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostgresTls {
    /// What is demanded of the server.
    pub mode: TlsMode,
    /// Whom to believe who the server is: a PEM file. `None`: the authorities that the machine trusts.
    pub authorities: Option<PathBuf>,
    /// The certificate that is shown to the server, with its key: PEM files.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// libpq's `sslmode`. A socket is never encrypted, whatever the mode is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// No encryption.
    Disable,
    /// Encrypted if the server can; nothing is verified.
    Prefer,
    /// Encrypted. Verified as by `VerifyCa` if authorities are set, else not at all.
    Require,
    /// Encrypted, and the server's certificate is from one of the authorities.
    VerifyCa,
    /// Encrypted, and the certificate is from one of the authorities, for the server's host name.
    #[default]
    VerifyFull,
}

impl TlsMode {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Self); 5] = [
        ("disable", Self::Disable),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    /// The mode if none is set: what leaves this machine is verified.
    #[must_use]
    pub fn usual(server: &Config) -> Self {
        let all_here = (0..server.get_hosts().len()).all(|at| is_here(server, at));
        if all_here { Self::Prefer } else { Self::VerifyFull }
    }
}

impl PostgresTls {
    /// Whether it is verified who the server is.
    #[must_use]
    pub const fn verifies(&self) -> bool {
        match self.mode {
            TlsMode::Disable | TlsMode::Prefer => false,
            TlsMode::Require => self.authorities.is_some(),
            TlsMode::VerifyCa | TlsMode::VerifyFull => true,
        }
    }

    /// Reads the files. They are read for each connection, so that renewed ones are used from then on.
    pub(super) fn client_config(&self) -> Result<ClientConfig, CertificateError> {
        let unusable = |error: Error| CertificateError::NoAuthorities(error.to_string());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let roots = match (self.mode, &self.authorities) {
            (TlsMode::Disable | TlsMode::Prefer, _) | (TlsMode::Require, None) => None,
            (TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull, Some(file)) => {
                Some(Arc::new(read_authorities(file)?))
            }
            (TlsMode::VerifyCa | TlsMode::VerifyFull, None) => Some(machine_authorities()?),
        };
        let builder = match roots {
            Some(roots) if self.mode == TlsMode::VerifyFull => builder.with_root_certificates(roots),
            roots => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(WithoutName { roots, provider })),
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let pair = Arc::new(read_pair(certificate, key)?);
                builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(pair)))
            }
        };
        // What PostgreSQL 17 and newer expect; older ones ignore it.
        config.alpn_protocols = vec![b"postgresql".to_vec()];
        Ok(config)
    }
}

/// Read once: it takes some milliseconds.
fn machine_authorities() -> Result<Arc<RootCertStore>, CertificateError> {
    static AUTHORITIES: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(known) = AUTHORITIES.get() {
        return Ok(Arc::clone(known));
    }
    let read = Arc::new(system_authorities()?);
    Ok(Arc::clone(AUTHORITIES.get_or_init(|| read)))
}

/// Verifies that a certificate is from one of the authorities, if there are any, and never for which name it is.
#[derive(Debug)]
struct WithoutName {
    roots: Option<Arc<RootCertStore>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for WithoutName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What helps against an error of a connection, if TLS is its cause.
pub(super) fn hint(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let of_io = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        let of_tls = of_io.and_then(|inner| inner.downcast_ref::<Error>());
        if let Some(Error::InvalidCertificate(invalid)) = of_tls.or_else(|| error.downcast_ref()) {
            return Some(advice(invalid));
        }
        if error.to_string() == "server does not support TLS" {
            return Some(
                "turn `ssl` on in its postgresql.conf, or write sslmode=disable where the network is safe",
            );
        }
        cause = error.source();
    }
    None
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the enum is another crate's, and grows")]
fn advice(invalid: &Invalid) -> &'static str {
    match invalid {
        Invalid::UnknownIssuer | Invalid::BadSignature => {
            "name the file with the certificate of its authority in `sslrootcert`"
        }
        Invalid::NotValidForName | Invalid::NotValidForNameContext { .. } => {
            "name the server as its certificate does (subjectAltName), or write sslmode=verify-ca if nobody else has \
             a certificate of that authority"
        }
        Invalid::Expired | Invalid::ExpiredContext { .. } => "renew the server's certificate",
        _ => {
            "the server needs a certificate of its own, for its host name, from the authority in `sslrootcert`"
        }
    }
}
