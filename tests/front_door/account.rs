//! The user's own account, by access tokens with the scopes of heirloom's own API.

use heirloom::user::Command;
use serde_json::json;

use crate::support::{Answer, PUBLIC, Server, USER};

/// Signs in for `scope` with the public client.
async fn sign_in_for(server: &Server, scope: &str) -> Answer {
    let form = [
        ("grant_type", "password"),
        ("client_id", PUBLIC),
        ("username", USER.0),
        ("password", USER.1),
        ("scope", scope),
    ];
    server.post(&form).await
}

async fn userinfo(server: &Server, token: &str) -> Answer {
    server.send(server.client.get(format!("{}/oauth/userinfo", server.base)).bearer_auth(token)).await
}

#[tokio::test]
async fn userinfo_says_who_the_user_is_and_reflects_an_ended_session_at_once() {
    let server = Server::start().await;
    let signed_in = sign_in_for(&server, "profile read").await;
    let token = signed_in.access_token();
    let answer = userinfo(&server, &token).await;
    let sub = signed_in.claims()["sub"].clone();
    assert_eq!(answer.json, json!({"sub": sub, "preferred_username": "ann", "roles": ["user"]}));
    server.app.accounts.change(USER.0, Command::EndSessions { keep: None }).await.unwrap();
    let ended = userinfo(&server, &token).await;
    assert_eq!(ended.status, 401);
    assert!(ended.header("www-authenticate").contains(r#"error="invalid_token""#));
}

#[tokio::test]
async fn userinfo_is_answered_by_post_as_by_get() {
    let server = Server::start().await;
    let token = sign_in_for(&server, "profile").await.access_token();
    let by_get = userinfo(&server, &token).await;
    let url = format!("{}/oauth/userinfo", server.base);
    for request in [server.client.post(&url), server.client.post(&url).form(&[("schema", "openid")])] {
        let by_post = server.send(request.bearer_auth(&token)).await;
        assert_eq!((by_post.status, by_post.json), (200, by_get.json.clone()));
    }
    assert_eq!(server.send(server.client.post(&url)).await.status, 401);
}

#[tokio::test]
async fn an_access_token_must_be_there_ours_for_us_in_time_and_have_the_scope() {
    let server = Server::start().await;
    let none = server.get("/oauth/userinfo").await;
    assert_eq!((none.status, none.header("www-authenticate")), (401, r#"Bearer realm="heirloom""#));
    assert_eq!(none.header("content-type"), "application/problem+json");
    let for_others = server.sign_in().await.access_token();
    let for_us = sign_in_for(&server, "account").await.access_token();
    for (token, status, error) in [
        ("nonsense", 401, "invalid_token"),
        (&for_others, 403, "insufficient_scope"),
        (&for_us, 403, "insufficient_scope"),
    ] {
        let answer = userinfo(&server, token).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        let challenge = answer.header("www-authenticate");
        assert!(
            challenge.starts_with("Bearer ") && challenge.contains(&format!("error=\"{error}\"")),
            "{answer:?}"
        );
        assert_eq!(challenge.contains(r#"scope="profile""#), status == 403, "{challenge}");
    }
    // After its session has ended, a token is refused with 401, also if it was for another resource server.
    server.app.accounts.change(crate::support::USER.0, Command::EndSessions { keep: None }).await.unwrap();
    let ended = userinfo(&server, &for_others).await;
    assert_eq!(ended.status, 401);
    assert!(ended.header("www-authenticate").contains("invalid_token"), "{ended:?}");
    let token = sign_in_for(&server, "profile").await.access_token();
    server.wait(600);
    let expired = userinfo(&server, &token).await;
    assert_eq!(expired.status, 401);
    assert!(expired.header("www-authenticate").contains("expired"));
}
