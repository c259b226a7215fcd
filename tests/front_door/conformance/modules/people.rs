//! Who is asked for what, and when.

use std::time::Duration;

use super::super::plan::Plan;
use crate::support::web_browser::Browser;

pub(in super::super) async fn oidcc_prompt_login(mut plan: Plan) {
    let before = plan.tokens(&[]).await;
    plan.server.wait(2);
    plan.asked(&[("prompt", "login")]).await;
    let after = plan.tokens(&[("prompt", "login")]).await;
    assert_eq!(after.claims["sub"], before.claims["sub"]);
    assert!(after.claims["auth_time"].as_u64() > before.claims["auth_time"].as_u64());
}

pub(in super::super) async fn oidcc_prompt_none_not_logged_in(mut plan: Plan) {
    let delivery = plan.silent(&[("prompt", "none")]).await;
    assert_eq!((delivery.get("error"), delivery.get("code")), ("login_required", ""));
}

pub(in super::super) async fn oidcc_prompt_none_logged_in(mut plan: Plan) {
    let before = plan.tokens(&[]).await;
    plan.server.wait(2);
    let code = plan.silent(&[("prompt", "none")]).await.code().to_owned();
    let after = plan.redeem(&code).await;
    let after = plan.verified(after, Some(super::super::plan::NONCE), crate::support::CONFIDENTIAL).await;
    for claim in ["sub", "auth_time"] {
        assert_eq!(after.claims[claim], before.claims[claim]);
    }
    assert_eq!(after.claims["iat"].as_u64(), before.claims["iat"].as_u64().map(|before| before + 2));
}

pub(in super::super) async fn oidcc_max_age_1(mut plan: Plan) {
    let before = plan.tokens(&[]).await;
    plan.server.wait(2);
    plan.asked(&[("max_age", "1")]).await;
    let after = plan.tokens(&[("max_age", "1")]).await;
    assert_eq!(after.claims["sub"], before.claims["sub"]);
    assert_eq!(after.claims["auth_time"].as_u64(), Some(plan.server.now().seconds()));
    assert_ne!(after.claims["auth_time"], before.claims["auth_time"]);
}

pub(in super::super) async fn oidcc_max_age_10000(mut plan: Plan) {
    let before = plan.tokens(&[("max_age", "10000")]).await;
    plan.server.wait(1);
    let code = plan.silent(&[("max_age", "10000")]).await.code().to_owned();
    let answer = plan.redeem(&code).await;
    let after = plan.verified(answer, Some(super::super::plan::NONCE), crate::support::CONFIDENTIAL).await;
    for claim in ["sub", "auth_time"] {
        assert_eq!(after.claims[claim], before.claims[claim]);
    }
}

pub(in super::super) async fn oidcc_id_token_hint(mut plan: Plan) {
    let before = plan.tokens(&[]).await;
    let hint = before.answer.json["id_token"].as_str().unwrap().to_owned();
    let code = plan.silent(&[("prompt", "none"), ("id_token_hint", &hint)]).await.code().to_owned();
    assert_eq!(plan.redeem(&code).await.status, 200);
    // It is still a hint when the ID token has expired (OpenID Connect Core §3.1.2.1).
    plan.server.clock.advance(Duration::from_hours(1));
    plan.silent(&[("prompt", "none"), ("id_token_hint", &hint)]).await.code();
    // Somebody else is signed in: who was meant must sign in.
    plan.server
        .app
        .accounts
        .register("bob", "walnut-marble-17-river", vec!["user".to_owned()])
        .await
        .unwrap();
    plan.browser = Browser::of(&plan.server);
    let url = plan.url(&[]);
    plan.browser.sign_in(&url, ("bob", "walnut-marble-17-river")).await;
    let refusal = plan.silent(&[("prompt", "none"), ("id_token_hint", &hint)]).await;
    assert_eq!((refusal.get("error"), refusal.get("code")), ("login_required", ""));
}

pub(in super::super) async fn oidcc_login_hint(mut plan: Plan) {
    let page = plan.asked(&[("login_hint", "ann@example.com")]).await;
    assert_eq!(page.form().value("username"), "ann@example.com");
    plan.tokens(&[("login_hint", "ann@example.com")]).await;
}

pub(in super::super) async fn oidcc_ui_locales(mut plan: Plan) {
    let page = plan.asked(&[("ui_locales", "fr en")]).await;
    assert!(page.answer.text.contains("<html lang=\"fr\""), "{}", page.answer.text);
    plan.tokens(&[("ui_locales", "se")]).await;
}

pub(in super::super) async fn oidcc_claims_locales(mut plan: Plan) {
    plan.tokens(&[("claims_locales", "se")]).await;
}
