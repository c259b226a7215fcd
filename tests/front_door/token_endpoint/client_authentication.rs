//! How a client proves at the token endpoint who it is, and what is told if it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::faults::{Failing, Fault};
use crate::log::Log;
use crate::support::{CONFIDENTIAL, PUBLIC, SECRET, Server, USER};
use crate::token_endpoint::assert_refused;

/// RFC 6749 §5.2: 401 with a challenge after a header, 400 after a body.
#[tokio::test]
async fn a_client_that_does_not_prove_itself_is_invalid_client() {
    let server = Server::start().await;
    let form = [("grant_type", "password"), ("username", USER.0), ("password", USER.1)];
    let basic = |id: &str, secret: &str| server.token().basic_auth(id, Some(secret)).form(&form);
    for request in [
        basic(CONFIDENTIAL, "wrong"),
        basic("nobody", "wrong"),
        basic(CONFIDENTIAL, ""),
        basic(PUBLIC, "a secret that it does not have"),
        server.token().header("authorization", "Basic !!!").form(&form),
        server.token().header("authorization", "Basic bm9jb2xvbg==").form(&form),
        server.token().header("authorization", "Basic /zo=").form(&form),
        server.token().header("authorization", "Bearer abc").form(&form),
    ] {
        let answer = server.send(request).await;
        assert_refused(&answer, 401, "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic realm="));
    }
    for (id, secret) in [(CONFIDENTIAL, "wrong"), (CONFIDENTIAL, ""), ("nobody", ""), ("", "")] {
        let mut form = form.to_vec();
        form.extend([("client_id", id), ("client_secret", secret)]);
        let answer = server.post(&form).await;
        assert_refused(&answer, 400, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), "");
    }
}

/// RFC 6749 §2.3: a client must not use more than one method to authenticate a request.
#[tokio::test]
async fn a_header_and_a_body_that_contradict_each_other_are_refused() {
    let server = Server::start().await;
    let form = [("grant_type", "password"), ("username", USER.0), ("password", USER.1)];
    for (name, value, status) in [
        ("client_id", "other", 400),
        ("client_secret", "other", 400),
        ("client_id", CONFIDENTIAL, 200),
        ("client_secret", SECRET, 200),
    ] {
        let mut form = form.to_vec();
        form.push((name, value));
        let answer = server.send(server.token().basic_auth(CONFIDENTIAL, Some(SECRET)).form(&form)).await;
        assert_eq!(answer.status, status, "{name} {value}: {}", answer.text);
    }
}

#[tokio::test]
async fn credentials_are_taken_in_every_way_that_libraries_send_them() {
    let server = Server::start().await;
    let form = vec![("grant_type", "password"), ("username", USER.0), ("password", USER.1)];
    let encoded: String =
        percent_encoding::utf8_percent_encode(SECRET, percent_encoding::NON_ALPHANUMERIC).collect();
    for secret in [SECRET, &encoded] {
        let answer = server.send(server.token().basic_auth(CONFIDENTIAL, Some(secret)).form(&form)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let mut body = form.clone();
    body.extend([("client_id", CONFIDENTIAL), ("client_secret", SECRET)]);
    assert_eq!(server.post(&body).await.status, 200);
    // Some libraries send a public client's id by HTTP Basic with an empty secret.
    let answer = server.send(server.token().basic_auth(PUBLIC, Some("")).form(&form)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn an_unknown_client_and_a_wrong_secret_are_the_same_bytes() {
    let server = Server::start().await;
    let form = [("grant_type", "password"), ("username", USER.0), ("password", USER.1)];
    let mut answers = Vec::new();
    for id in [CONFIDENTIAL, "nobody", "another-nobody"] {
        answers.push(server.send(server.token().basic_auth(id, Some("wrong")).form(&form)).await.text);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn what_fails_before_the_client_is_known_is_logged_too() {
    let broken = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&broken);
    let server = Server::with(move |setup| {
        setup.store = Some(Box::new(move |inner| {
            Arc::new(Failing { inner, broken: switch, fault: Fault::LoadClient })
        }));
    })
    .await;
    let log = Log::default();
    // The server runs on this thread, so its log can be captured.
    let _capturing = log.capture();
    let form = [("grant_type", "password"), ("username", USER.0), ("password", USER.1)];
    let wrong = server.token().basic_auth(CONFIDENTIAL, Some("a-wrong-secret")).form(&form);
    assert_refused(&server.send(wrong).await, 401, "invalid_client");
    let text = log.text();
    assert!(text.contains("client authentication failed") && text.contains(CONFIDENTIAL), "{text}");
    broken.store(true, Ordering::SeqCst);
    let right = server.token().basic_auth(CONFIDENTIAL, Some(SECRET)).form(&form);
    assert_refused(&server.send(right).await, 503, "temporarily_unavailable");
    let text = log.text();
    assert!(text.contains("token request failed") && text.contains("a test says so"), "{text}");
    for secret in ["a-wrong-secret", SECRET, USER.1] {
        assert!(!text.contains(secret), "{text}");
    }
}
