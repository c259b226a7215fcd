//! What clients and resource servers discover: metadata, documentation, health.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heirloom::token::SigningAlgorithm;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use oauth2::basic::BasicClient;
use oauth2::{
    AuthType, ClientId, ClientSecret, RefreshToken, ResourceOwnerPassword, ResourceOwnerUsername, Scope,
    TokenResponse as _, TokenUrl,
};
use serde_json::{Value, json};

use crate::faults::{Failing, Fault};
use crate::support::{CONFIDENTIAL, PUBLIC, SECRET, Server, USER};

#[tokio::test]
async fn the_metadata_says_what_is_supported() {
    let server = Server::start().await;
    let metadata = server.get("/.well-known/oauth-authorization-server").await;
    let base = &server.base;
    let expected = json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/oauth/authorize"),
        "pushed_authorization_request_endpoint": format!("{base}/oauth/par"),
        "token_endpoint": format!("{base}/oauth/token"),
        "revocation_endpoint": format!("{base}/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint": format!("{base}/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "userinfo_endpoint": format!("{base}/oauth/userinfo"),
        "end_session_endpoint": format!("{base}/oauth/logout"),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "jwks_uri": format!("{base}/.well-known/jwks.json"),
        "scopes_supported": ["account", "admin", "email", "offline_access", "openid", "profile", "read", "write"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["password", "refresh_token", "client_credentials", "authorization_code"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "require_pushed_authorization_requests": false,
        "ui_locales_supported": ["en", "de", "fr", "es", "ja"],
        "service_documentation": format!("{base}/docs"),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "sid", "at_hash",
            "preferred_username", "name", "email", "email_verified", "roles", "updated_at",
        ],
        "acr_values_supported": ["1"],
        "prompt_values_supported": ["none", "login", "consent", "select_account", "create"],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    });
    assert_eq!(metadata.json, expected);
    assert_eq!(metadata.header("access-control-allow-origin"), "*");
    assert_eq!(server.get("/.well-known/openid-configuration").await.json, expected);
}

/// OpenID Foundation, Config OP: `oidcc-discovery-endpoint-verification`.
#[tokio::test]
async fn discovery_endpoint_verification() {
    let server = Server::with(|setup| {
        "https://id.example.com".clone_into(&mut setup.config.issuer);
        setup.config.accounts.registration = heirloom::config::SignUp::Closed;
    })
    .await;
    let answer = server.get("/.well-known/openid-configuration").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json; charset=utf-8"));
    let metadata = &answer.json;
    assert_eq!(metadata["issuer"], "https://id.example.com");
    let is_there = |name: &str, word: &str| metadata[name].as_array().unwrap().contains(&json!(word));
    for (name, word) in [
        ("response_types_supported", "code"),
        ("subject_types_supported", "public"),
        ("id_token_signing_alg_values_supported", "RS256"),
        ("grant_types_supported", "authorization_code"),
        ("claims_supported", "sub"),
        ("scopes_supported", "openid"),
        ("code_challenge_methods_supported", "S256"),
        ("token_endpoint_auth_methods_supported", "client_secret_basic"),
    ] {
        assert!(is_there(name, word), "{name} {word}: {metadata}");
    }
    assert!(!is_there("prompt_values_supported", "create"), "nobody can sign up");
    for name in
        ["request_parameter_supported", "request_uri_parameter_supported", "claims_parameter_supported"]
    {
        assert!(metadata[name].is_boolean(), "{name}");
    }
    for (name, value) in metadata.as_object().unwrap() {
        let Some(url) = value.as_str().filter(|_| name != "issuer") else { continue };
        let path = url.strip_prefix("https://id.example.com").unwrap_or_else(|| panic!("{name}: {url}"));
        assert_ne!(server.get(path).await.status, 404, "{name}: {url}");
    }
    let jwks = server.get("/.well-known/jwks.json").await.json;
    for key in jwks["keys"].as_array().unwrap() {
        let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
        assert!(private.iter().all(|member| key.get(*member).is_none()), "{key}");
    }
}

#[tokio::test]
async fn the_metadata_has_every_algorithm_of_the_jwks_while_it_is_being_changed() {
    let server = Server::start().await;
    let stated = async || {
        let metadata = server.get("/.well-known/openid-configuration").await;
        let jwks = server.get("/.well-known/jwks.json").await;
        let published: Vec<_> =
            jwks.json["keys"].as_array().unwrap().iter().map(|key| key["alg"].clone()).collect();
        let stated = metadata.json["id_token_signing_alg_values_supported"].clone();
        assert_eq!(stated, json!(published), "what the keys are for");
        (stated, metadata.header("cache-control").to_owned())
    };
    server.wait(60);
    let folder = heirloom::token::Keyring::in_folder(&server.config.keys);
    folder.rotate_signing(SigningAlgorithm::Es256, server.now()).unwrap();
    assert!(server.app.keys.signing.reload().is_empty());
    let during = (json!(["RS256", "ES256"]), "public, max-age=300".to_owned());
    assert_eq!(stated().await, during, "two hours before it signs");
    server.wait(2 * 3600);
    assert_eq!(stated().await, during, "as long as the old key's tokens may be good");
    server.wait(600 + 2 * 3600);
    assert_eq!(stated().await.0, json!(["ES256"]));
}

#[tokio::test]
async fn the_docs_the_specification_and_the_health_are_there() {
    let server = Server::start().await;
    let docs = server.get("/docs").await;
    assert_eq!(docs.status, 200);
    assert!(
        docs.header("content-type").starts_with("text/html")
            && docs.text.contains("docs/swagger-ui-bundle.js")
    );
    let specification = server.get("/openapi.json").await;
    assert_eq!(specification.json["info"]["title"], "heirloom");
    // Generators read the server's URL from the specification.
    assert_eq!(specification.json["servers"], json!([{"url": server.base}]));
    let kept = heirloom::http::docs::specification().unwrap();
    assert_eq!(specification.text, kept.replacen("https://id.example.com", &server.base, 1));
    assert_eq!(server.get("/health/live").await.json, json!({"status": "ok"}));
    let mut ready = server.get("/health/ready").await.json;
    // Only a store on a disk reports it.
    ready.as_object_mut().unwrap().remove("disk");
    let sweeper = json!({"behind": false, "ended": 0, "removed": 0, "failed": 0});
    assert_eq!(ready, json!({"status": "ok", "sweeper": sweeper}));
}

/// It is a page of `heirloom dev`.
#[tokio::test]
async fn there_is_no_demo_page() {
    let server = Server::start().await;
    for path in ["/demo", "/demo/page.js", "/demo/page.css", "/demo?sign-in"] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
}

/// Every path of the specification and of the documentation page accepts its own methods and no others. Other paths
/// don't exist.
#[tokio::test]
async fn each_path_takes_its_methods_and_no_other() {
    let server = Server::start().await;
    let send = |method: &str, path: &str| {
        let url = format!("{}{path}", server.base);
        server.send(server.client.request(method.parse().unwrap(), url))
    };
    let specification = server.get("/openapi.json").await.json;
    let mut paths: Vec<(String, Vec<String>)> = Vec::new();
    for (path, operations) in specification["paths"].as_object().unwrap() {
        let methods = operations.as_object().unwrap().keys().map(|name| name.to_uppercase());
        let mut methods: Vec<_> = methods.collect();
        if methods.contains(&"GET".to_owned()) {
            methods.push("HEAD".to_owned());
        }
        paths.push((path.replace("{id}", "x"), methods));
    }
    paths.push(("/openapi.json".to_owned(), vec!["GET".to_owned(), "HEAD".to_owned()]));
    for path in
        ["/openapi.json", "/.well-known/jwks.json", "/.well-known/openid-configuration", "/health/live"]
    {
        let head = send("HEAD", path).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{path}");
    }
    for file in [
        "",
        "/swagger-ui-bundle.js",
        "/swagger-ui.css",
        "/page.js",
        "/page.css",
        "/oauth2-redirect",
        "/oauth2-redirect.js",
    ] {
        paths.push((format!("/docs{file}"), vec!["GET".to_owned(), "HEAD".to_owned()]));
        let head = send("HEAD", &format!("/docs{file}")).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""), "{file}");
    }
    for (path, methods) in paths {
        let answer = send("PROPFIND", &path).await;
        let allowed: BTreeSet<&str> = answer.header("allow").split(", ").collect();
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(allowed, methods.iter().map(String::as_str).collect(), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
    }
    assert_eq!(send("POST", "/openapi.json").await.status, 405);
    for path in ["/docs/", "/docs/unknown", "/docsx", "/openapi.json/", "/oauth", "//docs", "/nothing/%FF"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.header("cache-control")), (404, "no-store"), "{path}");
        assert_eq!(answer.json["error"], "invalid_request", "{path}");
    }
}

#[tokio::test]
async fn a_server_whose_store_fails_lives_and_is_not_ready() {
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let server = Server::with(move |setup| {
        setup.store =
            Some(Box::new(move |inner| Arc::new(Failing { inner, broken: switch, fault: Fault::Record })));
    })
    .await;
    broken.store(true, Ordering::SeqCst);
    assert_eq!(server.get("/health/live").await.status, 200);
    let not_ready = server.get("/health/ready").await;
    assert_eq!((not_ready.status, not_ready.header("cache-control")), (503, "no-store"));
}

/// An OAuth client library signs in and refreshes, and a resource server verifies by the JWKS.
#[tokio::test]
async fn the_oauth2_crate_signs_in_and_refreshes_and_jsonwebtoken_verifies() {
    let server = Server::start().await;
    for (auth, id, secret) in [
        (AuthType::BasicAuth, CONFIDENTIAL, Some(SECRET)),
        (AuthType::RequestBody, CONFIDENTIAL, Some(SECRET)),
        (AuthType::RequestBody, PUBLIC, None),
    ] {
        let url = TokenUrl::new(format!("{}/oauth/token", server.base)).unwrap();
        let mut client =
            BasicClient::new(ClientId::new(id.to_owned())).set_token_uri(url).set_auth_type(auth);
        if let Some(secret) = secret {
            client = client.set_client_secret(ClientSecret::new(secret.to_owned()));
        }
        let (name, password) = (USER.0.to_owned(), USER.1.to_owned());
        let tokens = client
            .exchange_password(&ResourceOwnerUsername::new(name), &ResourceOwnerPassword::new(password))
            .add_scope(Scope::new("read".to_owned()))
            .request_async(&Http)
            .await
            .unwrap();
        assert_eq!(tokens.expires_in(), Some(Duration::from_mins(10)));
        let claims = verified(&server, tokens.access_token().secret()).await;
        assert_eq!((claims["client_id"].as_str(), claims["scope"].as_str()), (Some(id), Some("read")));
        let mut refresh_token = RefreshToken::new(tokens.refresh_token().unwrap().secret().clone());
        for _ in 0..3 {
            let next = client.exchange_refresh_token(&refresh_token).request_async(&Http).await.unwrap();
            let successor = next.refresh_token().unwrap().secret().clone();
            assert_ne!(&successor, refresh_token.secret());
            verified(&server, next.access_token().secret()).await;
            refresh_token = RefreshToken::new(successor);
        }
    }
}

/// The HTTP client for the `oauth2` crate, which itself uses an older `reqwest`.
struct Http;

impl<'c> oauth2::AsyncHttpClient<'c> for Http {
    type Error = oauth2::HttpClientError<reqwest::Error>;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<oauth2::HttpResponse, Self::Error>> + Send + Sync + 'c>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        let (parts, body) = request.into_parts();
        let sent = crate::support::client()
            .request(parts.method, parts.uri.to_string())
            .headers(parts.headers)
            .body(body)
            .send();
        let answered = tokio::spawn(async move {
            let response = sent.await.unwrap();
            let (status, headers) = (response.status(), response.headers().clone());
            let mut answer = oauth2::http::Response::new(response.bytes().await.unwrap().to_vec());
            (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
            answer
        });
        Box::pin(async move { Ok(answered.await.unwrap()) })
    }
}

/// Verifies an access token as a resource server does: only by the JWKS that it fetches.
pub(crate) async fn verified(server: &Server, token: &str) -> Value {
    let jwks: JwkSet = serde_json::from_value(server.get("/.well-known/jwks.json").await.json).unwrap();
    let header = decode_header(token).unwrap();
    assert_eq!((header.typ.as_deref(), header.alg), (Some("at+jwt"), Algorithm::RS256));
    let key = DecodingKey::from_jwk(jwks.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&["demo-api"]);
    validation.set_issuer(&[&server.base]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    decode::<Value>(token, &key, &validation).unwrap().claims
}

#[tokio::test]
async fn the_first_page_says_what_this_is_to_people_and_nothing_to_programs() {
    let server = Server::start().await;
    let ask = async |accept: &str| {
        let request = server.client.get(format!("{}/", server.base)).header("accept", accept);
        server.send(request).await
    };
    for accept in
        ["text/html,application/xhtml+xml,*/*;q=0.8", "*/*", "text/*", "application/json, TEXT/HTML;q=0.1"]
    {
        let page = ask(accept).await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"), "{accept}");
        assert!(page.header("content-security-policy").starts_with("default-src 'none'"), "{accept}");
        assert!(!page.header("content-security-policy").contains("unsafe"), "{accept}");
        assert_eq!(page.header("vary"), "Accept");
        let links = page.text.match_indices("href=\"/").map(|(at, _)| &page.text[at + 6..]);
        let links: Vec<_> = links.map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
        assert_eq!(links.len(), 7, "{}", page.text);
        for link in links {
            assert_eq!(server.get(&link).await.status, 200, "{link}");
        }
        assert!(!page.text.contains("heirloom dev"), "nothing of a demo: {}", page.text);
    }
    for accept in ["application/json", "application/problem+json, application/json;q=0.9"] {
        let answer = ask(accept).await;
        assert_eq!(answer.outcome(), (404, "invalid_request"), "{accept}");
    }
    let answer = server.send(server.client.post(format!("{}/", server.base))).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
}
