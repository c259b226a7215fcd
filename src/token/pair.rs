//! Private keys of both algorithms: parsing, signing, and the public half.
//!
//! Signing with RSA is nearly the whole cost of a refresh, and which library is faster depends on the processor: aws-lc
//! is twice as fast as ring where there is AVX-512 IFMA; elsewhere ring is faster. So both are timed once, when the
//! first RSA key is loaded. With RS256 both produce the same bytes.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::oauth::SigningAlgorithm;

/// The longest signature, in bytes: that of an RSA key of 8,192 bits.
const MAX_SIGNATURE: usize = 1024;
/// How often each library is timed; the fastest run counts.
const ROUNDS: usize = 5;

/// A private key of either algorithm.
pub(super) enum Pair {
    Rs256(Box<RsaPair>),
    Es256(EcdsaKeyPair),
}

/// An RSA key, parsed by both libraries.
pub(super) struct RsaPair {
    aws_lc: rsa::KeyPair,
    /// `None` if ring can't use the key: it supports up to 4,096 bits.
    ring: Option<ring::rsa::KeyPair>,
}

/// Why a file's contents are not a signing key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// The text is not PKCS#8 in PEM.
    #[error("it doesn't hold a private key as PKCS#8 PEM (-----BEGIN PRIVATE KEY-----)")]
    Pem,
    /// The RSA key has fewer bits than RFC 7518 §3.3 requires.
    #[error("its RSA key is smaller than 2048 bits")]
    TooSmall,
    /// It is neither an RSA key nor a P-256 key that can sign.
    #[error("it is neither an RSA key nor a P-256 key that can sign ({0})")]
    Rejected(String),
    /// Its signature can't be verified with its public half.
    #[error("its private half doesn't fit its public half")]
    SelfTest,
}

/// The members of a JWK that make up a public key, in base64url (RFC 7518 §6.2.1 and §6.3.1). The type has no fields
/// for a private key.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum PublicKey {
    /// The modulus and the exponent.
    Rsa { n: String, e: String },
    /// The coordinates of the point.
    Ec { crv: &'static str, x: String, y: String },
}

/// A signature in a buffer of fixed size.
pub(super) struct Signature {
    bytes: [u8; MAX_SIGNATURE],
    len: usize,
}

impl Pair {
    /// The key in a PKCS#8 document, which says its own algorithm.
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, NotAKey> {
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            return Ok(Self::Es256(pair));
        }
        let aws_lc =
            rsa::KeyPair::from_pkcs8(der).map_err(|rejected| match rejected.to_string().as_str() {
                "TooSmall" => NotAKey::TooSmall,
                other => NotAKey::Rejected(other.to_owned()),
            })?;
        Ok(Self::Rs256(Box::new(RsaPair { aws_lc, ring: ring::rsa::KeyPair::from_pkcs8(der).ok() })))
    }

    /// Generates a key, as a PKCS#8 PEM document. An RSA key has 2,048 bits.
    pub(super) fn generate(
        algorithm: SigningAlgorithm,
    ) -> Result<Zeroizing<String>, aws_lc_rs::error::Unspecified> {
        match algorithm {
            SigningAlgorithm::Rs256 => {
                let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048)?;
                Ok(pkcs8_pem(pair.as_der()?.as_ref()))
            }
            SigningAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
                Ok(pkcs8_pem(pair.to_pkcs8v1()?.as_ref()))
            }
        }
    }

    pub(super) const fn algorithm(&self) -> SigningAlgorithm {
        match self {
            Self::Rs256(_) => SigningAlgorithm::Rs256,
            Self::Es256(_) => SigningAlgorithm::Es256,
        }
    }

    /// Signs a message. With RS256 the same message gets the same signature; with ES256 a different one each time (FIPS
    /// 186-5 §6.4).
    pub(super) fn sign(&self, message: &[u8]) -> Option<Signature> {
        let mut signature = Signature { bytes: [0; MAX_SIGNATURE], len: 0 };
        match self {
            Self::Rs256(pair) => {
                signature.len = pair.aws_lc.public_modulus_len();
                let room = signature.bytes.get_mut(..signature.len)?;
                pair.sign_by(pair.faster(), message, room)?;
            }
            Self::Es256(pair) => {
                // The library takes its random numbers from its own generator.
                let made = pair.sign(&SystemRandom::new(), message).ok()?;
                signature.len = made.as_ref().len();
                signature.bytes.get_mut(..signature.len)?.copy_from_slice(made.as_ref());
            }
        }
        Some(signature)
    }

    /// Whether a test signature can be verified.
    pub(super) fn passes_self_test(&self) -> bool {
        const MESSAGE: &[u8] = b"heirloom self-test";
        let Some(signature) = self.sign(MESSAGE) else { return false };
        let verified = match self {
            Self::Rs256(pair) => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.aws_lc.public_key().as_ref())
                    .verify(MESSAGE, signature.as_ref())
            }
            Self::Es256(pair) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref())
                .verify(MESSAGE, signature.as_ref()),
        };
        verified.is_ok()
    }

    /// Its public half.
    pub(super) fn public(&self) -> Option<PublicKey> {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Rs256(pair) => {
                let public = pair.aws_lc.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                let (n, e) = (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
                Some(PublicKey::Rsa { n: encode(n), e: encode(e) })
            }
            Self::Es256(pair) => {
                // SEC 1 §2.3.3: the byte 04, then the two coordinates, each as long as the field.
                let (x, y) = pair.public_key().as_ref().strip_prefix(&[4])?.split_at_checked(32)?;
                Some(PublicKey::Ec { crv: "P-256", x: encode(x), y: encode(y) })
            }
        }
    }
}

/// The library that makes RSA signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Library {
    AwsLc,
    Ring,
}

impl RsaPair {
    fn sign_by(&self, library: Library, message: &[u8], room: &mut [u8]) -> Option<()> {
        match (library, &self.ring) {
            #[expect(
                clippy::disallowed_methods,
                reason = "PKCS#1 v1.5 has no random part; ring asks for a generator and draws nothing"
            )]
            (Library::Ring, Some(pair)) => {
                let random = ring::rand::SystemRandom::new();
                pair.sign(&ring::signature::RSA_PKCS1_SHA256, &random, message, room).ok()
            }
            (Library::Ring, None) | (Library::AwsLc, _) => {
                self.aws_lc.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, room).ok()
            }
        }
    }

    /// The library that is faster on this machine. It is measured once, by a few signatures of each in turn.
    fn faster(&self) -> Library {
        static FASTER: OnceLock<Library> = OnceLock::new();
        if self.ring.is_none() {
            return Library::AwsLc;
        }
        *FASTER.get_or_init(|| {
            let both = [Library::AwsLc, Library::Ring];
            let mut best = [Duration::MAX; 2];
            for _ in 0..ROUNDS {
                for (best, library) in best.iter_mut().zip(both) {
                    *best = (*best).min(self.time(library));
                }
            }
            let [aws_lc, ring] = best;
            let faster = if ring < aws_lc { Library::Ring } else { Library::AwsLc };
            tracing::debug!(signature.by = ?faster, aws_lc.time = ?aws_lc, ring.time = ?ring, "RSA signatures were timed");
            faster
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "measures the processor; decides nothing that is stored or answered"
    )]
    fn time(&self, library: Library) -> Duration {
        let mut room = [0; MAX_SIGNATURE];
        let room = room.get_mut(..self.aws_lc.public_modulus_len()).unwrap_or_default();
        let began = Instant::now();
        match self.sign_by(library, b"heirloom", room) {
            Some(()) => began.elapsed(),
            None => Duration::MAX,
        }
    }
}

impl PublicKey {
    /// The `kty` of its JWK (RFC 7517 §4.1).
    pub(super) const fn kty(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RSA",
            Self::Ec { .. } => "EC",
        }
    }

    /// The members that the thumbprint covers, in lexicographic order and without white space (RFC 7638 §3.2).
    pub(super) fn canonical(&self) -> String {
        match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::Ec { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
        }
    }

    /// The key in the form that jsonwebtoken verifies with.
    pub(super) fn verifying(&self) -> jsonwebtoken::errors::Result<jsonwebtoken::DecodingKey> {
        match self {
            Self::Rsa { n, e } => jsonwebtoken::DecodingKey::from_rsa_components(n, e),
            Self::Ec { x, y, .. } => jsonwebtoken::DecodingKey::from_ec_components(x, y),
        }
    }
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// A PEM document with lines of 64 characters (RFC 7468 §10).
pub(super) fn pkcs8_pem(der: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(STANDARD.encode(der));
    let mut pem = Zeroizing::new(String::with_capacity(4096));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    for (at, letter) in base64.chars().enumerate() {
        if at != 0 && at % 64 == 0 {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem.push_str("\n-----END PRIVATE KEY-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_libraries_make_the_same_rsa_signature() {
        let pem = Pair::generate(SigningAlgorithm::Rs256).unwrap();
        let der: rustls_pki_types::PrivatePkcs8KeyDer<'_> =
            rustls_pki_types::pem::PemObject::from_pem_slice(pem.as_bytes()).unwrap();
        let Ok(Pair::Rs256(pair)) = Pair::from_pkcs8(der.secret_pkcs8_der()) else { panic!("an RSA key") };
        assert!(pair.ring.is_some());
        let signed = |library| {
            let mut room = vec![0; pair.aws_lc.public_modulus_len()];
            pair.sign_by(library, b"message", &mut room).unwrap();
            room
        };
        assert_eq!(signed(Library::AwsLc), signed(Library::Ring));
        assert_eq!(pair.faster(), pair.faster());
    }
}
