//! The JWKS document (RFC 7517 §5): the public halves of the published keys.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ring::digest::{SHA256, digest};
use serde::Serialize;

use super::jwk::Jwk;
use super::signing::SigningKey;

/// The upper bound of `max_age`.
const MAX_AGE: Duration = Duration::from_mins(15);

/// The JWKS with its caching headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksDocument {
    /// The JSON document (RFC 7517 §5).
    pub body: Bytes,
    /// The `ETag` with its quotes; it changes whenever the body changes.
    pub etag: String,
    /// The `max-age` of `Cache-Control`. Never longer than the lead time; otherwise a cache could miss a key that signs
    /// already.
    pub max_age: Duration,
}

impl JwksDocument {
    /// The document of these keys in this order.
    pub(super) fn of<'a>(
        keys: impl Iterator<Item = &'a SigningKey>,
        lead_time: Duration,
    ) -> Result<Self, serde_json::Error> {
        #[derive(Serialize)]
        struct JwkSet<'a> {
            keys: Vec<Jwk<'a>>,
        }
        let body = serde_json::to_vec(&JwkSet { keys: keys.map(SigningKey::jwk).collect() })?;
        let digest = digest(&SHA256, &body);
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest.as_ref().get(..16).unwrap_or_default()));
        Ok(Self { body: body.into(), etag, max_age: MAX_AGE.min(lead_time) })
    }
}
