//! The database's server is killed, and comes back.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::Server;
use crate::support::postgres_server::PostgresServer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_a_refresh_is_503_at_once_and_its_token_is_good_afterwards() {
    let mut database = PostgresServer::start();
    let server = Server::with(|setup| setup.in_postgres_at(database.settings("away"))).await;
    let first = server.sign_in().await;
    let current = server.refresh(&first.refresh_token()).await;
    let token = current.refresh_token();
    database.kill();
    let began = Instant::now();
    for _ in 0..20 {
        let refused = server.refresh(&token).await;
        assert_eq!(refused.outcome(), (503, "temporarily_unavailable"), "{}", refused.text);
        assert_eq!(refused.header("retry-after"), "1");
        let signed_in = server.sign_in().await;
        assert_eq!((signed_in.status, signed_in.header("retry-after")), (503, "1"), "{}", signed_in.text);
    }
    // Whoever waited for the database would wait for longer each time.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());

    database.run();
    let came_back = Instant::now();
    let next = loop {
        let answer = server.refresh(&token).await;
        if answer.status == 200 {
            break answer;
        }
        assert_eq!(answer.outcome(), (503, "temporarily_unavailable"), "{}", answer.text);
        assert!(came_back.elapsed() < Duration::from_mins(1), "it does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(server.refresh(&next.refresh_token()).await.status, 200);
    let rotations = server.event_names(next.session()).await;
    let rotations = rotations.into_iter().filter(|name| *name == "tokens_rotated").count();
    assert_eq!(rotations, 3, "one for each refresh that was answered");
}

/// Nobody could ask again meanwhile, so whoever does afterwards gets the answer that was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_no_retry_window_runs_out() {
    let mut database = PostgresServer::start();
    let server = Server::with(|setup| setup.in_postgres_at(database.settings("window"))).await;
    server.wait(3600);
    let token = server.sign_in().await.refresh_token();
    let lost = server.refresh(&token).await.refresh_token();
    database.kill();
    let away = Instant::now();
    while server.app.store.outages() == 0 {
        assert!(away.elapsed() < Duration::from_mins(1), "it does not notice");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.wait(600);
    database.run();
    let came_back = Instant::now();
    let answer = loop {
        let answer = server.refresh(&token).await;
        if answer.status != 503 {
            break answer;
        }
        assert!(came_back.elapsed() < Duration::from_mins(1), "it does not come back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.refresh_token(), lost);
}
