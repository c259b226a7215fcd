//! The claims of access tokens (RFC 9068 §2.2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{Context, SHA256};
use serde::{Serialize, Serializer};

/// The claims of an access token. Times are `NumericDate`s: whole seconds since the Unix epoch (RFC 7519 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AccessTokenClaims<'a> {
    /// The issuer (RFC 7519 §4.1.1).
    pub iss: &'a str,
    /// The user's id, or the client's if it acts for itself (RFC 9068 §2.2).
    pub sub: &'a str,
    /// The audiences: one is written as a string, several as an array (RFC 7519 §4.1.3).
    #[serde(serialize_with = "one_or_more")]
    pub aud: &'a [&'a str],
    /// The client that the token was issued to (RFC 8693 §4.3).
    pub client_id: &'a str,
    /// The granted scope, separated by spaces; left out when empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub scope: &'a str,
    /// The session's id.
    pub sid: &'a str,
    /// The token's id: see [`jti`].
    pub jti: &'a str,
    /// When the token was issued (RFC 7519 §4.1.6).
    pub iat: u64,
    /// When the token expires (RFC 7519 §4.1.4).
    pub exp: u64,
    /// When the user signed in; left out where there is no user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<u64>,
    /// The user's roles (RFC 9068 §2.2.3.1); left out when there are none.
    #[serde(skip_serializing_if = "roles_are_none")]
    pub roles: &'a [&'a str],
}

/// A token's id. It is the same for the same session, generation, second and scope, so that a retry gets the same
/// token; otherwise it differs.
#[must_use]
pub fn jti(session: &[u8; 16], generation: u32, iat: u64, scope: &str) -> String {
    let mut hash = Context::new(&SHA256);
    // All parts but the last have a fixed length, so two different inputs never hash the same bytes.
    hash.update(b"heirloom access token id 1\0");
    hash.update(session);
    hash.update(&generation.to_be_bytes());
    hash.update(&iat.to_be_bytes());
    hash.update(scope.as_bytes());
    let digest = hash.finish();
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..16).unwrap_or_default())
}

fn one_or_more<S: Serializer>(audience: &&[&str], serializer: S) -> Result<S::Ok, S::Error> {
    match audience {
        [one] => serializer.serialize_str(one),
        more => more.serialize(serializer),
    }
}

fn roles_are_none(roles: &&[&str]) -> bool {
    roles.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_audience_is_a_string_and_what_is_empty_is_left_out() {
        let claims = AccessTokenClaims {
            iss: "https://id.example",
            sub: "u1",
            aud: &["https://api.example"],
            client_id: "app",
            scope: "",
            sid: "s1",
            jti: "j1",
            iat: 1,
            exp: 601,
            auth_time: Some(1),
            roles: &[],
        };
        let bare = r#"{"iss":"https://id.example","sub":"u1","aud":"https://api.example","client_id":"app","sid":"s1","jti":"j1","iat":1,"exp":601,"auth_time":1}"#;
        assert_eq!(serde_json::to_string(&claims).unwrap(), bare);
        let full = AccessTokenClaims { aud: &["a", "b"], scope: "read write", roles: &["admin"], ..claims };
        let full = serde_json::to_value(full).unwrap();
        assert_eq!(full["aud"], serde_json::json!(["a", "b"]));
        assert_eq!(full["scope"], "read write");
        assert_eq!(full["roles"], serde_json::json!(["admin"]));
    }

    #[test]
    fn a_token_id_follows_from_all_that_makes_the_token() {
        let id = jti(&[1; 16], 2, 3, "read");
        assert_eq!(id.len(), 22);
        assert_eq!(id, jti(&[1; 16], 2, 3, "read"));
        for other in [jti(&[9; 16], 2, 3, "read"), jti(&[1; 16], 9, 3, "read"), jti(&[1; 16], 2, 9, "read")] {
            assert_ne!(id, other);
        }
        assert_ne!(id, jti(&[1; 16], 2, 3, "write"));
    }
}
