//! `GET /.well-known/jwks.json`: the public halves of the signing keys (RFC 7517).

use bytes::Bytes;
use poem::Request;
use poem::http::header;
use poem_openapi::payload::Binary;
use poem_openapi::{ApiResponse, OpenApi};

use crate::app::TokenKeys;
use crate::http::service::Service;
use crate::http::tag::Tag;

/// The JWKS endpoint.
pub struct JwksApi;

#[derive(ApiResponse)]
enum JwksAnswer {
    /// The keys. Cache them as `Cache-Control` says, and ask again with `If-None-Match`.
    #[oai(status = 200, content_type = "application/json")]
    Ok(
        Binary<Bytes>,
        /// How long they may be kept.
        #[oai(header = "Cache-Control")]
        String,
        /// For `If-None-Match`.
        #[oai(header = "ETag")]
        String,
        /// Any origin.
        #[oai(header = "Access-Control-Allow-Origin")]
        String,
    ),
    /// What was cached is still right.
    #[oai(status = 304)]
    NotModified(
        /// How long it may be kept.
        #[oai(header = "Cache-Control")]
        String,
        /// For `If-None-Match`.
        #[oai(header = "ETag")]
        String,
        /// Any origin.
        #[oai(header = "Access-Control-Allow-Origin")]
        String,
    ),
}

#[OpenApi]
impl JwksApi {
    /// The public keys that verify access tokens
    ///
    /// A key is published before it signs, and for as long as a token that it signed is good.
    #[oai(path = "/.well-known/jwks.json", method = "get", tag = "Tag::Discovery", operation_id = "jwks")]
    async fn jwks(&self, request: &Request, keys: Service<'_, TokenKeys>) -> JwksAnswer {
        let jwks = keys.signing.jwks();
        let cache = format!("public, max-age={}", jwks.max_age.as_secs());
        let (etag, origin) = (jwks.etag.clone(), "*".to_owned());
        if is_cached(request, &jwks.etag) {
            return JwksAnswer::NotModified(cache, etag, origin);
        }
        JwksAnswer::Ok(Binary(jwks.body.clone()), cache, etag, origin)
    }
}

/// Whether the client already has the version `etag` (RFC 9110 §13.1.2: a list, or `*`).
pub(in crate::http) fn is_cached(request: &Request, etag: &str) -> bool {
    request.headers().get_all(header::IF_NONE_MATCH).iter().any(|value| {
        let tags = value.to_str().unwrap_or_default().split(',');
        tags.map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == etag || tag == "*")
    })
}
