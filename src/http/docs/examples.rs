//! Examples for schemas that have none of their own.

use serde_json::{Map, Value, json};

use crate::oauth::GrantType;

const CODE: &str =
    "hac_AQGb0cXQ8HOagFqd1Xe8l3NhbXBsZS1ub25jZS0xNrfN8Y7u2sQk0b3R5ZWxvbmctbm90LWEtcmVhbC1tYWMtMzI";
const REFRESH_TOKEN: &str =
    "hrt_AQGb0cXQ8HOagFqd1Xe8lwAAAAAAc2FtcGxlLW5vbmNlLTE2YsK3bm90LWEtcmVhbC1tYWMtMzItYnl0ZXMtbG9uZy4u";

/// The scopes of the server that the examples are of.
pub(super) const SCOPES: [&str; 8] =
    ["account", "admin", "email", "offline_access", "openid", "profile", "read", "write"];

/// Example requests of an operation.
pub(super) fn request(id: &str) -> Vec<(&'static str, Value)> {
    match id {
        "token" => vec![
            (
                "redeem_a_code",
                json!({
                    "grant_type": "authorization_code", "client_id": "phone-app", "code": CODE,
                    "redirect_uri": "com.example.app:/callback",
                    "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
                }),
            ),
            (
                "sign_in",
                json!({
                    "grant_type": "password", "client_id": "phone-app", "username": "ann",
                    "password": "tulip-quartz-93-lantern", "scope": "read write", "device_label": "Ann's phone",
                }),
            ),
            (
                "refresh",
                json!({
                    "grant_type": "refresh_token", "client_id": "phone-app", "refresh_token": REFRESH_TOKEN,
                }),
            ),
            (
                "for_the_client_itself",
                json!({
                    "grant_type": "client_credentials", "client_id": "nightly-job",
                    "client_secret": "a-secret-of-thirty-two-characters-or-more", "scope": "read",
                }),
            ),
        ],
        "pushAuthorizationRequest" => vec![(
            "push",
            json!({
                "client_id": "phone-app", "response_type": "code", "redirect_uri": "https://app.example.com/callback",
                "scope": "openid read", "state": "af0ifjsldkj", "code_challenge_method": "S256",
                "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            }),
        )],
        "revoke" => vec![("sign_out", json!({ "client_id": "phone-app", "token": REFRESH_TOKEN }))],
        "introspect" => vec![("ask", json!({ "token": REFRESH_TOKEN }))],
        "userinfoByPost" => {
            vec![("ask", json!({ "access_token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIifQ.c2ln" }))]
        }
        _ => Vec::new(),
    }
}

/// Example answers of an operation.
pub(super) fn answer(id: &str, status: &str) -> Vec<(&'static str, Value)> {
    match (id, status) {
        ("metadata" | "openid_configuration", _) => vec![("metadata", metadata())],
        ("jwks", _) => vec![("keys", json!({ "keys": [key()] }))],
        ("live", "200") => vec![("well", json!({ "status": "ok" }))],
        ("ready", "200") => vec![("well", health("ok"))],
        ("live" | "ready", _) => vec![("unwell", health("the store is unavailable"))],
        ("adminFollowEvents", "200") => vec![(
            "events",
            json!(
                "retry: 2000\n\nid: 4711\nevent: tokens_rotated\n\
                 data: {\"position\":4711,\"type\":\"tokens_rotated\"}\n\n"
            ),
        )],
        _ => Vec::new(),
    }
}

/// The example of an answer's header.
pub(super) fn header(name: &str) -> Option<&'static str> {
    Some(match name {
        "Retry-After" => "2",
        "ETag" => r#""yJ7xAkPvNBH0cyQMVN_Drg""#,
        "Location" => "/account",
        "Pragma" => "no-cache",
        "Access-Control-Allow-Origin" => "*",
        _ => return None,
    })
}

fn metadata() -> Value {
    json!({
        "issuer": "https://id.example.com",
        "authorization_endpoint": "https://id.example.com/oauth/authorize",
        "pushed_authorization_request_endpoint": "https://id.example.com/oauth/par",
        "token_endpoint": "https://id.example.com/oauth/token",
        "revocation_endpoint": "https://id.example.com/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint": "https://id.example.com/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "userinfo_endpoint": "https://id.example.com/oauth/userinfo",
        "end_session_endpoint": "https://id.example.com/oauth/logout",
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "jwks_uri": "https://id.example.com/.well-known/jwks.json",
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": GrantType::ALL.map(GrantType::as_str),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "require_pushed_authorization_requests": false,
        "ui_locales_supported": ["en", "de", "fr", "es", "ja"],
        "service_documentation": "https://id.example.com/docs",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "sid", "at_hash",
            "preferred_username", "name", "email", "email_verified", "roles",
            "updated_at",
        ],
        "acr_values_supported": ["1"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })
}

fn health(status: &str) -> Value {
    json!({
        "status": status,
        "sweeper": {
            "last": "2026-01-31T12:00:00.000Z", "behind": false, "ended": 12, "removed": 7, "failed": 0,
        },
    })
}

/// The key of RFC 7638 §3.1.
fn key() -> Value {
    json!({
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRX\
              jBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqz\
              s8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-\
              G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
    })
}

/// The schemas of a set of keys (RFC 7517 §5), which endpoints send as prepared bytes.
pub(super) fn jwk_schemas() -> Map<String, Value> {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let key = json!({
        "type": "object",
        "title": "Jwk",
        "description": "A public key: RSA (RFC 7518 §6.3.1) with `n` and `e`, or on P-256 (§6.2.1) with `crv`, `x` and `y`.",
        "required": ["kty", "use", "alg", "kid"],
        "properties": {
            "kty": text("`RSA` or `EC`."),
            "use": text("`sig`."),
            "alg": text("`RS256` or `ES256`."),
            "kid": text("The key's RFC 7638 thumbprint: the `kid` in a token's header."),
            "n": text("The modulus, base64url."),
            "e": text("The exponent, base64url."),
            "crv": text("`P-256`."),
            "x": text("The point's x coordinate, base64url."),
            "y": text("The point's y coordinate, base64url."),
        },
    });
    let set = json!({
        "type": "object",
        "title": "JwkSet",
        "description": "A set of public keys (RFC 7517 §5).",
        "required": ["keys"],
        "properties": {
            "keys": {
                "type": "array",
                "description": "The keys.",
                "items": { "$ref": "#/components/schemas/Jwk" },
            },
        },
    });
    Map::from_iter([("Jwk".to_owned(), key), ("JwkSet".to_owned(), set)])
}
