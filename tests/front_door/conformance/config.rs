//! The plan "Config OP".

use serde_json::Value;

use super::plan::{ISSUER, Mode, Plan};

#[tokio::test]
async fn oidcc_discovery_endpoint_verification() {
    let plan = Plan::start(Mode::Query).await;
    let answer = plan.server.get("/.well-known/openid-configuration").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("application/json"));
    let metadata = &answer.json;
    assert_eq!(metadata["issuer"], ISSUER);
    for (name, value) in metadata.as_object().unwrap() {
        let is_endpoint = name.ends_with("_endpoint") || name.ends_with("_uri");
        if is_endpoint {
            let url = value.as_str().unwrap();
            assert!(url.starts_with(&format!("{ISSUER}/")) && !url.contains('#'), "{name} {url}");
        }
    }
    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "end_session_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
        "pushed_authorization_request_endpoint",
    ] {
        assert!(metadata[name].is_string(), "{name}");
    }
    let has = |name: &str, value: &str| words(metadata, name).contains(&value);
    assert_eq!(words(metadata, "response_types_supported"), ["code"]);
    assert_eq!(words(metadata, "response_modes_supported"), ["query", "form_post"]);
    assert_eq!(words(metadata, "subject_types_supported"), ["public"]);
    assert_eq!(words(metadata, "id_token_signing_alg_values_supported"), ["RS256"]);
    assert_eq!(words(metadata, "code_challenge_methods_supported"), ["S256"]);
    for (name, value) in [
        ("grant_types_supported", "authorization_code"),
        ("grant_types_supported", "refresh_token"),
        ("scopes_supported", "openid"),
        ("scopes_supported", "offline_access"),
        ("claims_supported", "sub"),
        ("claims_supported", "preferred_username"),
        ("token_endpoint_auth_methods_supported", "client_secret_basic"),
        ("token_endpoint_auth_methods_supported", "client_secret_post"),
        ("token_endpoint_auth_methods_supported", "none"),
    ] {
        assert!(has(name, value), "{name} has no {value}: {metadata}");
    }
    for name in
        ["request_parameter_supported", "request_uri_parameter_supported", "claims_parameter_supported"]
    {
        assert_eq!(metadata[name], false, "{name}: left out, `request_uri` would be supported");
    }
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    // The plan's other way to the same (RFC 8414).
    let oauth = plan.server.get("/.well-known/oauth-authorization-server").await.json;
    for (name, value) in oauth.as_object().unwrap() {
        assert_eq!(&metadata[name], value, "{name}");
    }
}

#[tokio::test]
async fn oidcc_jwks_uri_keys() {
    let plan = Plan::start(Mode::Query).await;
    let keys = plan.server.get("/.well-known/jwks.json").await.json;
    let keys = keys["keys"].as_array().unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
        assert!(key["kid"].is_string() && key["alg"].is_string() && key["use"] == "sig", "{key}");
    }
}

fn words<'a>(metadata: &'a Value, name: &str) -> Vec<&'a str> {
    let list = metadata[name].as_array().unwrap_or_else(|| panic!("no {name} in {metadata}"));
    list.iter().map(|word| word.as_str().unwrap()).collect()
}
