//! Codes that come twice: by a lost answer, by a page that runs twice, by a thief.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::REFUSED;
use crate::faults::{Hold, Holding, Once};
use crate::support::codes::{Ask, NONCE, REDIRECT_URI, VERIFIER};
use crate::support::web_browser::Browser;
use crate::support::{Answer, PUBLIC, Server, USER};

/// Pages that run their effects twice.
#[tokio::test]
async fn a_code_that_comes_again_within_five_seconds_ends_nothing() {
    let server = Server::start().await;
    let code = server.code(Ask::default()).await;
    let answer = server.redeem(&code).await;
    server.wait(4);
    assert_eq!(server.redeem(&code).await.outcome(), REFUSED);
    assert_eq!(server.refresh(&answer.refresh_token()).await.status, 200);
}

/// RFC 6749 §4.1.2, RFC 9700 §4.2.4.
#[tokio::test]
async fn a_code_that_is_replayed_later_ends_its_session_and_no_other() {
    for seconds in [5, 30, 61, 3600] {
        let server = Server::start().await;
        let login = server.log_in().await;
        let code = server.authorize(&login, Ask::default()).await.unwrap();
        let other = server.authorize(&login, Ask { session: 2, ..Ask::default() }).await.unwrap();
        let (answer, other) = (server.redeem(&code).await, server.redeem(&other).await);
        server.wait(seconds);
        assert_eq!(server.redeem(&code).await.outcome(), REFUSED);
        let events = ["session_authorized", "tokens_issued", "reuse_detected", "session_ended"];
        assert_eq!(server.event_names(answer.session()).await, events, "after {seconds} s");
        assert_eq!(server.refresh(&answer.refresh_token()).await.outcome(), REFUSED);
        assert_eq!(server.refresh(&other.refresh_token()).await.status, 200);
        // And again: nothing more is written.
        assert_eq!(server.redeem(&code).await.outcome(), REFUSED);
        assert_eq!(server.event_names(answer.session()).await, events);
    }
}

/// Whoever has only the code can't end what it began.
#[tokio::test]
async fn a_replay_with_a_wrong_verifier_or_redirect_uri_ends_nothing() {
    let server = Server::start().await;
    let code = server.code(Ask::default()).await;
    let answer = server.redeem(&code).await;
    server.wait(30);
    let wrong = VERIFIER.to_lowercase();
    for more in [
        vec![("redirect_uri", REDIRECT_URI), ("code_verifier", &*wrong)],
        vec![("redirect_uri", "https://evil.example"), ("code_verifier", VERIFIER)],
        vec![("redirect_uri", REDIRECT_URI)],
    ] {
        assert_eq!(server.redeem_with(&code, &more).await.outcome(), REFUSED);
    }
    assert_eq!(server.event_names(answer.session()).await, ["session_authorized", "tokens_issued"]);
    assert_eq!(server.refresh(&answer.refresh_token()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_redeem_one_code_at_once_one_gets_tokens() {
    let server = Arc::new(Server::start().await);
    let code = server.code(Ask::default()).await;
    let asked: Vec<_> = (0..16)
        .map(|_| {
            let (server, code) = (Arc::clone(&server), code.clone());
            tokio::spawn(async move { server.redeem(&code).await })
        })
        .collect();
    let mut got = Vec::new();
    for answer in asked {
        let answer = answer.await.unwrap();
        if answer.status == 200 { got.push(answer) } else { assert_eq!(answer.outcome(), REFUSED) }
    }
    assert_eq!(got.len(), 1);
    assert_eq!(server.event_names(got[0].session()).await, ["session_authorized", "tokens_issued"]);
    assert_eq!(server.refresh(&got[0].refresh_token()).await.status, 200);
}

/// The store says that it does not know; the second look shows that the code was redeemed, by this very request.
#[tokio::test]
async fn a_redemption_whose_outcome_was_unknown_is_answered_whole() {
    let broken = Arc::new(AtomicBool::new(false));
    let own = Arc::clone(&broken);
    let server = Server::with(|setup| {
        setup.store = Some(Box::new(|inner| Arc::new(Once { inner, broken: own })));
    })
    .await;
    let code = server.code(Ask::default()).await;
    broken.store(true, Ordering::SeqCst);
    let answer = server.redeem(&code).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!broken.load(Ordering::SeqCst));
    assert_eq!(Answer::part(&answer.id_token(), 1)["nonce"], NONCE, "it is forgotten at the redemption");
    assert_eq!(server.event_names(answer.session()).await, ["session_authorized", "tokens_issued"]);
    assert_eq!(server.refresh(&answer.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn an_authorization_whose_outcome_was_unknown_has_one_code() {
    let broken = Arc::new(AtomicBool::new(false));
    let own = Arc::clone(&broken);
    let server = Server::with(|setup| {
        setup.store = Some(Box::new(|inner| Arc::new(Once { inner, broken: own })));
    })
    .await;
    let login = server.log_in().await;
    broken.store(true, Ordering::SeqCst);
    let code = server.authorize(&login, Ask::default()).await.unwrap();
    assert_eq!(server.event_names(Ask::default().id()).await, ["session_authorized"]);
    assert_eq!(server.redeem(&code).await.status, 200);
}

/// A request that is overtaken decides again, on what the other one has done.
#[tokio::test]
async fn a_redemption_that_is_overtaken_by_another_is_refused_and_ends_nothing() {
    let hold = Arc::new(Hold::default());
    let own = Arc::clone(&hold);
    let server = Arc::new(
        Server::with(|setup| setup.store = Some(Box::new(|inner| Arc::new(Holding { inner, hold: own }))))
            .await,
    );
    let code = server.code(Ask::default()).await;
    hold.next_append();
    let slow = tokio::spawn({
        let (server, code) = (Arc::clone(&server), code.clone());
        async move { server.redeem(&code).await }
    });
    hold.held().await;
    let fast = server.redeem(&code).await;
    hold.release();
    assert_eq!((fast.status, slow.await.unwrap().outcome()), (200, REFUSED));
    assert_eq!(server.refresh(&fast.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn people_and_administrators_are_told_that_a_code_was_used_twice() {
    let office = crate::admin::Office::open().await;
    let server = &office.server;
    let code = server.code(Ask { scope: "openid account", ..Ask::default() }).await;
    let id = server.redeem(&code).await.session();
    server.wait(60);
    assert_eq!(server.redeem(&code).await.outcome(), REFUSED);
    let token = server.sign_in_for_account().await.access_token();
    let told = crate::devices::timeline(server, &token, id, "").await;
    let lines: Vec<_> = told.json["events"].as_array().unwrap().iter().collect();
    assert_eq!(lines.len(), 3, "{}", told.text);
    assert_eq!(lines[1]["kind"], "code_reuse_detected");
    let used =
        "The code that this sign-in began with was used again after 1m: somebody else may have a copy of it.";
    assert_eq!(lines[1]["text"], used);
    let ended = "Signed out: the code that it began with was used a second time, so this session was ended in case \
                 somebody had stolen it.";
    assert_eq!(lines[2]["text"], ended);
    assert_eq!(told.json["end"]["reason"], "code_reuse");
    // On the pages.
    let mut browser = Browser::of(server);
    browser.sign_in(&crate::authorize::request(&browser, &[]), USER).await;
    for (language, title, why) in [
        ("en", "The code of the sign-in was used twice", "was used a second time"),
        ("de", "Der Code der Anmeldung wurde zweimal benutzt", "ein zweites Mal benutzt"),
        ("fr", "Le code de la connexion a été utilisé deux fois", "une deuxième fois"),
        ("es", "El código del inicio de sesión se usó dos veces", "por segunda vez"),
        ("ja", "ログインのコードが 2 回使用されました", "ログイン時のコードが再び使用された"),
    ] {
        language.clone_into(&mut browser.languages);
        let page = browser.open(&browser.url(&format!("/devices/{id}"))).await.text();
        assert!(page.contains(title) && page.contains(why), "{language}: {page}");
    }
    // For administrators.
    let events = office.get(&format!("/admin/events?stream=session:{id}")).await;
    let data = |number: usize| events.json["events"][number]["data"].clone();
    let authorized = data(0);
    assert_eq!(
        (&authorized["pkce"], &authorized["pushed"]),
        (&true.into(), &false.into()),
        "{}",
        events.text
    );
    assert_eq!(
        (&authorized["has_openid_nonce"], &authorized["consent_since"]),
        (&true.into(), &serde_json::Value::Null)
    );
    assert_eq!(authorized["code_expiry"], "2100-01-01T00:01:00.000Z");
    assert_eq!((&authorized["client"], &authorized["amr"][0]), (&PUBLIC.into(), &"pwd".into()));
    assert!(data(2)["code_redeemed_at"].is_string());
    assert_eq!(data(3)["reason"], "code_reuse");
    assert!(!events.text.contains("n-0S6"), "the nonce");
}
