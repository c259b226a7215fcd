//! An administrator registers and changes clients.

use heirloom::client::{Client, ClientEvent, vault};
use heirloom::oauth::{Actor, ClientId};
use reqwest::Method;
use serde_json::{Value, json};

use super::Office;
use crate::support::{Answer, CONFIDENTIAL, PUBLIC, SECRET, Server, USER};

/// Signs the usual user in through a client.
async fn sign_in_with(server: &Server, id: &str, secret: Option<&str>) -> Answer {
    let form = [("grant_type", "password"), ("username", USER.0), ("password", USER.1)];
    let request = match secret {
        Some(secret) => server.token().basic_auth(id, Some(secret)).form(&form),
        None => server.token().form(&[&form[..], &[("client_id", id)]].concat()),
    };
    server.send(request).await
}

async fn refresh_with(server: &Server, id: &str, secret: &str, token: &str) -> Answer {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    server.send(server.token().basic_auth(id, Some(secret)).form(&form)).await
}

async fn register(office: &Office, id: &str) -> String {
    let new = json!({"id": id, "type": "confidential", "scopes": ["read"]});
    let registered = office.post("/admin/clients", new).await;
    assert_eq!(registered.status, 201, "{}", registered.text);
    registered.json["client_secret"].as_str().unwrap().to_owned()
}

async fn client_events(server: &Server, id: &str) -> Vec<ClientEvent> {
    let stream = Client::stream(&id.parse::<ClientId>().unwrap()).unwrap();
    let recorded = server.app.store.read_stream(stream, 0, 100).await.unwrap();
    recorded.iter().map(|event| ClientEvent::decode(&event.data).unwrap()).collect()
}

#[tokio::test]
async fn a_registered_client_signs_users_in_and_survives_a_restart() {
    let office = Office::open().await;
    let new =
        json!({"id": "tv", "type": "confidential", "name": "TV", "scopes": ["read"], "access_token": 300});
    let registered = office.post("/admin/clients", new).await;
    assert_eq!((registered.status, registered.header("location")), (201, "/admin/clients/tv"));
    let secret = registered.json["client_secret"].as_str().unwrap().to_owned();
    assert_eq!(secret.len(), 43);

    let shown = office.get("/admin/clients/tv").await;
    assert!(!shown.text.contains(&secret), "the secret is shown once: {}", shown.text);
    let expected = json!({
        "id": "tv", "type": "confidential", "status": "active", "declared": false, "name": "TV",
        "grants": ["password", "refresh_token"], "scopes": ["read"], "default_audience": "demo-api",
        "refresh_tokens": "always", "access_token": 300, "refresh_idle": 1_209_600,
        "refresh_absolute": 5_184_000, "retry_window": "until-used", "reuse": "end-family",
        "revoke_access_tokens": true, "refresh_token_delivery": "body", "response_types": [], "pkce": "required",
        "consent": "ask", "id_token_signed_response_alg": "RS256",
        "secrets": [{"made_at": office.server.now().to_string()}],
    });
    assert_eq!(shown.json, expected);

    let server = office.server;
    let signed_in = sign_in_with(&server, "tv", Some(&secret)).await;
    assert_eq!(
        (signed_in.json["scope"].as_str(), signed_in.json["expires_in"].as_u64()),
        (Some("read"), Some(300))
    );
    assert_eq!(sign_in_with(&server, "tv", Some("wrong")).await.outcome(), (401, "invalid_client"));
    assert_eq!(sign_in_with(&server, "tv", None).await.outcome(), (400, "invalid_client"));
    let server = server.restart(|_| {}).await;
    assert_eq!(refresh_with(&server, "tv", &secret, &signed_in.refresh_token()).await.status, 200);
    // No event has the secret or its digest.
    let log = server.app.store.read_log(0, 1000).await.unwrap();
    let digest = ring_sha256(&secret);
    for event in log {
        assert!(!contains(&event.data, secret.as_bytes()) && !contains(&event.data, &digest));
    }
}

fn ring_sha256(text: &str) -> Vec<u8> {
    use aws_lc_rs::digest;
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn a_replaced_secret_is_good_until_the_overlap_ends() {
    let office = Office::open().await;
    let (server, old) = (&office.server, register(&office, "tv").await);
    let rotated = office.post("/admin/clients/tv/secret", json!({"overlap": 60})).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text);
    let new = rotated.json["client_secret"].as_str().unwrap().to_owned();
    let until = server.now().after(std::time::Duration::from_mins(1)).to_string();
    assert_eq!(rotated.json["old_expires_at"], json!(until));
    server.wait(59);
    for secret in [&old, &new] {
        assert_eq!(sign_in_with(server, "tv", Some(secret)).await.status, 200);
    }
    server.wait(1);
    assert_eq!(sign_in_with(server, "tv", Some(&old)).await.outcome(), (401, "invalid_client"));
    assert_eq!(sign_in_with(server, "tv", Some(&new)).await.status, 200);

    // Without an overlap, the old secret is invalid at once.
    let rotated = office.post("/admin/clients/tv/secret", json!({"overlap": 0})).await;
    let newest = rotated.json["client_secret"].as_str().unwrap();
    assert_eq!(sign_in_with(server, "tv", Some(&new)).await.outcome(), (401, "invalid_client"));
    assert_eq!(sign_in_with(server, "tv", Some(newest)).await.status, 200);
}

#[tokio::test]
async fn what_an_administrator_does_to_a_client_holds_at_once_and_stands_in_the_log() {
    let office = Office::open().await;
    let (server, secret) = (&office.server, register(&office, "tv").await);
    let sign_in = async || sign_in_with(server, "tv", Some(&secret)).await;
    let refresh = async |before: &Answer| refresh_with(server, "tv", &secret, &before.refresh_token()).await;

    let before = sign_in().await;
    let updated =
        office.put("/admin/clients/tv", json!({"scopes": ["read", "write"], "access_token": 60})).await;
    assert_eq!(
        (updated.status, &updated.json["scopes"]),
        (200, &json!(["read", "write"])),
        "{}",
        updated.text
    );
    let refreshed = refresh(&before).await;
    assert_eq!(refreshed.json["expires_in"], 60);

    assert_eq!(office.delete("/admin/clients/tv/sessions").await.status, 204);
    assert_eq!(refresh(&refreshed).await.outcome(), (400, "invalid_grant"));

    let before = sign_in().await;
    let disabled = office.post("/admin/clients/tv/disable", Value::Null).await;
    assert_eq!(disabled.json["status"], "disabled");
    assert_eq!(sign_in().await.outcome(), (401, "invalid_client"));
    assert_eq!(office.post("/admin/clients/tv/enable", Value::Null).await.json["status"], "active");
    assert_eq!(refresh(&before).await.outcome(), (400, "invalid_grant"));

    let before = sign_in().await;
    assert_eq!(office.post("/admin/clients/tv/secret", json!({"overlap": 3600})).await.status, 200);
    assert_eq!(office.delete("/admin/clients/tv").await.status, 204);
    assert_eq!(sign_in().await.outcome(), (401, "invalid_client"));
    assert_eq!(office.get("/admin/clients/tv").await.status, 404);
    assert_eq!(office.delete("/admin/clients/tv").await.status, 404);

    let kept = server.app.store.record(vault::secrets(&"tv".parse().unwrap())).await.unwrap();
    assert_eq!(kept, None);

    // A new client with the same id inherits neither secrets nor sessions.
    let other = register(&office, "tv").await;
    assert_eq!(sign_in().await.outcome(), (401, "invalid_client"));
    assert_eq!(
        refresh_with(server, "tv", &other, &before.refresh_token()).await.outcome(),
        (400, "invalid_grant")
    );
    assert_eq!(sign_in_with(server, "tv", Some(&other)).await.status, 200);

    let actor = Some(Actor::Administrator(office.admin.parse().unwrap()));
    let names: Vec<&str> = client_events(server, "tv")
        .await
        .iter()
        .map(|event| {
            let (name, by) = match event {
                ClientEvent::Registered { by, .. } => ("registered", by),
                ClientEvent::Updated { by, .. } => ("updated", by),
                ClientEvent::SessionsEnded { by, .. } => ("sessions_ended", by),
                ClientEvent::Disabled { by, .. } => ("disabled", by),
                ClientEvent::Enabled { by, .. } => ("enabled", by),
                ClientEvent::SecretRotated { by, .. } => ("secret_rotated", by),
                ClientEvent::Deleted { by, .. } => ("deleted", by),
            };
            assert_eq!(*by, actor, "{name}");
            name
        })
        .collect();
    let expected = "registered updated sessions_ended disabled enabled secret_rotated deleted registered";
    assert_eq!(names.join(" "), expected);
}

#[tokio::test]
async fn a_declared_client_wins_and_is_changed_in_the_configuration() {
    let office = Office::open().await;
    let server = &office.server;
    let shown = office.get(&format!("/admin/clients/{PUBLIC}")).await;
    assert_eq!((&shown.json["declared"], &shown.json["type"]), (&json!(true), &json!("public")));
    assert_eq!(shown.json["retry_window"], "30");
    let path = |rest: &str| format!("/admin/clients/{CONFIDENTIAL}{rest}");
    let refused = [
        office.put(&path(""), json!({"scopes": ["read"]})).await,
        office.post(&path("/secret"), json!({})).await,
        office.delete(&path("")).await,
    ];
    for answer in refused {
        assert_eq!(
            (answer.status, answer.json["type"].as_str()),
            (409, Some("urn:heirloom:problem:declared"))
        );
    }
    let taken = office.post("/admin/clients", json!({"id": CONFIDENTIAL, "type": "public"})).await;
    assert_eq!((taken.status, taken.json["errors"][0]["rule"].as_str()), (422, Some("taken")));
    let before = server.sign_in_confidential().await;
    assert_eq!(office.delete(&path("/sessions")).await.status, 204);
    let refused = server.refresh_confidential(&before.refresh_token()).await;
    assert_eq!(refused.outcome(), (400, "invalid_grant"));

    // A declared client can be switched off in an emergency, without a restart.
    let before = server.sign_in_confidential().await;
    assert_eq!(office.post(&path("/disable"), Value::Null).await.json["status"], "disabled");
    assert_eq!(server.sign_in_confidential().await.error(), "invalid_client");
    assert_eq!(office.post(&path("/enable"), Value::Null).await.json["status"], "active");
    assert_eq!(server.sign_in_confidential().await.status, 200);
    let refused = server.refresh_confidential(&before.refresh_token()).await;
    assert_eq!(refused.outcome(), (400, "invalid_grant"));

    // A registered client that is later declared: the configuration's secret is valid, the registered one is not.
    let registered = register(&office, "tv").await;
    let server =
        office.server.restart(|setup| setup.client(CONFIDENTIAL, |client| client.id = "tv".parse().unwrap()));
    let server = server.await;
    assert_eq!(sign_in_with(&server, "tv", Some(SECRET)).await.status, 200);
    assert_eq!(sign_in_with(&server, "tv", Some(&registered)).await.outcome(), (401, "invalid_client"));
}

#[tokio::test]
async fn a_public_client_has_no_secret() {
    let office = Office::open().await;
    let registered = office.post("/admin/clients", json!({"type": "public", "scopes": ["read"]})).await;
    assert_eq!((registered.status, &registered.json["client_secret"]), (201, &Value::Null));
    let id = registered.json["id"].as_str().unwrap();
    assert_eq!(sign_in_with(&office.server, id, None).await.status, 200);
    assert_eq!(sign_in_with(&office.server, id, Some("x")).await.outcome(), (401, "invalid_client"));
    let rotated = office.post(&format!("/admin/clients/{id}/secret"), json!({})).await;
    assert_eq!((rotated.status, rotated.json["type"].as_str()), (409, Some("urn:heirloom:problem:kind")));
}

#[tokio::test]
async fn declared_and_registered_clients_are_listed_together_a_page_at_a_time() {
    let office = Office::open().await;
    for id in ["alpha", "beta", "zeta"] {
        register(&office, id).await;
    }
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let page = office.get(&format!("/admin/clients?limit=2{after}")).await;
        let clients = page.json["clients"].as_array().unwrap();
        assert!(clients.len() <= 2);
        seen.extend(clients.iter().map(|client| client["id"].as_str().unwrap().to_owned()));
        let Some(next) = page.json["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(seen, ["alpha", "beta", CONFIDENTIAL, PUBLIC, "zeta"]);
}

#[tokio::test]
async fn settings_that_the_configuration_would_not_take_are_refused() {
    let office = Office::open().await;
    for (settings, field, rule) in [
        (json!({"id": "a b"}), "id", "not_permitted"),
        (json!({"name": "a\u{1b}[31m"}), "name", "not_permitted"),
        (json!({"scopes": ["unknown"]}), "scopes", "unknown"),
        (json!({"scopes": ["a\"b"]}), "scopes", "not_permitted"),
        (json!({"default_audience": "unknown"}), "default_audience", "unknown"),
        (json!({"grants": []}), "grants", "empty"),
        (json!({"grants": ["password"], "refresh_tokens": "always"}), "refresh_tokens", "no_grant"),
        (json!({"refresh_tokens": "offline_access"}), "refresh_tokens", "no_scope"),
        (json!({"access_token": 601}), "access_token", "range"),
        (json!({"access_token": 0}), "access_token", "range"),
        (json!({"refresh_idle": 599}), "refresh_idle", "too_short"),
        (json!({"refresh_absolute": 1000}), "refresh_absolute", "too_short"),
        (json!({"refresh_absolute": u64::MAX}), "refresh_absolute", "range"),
        (json!({"retry_window": "300"}), "retry_window", "too_long"),
        (json!({"retry_window": "-1"}), "retry_window", "not_permitted"),
        (json!({"introspects": ["demo-api"]}), "introspects", "public"),
        (json!({"introspects": ["unknown"]}), "introspects", "unknown"),
        (json!({"introspects_usernames": true}), "introspects_usernames", "no_introspects"),
        (json!({"origins": ["https://app.example.com/"]}), "origins", "not_permitted"),
        (json!({"origins": ["http://app.example.com"]}), "origins", "not_https"),
        (json!({"refresh_token_delivery": "cookie"}), "origins", "empty"),
    ] {
        let mut new = json!({"id": "tv", "type": "public"});
        new.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let refused = office.post("/admin/clients", new).await;
        let error = &refused.json["errors"][0];
        assert_eq!((&error["field"], &error["rule"]), (&json!(field), &json!(rule)), "{}", refused.text);
        assert_eq!(refused.status, 422);
    }
}

#[tokio::test]
async fn a_registered_browser_client_is_let_in_from_its_pages_only() {
    const PAGES: &str = "https://app.example.com";
    let office = Office::open().await;
    let server = &office.server;
    let preflight = async |origin: &str| {
        let url = format!("{}/oauth/token", server.base);
        let request = server.client.request(Method::OPTIONS, url).header("Origin", origin);
        let answer = server.send(request.header("Access-Control-Request-Method", "POST")).await;
        let allowed = answer.header("access-control-allow-origin").to_owned();
        (allowed, answer.header("access-control-allow-credentials").to_owned())
    };
    let nothing = (String::new(), String::new());
    assert_eq!(preflight(PAGES).await, nothing);
    let new = json!({
        "id": "spa", "type": "public", "scopes": ["read"], "origins": [PAGES],
        "refresh_token_delivery": "cookie",
    });
    assert_eq!(office.post("/admin/clients", new).await.status, 201);
    assert_eq!(preflight(PAGES).await, (PAGES.to_owned(), "true".to_owned()));
    assert_eq!(preflight("https://app.example.co").await, nothing);

    let form = [("grant_type", "password"), ("username", USER.0), ("password", USER.1), ("client_id", "spa")];
    let signed_in = server.send(server.token().form(&form).header("Origin", PAGES)).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.text);
    assert_eq!(signed_in.header("access-control-allow-origin"), PAGES);
    assert!(signed_in.header("set-cookie").contains("HttpOnly") && signed_in.json["refresh_token"].is_null());
    let elsewhere = server.send(server.token().form(&form).header("Origin", "https://evil.example")).await;
    assert_eq!((elsewhere.status, elsewhere.header("access-control-allow-origin")), (400, ""));

    let body = json!({"scopes": ["read"], "origins": [PAGES]});
    assert_eq!(office.put("/admin/clients/spa", body).await.status, 200);
    assert_eq!(preflight(PAGES).await, (PAGES.to_owned(), String::new()));
    assert_eq!(office.delete("/admin/clients/spa").await.status, 204);
    assert_eq!(preflight(PAGES).await, nothing);
}

#[tokio::test]
async fn a_registered_resource_server_introspects_and_revokes_nothing() {
    let office = Office::open().await;
    let server = &office.server;
    let new = json!({"id": "api", "type": "confidential", "grants": [], "introspects": ["demo-api"]});
    let registered = office.post("/admin/clients", new).await;
    assert_eq!(registered.status, 201, "{}", registered.text);
    let secret = registered.json["client_secret"].as_str().unwrap();
    let token = server.sign_in().await.access_token();
    let ask = async |path: &str| {
        let request = server.client.post(format!("{}/oauth/{path}", server.base));
        server.send(request.basic_auth("api", Some(secret)).form(&[("token", &token)])).await
    };
    assert_eq!(ask("introspect").await.json["active"], true);
    assert_eq!(ask("revoke").await.status, 200);
    assert_eq!(ask("introspect").await.json["active"], true);
}
