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
    let made = server.now().seconds();
    let expected = json!({"sub": sub, "preferred_username": "ann", "roles": ["user"], "updated_at": made});
    assert_eq!(answer.json, expected);
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

/// OpenID Connect Core §5.1.
#[tokio::test]
async fn updated_at_is_when_the_profile_last_changed_and_nothing_else() {
    let server = Server::start().await;
    let updated_at = async |server: &Server| {
        let token = sign_in_for(server, "profile").await.access_token();
        userinfo(server, &token).await.json["updated_at"].as_u64().unwrap()
    };
    let made = updated_at(&server).await;
    server.wait(100);
    let roles = Command::SetRoles { roles: vec!["user".to_owned(), "editor".to_owned()] };
    server.app.accounts.change(USER.0, roles).await.unwrap();
    assert_eq!(updated_at(&server).await, made, "a role is none of it");
    let own = sign_in_for(&server, "account").await;
    let profile = json!({"display_name": "Ann Lee"});
    assert_eq!(crate::own_account::patch(&server, &own.access_token(), profile).await.status, 200);
    assert_eq!(updated_at(&server).await, made + 100);
}

/// OpenID Connect Core §5.4. RFC 9700 §2.3: no token tells more than it was asked for.
#[tokio::test]
async fn userinfo_has_the_claims_of_the_token_s_scopes_and_no_others() {
    let server = Server::start().await;
    let own = sign_in_for(&server, "account").await;
    let profile = json!({"email": "ann@example.com", "display_name": "Ann Lee"});
    assert_eq!(crate::own_account::patch(&server, &own.access_token(), profile).await.status, 200);
    let sub = &own.claims()["sub"];
    let changed = server.now().seconds();
    let names = json!({
        "sub": sub, "preferred_username": "ann", "name": "Ann Lee", "roles": ["user"], "updated_at": changed,
    });
    let address = json!({"sub": sub, "email": "ann@example.com", "email_verified": false});
    let mut all = names.clone();
    all.as_object_mut().unwrap().extend(address.as_object().unwrap().clone());
    for (scope, claims) in [
        ("openid", json!({"sub": sub})),
        ("openid read", json!({"sub": sub})),
        ("openid profile", names.clone()),
        ("profile", names),
        ("openid email", address.clone()),
        ("email", address),
        ("email profile openid", all),
    ] {
        let token = sign_in_for(&server, scope).await.access_token();
        assert_eq!(userinfo(&server, &token).await.json, claims, "{scope}");
    }
}

#[tokio::test]
async fn any_client_may_ask_for_openid_which_opens_userinfo_and_nothing_else() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| client.metadata.scope = "read".parse().unwrap());
    })
    .await;
    let signed_in = sign_in_for(&server, "openid").await;
    assert_eq!((signed_in.status, &signed_in.json["scope"]), (200, &json!("openid")));
    assert_eq!(signed_in.claims()["aud"], json!(server.base));
    let token = signed_in.access_token();
    assert_eq!(userinfo(&server, &token).await.status, 200);
    for path in ["/account", "/account/sessions", "/admin/users"] {
        let refused =
            server.send(server.client.get(format!("{}{path}", server.base)).bearer_auth(&token)).await;
        assert_eq!(refused.status, 403, "{path}: {}", refused.text);
    }
    for scope in ["profile", "openid email"] {
        assert_eq!(sign_in_for(&server, scope).await.outcome(), (400, "invalid_scope"), "{scope}");
    }
    // Nobody has it who does not ask for it.
    assert_eq!(server.sign_in().await.json["scope"], "read");
}

/// RFC 6750 §2 and §2.2.
#[tokio::test]
async fn the_access_token_may_stand_in_the_form_of_a_post_and_only_once() {
    let server = Server::start().await;
    let token = sign_in_for(&server, "openid").await.access_token();
    let url = format!("{}/oauth/userinfo", server.base);
    let form = [("access_token", token.as_str())];
    let by_form = server.send(server.client.post(&url).form(&form)).await;
    let by_header = userinfo(&server, &token).await;
    assert_eq!((by_form.status, by_form.json), (200, by_header.json));
    let wrong = server.send(server.client.post(&url).form(&[("access_token", "x")])).await;
    assert_eq!((wrong.status, &wrong.json["type"]), (401, &json!("urn:heirloom:problem:invalid-token")));
    let twice = format!("access_token={token}&access_token={token}");
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    let post = || server.client.post(&url).header(form_type.0, form_type.1);
    for (request, status) in [
        (server.client.post(&url).form(&form).bearer_auth(&token), 400),
        (post().body(twice), 400),
        (post().body("access_token=%"), 400),
        (post().body(format!("access_token={token}")).header("content-encoding", "gzip"), 400),
        // Only the body of a POST, only as a form, and never the URL, which is logged.
        (server.client.post(&url).json(&json!({"access_token": token})), 401),
        (server.client.post(format!("{url}?access_token={token}")), 401),
        (server.client.get(format!("{url}?access_token={token}")), 401),
        (server.client.get(&url).header(form_type.0, form_type.1).body(format!("access_token={token}")), 401),
        (post().body("access_token="), 401),
    ] {
        let answer = server.send(request).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(!answer.text.contains(&token));
    }
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
        assert_eq!(challenge.contains(r#"scope="openid""#), status == 403, "{challenge}");
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
