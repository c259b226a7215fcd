//! Reads ID tokens of this server that clients send back as a hint (OpenID Connect Core §3.1.2.1, RP-Initiated Logout §2).
//! A hint may have expired; it must be ours all the same.

use jsonwebtoken::Validation;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::keys::SigningKeys;
use super::signing::TokenType;
use super::verify::{VerifyError, parse_header, refused};
use crate::oauth::{Kid, SigningAlgorithm};

/// What an ID token says of who is signed in.
#[derive(Clone, Debug, Deserialize)]
pub struct IdTokenHint {
    /// The user.
    pub sub: String,
    /// The client.
    pub aud: String,
    /// The login.
    pub sid: Option<String>,
    /// Only access tokens have it.
    client_id: Option<IgnoredAny>,
    /// Only logout tokens have it.
    events: Option<IgnoredAny>,
}

/// Reads a hint.
///
/// # Errors
/// [`VerifyError`] if it is no ID token that `issuer` has signed by a key that is still published.
pub fn read(keys: &SigningKeys, issuer: &str, token: &str) -> Result<IdTokenHint, VerifyError> {
    let header = parse_header(token)?;
    // RFC 8725 §3.1: `none` is no algorithm of ours, and the algorithm is the key's, not the token's choice.
    let algorithm: SigningAlgorithm = header.alg.parse().map_err(|_| VerifyError::Algorithm)?;
    if header.typ != TokenType::Jwt.as_str() {
        return Err(VerifyError::Type);
    }
    let kid: Kid = header.kid.parse().map_err(|_| VerifyError::UnknownKey)?;
    let key = keys.find(kid).ok_or(VerifyError::UnknownKey)?;
    if algorithm != key.algorithm() {
        return Err(VerifyError::Algorithm);
    }
    let mut validation = Validation::new(match algorithm {
        SigningAlgorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        SigningAlgorithm::Es256 => jsonwebtoken::Algorithm::ES256,
    });
    validation.set_issuer(&[issuer]);
    validation.set_required_spec_claims(&["iss", "aud", "sub"]);
    validation.validate_aud = false;
    // RP-Initiated Logout §2: the server SHOULD accept ID tokens that have expired.
    validation.validate_exp = false;
    let read = jsonwebtoken::decode::<IdTokenHint>(token, key.verifying(), &validation);
    let hint = read.map_err(|error| refused(error.kind()))?.claims;
    if hint.client_id.is_some() || hint.events.is_some() {
        return Err(VerifyError::Type);
    }
    Ok(hint)
}
