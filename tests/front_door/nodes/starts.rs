//! The retry window, when a node starts: time in which nobody answered does not count, and all other time does.

use crate::support::database::Pair;
use crate::support::{Answer, Server};

const REFUSED: (u16, &str) = (400, "invalid_grant");

/// Signs in and refreshes; the answer is lost.
async fn lost(node: &Server) -> (String, Answer) {
    let token = node.sign_in().await.refresh_token();
    let answer = node.refresh(&token).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    (token, answer)
}

/// Two nodes that have answered for some minutes, and a token that was rotated when they began.
async fn running() -> (Pair, String) {
    let pair = Pair::start().await;
    pair.answer().await;
    let (old, _) = lost(&pair.one).await;
    pair.wait(600);
    pair.beat().await;
    (pair, old)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_beside_a_node_that_answers_opens_no_retry_window() {
    for stops in [true, false] {
        let (pair, old) = running().await;
        let (recent, current) = lost(&pair.one).await;
        if stops {
            pair.other.app.nodes.leave().await;
        }
        let other = pair.other.restart(|_| {}).await;
        other.begin().await;
        assert_eq!(other.refresh(&old).await.outcome(), REFUSED, "it was used before: {stops}");
        assert_eq!(other.refresh(&recent).await.refresh_token(), current.refresh_token());
        // The next one that starts learns it also of the one that has just started.
        other.app.nodes.beat().await.unwrap();
        let (again, _) = lost(&pair.one).await;
        for clock in [&pair.one.clock, &other.clock, &pair.database.clock] {
            clock.advance(std::time::Duration::from_secs(40));
        }
        other.app.nodes.beat().await.unwrap();
        let one = pair.one.restart(|_| {}).await;
        one.begin().await;
        assert_eq!(one.refresh(&again).await.outcome(), REFUSED, "{stops}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_all_nodes_are_down_no_retry_window_runs_out_and_none_opens_again() {
    for stops in [true, false] {
        let (pair, old) = running().await;
        let (recent, current) = lost(&pair.one).await;
        pair.wait(20);
        pair.beat().await;
        if stops {
            // New requests are refused while those that are under way are answered.
            for node in [&pair.one, &pair.other] {
                node.app.uptime.end();
            }
            pair.wait(60);
            pair.beat().await;
            pair.one.app.nodes.leave().await;
            pair.other.app.nodes.leave().await;
        }
        pair.wait(3600);
        let one = pair.one.restart(|_| {}).await;
        one.begin().await;
        assert_eq!(one.refresh(&old).await.outcome(), REFUSED, "its window was over before: {stops}");
        let again = one.refresh(&recent).await;
        assert_eq!(again.refresh_token(), current.refresh_token(), "{stops}");
        one.wait(29);
        assert_eq!(one.refresh(&recent).await.status, 200, "{stops}");
        one.wait(1);
        assert_eq!(one.refresh(&recent).await.outcome(), REFUSED, "{stops}");
    }
}

/// A crash of the database forgets what the nodes have said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_nothing_is_known_of_the_time_before_every_retry_window_begins_at_the_start() {
    let (pair, old) = running().await;
    pair.database.change("TRUNCATE node, lease").await;
    let one = pair.one.restart(|_| {}).await;
    one.begin().await;
    one.wait(29);
    assert_eq!(one.refresh(&old).await.status, 200);
    one.wait(1);
    assert_eq!(one.refresh(&old).await.outcome(), REFUSED);
}
