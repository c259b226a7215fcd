//! What is told of the person.

use serde_json::Value;

use super::super::plan::{Plan, Tokens};
use crate::support::{Answer, USER};

async fn told(plan: &mut Plan, scope: &str) -> (Tokens, Value) {
    let tokens = plan.tokens(&[("scope", scope)]).await;
    let user = plan.userinfo(&tokens.answer.access_token()).await;
    assert_eq!(user.status, 200, "{}", user.text);
    assert_eq!(user.json["sub"], tokens.claims["sub"]);
    (tokens, user.json)
}

pub(in super::super) async fn oidcc_scope_profile(mut plan: Plan) {
    let (tokens, user) = told(&mut plan, "openid profile").await;
    assert_eq!(user["preferred_username"], USER.0);
    assert_eq!(user["email"], Value::Null);
    // With a code, claims come from userinfo (OpenID Connect Core §5.4).
    assert_eq!(tokens.claims["preferred_username"], Value::Null);
}

pub(in super::super) async fn oidcc_scope_email(mut plan: Plan) {
    let (_, user) = told(&mut plan, "openid email").await;
    assert_eq!(user["preferred_username"], Value::Null);
    assert!(user["email"].is_null() || user["email_verified"].is_boolean(), "{user}");
}

/// The suite leaves scopes out that are not in `scopes_supported`.
async fn not_supported(plan: &Plan, scope: &str) {
    let metadata = plan.metadata().await;
    let supported = metadata["scopes_supported"].as_array().unwrap();
    assert!(!supported.iter().any(|one| one == scope), "{metadata}");
}

pub(in super::super) async fn oidcc_scope_address(plan: Plan) {
    not_supported(&plan, "address").await;
}

pub(in super::super) async fn oidcc_scope_phone(plan: Plan) {
    not_supported(&plan, "phone").await;
}

pub(in super::super) async fn oidcc_scope_all(mut plan: Plan) {
    let (tokens, user) = told(&mut plan, "openid profile email").await;
    assert_eq!(tokens.answer.json["scope"], "email openid profile");
    assert_eq!(user["preferred_username"], USER.0);
}

pub(in super::super) async fn oidcc_ensure_other_scope_order_succeeds(mut plan: Plan) {
    told(&mut plan, "email openid").await;
}

pub(in super::super) async fn oidcc_claims_essential(mut plan: Plan) {
    // A claim that the server does not have is left out (OpenID Connect Core §5.5.1).
    let claims = r#"{"userinfo":{"name":{"essential":true}}}"#;
    let tokens = plan.tokens(&[("claims", claims)]).await;
    assert_eq!(plan.userinfo(&tokens.answer.access_token()).await.status, 200);
}

pub(in super::super) async fn oidcc_userinfo_get(mut plan: Plan) {
    told(&mut plan, "openid").await;
}

pub(in super::super) async fn oidcc_userinfo_post_header(mut plan: Plan) {
    let tokens = plan.tokens(&[]).await;
    let request = plan.server.client.post(format!("{}/oauth/userinfo", plan.server.base));
    let user = plan.server.send(request.bearer_auth(tokens.answer.access_token())).await;
    same_person(&tokens, &user);
}

pub(in super::super) async fn oidcc_userinfo_post_body(mut plan: Plan) {
    let tokens = plan.tokens(&[]).await;
    let request = plan.server.client.post(format!("{}/oauth/userinfo", plan.server.base));
    // RFC 6750 §2.2.
    let form = [("access_token", tokens.answer.access_token())];
    same_person(&tokens, &plan.server.send(request.form(&form)).await);
}

fn same_person(tokens: &Tokens, user: &Answer) {
    assert_eq!((user.status, &user.json["sub"]), (200, &tokens.claims["sub"]), "{}", user.text);
    assert!(user.header("content-type").starts_with("application/json"));
}
