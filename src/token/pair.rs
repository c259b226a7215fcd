//! A private key of either algorithm: parsed once by aws-lc, and what its public half is made of.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;
use zeroize::Zeroizing;

use super::signing::NotAKey;
use crate::oauth::SigningAlgorithm;

/// The longest signature, in bytes: of an RSA key of 8,192 bits.
const MAX_SIGNATURE: usize = 1024;

/// A private key.
pub(super) enum Pair {
    Rs256(RsaKeyPair),
    Es256(EcdsaKeyPair),
}

/// What a JWK says of a public key beside its use, in base64url: RFC 7518 §6.2.1 and §6.3.1. There is no room in it for
/// a private one.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum PublicKey {
    /// The modulus and the exponent.
    Rsa { n: String, e: String },
    /// The coordinates of the point.
    Ec { crv: &'static str, x: String, y: String },
}

/// A signature.
pub(super) struct Signature {
    bytes: [u8; MAX_SIGNATURE],
    len: usize,
}

impl Pair {
    /// The key in a PKCS#8 document, which says itself what it is.
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, NotAKey> {
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
            return Ok(Self::Es256(pair));
        }
        RsaKeyPair::from_pkcs8(der).map(Self::Rs256).map_err(|rejected| match rejected.to_string().as_str() {
            "TooSmall" => NotAKey::TooSmall,
            other => NotAKey::Rejected(other.to_owned()),
        })
    }

    /// A new one, as a PKCS#8 PEM document; RSA keys have 2,048 bits.
    pub(super) fn generate(
        algorithm: SigningAlgorithm,
    ) -> Result<Zeroizing<String>, aws_lc_rs::error::Unspecified> {
        match algorithm {
            SigningAlgorithm::Rs256 => {
                let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048)?;
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

    /// Signs. By RS256 the same message gets the same signature; by ES256 another one each time (FIPS 186-5 §6.4).
    pub(super) fn sign(&self, message: &[u8]) -> Option<Signature> {
        let mut signature = Signature { bytes: [0; MAX_SIGNATURE], len: 0 };
        // The library draws what it needs from its own generator.
        let random = SystemRandom::new();
        match self {
            Self::Rs256(pair) => {
                signature.len = pair.public_modulus_len();
                let room = signature.bytes.get_mut(..signature.len)?;
                pair.sign(&RSA_PKCS1_SHA256, &random, message, room).ok()?;
            }
            Self::Es256(pair) => {
                let made = pair.sign(&random, message).ok()?;
                signature.len = made.as_ref().len();
                signature.bytes.get_mut(..signature.len)?.copy_from_slice(made.as_ref());
            }
        }
        Some(signature)
    }

    /// Whether what it signs verifies.
    pub(super) fn passes_self_test(&self) -> bool {
        const MESSAGE: &[u8] = b"heirloom self-test";
        let Some(signature) = self.sign(MESSAGE) else { return false };
        let verified = match self {
            Self::Rs256(pair) => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref())
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
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                let (n, e) = (n.big_endian_without_leading_zero(), e.big_endian_without_leading_zero());
                Some(PublicKey::Rsa { n: encode(n), e: encode(e) })
            }
            Self::Es256(pair) => {
                // SEC 1 §2.3.3: 04, then the coordinates, each of the field's length.
                let (x, y) = pair.public_key().as_ref().strip_prefix(&[4])?.split_at_checked(32)?;
                Some(PublicKey::Ec { crv: "P-256", x: encode(x), y: encode(y) })
            }
        }
    }
}

impl PublicKey {
    /// The `kty` of its JWK.
    pub(super) const fn kty(&self) -> &'static str {
        match self {
            Self::Rsa { .. } => "RSA",
            Self::Ec { .. } => "EC",
        }
    }

    /// The members that a thumbprint is of, in lexicographic order, without whitespace (RFC 7638 §3.2).
    pub(super) fn canonical(&self) -> String {
        match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::Ec { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
        }
    }

    /// As jsonwebtoken verifies by it.
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

/// RFC 7468 §10: lines of 64 characters.
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
