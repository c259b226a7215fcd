//! A client that refreshes one session in a loop.

use crate::support::{Server, Setup};

fn limited(setup: &mut Setup) {
    setup.config.throttle = heirloom::config::Throttle::default();
}

#[tokio::test]
async fn a_loop_gets_slow_down_and_the_token_stays_good() {
    let server = Server::with(limited).await;
    let (mut token, other) = (server.sign_in().await.refresh_token(), server.sign_in().await.refresh_token());
    for _ in 0..60 {
        token = server.refresh(&token).await.refresh_token();
    }
    let position = server.position().await;
    for _ in 0..3 {
        let refused = server.refresh(&token).await;
        assert_eq!(refused.outcome(), (429, "slow_down"));
        assert_eq!(refused.header("retry-after"), "1");
    }
    assert_eq!(server.position().await, position, "nothing is written");
    assert_eq!(server.refresh(&other).await.status, 200, "nobody else's session");
    server.wait(1);
    token = server.refresh(&token).await.refresh_token();
    assert_eq!(server.refresh(&token).await.outcome(), (429, "slow_down"), "one a second");
    server.wait(3600);
    for _ in 0..60 {
        token = server.refresh(&token).await.refresh_token();
    }
    assert_eq!(server.refresh(&token).await.outcome(), (429, "slow_down"));
}

#[tokio::test]
async fn retries_are_exempt_and_count_nothing() {
    let server = Server::with(limited).await;
    let first = server.sign_in().await.refresh_token();
    let second = server.refresh(&first).await.refresh_token();
    for _ in 0..100 {
        assert_eq!(server.refresh(&first).await.refresh_token(), second);
    }
    let mut token = second;
    for _ in 0..59 {
        token = server.refresh(&token).await.refresh_token();
    }
    let (previous, refused) = (token.clone(), server.refresh(&token).await);
    assert_eq!(refused.outcome(), (429, "slow_down"));
    server.wait(1);
    let last = server.refresh(&previous).await.refresh_token();
    assert_eq!(server.refresh(&previous).await.refresh_token(), last, "with an empty bucket too");
}

#[tokio::test]
async fn a_hundred_uses_of_one_token_at_once_are_one_refresh() {
    let server = std::sync::Arc::new(Server::with(limited).await);
    let token = server.sign_in().await.refresh_token();
    let uses: Vec<_> = (0..100)
        .map(|_| {
            let (server, token) = (std::sync::Arc::clone(&server), token.clone());
            tokio::spawn(async move { server.refresh(&token).await.refresh_token() })
        })
        .collect();
    let mut successors = Vec::new();
    for one in uses {
        successors.push(one.await.unwrap());
    }
    successors.dedup();
    assert_eq!(successors.len(), 1);
    let mut token = successors[0].clone();
    for _ in 0..59 {
        token = server.refresh(&token).await.refresh_token();
    }
}

#[tokio::test]
async fn dev_has_no_limit() {
    let server = Server::start().await;
    let mut token = server.sign_in().await.refresh_token();
    for _ in 0..100 {
        token = server.refresh(&token).await.refresh_token();
    }
}
