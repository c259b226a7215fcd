//! `POST /oauth/introspect` (RFC 7662).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use heirloom::client::{
    ClientMetadata, Delivery, RefreshTokens, Registration, SecretDigest, TokenEndpointAuthMethod,
};
use heirloom::session::EndReason;
use heirloom::user::Command;
use serde_json::json;

use crate::faults::{Failing, Fault};
use crate::support::{Answer, CONFIDENTIAL, PUBLIC, SECRET, Server, Setup, USER};

/// The resource server of the audience `demo-api`.
pub(crate) const API: (&str, &str) = ("demo-api-server", "a secret of thirty-two characters");

pub(crate) fn with_a_resource_server(setup: &mut Setup) {
    let metadata = ClientMetadata {
        token_endpoint_auth_method: TokenEndpointAuthMethod::ClientSecret,
        grant_types: Vec::new(),
        refresh_tokens: RefreshTokens::Never,
        introspects: vec!["demo-api".parse().unwrap()],
        refresh_token_delivery: Delivery::Body,
        ..setup.config.clients[0].metadata.clone()
    };
    let (id, secrets) = (API.0.parse().unwrap(), vec![SecretDigest::of(API.1)]);
    setup.config.clients.push(Registration { id, metadata, secrets, disabled: false });
}

pub(crate) async fn introspect(server: &Server, (id, secret): (&str, &str), token: &str) -> Answer {
    let request = server.client.post(format!("{}/oauth/introspect", server.base));
    server.send(request.basic_auth(id, Some(secret)).form(&[("token", token)])).await
}

#[tokio::test]
async fn a_resource_server_that_is_registered_so_learns_the_users_name() {
    let server = Server::with(|setup| {
        with_a_resource_server(setup);
        setup.client(API.0, |client| client.metadata.introspects_usernames = true);
    })
    .await;
    let signed_in = server.sign_in().await;
    let answer = introspect(&server, API, &signed_in.access_token()).await;
    assert_eq!((&answer.json["active"], &answer.json["username"]), (&json!(true), &json!(USER.0)));
    // Another client learns nothing, and neither does the resource server once the session has ended.
    let other = introspect(&server, (CONFIDENTIAL, SECRET), &signed_in.access_token()).await;
    assert_inactive(&other);
    server.app.accounts.change(USER.0, Command::EndSessions { keep: None }).await.unwrap();
    assert_inactive(&introspect(&server, API, &signed_in.access_token()).await);
}

/// RFC 7662 §2.3: 401, wherever the credentials were.
#[tokio::test]
async fn wrong_credentials_are_401_in_the_body_too() {
    let server = Server::with(with_a_resource_server).await;
    let token = server.sign_in().await.access_token();
    for form in [
        &[("client_id", API.0), ("client_secret", "wrong"), ("token", token.as_str())][..],
        &[("client_id", API.0), ("token", &token)],
        &[("client_id", PUBLIC), ("token", &token)],
        &[("token", &token)],
    ] {
        let request = server.client.post(format!("{}/oauth/introspect", server.base)).form(form);
        let answer = server.send(request).await;
        assert_eq!(answer.outcome(), (401, "invalid_client"), "{form:?}: {}", answer.text);
        assert!(answer.header("www-authenticate").starts_with("Basic "), "{form:?}");
    }
    let right = [("client_id", API.0), ("client_secret", API.1), ("token", token.as_str())];
    let request = server.client.post(format!("{}/oauth/introspect", server.base)).form(&right);
    assert_eq!(server.send(request).await.json["active"], true);
}

fn assert_inactive(answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"active":false}"#));
}

#[tokio::test]
async fn a_resource_server_learns_what_an_access_token_for_it_says() {
    let server = Server::with(with_a_resource_server).await;
    let signed_in = server.sign_in().await;
    let answer = introspect(&server, API, &signed_in.access_token()).await;
    let claims = signed_in.claims();
    let expected = json!({
        "active": true,
        "token_type": "Bearer",
        "scope": "read write",
        "client_id": PUBLIC,
        "sub": claims["sub"],
        "aud": ["demo-api"],
        "iss": server.base,
        "exp": claims["exp"],
        "iat": claims["iat"],
        "auth_time": claims["auth_time"],
        "sid": claims["sid"],
        "jti": claims["jti"],
        "roles": ["user"],
    });
    assert_eq!(answer.json, expected);
    assert_eq!(answer.header("cache-control"), "no-store");
    // A hint changes nothing.
    let hinted = [("token", signed_in.access_token()), ("token_type_hint", "refresh_token".to_owned())];
    let request = server.client.post(format!("{}/oauth/introspect", server.base));
    let hinted = server.send(request.basic_auth(API.0, Some(API.1)).form(&hinted)).await;
    assert_eq!(hinted.json, expected);
    server.wait(600);
    assert_inactive(&introspect(&server, API, &signed_in.access_token()).await);
}

/// RFC 7662 §2.2 and §4. authentik told any client about any token (CVE-2024-47077).
#[tokio::test]
async fn what_is_no_token_or_none_of_the_askers_is_exactly_inactive() {
    let server = Server::with(with_a_resource_server).await;
    let signed_in = server.sign_in_confidential().await;
    for token in ["nonsense", "a.b.c", "hrt_AAAA"] {
        assert_inactive(&introspect(&server, API, token).await);
    }
    // The token is not for the asker: a client that is not a resource server, or one of another audience.
    assert_inactive(&introspect(&server, (CONFIDENTIAL, SECRET), &signed_in.access_token()).await);
    let account =
        [("grant_type", "password"), ("username", USER.0), ("password", USER.1), ("scope", "account")];
    let own = server.send(server.token().basic_auth(CONFIDENTIAL, Some(SECRET)).form(&account)).await;
    assert_inactive(&introspect(&server, API, &own.access_token()).await);
    // A resource server is not told about refresh tokens.
    assert_inactive(&introspect(&server, API, &signed_in.refresh_token()).await);
    assert_eq!(server.refresh_confidential(&signed_in.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn an_access_token_is_inactive_at_once_however_its_session_ended() {
    let server = Server::with(with_a_resource_server).await;
    // The session ends by revocation.
    let session = server.sign_in_confidential().await;
    let active = introspect(&server, API, &session.access_token()).await;
    assert_eq!(active.json["active"], true);
    let revoke = server.client.post(format!("{}/oauth/revoke", server.base));
    let form = [("token", session.refresh_token())];
    assert_eq!(server.send(revoke.basic_auth(CONFIDENTIAL, Some(SECRET)).form(&form)).await.status, 200);
    assert_inactive(&introspect(&server, API, &session.access_token()).await);
    // The session ends by reuse.
    let session = server.sign_in().await;
    let second = server.refresh(&session.refresh_token()).await;
    server.refresh(&second.refresh_token()).await;
    server.wait(31);
    assert_eq!(server.refresh(&session.refresh_token()).await.status, 400);
    let ended = server.events(session.session()).await;
    assert!(format!("{ended:?}").contains(&format!("{:?}", EndReason::Reuse)));
    assert_inactive(&introspect(&server, API, &second.access_token()).await);
    // The session ends by the user's epoch, without an event of its own.
    let session = server.sign_in().await;
    server.app.accounts.change(USER.0, Command::EndSessions { keep: None }).await.unwrap();
    assert_inactive(&introspect(&server, API, &session.access_token()).await);
}

#[tokio::test]
async fn a_confidential_client_may_ask_about_its_own_newest_refresh_token() {
    let server = Server::with(with_a_resource_server).await;
    let us = (CONFIDENTIAL, SECRET);
    let first = server.sign_in_confidential().await;
    let second = server.refresh_confidential(&first.refresh_token()).await;
    let position = server.position().await;
    let answer = introspect(&server, us, &second.refresh_token()).await;
    let now = server.now().seconds();
    let expected = json!({
        "active": true,
        "scope": "read write",
        "client_id": CONFIDENTIAL,
        "sub": first.claims()["sub"],
        "iss": server.base,
        "exp": now + 14 * 86_400,
        "iat": now,
        "auth_time": now,
        "sid": first.session().to_string(),
    });
    assert_eq!(answer.json, expected);
    assert_inactive(&introspect(&server, us, &first.refresh_token()).await);
    assert_inactive(&introspect(&server, us, &server.sign_in().await.refresh_token()).await);
    let looked =
        server.app.store.read_stream(heirloom::session::Session::stream(first.session()).unwrap(), 0, 99);
    assert_eq!(looked.await.unwrap().last().unwrap().position, position, "a look is no use of the token");
    server.wait(14 * 86_400);
    assert_inactive(&introspect(&server, us, &second.refresh_token()).await);
}

#[tokio::test]
async fn nobody_scans_for_tokens_without_a_secret() {
    let server = Server::with(with_a_resource_server).await;
    let token = server.sign_in().await.access_token();
    let url = format!("{}/oauth/introspect", server.base);
    let public = [("client_id", PUBLIC), ("token", &token)];
    assert_eq!(server.send(server.client.post(&url).form(&public)).await.outcome(), (401, "invalid_client"));
    assert_eq!(introspect(&server, (API.0, "wrong"), &token).await.outcome(), (401, "invalid_client"));
    assert_eq!(introspect(&server, (PUBLIC, ""), &token).await.outcome(), (401, "invalid_client"));
    let nothing = server.client.post(&url).basic_auth(API.0, Some(API.1)).form(&[("token", "")]);
    assert_eq!(server.send(nothing).await.outcome(), (400, "invalid_request"));
}

#[tokio::test]
async fn a_store_that_can_not_be_read_is_503_and_says_nothing_of_the_token() {
    let broken = Arc::new(AtomicBool::new(false));
    let server = Server::with(|setup| {
        with_a_resource_server(setup);
        let broken = Arc::clone(&broken);
        setup.store = Some(Box::new(|inner| Arc::new(Failing { inner, broken, fault: Fault::Load })));
    })
    .await;
    let token = server.sign_in().await.access_token();
    broken.store(true, Ordering::SeqCst);
    let answer = introspect(&server, API, &token).await;
    assert_eq!(answer.outcome(), (503, "temporarily_unavailable"));
    assert!(answer.json.get("active").is_none());
    broken.store(false, Ordering::SeqCst);
    assert_eq!(introspect(&server, API, &token).await.json["active"], true);
}
