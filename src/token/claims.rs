//! What an access token says: RFC 9068 §2.2.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{Context, SHA256};
use serde::{Serialize, Serializer};

/// The claims of an access token. Times are `NumericDate`s: whole seconds since the Unix epoch (RFC 7519 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AccessTokenClaims<'a> {
    /// The issuer.
    pub iss: &'a str,
    /// The user's id, or the client's if it acts for itself (RFC 9068 §2.2).
    pub sub: &'a str,
    /// Whom the token is for: written as a string if it is one, as an array if more (RFC 7519 §4.1.3).
    #[serde(serialize_with = "one_or_more")]
    pub aud: &'a [&'a str],
    /// The client that it was given to.
    pub client_id: &'a str,
    /// The granted scope, separated by spaces; left out when empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub scope: &'a str,
    /// The session's id.
    pub sid: &'a str,
    /// The token's id: see [`jti`].
    pub jti: &'a str,
    /// Issued at.
    pub iat: u64,
    /// Expires at.
    pub exp: u64,
    /// When the user signed in; left out where there is no user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<u64>,
    /// The user's roles (RFC 9068 §2.2.3.1); left out when there are none.
    #[serde(skip_serializing_if = "roles_are_none")]
    pub roles: &'a [&'a str],
}

/// A token's id: the same for the same session, generation, second and scope, so that a retry gets the same token, and
/// another for anything else.
#[must_use]
pub fn jti(session: &[u8; 16], generation: u32, iat: u64, scope: &str) -> String {
    let mut hash = Context::new(&SHA256);
    // All parts but the last have a fixed length: no two inputs run into one.
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
