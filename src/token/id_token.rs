//! The claims of ID tokens (OpenID Connect Core §2): what a client is told of a sign-in.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::Serialize;

use crate::oauth::SigningAlgorithm;

/// The `acr` of every sign-in: more than none (OpenID Connect Core §2 gives "0" for that).
pub const ACR: &str = "1";

/// The claims of an ID token. Times are whole seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IdTokenClaims<'a> {
    /// The issuer.
    pub iss: &'a str,
    /// The user's id.
    pub sub: &'a str,
    /// The client.
    pub aud: &'a str,
    /// When the token expires.
    pub exp: u64,
    /// When the token was issued.
    pub iat: u64,
    /// When the person last proved who they are.
    pub auth_time: u64,
    /// The `nonce` of the authorization request; left out at refreshes (OpenID Connect Core §12.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'a str>,
    /// The authentication context class: always [`ACR`].
    pub acr: &'a str,
    /// How they proved it (RFC 8176).
    pub amr: &'a [&'a str],
    /// The client, again: it is the one that the token was issued to.
    pub azp: &'a str,
    /// The login's id (OpenID Connect Front- and Back-Channel Logout).
    pub sid: &'a str,
    /// See [`at_hash`].
    pub at_hash: &'a str,
}

/// What binds an ID token to the access token beside it: the left half of the access token's digest by the hash of the
/// algorithm that signs the ID token (OpenID Connect Core §3.1.3.6).
#[must_use]
pub fn at_hash(access_token: &str, algorithm: SigningAlgorithm) -> String {
    let hash = match algorithm {
        SigningAlgorithm::Rs256 | SigningAlgorithm::Es256 => &SHA256,
    };
    let digest = digest(hash, access_token.as_bytes());
    let half = digest.as_ref().len() / 2;
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..half).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of OpenID Connect Core §A.3.
    #[test]
    fn at_hash_is_the_left_half_of_the_digest() {
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(at_hash(token, SigningAlgorithm::Rs256), "77QmUPtjPfzWtF2AnpK9RQ");
    }

    #[test]
    fn the_nonce_is_left_out_where_there_is_none() {
        let claims = IdTokenClaims {
            iss: "https://id.example",
            sub: "u1",
            aud: "app",
            exp: 601,
            iat: 1,
            auth_time: 1,
            nonce: None,
            acr: ACR,
            amr: &["pwd"],
            azp: "app",
            sid: "l1",
            at_hash: "h",
        };
        let json = r#"{"iss":"https://id.example","sub":"u1","aud":"app","exp":601,"iat":1,"auth_time":1,"acr":"1","amr":["pwd"],"azp":"app","sid":"l1","at_hash":"h"}"#;
        assert_eq!(serde_json::to_string(&claims).unwrap(), json);
        let json = serde_json::to_value(IdTokenClaims { nonce: Some("n\"ö"), ..claims }).unwrap();
        assert_eq!(json["nonce"], "n\"ö");
    }
}
