//! The plan "RP-initiated logout OP".

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

use super::plan::{Mode, Plan, SIGNED_OUT};
use crate::support::web_browser::Page;
use crate::support::web_browser::signing_in::Arrival;

/// A person who is signed in, and the ID token.
async fn signed_in() -> (Plan, String) {
    let mut plan = Plan::start(Mode::Query).await;
    let tokens = plan.tokens(&[]).await;
    let hint = tokens.answer.json["id_token"].as_str().unwrap().to_owned();
    (plan, hint)
}

async fn log_out(plan: &mut Plan, more: &[(&str, &str)]) -> Arrival {
    let mut url = plan.browser.url("/oauth/logout");
    if !more.is_empty() {
        url.query_pairs_mut().extend_pairs(more);
    }
    plan.browser.begin(&url).await
}

/// Signed out, and sent back.
async fn sent_back(plan: &mut Plan, more: &[(&str, &str)], to: &str) {
    let delivery = log_out(plan, more).await.delivery();
    assert_eq!(delivery.url.as_str(), to);
    is_signed_out(plan).await;
}

async fn is_signed_out(plan: &mut Plan) {
    let refusal = plan.silent(&[("prompt", "none")]).await;
    assert_eq!((refusal.get("error"), refusal.get("code")), ("login_required", ""));
}

/// A page or a question, and nothing on it leads to the suite.
async fn page(plan: &mut Plan, more: &[(&str, &str)]) -> Page {
    let page = log_out(plan, more).await.page();
    let leads_away = |to: &Url| to.host_str() == Some("suite.example");
    assert!(!page.links().iter().any(|(to, _)| leads_away(to)), "{}", page.answer.text);
    page
}

/// Signed out on a page, after a question if there is one.
async fn signed_out_here(plan: &mut Plan, more: &[(&str, &str)]) {
    let mut page = page(plan, more).await;
    if page.forms().iter().any(|form| form.action.path() == "/logout") {
        let form = page.form_to("/logout");
        let (name, value, _) = form.buttons()[0];
        let (name, value) = (name.to_owned(), value.to_owned());
        let answer = plan.browser.submit(form.press(&name, &value)).await;
        page = plan.browser.settle(answer).await.page();
    }
    assert_eq!(page.status(), 200);
    is_signed_out(plan).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_discovery_endpoint_verification() {
    let plan = Plan::start(Mode::Query).await;
    let endpoint = plan.metadata().await["end_session_endpoint"].clone();
    assert_eq!(endpoint, plan.browser.url("/oauth/logout").as_str());
}

#[tokio::test]
async fn oidcc_rp_initiated_logout() {
    let (mut plan, hint) = signed_in().await;
    let more =
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", SIGNED_OUT), ("state", "a b+c")];
    sent_back(&mut plan, &more, &format!("{SIGNED_OUT}?state=a%20b%2Bc")).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_state() {
    let (mut plan, hint) = signed_in().await;
    let more = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", SIGNED_OUT)];
    sent_back(&mut plan, &more, SIGNED_OUT).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri() {
    let (mut plan, hint) = signed_in().await;
    let uri = "https://suite.example/another";
    page(&mut plan, &[("id_token_hint", &hint), ("post_logout_redirect_uri", uri), ("state", "a")]).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri() {
    let (mut plan, hint) = signed_in().await;
    let uri = format!("{SIGNED_OUT}?foo=bar");
    page(&mut plan, &[("id_token_hint", &hint), ("post_logout_redirect_uri", &uri), ("state", "a")]).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_modified_id_token_hint() {
    let (mut plan, hint) = signed_in().await;
    let claims = hint.split('.').nth(1).unwrap();
    let unsigned = format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#));
    page(&mut plan, &[("id_token_hint", &unsigned), ("post_logout_redirect_uri", SIGNED_OUT)]).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_id_token_hint() {
    let (mut plan, hint) = signed_in().await;
    // As if another key had signed it.
    let (signed, signature) = hint.rsplit_once('.').unwrap();
    let other: String = signature.chars().rev().collect();
    let foreign = format!("{signed}.{other}");
    page(&mut plan, &[("id_token_hint", &foreign), ("post_logout_redirect_uri", SIGNED_OUT)]).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_id_token_hint() {
    let (mut plan, _) = signed_in().await;
    page(&mut plan, &[("post_logout_redirect_uri", SIGNED_OUT), ("state", "a")]).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_params() {
    let (mut plan, _) = signed_in().await;
    signed_out_here(&mut plan, &[]).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri() {
    let (mut plan, hint) = signed_in().await;
    signed_out_here(&mut plan, &[("id_token_hint", &hint), ("state", "a")]).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_only_state() {
    let (mut plan, _) = signed_in().await;
    signed_out_here(&mut plan, &[("state", "a")]).await;
}
