//! The claims of logout tokens (OpenID Connect Back-Channel Logout §2.4): what a client is told when a login has ended.

use serde::Serialize;

/// The claims of a logout token. Times are whole seconds since the Unix epoch. There is never a `nonce`, so that no
/// client takes one for an ID token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LogoutTokenClaims<'a> {
    /// The issuer.
    pub iss: &'a str,
    /// The user's id.
    pub sub: &'a str,
    /// The client.
    pub aud: &'a str,
    /// When the token was issued.
    pub iat: u64,
    /// When the token expires.
    pub exp: u64,
    /// The token's id: another one for each token.
    pub jti: &'a str,
    /// The login's id, as in the ID tokens of that login.
    pub sid: &'a str,
    /// What the token says.
    pub events: LogoutEvents,
}

/// The claim `events` (RFC 8417 §2.2) of a logout token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogoutEvents {
    #[serde(rename = "http://schemas.openid.net/event/backchannel-logout")]
    logout: Empty,
}

/// §2.4: "The corresponding member value MUST be a JSON object and SHOULD be the empty JSON object {}."
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Empty {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logout_token_says_what_the_standard_says() {
        let claims = LogoutTokenClaims {
            iss: "https://id.example",
            sub: "u1",
            aud: "app",
            iat: 1,
            exp: 121,
            jti: "j1",
            sid: "l1",
            events: LogoutEvents::default(),
        };
        let json = r#"{"iss":"https://id.example","sub":"u1","aud":"app","iat":1,"exp":121,"jti":"j1","sid":"l1","events":{"http://schemas.openid.net/event/backchannel-logout":{}}}"#;
        assert_eq!(serde_json::to_string(&claims).unwrap(), json);
    }
}
