//! How often a client gets new tokens of its own.

use super::{ask, ask_with};
use crate::support::{CONFIDENTIAL, Server};

#[tokio::test]
async fn a_client_with_ever_different_scopes_does_not_fill_the_log() {
    let scopes: Vec<String> = (0..64).map(|number| format!("s{number}")).collect();
    let server = Server::with(|setup| {
        setup.config.throttle = heirloom::config::Throttle::default();
        let all: heirloom::oauth::Scope = scopes.join(" ").parse().unwrap();
        setup.config.audiences[0].scopes = all.clone();
        setup.client(CONFIDENTIAL, |client| client.metadata.scope = all);
    })
    .await;
    for scope in &scopes[..60] {
        assert_eq!(ask_with(&server, &[("scope", scope)]).await.status, 200, "{scope}");
    }
    let position = server.position().await;
    let refused = ask_with(&server, &[("scope", &scopes[60])]).await;
    assert_eq!((refused.outcome(), refused.header("retry-after")), ((429, "slow_down"), "1"));
    assert_eq!(server.position().await, position, "nothing is written");
    // What it has already it gets as often as it likes.
    for _ in 0..100 {
        assert_eq!(ask_with(&server, &[("scope", &scopes[0])]).await.status, 200);
    }
    server.wait(1);
    assert_eq!(ask_with(&server, &[("scope", &scopes[61])]).await.status, 200);
    assert_eq!(ask_with(&server, &[("scope", &scopes[62])]).await.outcome(), (429, "slow_down"));
}

/// A fleet of more than the burst is one token, and counts once.
#[tokio::test]
async fn a_hundred_who_ask_at_once_count_as_one() {
    let server = Server::with(|setup| {
        setup.config.throttle = heirloom::config::Throttle { client_token_burst: 2, ..Default::default() };
    })
    .await;
    let answers = futures_util::future::join_all((0..100).map(|_| ask(&server))).await;
    assert!(answers.iter().all(|answer| answer.access_token() == answers[0].access_token()));
    assert_eq!(ask_with(&server, &[("scope", "read")]).await.status, 200);
    assert_eq!(ask_with(&server, &[("scope", "write")]).await.outcome(), (429, "slow_down"));
}
