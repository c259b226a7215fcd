//! The authorization code grant: what a client gets for a code, and what happens when a code is wrong, late or used twice.

mod endings;
mod replays;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heirloom::client::{Delivery, RefreshTokens};
use heirloom::config::Throttle;
use heirloom::oauth::GrantType;
use serde_json::json;

use crate::support::codes::{Ask, NONCE, REDIRECT_URI, VERIFIER};
use crate::support::{Answer, CONFIDENTIAL, NOW, PUBLIC, SECRET, Server, Setup};

pub(crate) const REFUSED: (u16, &str) = (400, "invalid_grant");

#[tokio::test]
async fn a_code_is_redeemed_for_tokens_and_an_id_token() {
    let server = Server::start().await;
    let login = server.log_in().await;
    server.wait(40);
    let code = server.authorize(&login, Ask::default()).await.unwrap();
    assert!(code.starts_with("hac_") && code.len() == 91, "{code}");
    server.wait(20);
    let answer = server.redeem(&code).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    assert_eq!(
        (&answer.json["scope"], &answer.json["expires_in"]),
        (&json!("openid read write"), &json!(600))
    );
    let access = answer.claims();
    assert_eq!(access["sid"], json!(Ask::default().id().to_string()));
    assert_eq!(access["auth_time"], json!(NOW.seconds()));

    let id_token = answer.id_token();
    let digest = ring::digest::digest(&ring::digest::SHA256, answer.access_token().as_bytes());
    let header = Answer::part(&id_token, 0);
    assert_eq!(
        (&header["typ"], &header["kid"]),
        (&json!("JWT"), &Answer::part(&answer.access_token(), 0)["kid"])
    );
    let expected = json!({
        "iss": server.base,
        "sub": access["sub"],
        "aud": PUBLIC,
        "exp": NOW.seconds() + 660,
        "iat": NOW.seconds() + 60,
        "auth_time": NOW.seconds(),
        "nonce": NONCE,
        "acr": "1",
        "amr": ["pwd"],
        "azp": PUBLIC,
        "sid": login.id.to_string(),
        "at_hash": URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16]),
    });
    assert_eq!(Answer::part(&id_token, 1), expected);
    assert_eq!(server.event_names(answer.session()).await, ["session_authorized", "tokens_issued"]);
}

#[tokio::test]
async fn a_refresh_has_an_id_token_without_a_nonce_and_with_the_first_auth_time() {
    let server = Server::start().await;
    let first = server.redeem(&server.code(Ask::default()).await).await;
    server.wait(3600);
    let next = server.refresh(&first.refresh_token()).await;
    let (before, after) = (Answer::part(&first.id_token(), 1), Answer::part(&next.id_token(), 1));
    for same in ["iss", "sub", "aud", "auth_time", "acr", "amr", "azp", "sid"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!((&after["nonce"], &after["iat"]), (&json!(null), &json!(NOW.seconds() + 3600)));
    assert_ne!(before["at_hash"], after["at_hash"]);
    // A lost answer is repeated, with the same ID token.
    let again = server.refresh(&first.refresh_token()).await;
    assert_eq!(Answer::part(&again.id_token(), 1), after);
}

#[tokio::test]
async fn without_the_scope_openid_there_is_no_id_token() {
    let server = Server::start().await;
    let answer = server.redeem(&server.code(Ask { scope: "read", ..Ask::default() }).await).await;
    let refreshed = server.refresh(&answer.refresh_token()).await;
    assert_eq!((answer.json.get("id_token"), refreshed.json.get("id_token")), (None, None));
    assert_eq!((answer.status, refreshed.status), (200, 200));
}

/// RFC 9700 §4.5: whoever has injected or stolen a code gets nothing for it, and destroys nothing.
#[tokio::test]
async fn a_code_with_anything_wrong_is_refused_and_stays_good() {
    let server = Server::start().await;
    let code = server.code(Ask::default()).await;
    let other = VERIFIER.to_lowercase();
    let cases = [
        vec![("redirect_uri", "https://app.example/callback/"), ("code_verifier", VERIFIER)],
        vec![("redirect_uri", "https://app.example:443/callback"), ("code_verifier", VERIFIER)],
        vec![("redirect_uri", REDIRECT_URI), ("code_verifier", &other)],
        vec![("redirect_uri", REDIRECT_URI)],
        vec![],
    ];
    for case in cases {
        assert_eq!(server.redeem_with(&code, &case).await.outcome(), REFUSED, "{case:?}");
    }
    let foreign = server.redeem_confidential(&code, &[("code_verifier", VERIFIER)]).await;
    assert_eq!(foreign.outcome(), REFUSED);
    for changed in [code.replacen("hac_", "hrt_", 1), format!("{code}A"), code.to_lowercase(), "x".to_owned()]
    {
        assert_eq!(server.redeem(&changed).await.outcome(), REFUSED);
    }
    assert_eq!(server.redeem(&code).await.status, 200);
}

/// RFC 7636 §4.1.
#[tokio::test]
async fn a_verifier_that_is_none_is_named() {
    let server = Server::start().await;
    let code = server.code(Ask::default()).await;
    for verifier in [&VERIFIER[..42], &format!("{VERIFIER}+"), &"a".repeat(129)] {
        let more = [("redirect_uri", REDIRECT_URI), ("code_verifier", verifier)];
        let answer = server.redeem_with(&code, &more).await;
        assert_eq!(answer.outcome(), (400, "invalid_request"));
        assert!(answer.text.contains("code_verifier"), "{}", answer.text);
    }
    assert_eq!(server.redeem(&code).await.status, 200);
}

/// RFC 9700 §4.8.2: a verifier without a challenge is a downgrade.
#[tokio::test]
async fn without_a_challenge_a_verifier_is_refused_and_the_redirect_uri_is_needed() {
    let server = Server::start().await;
    let ask = Ask { client: CONFIDENTIAL, challenge: false, ..Ask::default() };
    let code = server.code(ask).await;
    let with = server.redeem_confidential(&code, &[("code_verifier", VERIFIER)]).await;
    assert_eq!(with.outcome(), REFUSED);
    let form = [("grant_type", "authorization_code"), ("code", &*code)];
    let bare = server.token().basic_auth(CONFIDENTIAL, Some(SECRET)).form(&form);
    assert_eq!(server.send(bare).await.outcome(), REFUSED);
    assert_eq!(server.redeem_confidential(&code, &[]).await.status, 200);
}

/// A client of OAuth 2.1 (§10.2 of its draft) does not send it.
#[tokio::test]
async fn with_a_verifier_the_redirect_uri_may_be_left_out() {
    let server = Server::start().await;
    let code = server.code(Ask::default()).await;
    assert_eq!(server.redeem_with(&code, &[("code_verifier", VERIFIER)]).await.status, 200);
}

#[tokio::test]
async fn a_client_that_is_not_registered_for_the_grant_is_refused_before_its_code_is_read() {
    let without = |setup: &mut Setup| {
        setup.client(PUBLIC, |client| {
            let grants = &mut client.metadata.grant_types;
            *grants = grants.iter().copied().filter(|grant| *grant != GrantType::AuthorizationCode).collect();
        });
    };
    let server = Server::with(without).await;
    assert_eq!(server.redeem("x").await.outcome(), (400, "unauthorized_client"));
}

#[tokio::test]
async fn scope_and_resource_may_be_narrowed_and_never_widened() {
    let server = Server::start().await;
    let code = server.code(Ask { scope: "openid read", ..Ask::default() }).await;
    let with = |more| [("redirect_uri", REDIRECT_URI), ("code_verifier", VERIFIER), more];
    for (more, error) in
        [(("scope", "read write"), "invalid_scope"), (("resource", "other"), "invalid_target")]
    {
        assert_eq!(server.redeem_with(&code, &with(more)).await.outcome(), (400, error));
    }
    let narrow = server.redeem_with(&code, &with(("scope", "read"))).await;
    assert_eq!((narrow.status, &narrow.json["scope"]), (200, &json!("read")));
    let whole = server.refresh(&narrow.refresh_token()).await;
    assert_eq!(whole.json["scope"], "openid read");
}

#[tokio::test]
async fn refresh_tokens_are_given_as_the_client_is_registered() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| client.metadata.refresh_tokens = RefreshTokens::OfflineAccess);
    })
    .await;
    let online = server.redeem(&server.code(Ask::default()).await).await;
    assert_eq!((online.status, online.json.get("refresh_token")), (200, None));
    let ask = Ask { scope: "openid read offline_access", session: 2, ..Ask::default() };
    let offline = server.redeem(&server.code(ask).await).await;
    assert_eq!(server.refresh(&offline.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn a_client_with_a_cookie_gets_its_refresh_token_there() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| {
            client.metadata.refresh_token_delivery = Delivery::Cookie;
            client.metadata.origins =
                BTreeSet::from(["https://app.example".parse().unwrap()]).into_iter().collect();
        });
    })
    .await;
    let code = server.code(Ask::default()).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", PUBLIC),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    let answer = server.send(server.token().header("origin", "https://app.example").form(&form)).await;
    assert_eq!((answer.status, answer.json.get("refresh_token")), (200, None));
    assert!(answer.header("set-cookie").contains("hrt_"), "{}", answer.header("set-cookie"));
    assert!(!answer.id_token().is_empty());
}

#[tokio::test]
async fn the_device_and_the_timeline_show_the_sign_in() {
    let server = Server::start().await;
    let account = server.sign_in_for_account().await.access_token();
    let answer = server.redeem(&server.code(Ask::default()).await).await;
    let id = answer.session();
    let get = |path: String| server.client.get(format!("{}{path}", server.base)).bearer_auth(&account);
    let list = server.send(get("/account/sessions".to_owned())).await;
    let sessions = list.json["sessions"].as_array().unwrap();
    let shown = sessions.iter().find(|session| session["id"] == json!(id.to_string())).unwrap();
    assert!(shown.to_string().contains("Firefox on Windows 10"), "{shown}");
    let events = server.send(get(format!("/account/sessions/{id}/events"))).await;
    assert!(events.text.contains("Signed in with web, in a browser."), "{}", events.text);
}

#[tokio::test]
async fn what_is_authorized_is_not_yet_a_session() {
    let server = Server::start().await;
    let account = server.sign_in_for_account().await.access_token();
    server.code(Ask::default()).await;
    let list = server.client.get(format!("{}/account/sessions", server.base)).bearer_auth(&account);
    let list = server.send(list).await;
    assert_eq!(list.json["sessions"].as_array().unwrap().len(), 1, "{}", list.text);
}

#[tokio::test]
async fn a_login_that_authorizes_in_a_loop_is_stopped_and_one_that_asks_twice_is_not() {
    let server = Server::with(|setup| {
        setup.config.throttle = Throttle { sign_in_burst: 3, ..Throttle::default() };
    })
    .await;
    let login = server.log_in().await;
    let first = server.authorize(&login, Ask::default()).await.unwrap();
    for _ in 0..10 {
        assert_eq!(server.authorize(&login, Ask::default()).await.unwrap(), first);
    }
    for session in 2..4 {
        server.authorize(&login, Ask { session, ..Ask::default() }).await.unwrap();
    }
    let refused = server.authorize(&login, Ask { session: 4, ..Ask::default() }).await;
    assert!(refused.unwrap_err().to_string().contains("too often"));
    server.wait(1);
    server.authorize(&login, Ask { session: 4, ..Ask::default() }).await.unwrap();
    assert_eq!(server.redeem(&first).await.status, 200);
}
