//! The refresh token grant: rotation, retries, reuse, and what ends a family.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use heirloom::client::RetryWindow;
use heirloom::oauth::Scope;

use crate::faults::Counting;
use crate::support::{PUBLIC, Server};

const REFUSED: (u16, &str) = (400, "invalid_grant");

#[tokio::test]
async fn a_refresh_hands_down_a_new_pair() {
    let server = Server::start().await;
    let first = server.sign_in().await;
    server.wait(300);
    let second = server.refresh(&first.refresh_token()).await;
    assert_eq!(second.header("cache-control"), "no-store");
    assert_ne!(second.refresh_token(), first.refresh_token());
    assert_eq!(second.json["scope"], "read write");
    let (before, after) = (first.claims(), second.claims());
    for same in ["iss", "sub", "aud", "client_id", "sid", "auth_time"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_ne!(before["jti"], after["jti"]);
    let names = server.event_names(first.session()).await;
    assert_eq!(names, ["session_started", "tokens_issued", "tokens_rotated"]);
}

/// RFC 9700 §4.14.2.
#[tokio::test]
async fn reuse_ends_the_family_and_nothing_else() {
    let server = Server::start().await;
    let (mine, other_device) = (server.sign_in().await, server.sign_in().await);
    let second = server.refresh(&mine.refresh_token()).await;
    let third = server.refresh(&second.refresh_token()).await;
    server.wait(30);
    assert_eq!(server.refresh(&mine.refresh_token()).await.outcome(), REFUSED);
    for dead in [&mine, &second, &third] {
        assert_eq!(server.refresh(&dead.refresh_token()).await.outcome(), REFUSED);
    }
    let names = server.event_names(mine.session()).await;
    assert_eq!(names[names.len() - 2..], ["reuse_detected", "session_ended"]);
    assert_eq!(server.refresh(&other_device.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn ten_thousand_replays_are_one_event() {
    let server = Server::start().await;
    let first = server.sign_in().await;
    server.refresh(&server.refresh(&first.refresh_token()).await.refresh_token()).await.refresh_token();
    server.wait(60);
    let stolen = first.refresh_token();
    for _ in 0..2_500 {
        let four = [(); 4].map(|()| server.refresh(&stolen));
        let [a, b, c, d] = four;
        let (a, b, c, d) = tokio::join!(a, b, c, d);
        assert!([a, b, c, d].iter().all(|answer| answer.outcome() == REFUSED));
    }
    let names = server.event_names(first.session()).await;
    assert_eq!(names.iter().filter(|name| **name == "reuse_detected").count(), 1);
    assert_eq!(names.len(), 6, "{names:?}");
}

/// Keycloak continued with several lines (CVE-2026-1035); Hydra refused some requests or failed (issue 3604).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_refreshes_of_one_token_leave_one_line() {
    for _ in 0..5 {
        let server = Server::start().await;
        let first = server.sign_in().await;
        let answers = parallel_refreshes(&server, &first.refresh_token(), 32).await;
        let tokens: HashSet<_> = answers.iter().collect();
        assert_eq!(tokens.len(), 1, "one successor, and the same access token");
        let names = server.event_names(first.session()).await;
        assert_eq!(names, ["session_started", "tokens_issued", "tokens_rotated"]);
        let (_, successor) = &answers[0];
        assert_eq!(server.refresh(successor).await.status, 200);
    }
}

/// Refreshes with one token `count` times at once, each over a connection of its own. All must succeed.
async fn parallel_refreshes(server: &Server, token: &str, count: usize) -> Vec<(String, String)> {
    let barrier = Arc::new(tokio::sync::Barrier::new(count));
    let sent: Vec<_> = (0..count)
        .map(|_| {
            let (url, token) = (format!("{}/oauth/token", server.base), token.to_owned());
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                let client = crate::support::client();
                barrier.wait().await;
                let form =
                    [("grant_type", "refresh_token"), ("client_id", PUBLIC), ("refresh_token", &token)];
                let response = client.post(url).form(&form).send().await.unwrap();
                let answer = crate::support::Answer::of(response).await;
                (answer.access_token(), answer.refresh_token())
            })
        })
        .collect();
    let mut answers = Vec::new();
    for sent in sent {
        answers.push(sent.await.unwrap());
    }
    answers
}

/// Hydra signed people out when an answer was lost (issue 1831).
#[tokio::test]
async fn a_lost_answer_is_given_again_within_the_window() {
    let server = Server::start().await;
    let first = server.sign_in().await;
    let lost = server.refresh(&first.refresh_token()).await;
    for (wait, expires_in) in [(0, 600), (10, 590), (19, 571)] {
        server.wait(wait);
        let again = server.refresh(&first.refresh_token()).await;
        assert_eq!(again.refresh_token(), lost.refresh_token());
        assert_eq!(again.access_token(), lost.access_token());
        assert_eq!(again.json["expires_in"], expires_in);
    }
    assert_eq!(server.event_names(first.session()).await.len(), 3, "a retry records nothing");
    server.wait(1);
    assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), REFUSED);
    assert_eq!(server.refresh(&lost.refresh_token()).await.outcome(), REFUSED, "the family has ended");
}

/// Command line agents and desktop apps share one stored token, and read it at different times.
#[tokio::test]
async fn processes_that_share_one_stored_token_all_get_the_current_pair() {
    let server = Server::start().await;
    server.wait(60);
    let stored = server.sign_in().await;
    let second = server.refresh(&stored.refresh_token()).await;
    server.wait(6);
    let third = server.refresh(&second.refresh_token()).await;
    server.wait(2);
    let position = server.position().await;
    for late in [&stored, &second, &stored] {
        let answer = server.refresh(&late.refresh_token()).await;
        assert_eq!(answer.refresh_token(), third.refresh_token());
        assert_eq!(answer.access_token(), third.access_token());
    }
    assert_eq!(server.position().await, position, "nothing is recorded");
    let fourth = server.refresh(&third.refresh_token()).await;
    assert_eq!(server.refresh(&stored.refresh_token()).await.refresh_token(), fourth.refresh_token());
    // The window is counted for each generation separately.
    server.wait(22);
    assert_eq!(server.refresh(&second.refresh_token()).await.refresh_token(), fourth.refresh_token());
    assert_eq!(server.refresh(&stored.refresh_token()).await.outcome(), REFUSED);
    assert_eq!(server.event_names(stored.session()).await.last(), Some(&"session_ended"));
}

#[tokio::test]
async fn a_public_client_may_be_set_to_retry_until_the_successor_is_used() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| client.metadata.retry_window = RetryWindow::UntilUsed);
    })
    .await;
    let first = server.sign_in().await;
    let second = server.refresh(&first.refresh_token()).await;
    server.wait(86_400);
    assert_eq!(server.refresh(&first.refresh_token()).await.refresh_token(), second.refresh_token());
    let third = server.refresh(&second.refresh_token()).await;
    assert_eq!(server.refresh(&second.refresh_token()).await.refresh_token(), third.refresh_token());
    assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), REFUSED);
    assert_eq!(server.refresh(&third.refresh_token()).await.outcome(), REFUSED, "that was a reuse");
}

#[tokio::test]
async fn a_client_with_credentials_may_retry_until_the_successor_is_used() {
    let server = Server::start().await;
    let first = server.sign_in_confidential().await;
    let lost = server.refresh_confidential(&first.refresh_token()).await;
    server.wait(86_400);
    let again = server.refresh_confidential(&first.refresh_token()).await;
    assert_eq!(again.refresh_token(), lost.refresh_token());
    assert_eq!(again.json["expires_in"], 600, "with a fresh access token");
    server.refresh_confidential(&again.refresh_token()).await.refresh_token();
    server.wait(10);
    assert_eq!(server.refresh_confidential(&first.refresh_token()).await.outcome(), REFUSED);
}

#[tokio::test]
async fn without_a_window_a_second_use_ends_the_family() {
    let server = Server::with(|setup| {
        setup.client(PUBLIC, |client| client.metadata.retry_window = RetryWindow::For(Duration::ZERO));
    })
    .await;
    let first = server.sign_in().await;
    let second = server.refresh(&first.refresh_token()).await;
    assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), REFUSED);
    assert_eq!(server.refresh(&second.refresh_token()).await.outcome(), REFUSED);
}

#[tokio::test]
async fn time_in_which_the_server_was_down_does_not_count() {
    let server = Server::start().await;
    let first = server.sign_in().await;
    let lost = server.refresh(&first.refresh_token()).await;
    server.wait(120);
    let server = server.restart(|_| {}).await;
    let again = server.refresh(&first.refresh_token()).await;
    assert_eq!((again.access_token(), again.refresh_token()), (lost.access_token(), lost.refresh_token()));
}

#[tokio::test]
async fn the_time_that_a_start_takes_does_not_count() {
    let server = Server::start().await;
    let first = server.sign_in().await;
    let lost = server.refresh(&first.refresh_token()).await;
    let server = server.restart(|_| {}).await;
    server.wait(120);
    server.app.nodes.begin();
    server.wait(29);
    let again = server.refresh(&first.refresh_token()).await;
    assert_eq!(again.refresh_token(), lost.refresh_token());
    server.wait(1);
    assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), REFUSED);
}

#[tokio::test]
async fn a_clock_that_steps_ahead_ends_no_family_whose_answer_was_lost() {
    let server = Server::start().await;
    // After the first 30 s, in which a start tolerates old tokens.
    server.wait(60);
    let first = server.sign_in().await;
    let lost = server.refresh(&first.refresh_token()).await.refresh_token();
    server.wait(5);
    // The wall clock jumps: NTP sets it, or the machine was suspended.
    server.clock.set(server.now().after(Duration::from_mins(2)));
    assert_eq!(server.refresh(&first.refresh_token()).await.refresh_token(), lost);
    server.wait(24);
    assert_eq!(server.refresh(&first.refresh_token()).await.refresh_token(), lost);
    server.wait(1);
    // The window has its usual length for tokens that were replaced before or after the jump.
    let later = server.sign_in().await;
    let second = server.refresh(&later.refresh_token()).await.refresh_token();
    assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), REFUSED);
    server.wait(29);
    assert_eq!(server.refresh(&later.refresh_token()).await.refresh_token(), second);
    server.wait(1);
    assert_eq!(server.refresh(&later.refresh_token()).await.outcome(), REFUSED);
}

#[tokio::test]
async fn a_clock_that_is_set_back_opens_no_window_again_and_closes_none() {
    let server = Server::start().await;
    server.wait(60);
    let (first, other) = (server.sign_in().await, server.sign_in().await);
    for signed_in in [&first, &other] {
        server.refresh(&signed_in.refresh_token()).await.refresh_token();
    }
    let newest = server.refresh(&other.refresh_token()).await.refresh_token();
    server.wait(31);
    server.clock.set(server.now().before(Duration::from_hours(1)));
    assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), REFUSED);
    let lost = server.refresh(&newest).await.refresh_token();
    server.wait(29);
    assert_eq!(server.refresh(&newest).await.refresh_token(), lost);
    server.wait(1);
    assert_eq!(server.refresh(&newest).await.outcome(), REFUSED);
}

/// Keycloak accepted tokens again after a restart that had been rotated away (CVE-2026-9802).
#[tokio::test]
async fn an_ended_family_stays_ended_after_a_restart() {
    let server = Server::start().await;
    let first = server.sign_in().await;
    let second = server.refresh(&first.refresh_token()).await;
    server.wait(31);
    assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), REFUSED);
    let server = server.restart(|_| {}).await;
    for token in [&first, &second] {
        assert_eq!(server.refresh(&token.refresh_token()).await.outcome(), REFUSED);
    }
}

/// RFC 6749 §5.2 and §10.4. ZITADEL did not compare the client (GHSA-xqxv-4jc2-x56x).
#[tokio::test]
async fn another_clients_token_is_refused_and_the_session_lives() {
    let server = Server::start().await;
    let mine = server.sign_in().await;
    for _ in 0..3 {
        assert_eq!(server.refresh_confidential(&mine.refresh_token()).await.outcome(), REFUSED);
    }
    let names = server.event_names(mine.session()).await;
    assert_eq!(names, ["session_started", "tokens_issued", "foreign_client_refused"]);
    assert_eq!(server.refresh(&mine.refresh_token()).await.status, 200);
}

/// RFC 6749 §6.
#[tokio::test]
async fn scope_can_be_narrowed_for_one_access_token_and_never_widened() {
    let server = Server::start().await;
    let token = server.sign_in().await.refresh_token();
    let wider = server.refresh_with(&token, &[("scope", "read write profile")]).await;
    assert_eq!(wider.outcome(), (400, "invalid_scope"));
    let narrow = server.refresh_with(&token, &[("scope", "read")]).await;
    assert_eq!(
        (narrow.json["scope"].as_str(), narrow.claims()["scope"].as_str()),
        (Some("read"), Some("read"))
    );
    // AppAuth repeats the whole scope of the sign-in.
    let full = server.refresh_with(&narrow.refresh_token(), &[("scope", "write read")]).await;
    assert_eq!(full.json["scope"], "read write");
    let plain = server.refresh(&full.refresh_token()).await;
    assert_eq!(plain.json["scope"], "read write");
    let target = server.refresh_with(&plain.refresh_token(), &[("resource", "other-api")]).await;
    assert_eq!(target.outcome(), (400, "invalid_target"));
    server.wait(60);
    let stale = server.refresh_with(&token, &[("scope", "read write profile")]).await;
    assert_eq!(stale.outcome(), REFUSED, "reuse, not invalid_scope");
    assert_eq!(server.refresh(&plain.refresh_token()).await.outcome(), REFUSED);
}

/// A request may name 64 scopes at most. A client may be registered for more, and gets them all when it names none.
#[tokio::test]
async fn a_client_with_more_scopes_than_a_request_may_name_can_refresh() {
    let words: Vec<_> = (0..80).map(|index| format!("records:{index}:read")).collect();
    let scopes: Scope = words.iter().map(String::as_str).collect();
    let server = Server::with(move |setup| {
        for audience in &mut setup.config.audiences {
            audience.scopes = scopes.clone();
        }
        setup.client(PUBLIC, |client| client.metadata.scope = scopes.clone());
    })
    .await;
    let first = server.sign_in().await;
    let second = server.refresh(&first.refresh_token()).await;
    assert_eq!((second.status, &second.json["scope"]), (200, &first.json["scope"]), "{}", second.text);
    assert_eq!(second.json["scope"].as_str().unwrap().split(' ').count(), 80);
}

/// Both servers have the same keys, so the token of the other server has a valid MAC.
#[tokio::test]
async fn a_token_of_a_session_that_the_store_does_not_have_is_refused_and_nothing_is_recorded() {
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let other = Server::start().await;
    let server = Server::with(move |setup| {
        setup.store = Some(Box::new(move |inner| Arc::new(Counting { inner, loads: counted })));
    })
    .await;
    let unknown = other.sign_in().await;
    let (position, before) = (server.position().await, loads.load(Ordering::SeqCst));
    assert_eq!(server.refresh(&unknown.refresh_token()).await.outcome(), REFUSED);
    assert!(loads.load(Ordering::SeqCst) > before, "the MAC was right, so the store was asked");
    assert_eq!(server.position().await, position);
    assert_eq!(other.refresh(&unknown.refresh_token()).await.status, 200);
}

/// ZITADEL accepted shortened tokens (CVE-2026-27840).
#[tokio::test]
async fn a_damaged_token_is_refused_without_a_look_at_the_store() {
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let server = Server::with(move |setup| {
        setup.store = Some(Box::new(move |inner| Arc::new(Counting { inner, loads: counted })));
    })
    .await;
    let token = server.sign_in().await.refresh_token();
    let before = loads.load(Ordering::SeqCst);
    let last = token.len() - 1;
    let flipped = |index: usize| {
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    for bad in [
        token[..last].to_owned(),
        format!("{token}A"),
        format!("{token}="),
        token.replacen("hrt_", "", 1),
        token.replacen("hrt_", "HRT_", 1),
        flipped(4),
        flipped(20),
        flipped(last),
        "hrt_".to_owned(),
        "../../etc/passwd".to_owned(),
    ] {
        assert_eq!(server.refresh(&bad).await.outcome(), REFUSED, "{bad}");
    }
    assert_eq!(loads.load(Ordering::SeqCst), before);
    assert_eq!(server.refresh(&token).await.status, 200);
    assert_eq!(loads.load(Ordering::SeqCst), before + 3, "client, session, user: the counter counts");
}
