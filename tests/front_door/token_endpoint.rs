//! `POST /oauth/token`: transport, grants and scopes, and the form of answers.

mod audience;
mod client_authentication;

use crate::support::{Answer, CONFIDENTIAL, PUBLIC, Server, USER};

const FORM: &str = "application/x-www-form-urlencoded";

async fn raw(server: &Server, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
    server.send(server.token().header("content-type", content_type).body(body)).await
}

fn sign_in_body(more: &str) -> String {
    format!("grant_type=password&client_id={PUBLIC}&username={}&password={}{more}", USER.0, USER.1)
}

fn assert_refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.outcome(), (status, error), "{}", answer.text);
    let description = answer.json["error_description"].as_str().unwrap();
    assert!(!description.is_empty());
    // RFC 6749 §5.2: %x20-21 / %x23-5B / %x5D-7E.
    assert!(description.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5B | 0x5D..=0x7E)));
    assert_kept_out_of_caches(answer);
}

fn assert_kept_out_of_caches(answer: &Answer) {
    assert!(answer.header("content-type").starts_with("application/json"), "{answer:?}");
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
}

#[tokio::test]
async fn a_sign_in_answers_as_rfc_6749_says() {
    let server = Server::start().await;
    let answer = server.sign_in().await;
    assert_kept_out_of_caches(&answer);
    let body = answer.json.as_object().unwrap();
    let names: Vec<_> = body.keys().map(String::as_str).collect();
    assert_eq!(names, ["access_token", "token_type", "expires_in", "refresh_token", "scope"]);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"].as_u64(), Some(600));
    assert_eq!(body["scope"], "read write");
    let claims = answer.claims();
    assert_eq!(claims["iss"], server.base);
    assert_eq!(claims["aud"], "demo-api");
    assert_eq!(claims["client_id"], PUBLIC);
    assert_eq!(claims["scope"], "read write");
    assert_eq!(claims["roles"][0], "user");
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);
    assert_eq!(claims["auth_time"].as_u64(), Some(server.now().seconds()));
}

#[tokio::test]
async fn other_methods_are_405_with_allow() {
    let server = Server::start().await;
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let request = server.client.request(method.parse().unwrap(), format!("{}/oauth/token", server.base));
        let answer = server.send(request).await;
        assert_refused(&answer, 405, "invalid_request");
        assert_eq!(answer.header("allow"), "POST");
    }
    let answer = server.get("/oauth/nothing").await;
    assert_refused(&answer, 404, "invalid_request");
}

#[tokio::test]
async fn another_media_type_is_refused_and_the_right_one_is_named() {
    let server = Server::start().await;
    let json = r#"{"grant_type":"password"}"#;
    for content_type in ["application/json", "multipart/form-data; boundary=x", "text/plain", "x"] {
        let answer = raw(&server, content_type, json).await;
        assert_refused(&answer, 400, "invalid_request");
        assert!(answer.text.contains(FORM));
    }
    let none = server.send(server.token().body(sign_in_body(""))).await;
    assert_refused(&none, 400, "invalid_request");
    let with_charset =
        raw(&server, "Application/X-WWW-Form-urlencoded; charset=UTF-8", sign_in_body("")).await;
    assert_eq!(with_charset.status, 200);
}

/// RFC 6749 §3.2 and §5.2.
#[tokio::test]
async fn malformed_and_repeated_parameters_are_refused_and_unknown_ones_ignored() {
    let server = Server::start().await;
    for body in [
        sign_in_body("&password=x"),
        sign_in_body("&unknown=1&unknown=2"),
        sign_in_body("&x=%zz"),
        sign_in_body("&x=%ff"),
        sign_in_body("&x=%00"),
        sign_in_body("&x=a%0Db"),
        sign_in_body("&x=a%0Ab"),
        format!("client_id={PUBLIC}&username=a&password=b"),
        format!("grant_type=&client_id={PUBLIC}"),
        format!("grant_type=password&client_id={PUBLIC}&username=&password=b"),
        format!("grant_type=password&client_id={PUBLIC}&username=a"),
        format!("grant_type=refresh_token&client_id={PUBLIC}"),
        String::new(),
    ] {
        let answer = raw(&server, FORM, body.clone()).await;
        let error = if body.is_empty() { "invalid_client" } else { "invalid_request" };
        assert_refused(&answer, 400, error);
    }
    let mut body = sign_in_body("&x=").into_bytes();
    body.push(0xff);
    assert_refused(&raw(&server, FORM, body).await, 400, "invalid_request");
    for grant in ["token", "implicit", "PASSWORD"] {
        let answer = raw(&server, FORM, format!("grant_type={grant}&client_id={PUBLIC}")).await;
        assert_refused(&answer, 400, "unsupported_grant_type");
    }
    let ignored = raw(&server, FORM, sign_in_body("&scope=&unknown=1&resource=&audience=x")).await;
    assert_eq!(ignored.status, 200, "{}", ignored.text);
    assert_eq!(ignored.json["scope"], "read write");
    let blank = raw(&server, FORM, sign_in_body("&scope=%20")).await;
    assert_eq!(blank.json["scope"], "read write");
}

/// RFC 6749 §2.3.1: they would end up in logs.
#[tokio::test]
async fn credentials_in_the_url_are_refused() {
    let server = Server::start().await;
    for query in [
        "x=%zz&password=%zz",
        "password=x",
        "client_secret=x",
        "refresh_token=x",
        "%70assword=x",
        "client_id=web",
    ] {
        let request = server.client.post(format!("{}/oauth/token?{query}", server.base));
        let answer = server.send(request.header("content-type", FORM).body(sign_in_body(""))).await;
        assert_refused(&answer, 400, "invalid_request");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_as_json() {
    let server = Server::start().await;
    let answer = raw(&server, FORM, "x".repeat(64 * 1024 + 1)).await;
    assert_refused(&answer, 413, "invalid_request");
}

/// RFC 6749 §5.2.
#[tokio::test]
async fn a_grant_that_is_not_registered_for_the_client_is_unauthorized_client() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| {
            client.metadata.grant_types.retain(|grant| grant.as_str() == "refresh_token");
        });
        setup.client(CONFIDENTIAL, |client| {
            client.metadata.grant_types.retain(|grant| grant.as_str() == "password");
        });
    })
    .await;
    assert_refused(&server.sign_in().await, 400, "unauthorized_client");
    let signed_in = server.sign_in_confidential().await;
    assert_eq!(signed_in.status, 200);
    assert_eq!(signed_in.json.get("refresh_token"), None, "it could not use it");
    assert_refused(&server.refresh_confidential("x").await, 400, "unauthorized_client");
}

#[tokio::test]
async fn the_password_grant_may_be_off() {
    let server = Server::with(|setup| setup.config.password_grant = false).await;
    assert_refused(&server.sign_in().await, 400, "unsupported_grant_type");
    let metadata = server.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(
        metadata.json["grant_types_supported"],
        serde_json::json!(["refresh_token", "client_credentials", "authorization_code"])
    );
}

/// One long `scope` could stop Keycloak (CVE-2026-4634); authentik granted scopes without a check (CVE-2024-52287).
#[tokio::test]
async fn a_scope_that_is_too_long_or_not_the_clients_is_invalid_scope() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| client.metadata.scope = "read account".parse().unwrap());
    })
    .await;
    let words = vec!["read"; 65].join(" ");
    for scope in ["write", "profile", "nothing", "read\"", &words, &"r".repeat(1025)] {
        let answer = raw(&server, FORM, sign_in_body(&format!("&scope={scope}"))).await;
        assert_refused(&answer, 400, "invalid_scope");
    }
    let answer = raw(&server, FORM, sign_in_body("&scope=account+read")).await;
    assert_eq!(answer.json["scope"], "account read");
    assert_eq!(answer.claims()["aud"], serde_json::json!(["demo-api", server.base]));
}

#[tokio::test]
async fn a_refused_scope_is_named_with_the_reason() {
    let server = Server::with(|setup| {
        let (name, scopes) = ("other-api".parse().unwrap(), "pay".parse().unwrap());
        let typ = heirloom::config::AccessTokenType::Jwt;
        setup.config.audiences.push(heirloom::config::AudienceRules { name, scopes, typ });
        setup.client(PUBLIC, |client| client.metadata.scope = "read pay admin account".parse().unwrap());
    })
    .await;
    let said = |answer: &Answer| {
        assert_refused(answer, 400, "invalid_scope");
        answer.json["error_description"].as_str().unwrap().to_owned()
    };
    for (more, reason) in [
        ("&scope=read+fly", "There is no scope fly here."),
        ("&scope=read+write", "The scope write is not registered for the client."),
        ("&scope=pay+read", "The scopes pay and read are of two resource servers. Ask for a token for each."),
        ("&scope=read&resource=other-api", "The scope read is not of the resource that was asked for."),
        ("&scope=admin", "The scope admin needs a role that the user does not have."),
    ] {
        assert_eq!(said(&raw(&server, FORM, sign_in_body(more)).await), reason, "{more}");
    }
    // Nobody is told which roles a user has before proving to be that user.
    let form =
        [("client_id", PUBLIC), ("grant_type", "password"), ("username", USER.0), ("password", "wrong")];
    let unproved = server.post(&[&form[..], &[("scope", "admin")]].concat()).await;
    assert_eq!(unproved.outcome(), (400, "invalid_grant"));

    let token = raw(&server, FORM, sign_in_body("&scope=read+admin")).await.refresh_token();
    let beyond = server.refresh_with(&token, &[("scope", "read account")]).await;
    assert_eq!(said(&beyond), "The scope account was not granted at the sign-in.");
    let role = server.refresh_with(&token, &[("scope", "admin")]).await;
    assert_eq!(said(&role), "The scope admin needs a role that the user does not have.");
    assert_eq!(server.refresh(&token).await.json["scope"], "read", "nothing was consumed");
}

#[tokio::test]
async fn a_scope_that_needs_a_role_is_left_out_without_it() {
    let server = Server::start().await;
    let body = sign_in_body("&scope=read+admin");
    let without = raw(&server, FORM, body.clone()).await;
    assert_eq!(without.json["scope"], "read");
    assert_eq!(without.claims()["aud"], "demo-api");
    let only = raw(&server, FORM, sign_in_body("&scope=admin")).await;
    assert_refused(&only, 400, "invalid_scope");
    let command = heirloom::user::Command::SetRoles { roles: vec!["admin".to_owned()] };
    server.app.accounts.change(USER.0, command).await.unwrap();
    let with = raw(&server, FORM, body).await;
    assert_eq!(with.json["scope"], "admin read");
    assert_eq!(with.claims()["roles"], serde_json::json!(["admin"]));
}
