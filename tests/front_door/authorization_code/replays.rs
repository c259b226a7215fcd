//! Codes that come twice: by a lost answer, by a page that runs twice, by a thief.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::REFUSED;
use crate::faults::{Hold, Holding, Once};
use crate::support::codes::{Ask, NONCE, REDIRECT_URI, VERIFIER};
use crate::support::{Answer, Server};

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
