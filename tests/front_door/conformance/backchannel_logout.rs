//! The plan "Back-channel logout OP".

use serde_json::{Value, json};

use super::plan::{ISSUER, Mode, Plan};
use crate::support::receiver::Receiver;
use crate::support::{Answer, CONFIDENTIAL};

async fn plan() -> (Plan, Receiver) {
    let suite = Receiver::start().await;
    let plan = Plan::with(Mode::Query, |setup| {
        setup.client(CONFIDENTIAL, |client| {
            client.metadata.backchannel_logout_uri = Some(suite.uri().parse().unwrap());
        });
    })
    .await;
    (plan, suite)
}

#[tokio::test]
async fn oidcc_backchannel_logout_discovery_endpoint_verification() {
    let (plan, _) = plan().await;
    let metadata = plan.metadata().await;
    for member in ["backchannel_logout_supported", "backchannel_logout_session_supported"] {
        assert_eq!(metadata[member], true, "{member}");
    }
    assert!(metadata["end_session_endpoint"].is_string());
}

#[tokio::test]
async fn oidcc_backchannel_rp_initiated_logout() {
    let (mut plan, suite) = plan().await;
    let tokens = plan.tokens(&[]).await;
    let hint = tokens.answer.json["id_token"].as_str().unwrap().to_owned();
    let mut url = plan.browser.url("/oauth/logout");
    url.query_pairs_mut()
        .append_pair("id_token_hint", &hint)
        .append_pair("post_logout_redirect_uri", super::plan::SIGNED_OUT);
    let delivery = plan.browser.begin(&url).await.delivery();
    assert_eq!(delivery.url.as_str(), super::plan::SIGNED_OUT);
    plan.server.app.backchannel_logout.deliver_due().await.unwrap();
    let told = suite.take();
    let [token] = told.as_slice() else { panic!("{told:?}") };
    validate(&plan, token, &tokens.claims).await;
    let refusal = plan.silent(&[("prompt", "none")]).await;
    assert_eq!((refusal.get("error"), refusal.get("code")), ("login_required", ""));
}

/// Validates a logout token as OpenID Connect Back-Channel Logout §2.6 says, against the ID token of the login.
async fn validate(plan: &Plan, token: &str, id_token: &Value) {
    let header = Answer::part(token, 0);
    // §2.4: "It is RECOMMENDED that Logout Tokens be explicitly typed."
    assert_eq!((&header["typ"], &header["alg"]), (&json!("logout+jwt"), &json!("RS256")));
    // The signature, by a key of the JWKS.
    let claims = plan.claims(token).await;
    let names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["iss", "sub", "aud", "iat", "exp", "jti", "sid", "events"], "and no nonce");
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!(CONFIDENTIAL)));
    assert_eq!((&claims["sub"], &claims["sid"]), (&id_token["sub"], &id_token["sid"]));
    let (now, time) = (plan.server.now().seconds(), |name: &str| claims[name].as_u64().unwrap());
    assert!(time("iat") <= now && now - time("iat") < 5 && time("exp") > now, "{claims}");
    assert!(time("exp") <= time("iat") + 120, "§2.4: at most two minutes: {claims}");
    assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() >= 22), "{claims}");
    assert_eq!(claims["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
}

/// No logout token is taken for another token: not as a hint, not as an access token.
#[tokio::test]
async fn a_logout_token_is_nothing_else() {
    let (mut plan, suite) = plan().await;
    plan.tokens(&[]).await;
    let url = plan.browser.url("/logout");
    let page = plan.browser.open(&url).await;
    let form = page.form_to("/logout");
    let (name, value, _) = form.buttons()[0];
    let (name, value) = (name.to_owned(), value.to_owned());
    plan.browser.submit(form.press(&name, &value)).await;
    plan.server.app.backchannel_logout.deliver_due().await.unwrap();
    let token = suite.take().remove(0);
    let url = format!("{}/oauth/userinfo", plan.server.base);
    let answer = plan.server.send(plan.server.client.get(url).bearer_auth(&token)).await;
    assert_eq!(answer.status, 401);
    plan.tokens(&[]).await;
    let mut url = plan.browser.url("/oauth/logout");
    url.query_pairs_mut()
        .append_pair("id_token_hint", &token)
        .append_pair("post_logout_redirect_uri", super::plan::SIGNED_OUT);
    plan.browser.begin(&url).await.page();
}
