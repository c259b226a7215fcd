//! Verifies heirloom's access tokens when they are presented to its own API.
//!
//! jsonwebtoken checks the signature, the issuer and the audience. This module checks the rest: the header has exactly
//! heirloom's members, times are integers, no member occurs twice, and the token has not expired by the injected clock.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Validation;
use jsonwebtoken::errors::ErrorKind;
use serde::{Deserialize, Deserializer};

use super::keys::SigningKeys;
use super::signing::TokenType;
use crate::clock::Timestamp;
use crate::oauth::{Kid, SigningAlgorithm};

/// Longer tokens, in bytes, are refused without being parsed.
const MAX_TOKEN: usize = 16 * 1024;

/// The valid range of times in claims, in seconds since the Unix epoch: up to the year 9999.
const TIMES: RangeInclusive<u64> = 0..=253_402_300_799;

/// Verifies access tokens for one audience.
#[derive(Clone, Debug)]
pub struct Verifier {
    rs256: Validation,
    es256: Validation,
    plain_jwt: bool,
}

/// The contents of a verified access token of this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The id of the key that signed it.
    pub kid: Kid,
    /// The user's id, or the client's if it acts for itself.
    pub sub: String,
    /// The audiences.
    pub aud: Vec<String>,
    /// The client that it was issued to.
    pub client_id: String,
    /// The granted scope, separated by spaces; empty if there is none.
    pub scope: String,
    /// The session's id.
    pub sid: String,
    /// The token's id.
    pub jti: String,
    /// When it was issued, in seconds since the Unix epoch.
    pub iat: u64,
    /// When it expires, in seconds since the Unix epoch.
    pub exp: u64,
    /// When the user signed in, in seconds; none if the client acts for itself.
    pub auth_time: Option<u64>,
    /// The user's roles.
    pub roles: Vec<String>,
}

/// Why a token is refused. The client gets `invalid_token` for all of them (RFC 6750 §3.1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is valid in all else, but it has expired.
    #[error("the access token has expired")]
    Expired,
    /// It is too long, has not three parts, or has a header that heirloom never writes.
    #[error("not an access token of ours")]
    Malformed,
    /// Its algorithm is not that of its key.
    #[error("the access token's algorithm isn't that of its key")]
    Algorithm,
    /// It is another kind of token.
    #[error("the token isn't an access token")]
    Type,
    /// Its key is not published by this server.
    #[error("the access token's key is unknown")]
    UnknownKey,
    /// Its signature is not by the key that it names.
    #[error("the access token's signature is wrong")]
    Signature,
    /// It is from another issuer.
    #[error("the access token is from another issuer")]
    Issuer,
    /// It is for another audience.
    #[error("the access token is for somebody else")]
    Audience,
    /// Its claims are none that heirloom writes: missing, of a wrong type, out of range, or duplicated.
    #[error("the access token's claims are damaged")]
    Claims,
}

impl Verifier {
    /// Accepts tokens of `issuer` whose `aud` includes `audience`. Both are compared exactly.
    #[must_use]
    pub fn new(issuer: &str, audience: &str) -> Self {
        let mut validation = Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["iss", "aud"]);
        // jsonwebtoken would read the machine's clock; `exp` is checked below.
        validation.validate_exp = false;
        // One for each algorithm, because jsonwebtoken accepts only algorithms of one kind of key together.
        let es256 = Validation { algorithms: vec![jsonwebtoken::Algorithm::ES256], ..validation.clone() };
        Self { rs256: validation, es256, plain_jwt: false }
    }

    /// Accepts tokens of `issuer` for any audience.
    #[must_use]
    pub fn for_any_audience(issuer: &str) -> Self {
        let mut verifier = Self::new(issuer, "");
        verifier.rs256.validate_aud = false;
        verifier.es256.validate_aud = false;
        verifier
    }

    /// Accepts the `typ` `JWT` too, for audiences configured with it.
    #[must_use]
    pub fn allow_plain_jwt(mut self, allow: bool) -> Self {
        self.plain_jwt = allow;
        self
    }

    /// The contents of a token that heirloom issued for this audience and that has not expired at `now`.
    ///
    /// # Errors
    /// [`VerifyError`]; [`VerifyError::Expired`] only if nothing else is wrong.
    pub fn verify(
        &self,
        keys: &SigningKeys,
        token: &str,
        now: Timestamp,
    ) -> Result<AccessToken, VerifyError> {
        let header = parse_header(token)?;
        // RFC 8725 §3.1, §3.11: the algorithm and the type are checked before anything else in the token is used.
        let algorithm: SigningAlgorithm = header.alg.parse().map_err(|_| VerifyError::Algorithm)?;
        let plain = self.plain_jwt && header.typ == TokenType::Jwt.as_str();
        if header.typ != TokenType::AtJwt.as_str() && !plain {
            return Err(VerifyError::Type);
        }
        let kid: Kid = header.kid.parse().map_err(|_| VerifyError::UnknownKey)?;
        let key = keys.find(kid).ok_or(VerifyError::UnknownKey)?;
        if algorithm != key.algorithm() {
            return Err(VerifyError::Algorithm);
        }
        let validation = match algorithm {
            SigningAlgorithm::Rs256 => &self.rs256,
            SigningAlgorithm::Es256 => &self.es256,
        };
        let claims = jsonwebtoken::decode::<Claims>(token, key.verifying(), validation)
            .map_err(|error| refused(error.kind()))?
            .claims;
        let times = [Some(claims.iat), Some(claims.exp), claims.auth_time];
        let in_range = times.iter().flatten().all(|time| TIMES.contains(time));
        let has_user = claims.sub != claims.client_id;
        if !in_range || claims.exp <= claims.iat || (has_user && claims.auth_time.is_none()) {
            return Err(VerifyError::Claims);
        }
        // RFC 7519 §4.1.4: the token is refused on and after `exp`.
        if now.seconds() >= claims.exp {
            return Err(VerifyError::Expired);
        }
        Ok(claims.of(kid))
    }
}

/// Exactly the header that heirloom writes. `crit`, `jku`, `x5u`, `jwk` and any other member that could influence
/// verification are refused as unknown; serde refuses a duplicate member.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) alg: String,
    pub(super) kid: String,
    pub(super) typ: String,
}

/// Exactly the claims that heirloom writes. Numbers are `u64`: a string, a fraction or a sign is refused, not rounded.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    #[serde(rename = "iss")]
    _iss: String,
    sub: String,
    #[serde(deserialize_with = "one_or_more")]
    aud: Vec<String>,
    client_id: String,
    #[serde(default)]
    scope: String,
    sid: String,
    jti: String,
    iat: u64,
    exp: u64,
    #[serde(default, deserialize_with = "present")]
    auth_time: Option<u64>,
    #[serde(default)]
    roles: Vec<String>,
}

impl Claims {
    fn of(self, kid: Kid) -> AccessToken {
        AccessToken {
            kid,
            sub: self.sub,
            aud: self.aud,
            client_id: self.client_id,
            scope: self.scope,
            sid: self.sid,
            jti: self.jti,
            iat: self.iat,
            exp: self.exp,
            auth_time: self.auth_time,
            roles: self.roles,
        }
    }
}

/// A number where there is one: `null` is none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    u64::deserialize(deserializer).map(Some)
}

fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        Single(String),
        More(Vec<String>),
    }
    Ok(match Audience::deserialize(deserializer)? {
        Audience::Single(one) => vec![one],
        Audience::More(more) => more,
    })
}

pub(super) fn parse_header(token: &str) -> Result<Header, VerifyError> {
    if token.len() > MAX_TOKEN {
        return Err(VerifyError::Malformed);
    }
    let (header, rest) = token.split_once('.').ok_or(VerifyError::Malformed)?;
    if rest.bytes().filter(|byte| *byte == b'.').count() != 1 {
        return Err(VerifyError::Malformed);
    }
    let json = URL_SAFE_NO_PAD.decode(header).map_err(|_| VerifyError::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| VerifyError::Malformed)
}

/// Translates the library's errors. Its list may grow, so an unknown error refuses the token too.
pub(super) fn refused(error: &ErrorKind) -> VerifyError {
    if matches!(error, ErrorKind::InvalidSignature) {
        VerifyError::Signature
    } else if matches!(error, ErrorKind::InvalidIssuer) {
        VerifyError::Issuer
    } else if matches!(error, ErrorKind::InvalidAudience) {
        VerifyError::Audience
    } else if matches!(error, ErrorKind::Json(_)) {
        VerifyError::Claims
    } else {
        VerifyError::Malformed
    }
}

#[cfg(test)]
mod tests;
