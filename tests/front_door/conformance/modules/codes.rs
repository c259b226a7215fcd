//! Codes and refresh tokens.

use super::super::plan::{CALLBACK, NONCE, Plan};
use crate::support::{CONFIDENTIAL, PUBLIC, SECRET};

pub(in super::super) async fn oidcc_codereuse(mut plan: Plan) {
    let code = plan.authorize(&[]).await.code().to_owned();
    let tokens = plan.redeem(&code).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text);
    assert_eq!(plan.redeem(&code).await.outcome(), (400, "invalid_grant"));
    // A page that runs its effects twice stays signed in.
    assert_eq!(plan.userinfo(&tokens.access_token()).await.status, 200);
}

pub(in super::super) async fn oidcc_codereuse_30seconds(mut plan: Plan) {
    let code = plan.authorize(&[]).await.code().to_owned();
    let tokens = plan.redeem(&code).await;
    plan.server.wait(30);
    assert_eq!(plan.redeem(&code).await.outcome(), (400, "invalid_grant"));
    // RFC 6749 §4.1.2: what the code gave is revoked.
    assert_eq!(plan.userinfo(&tokens.access_token()).await.status, 401);
}

pub(in super::super) async fn oidcc_ensure_registered_redirect_uri(mut plan: Plan) {
    for uri in [
        "https://suite.example/another",
        "https://suite.example/callback/",
        "https://suite.example/callback?a=b",
    ] {
        let page = plan.begin(&[("redirect_uri", uri)]).await.page();
        assert_eq!(page.status(), 400, "{uri}");
        assert!(!page.answer.text.contains("suite.example"), "{uri}: {}", page.answer.text);
    }
}

pub(in super::super) async fn oidcc_ensure_request_with_valid_pkce_succeeds(mut plan: Plan) {
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let more = [("code_challenge", challenge), ("code_challenge_method", "S256")];
    let code = plan.authorize(&more).await.code().to_owned();
    let without = plan.redeem(&code).await;
    assert_eq!(without.outcome(), (400, "invalid_grant"), "a challenge needs its verifier");
    let answer = plan.redeem_with(&code, &[("code_verifier", verifier)]).await;
    plan.verified(answer, Some(NONCE), CONFIDENTIAL).await;
}

pub(in super::super) async fn oidcc_refresh_token(mut plan: Plan) {
    let before = plan.tokens(&[("scope", "openid offline_access")]).await;
    let token = before.answer.refresh_token();
    plan.server.wait(10);
    let answer = plan.server.refresh_confidential(&token).await;
    // OpenID Connect Core §12.2: no nonce, and the same `iss`, `sub`, `aud`, `auth_time`, with another `iat`.
    let after = plan.verified(answer, None, CONFIDENTIAL).await;
    for claim in ["iss", "sub", "aud", "auth_time", "azp", "sid"] {
        assert_eq!(after.claims[claim], before.claims[claim], "{claim}");
    }
    assert!(after.claims["iat"].as_u64() > before.claims["iat"].as_u64());
    assert_ne!(after.answer.access_token(), before.answer.access_token());
    assert_eq!(plan.userinfo(&after.answer.access_token()).await.status, 200);
    // Another client cannot use it.
    let stolen = plan.server.refresh(&after.answer.refresh_token()).await;
    assert_eq!(stolen.outcome(), (400, "invalid_grant"), "{PUBLIC}");
}

pub(in super::super) async fn oidcc_server_client_secret_post(mut plan: Plan) {
    let code = plan.authorize(&[]).await.code().to_owned();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("client_id", CONFIDENTIAL),
        ("client_secret", SECRET),
    ];
    let answer = plan.server.post(&form).await;
    plan.verified(answer, Some(NONCE), CONFIDENTIAL).await;
}
