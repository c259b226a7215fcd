//! Public keys as JSON (RFC 7517 §4).

use serde::Serialize;

use super::pair::PublicKey;
use crate::oauth::{Kid, SigningAlgorithm};

/// A public key with only the members that verification needs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Jwk<'a> {
    kty: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: String,
    #[serde(flatten)]
    key: &'a PublicKey,
}

impl<'a> Jwk<'a> {
    /// The JWK of a signing key.
    pub(super) fn new(kid: Kid, algorithm: SigningAlgorithm, key: &'a PublicKey) -> Self {
        Self { kty: key.kty(), usage: "sig", alg: algorithm.as_str(), kid: kid.to_string(), key }
    }
}
