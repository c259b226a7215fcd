//! One signing key: parsed and checked once, then only used.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::write::EncoderStringWriter;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use zeroize::{Zeroize, Zeroizing};

use super::claims::AccessTokenClaims;
use super::jwks::Jwk;
use crate::oauth::Kid;

/// ring signs with keys of up to 4,096 bits.
const MAX_SIGNATURE: usize = 512;

/// Room for a usual token, so that it grows at most once: header 90 bytes, claims 600, signature 342.
const USUAL_TOKEN: usize = 1280;

/// A private key that signs access tokens by RS256.
pub struct SigningKey {
    kid: Kid,
    pair: RsaKeyPair,
    /// The modulus and the exponent, as they stand in a JWK.
    n: String,
    e: String,
    /// The header and the dot behind it, encoded, for each [`TokenType`].
    at_jwt: String,
    jwt: String,
    verifying: jsonwebtoken::DecodingKey,
}

/// The header's `typ`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenType {
    /// `at+jwt` (RFC 9068 §2.1).
    #[default]
    AtJwt,
    /// `JWT`, for resource servers that take nothing else.
    Jwt,
}

impl TokenType {
    /// As it stands in the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtJwt => "at+jwt",
            Self::Jwt => "JWT",
        }
    }
}

/// A token could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The claims could not be written as JSON.
    #[error("the claims could not be encoded: {0}")]
    Claims(#[from] serde_json::Error),
    /// The key gave no signature.
    #[error("the signing key {0} gave no signature")]
    Signature(Kid),
}

/// Why a file's contents are no signing key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAKey {
    /// Not PKCS#8 PEM.
    #[error("it doesn't hold a private key as PKCS#8 PEM (-----BEGIN PRIVATE KEY-----)")]
    Pem,
    /// Fewer bits than RFC 7518 §3.3 allows.
    #[error("its RSA key is smaller than 2048 bits")]
    TooSmall,
    /// Not an RSA key that can sign.
    #[error("it isn't an RSA key that can sign ({0})")]
    Rejected(String),
    /// It signs, and the signature doesn't verify.
    #[error("its private half doesn't fit its public half")]
    SelfTest,
}

impl SigningKey {
    /// The key in a PKCS#8 PEM document, after it has signed and verified once.
    ///
    /// # Errors
    /// [`NotAKey`], saying what is wrong.
    pub fn from_pem(pem: &[u8]) -> Result<Self, NotAKey> {
        let mut der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| NotAKey::Pem)?;
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der());
        der.zeroize();
        let pair = pair.map_err(|rejected| match rejected.to_string().as_str() {
            "TooSmall" => NotAKey::TooSmall,
            other => NotAKey::Rejected(other.to_owned()),
        })?;
        let public: PublicKeyComponents<Vec<u8>> = pair.public().into();
        let (n, e) = (URL_SAFE_NO_PAD.encode(&public.n), URL_SAFE_NO_PAD.encode(&public.e));
        let kid = Kid::thumbprint(&n, &e);
        let key = Self {
            kid,
            pair,
            n,
            e,
            at_jwt: header(kid, TokenType::AtJwt),
            jwt: header(kid, TokenType::Jwt),
            verifying: jsonwebtoken::DecodingKey::from_rsa_raw_components(&public.n, &public.e),
        };
        key.self_test()?;
        Ok(key)
    }

    /// A new private key of 2,048 bits, as a PKCS#8 PEM document.
    ///
    /// # Errors
    /// If the machine couldn't make one.
    pub(super) fn generate() -> Result<Zeroizing<String>, aws_lc_rs::error::Unspecified> {
        let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048)?;
        Ok(pkcs8_pem(pair.as_der()?.as_ref()))
    }

    /// Its `kid`.
    #[must_use]
    pub const fn kid(&self) -> Kid {
        self.kid
    }

    /// A signed access token.
    ///
    /// # Errors
    /// [`SignError`]; with a key that passed its self-test neither is to be expected.
    pub fn sign(&self, typ: TokenType, claims: &AccessTokenClaims<'_>) -> Result<String, SignError> {
        let mut token = String::with_capacity(USUAL_TOKEN);
        token.push_str(match typ {
            TokenType::AtJwt => &self.at_jwt,
            TokenType::Jwt => &self.jwt,
        });
        let mut encoder = EncoderStringWriter::from_consumer(token, &URL_SAFE_NO_PAD);
        serde_json::to_writer(&mut encoder, claims)?;
        let mut token = encoder.into_inner();

        let mut room = [0; MAX_SIGNATURE];
        let signature = self.signature(token.as_bytes(), &mut room).ok_or(SignError::Signature(self.kid))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Its public half, for the JWKS.
    pub(super) fn jwk(&self) -> Jwk<'_> {
        Jwk::rs256(self.kid, &self.n, &self.e)
    }

    /// What verifies its signatures.
    pub(super) const fn verifying(&self) -> &jsonwebtoken::DecodingKey {
        &self.verifying
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "PKCS#1 v1.5 has no random part; ring asks for a generator and draws nothing"
    )]
    fn signature<'a>(&self, message: &[u8], room: &'a mut [u8; MAX_SIGNATURE]) -> Option<&'a [u8]> {
        let signature = room.get_mut(..self.pair.public().modulus_len())?;
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, signature).ok()?;
        Some(signature)
    }

    fn self_test(&self) -> Result<(), NotAKey> {
        const MESSAGE: &[u8] = b"heirloom self-test";
        let mut room = [0; MAX_SIGNATURE];
        let signature = self.signature(MESSAGE, &mut room).ok_or(NotAKey::SelfTest)?;
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, self.pair.public());
        public.verify(MESSAGE, signature).map_err(|_| NotAKey::SelfTest)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

fn header(kid: Kid, typ: TokenType) -> String {
    let json = format!(r#"{{"alg":"RS256","kid":"{kid}","typ":"{}"}}"#, typ.as_str());
    let mut header = URL_SAFE_NO_PAD.encode(json);
    header.push('.');
    header
}

/// RFC 7468 §10: lines of 64 characters.
fn pkcs8_pem(der: &[u8]) -> Zeroizing<String> {
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

    const CLAIMS: AccessTokenClaims<'static> = AccessTokenClaims {
        iss: "https://id.example",
        sub: "u1",
        aud: &["https://api.example"],
        client_id: "app",
        scope: "read",
        sid: "s1",
        jti: "j1",
        iat: 1,
        exp: 601,
        auth_time: 1,
        roles: &["user"],
    };

    #[test]
    fn a_token_is_what_jsonwebtoken_expects_and_the_same_twice() {
        let key = SigningKey::from_pem(SigningKey::generate().unwrap().as_bytes()).unwrap();
        for typ in [TokenType::AtJwt, TokenType::Jwt] {
            let token = key.sign(typ, &CLAIMS).unwrap();
            assert_eq!(token, key.sign(typ, &CLAIMS).unwrap(), "a retry gets the same bytes");
            let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
            validation.set_audience(CLAIMS.aud);
            validation.validate_exp = false;
            let decoded =
                jsonwebtoken::decode::<serde_json::Value>(&token, key.verifying(), &validation).unwrap();
            assert_eq!(decoded.claims, serde_json::to_value(CLAIMS).unwrap());
            assert_eq!(decoded.header.typ.as_deref(), Some(typ.as_str()));
            assert_eq!(decoded.header.kid, Some(key.kid().to_string()));
        }
    }

    #[test]
    fn a_new_key_is_pem_as_others_write_it() {
        let pem = SigningKey::generate().unwrap();
        let lines: Vec<_> = pem.lines().collect();
        assert_eq!(lines.first(), Some(&"-----BEGIN PRIVATE KEY-----"));
        assert_eq!(lines.last(), Some(&"-----END PRIVATE KEY-----"));
        assert!(lines[1..lines.len() - 2].iter().all(|line| line.len() == 64));
        assert_eq!(SigningKey::from_pem(pem.as_bytes()).unwrap().pair.public().modulus_len(), 256);
    }

    #[test]
    fn c62_a_damaged_key_is_refused_or_does_no_harm() {
        let pem = SigningKey::generate().unwrap();
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap().secret_pkcs8_der().to_vec();
        let kid = SigningKey::from_pem(pem.as_bytes()).unwrap().kid();
        let mut refused = 0;
        for at in (0..der.len()).step_by(5) {
            let mut damaged = der.clone();
            damaged[at] ^= 0x10;
            match SigningKey::from_pem(pkcs8_pem(&damaged).as_bytes()) {
                Err(_) => refused += 1,
                // The private exponent is in the file, but ring signs by the primes.
                Ok(key) => {
                    assert_eq!(key.kid(), kid, "byte {at}");
                    assert!(key.sign(TokenType::AtJwt, &CLAIMS).is_ok(), "byte {at}");
                }
            }
        }
        assert!(refused > der.len() / 10, "{refused} of {}", der.len() / 5);
        assert_eq!(SigningKey::from_pem(b"").err(), Some(NotAKey::Pem));
        assert_eq!(SigningKey::from_pem(&pem.as_bytes()[..900]).err(), Some(NotAKey::Pem));
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let pem = SigningKey::generate().unwrap();
        let key = SigningKey::from_pem(pem.as_bytes()).unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ kid: Kid({}), .. }}", key.kid()));
    }
}
