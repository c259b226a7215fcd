//! One signing key: parsed and tested once, then only used.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use super::jwk::Jwk;
use super::pair::{NotAKey, Pair, PublicKey};
use crate::oauth::{Kid, SigningAlgorithm};

/// The initial capacity of a token, which then grows at most once: header 90 bytes, claims 600, signature 342.
const USUAL_TOKEN: usize = 1280;
/// The initial capacity of the claims.
const USUAL_CLAIMS: usize = 600;

/// A private key that signs access tokens by RS256 or ES256.
pub struct SigningKey {
    kid: Kid,
    pair: Pair,
    public: PublicKey,
    /// The encoded header with the dot after it, for each [`TokenType`].
    at_jwt: String,
    jwt: String,
    logout_jwt: String,
    verifying: jsonwebtoken::DecodingKey,
}

/// The header's `typ`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenType {
    /// `at+jwt` (RFC 9068 §2.1).
    #[default]
    AtJwt,
    /// `JWT`, for ID tokens, and for resource servers that accept nothing else.
    Jwt,
    /// `logout+jwt` (OpenID Connect Back-Channel Logout §2.4).
    LogoutJwt,
}

impl TokenType {
    /// The value in the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtJwt => "at+jwt",
            Self::Jwt => "JWT",
            Self::LogoutJwt => "logout+jwt",
        }
    }
}

/// A token could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The claims could not be serialised as JSON.
    #[error("the claims could not be encoded: {0}")]
    Claims(#[from] serde_json::Error),
    /// The library returned no signature.
    #[error("the signing key {0} gave no signature")]
    Signature(Kid),
}

impl SigningKey {
    /// Parses a PKCS#8 PEM document, and makes and verifies a test signature.
    ///
    /// # Errors
    /// [`NotAKey`], with the reason.
    pub fn from_pem(pem: &[u8]) -> Result<Self, NotAKey> {
        let mut der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| NotAKey::Pem)?;
        let pair = Pair::from_pkcs8(der.secret_pkcs8_der());
        der.zeroize();
        let pair = pair?;
        if !pair.passes_self_test() {
            return Err(NotAKey::SelfTest);
        }
        let public = pair.public().ok_or(NotAKey::SelfTest)?;
        let kid = Kid::thumbprint(&public.canonical());
        let verifying = public.verifying().map_err(|error| NotAKey::Rejected(error.to_string()))?;
        let header = |typ| header(pair.algorithm(), kid, typ);
        Ok(Self {
            kid,
            at_jwt: header(TokenType::AtJwt),
            jwt: header(TokenType::Jwt),
            logout_jwt: header(TokenType::LogoutJwt),
            pair,
            public,
            verifying,
        })
    }

    /// Generates a private key, as a PKCS#8 PEM document. An RSA key has 2,048 bits.
    ///
    /// # Errors
    /// If the library could not generate one.
    pub(super) fn generate(
        algorithm: SigningAlgorithm,
    ) -> Result<Zeroizing<String>, aws_lc_rs::error::Unspecified> {
        Pair::generate(algorithm)
    }

    /// The algorithm it signs by.
    #[must_use]
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.pair.algorithm()
    }

    /// Its `kid` (RFC 7638).
    #[must_use]
    pub const fn kid(&self) -> Kid {
        self.kid
    }

    /// Signs a token: `claims` as JSON, under a header with this `typ`.
    ///
    /// # Errors
    /// [`SignError`]. Neither is expected from a key that passed its test signature.
    pub fn sign(&self, typ: TokenType, claims: &impl Serialize) -> Result<String, SignError> {
        let mut token = String::with_capacity(USUAL_TOKEN);
        token.push_str(match typ {
            TokenType::AtJwt => &self.at_jwt,
            TokenType::Jwt => &self.jwt,
            TokenType::LogoutJwt => &self.logout_jwt,
        });
        // Serialised first and encoded in one call: an encoder used as the writer would be called for every single
        // comma.
        let mut json = Vec::with_capacity(USUAL_CLAIMS);
        serde_json::to_writer(&mut json, claims)?;
        URL_SAFE_NO_PAD.encode_string(json, &mut token);
        let signature = self.pair.sign(token.as_bytes()).ok_or(SignError::Signature(self.kid))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// The public half as a JWK.
    pub(super) fn jwk(&self) -> Jwk<'_> {
        Jwk::new(self.kid, self.algorithm(), &self.public)
    }

    /// The key that verifies its signatures.
    pub(super) const fn verifying(&self) -> &jsonwebtoken::DecodingKey {
        &self.verifying
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

fn header(algorithm: SigningAlgorithm, kid: Kid, typ: TokenType) -> String {
    let json = format!(r#"{{"alg":"{algorithm}","kid":"{kid}","typ":"{}"}}"#, typ.as_str());
    let mut header = URL_SAFE_NO_PAD.encode(json);
    header.push('.');
    header
}

#[cfg(test)]
mod tests {
    use super::super::claims::AccessTokenClaims;
    use super::super::pair::pkcs8_pem;
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
        auth_time: Some(1),
        roles: &["user"],
    };

    fn new_key(algorithm: SigningAlgorithm) -> SigningKey {
        SigningKey::from_pem(SigningKey::generate(algorithm).unwrap().as_bytes()).unwrap()
    }

    #[test]
    fn a_token_is_what_jsonwebtoken_expects() {
        use jsonwebtoken::Algorithm::{ES256, RS256};
        for (algorithm, theirs) in SigningAlgorithm::ALL.into_iter().zip([RS256, ES256]) {
            let key = new_key(algorithm);
            for typ in [TokenType::AtJwt, TokenType::Jwt, TokenType::LogoutJwt] {
                let token = key.sign(typ, &CLAIMS).unwrap();
                let mut validation = jsonwebtoken::Validation::new(theirs);
                validation.set_audience(CLAIMS.aud);
                validation.validate_exp = false;
                let decoded =
                    jsonwebtoken::decode::<serde_json::Value>(&token, key.verifying(), &validation).unwrap();
                assert_eq!(decoded.claims, serde_json::to_value(CLAIMS).unwrap());
                assert_eq!(decoded.header.typ.as_deref(), Some(typ.as_str()));
                assert_eq!(decoded.header.kid, Some(key.kid().to_string()));
            }
        }
    }

    #[test]
    fn by_rs256_a_retry_gets_the_same_bytes() {
        let key = new_key(SigningAlgorithm::Rs256);
        assert_eq!(
            key.sign(TokenType::AtJwt, &CLAIMS).unwrap(),
            key.sign(TokenType::AtJwt, &CLAIMS).unwrap()
        );
    }

    #[test]
    fn a_new_key_is_pem_as_others_write_it() {
        for (algorithm, signature) in SigningAlgorithm::ALL.into_iter().zip([256, 64]) {
            let pem = SigningKey::generate(algorithm).unwrap();
            let lines: Vec<_> = pem.lines().collect();
            assert_eq!(lines.first(), Some(&"-----BEGIN PRIVATE KEY-----"));
            assert_eq!(lines.last(), Some(&"-----END PRIVATE KEY-----"));
            assert!(lines[1..lines.len() - 2].iter().all(|line| line.len() == 64));
            let key = SigningKey::from_pem(pem.as_bytes()).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            assert_eq!(key.pair.sign(b"message").unwrap().as_ref().len(), signature);
        }
    }

    #[test]
    fn a_damaged_key_is_refused_or_does_no_harm() {
        for algorithm in SigningAlgorithm::ALL {
            let pem = SigningKey::generate(algorithm).unwrap();
            let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).unwrap().secret_pkcs8_der().to_vec();
            let kid = SigningKey::from_pem(pem.as_bytes()).unwrap().kid();
            let mut refused = 0;
            for at in (0..der.len()).step_by(5) {
                let mut damaged = der.clone();
                damaged[at] ^= 0x10;
                match SigningKey::from_pem(pkcs8_pem(&damaged).as_bytes()) {
                    Err(_) => refused += 1,
                    // A byte that the library does not check.
                    Ok(key) => {
                        assert_eq!(key.kid(), kid, "{algorithm}, byte {at}");
                        assert!(key.sign(TokenType::AtJwt, &CLAIMS).is_ok(), "{algorithm}, byte {at}");
                    }
                }
            }
            assert!(refused > der.len() / 10, "{algorithm}: {refused} of {}", der.len() / 5);
            assert_eq!(SigningKey::from_pem(&pem.as_bytes()[..90]).err(), Some(NotAKey::Pem));
        }
        assert_eq!(SigningKey::from_pem(b"").err(), Some(NotAKey::Pem));
    }

    #[test]
    fn a_key_on_another_curve_is_refused() {
        use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
        let other = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let pem = pkcs8_pem(other.to_pkcs8v1().unwrap().as_ref());
        assert!(matches!(SigningKey::from_pem(pem.as_bytes()), Err(NotAKey::Rejected(_))));
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let key = new_key(SigningAlgorithm::default());
        assert_eq!(format!("{key:?}"), format!("SigningKey {{ kid: Kid({}), .. }}", key.kid()));
    }
}
