//! What a request may have, and what its answer has.

use url::Url;

use super::super::plan::{CALLBACK, NONCE, Plan};
use crate::support::USER;
use crate::support::web_browser::signing_in::Delivery;

/// The happy path.
pub(in super::super) async fn oidcc_server(mut plan: Plan) {
    let delivery = plan.authorize(&[]).await;
    assert_eq!(delivery.names(), ["code", "state", "iss"]);
    // RFC 6749 §10.10: 128 bits, and each is another one.
    let code = delivery.code().to_owned();
    assert!(code.len() > 22 + 4, "{code}");
    let tokens = plan.redeem(&code).await;
    let tokens = plan.verified(tokens, Some(NONCE), crate::support::CONFIDENTIAL).await;
    assert_eq!(tokens.answer.json["scope"], "openid");
    assert!(tokens.claims["sid"].is_string());
    let user = plan.userinfo(&tokens.answer.access_token()).await;
    assert_eq!((user.status, &user.json["sub"]), (200, &tokens.claims["sub"]));
    assert_ne!(plan.authorize(&[]).await.code(), code);
}

pub(in super::super) async fn oidcc_response_type_missing(mut plan: Plan) {
    let delivery = plan.silent(&[("response_type", "")]).await;
    assert_eq!((delivery.get("error"), delivery.get("code")), ("invalid_request", ""));
}

pub(in super::super) async fn oidcc_idtoken_signature(mut plan: Plan) {
    assert_eq!(plan.metadata().await["id_token_signing_alg_values_supported"][0], "RS256");
    plan.tokens(&[]).await;
}

/// It is for clients that are registered with `id_token_signed_response_alg: none`, which nobody can be.
pub(in super::super) async fn oidcc_idtoken_unsigned(plan: Plan) {
    let metadata = plan.metadata().await;
    let supported = metadata["id_token_signing_alg_values_supported"].as_array().unwrap();
    assert!(!supported.iter().any(|algorithm| algorithm == "none"));
}

/// Neither `nonce` nor PKCE.
pub(in super::super) async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow(mut plan: Plan) {
    let tokens = plan.tokens(&[("nonce", "")]).await;
    assert_eq!(tokens.claims.get("nonce"), None);
}

pub(in super::super) async fn oidcc_display_page(mut plan: Plan) {
    plan.tokens(&[("display", "page")]).await;
}

pub(in super::super) async fn oidcc_display_popup(mut plan: Plan) {
    plan.tokens(&[("display", "popup")]).await;
}

pub(in super::super) async fn oidcc_ensure_request_with_unknown_parameter_succeeds(mut plan: Plan) {
    plan.tokens(&[("extra", "foobar")]).await;
}

pub(in super::super) async fn oidcc_ensure_request_with_acr_values_succeeds(mut plan: Plan) {
    let tokens = plan.tokens(&[("acr_values", "1 2")]).await;
    assert_eq!(tokens.claims["acr"], "1");
}

pub(in super::super) async fn oidcc_ensure_post_request_succeeds(mut plan: Plan) {
    let url = plan.browser.url("/oauth/authorize");
    let first = plan.browser.post_from("https://suite.example/", &url, &plan.parameters(&[])).await;
    let arrival = plan.browser.settle(first).await;
    let delivery = plan.browser.finish(arrival, USER).await;
    plan.check(&delivery);
    assert_eq!(plan.redeem(delivery.code()).await.status, 200);
}

/// A request object that nobody has signed.
fn request_object(redirect_uri: &str) -> String {
    use base64::Engine as _;
    let claims = serde_json::json!({ "redirect_uri": redirect_uri, "state": "another" });
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(&claims.to_string()))
}

fn refused(delivery: &Delivery, error: &str) {
    assert_eq!((delivery.get("error"), delivery.get("code")), (error, ""));
}

pub(in super::super) async fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(
    mut plan: Plan,
) {
    let request = request_object(CALLBACK);
    refused(&plan.silent(&[("request", &request)]).await, "request_not_supported");
}

pub(in super::super) async fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(
    mut plan: Plan,
) {
    let refusal = plan.silent(&[("request_uri", "https://suite.example/request.jwt")]).await;
    refused(&refusal, "request_uri_not_supported");
}

/// What stands in a request object is not used, even to answer.
pub(in super::super) async fn oidcc_ensure_request_object_with_redirect_uri(mut plan: Plan) {
    let request = request_object("https://suite.example/another");
    refused(&plan.silent(&[("request", &request)]).await, "request_not_supported");
    // Without a redirect URI beside it, nobody can be answered.
    let page = plan.begin(&[("request", &request), ("redirect_uri", "")]).await.page();
    assert_eq!(page.status(), 400);
    assert!(page.forms().is_empty() && !page.links().iter().any(|(to, _)| leads_to_suite(to)));
}

fn leads_to_suite(url: &Url) -> bool {
    url.host_str() == Some("suite.example")
}
