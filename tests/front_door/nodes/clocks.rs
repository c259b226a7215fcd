//! Nodes whose clocks differ.

use std::time::Duration;

use heirloom::app::nodes::JoinError;
use heirloom::clock::Clock as _;

use crate::support::Server;
use crate::support::codes::Ask;
use crate::support::database::Pair;
use crate::sweep::until;

fn set_ahead(node: &Server, millis: i64) {
    let by = Duration::from_millis(millis.unsigned_abs());
    let now = node.clock.now();
    node.clock.set(if millis < 0 { now.before(by) } else { now.after(by) });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_clock_differs_does_not_begin() {
    for ahead in [-60_000, 60_000] {
        let pair = Pair::start().await;
        pair.one.app.nodes.join().await.unwrap();
        pair.one.app.nodes.answer().await.unwrap();
        set_ahead(&pair.other, ahead);
        let refused = pair.other.app.nodes.join().await.unwrap_err();
        assert!(matches!(refused, JoinError::Clock(_)), "{refused}");
        let refused = refused.to_string();
        assert!(
            refused.contains("60.0 s") && refused.contains("the node one") && refused.contains("NTP"),
            "{refused}"
        );
        assert_eq!(pair.one.app.nodes.list().await.unwrap().len(), 1, "it has said nothing");
        // With nobody to disagree with, it begins.
        pair.one.app.nodes.leave().await;
        pair.other.app.nodes.join().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_clock_jumps_answers_503_at_once_until_it_is_right() {
    let pair = Pair::start().await;
    let signed_in = pair.one.sign_in().await;
    pair.answer().await;
    for ahead in [-60_000, 60_000] {
        set_ahead(&pair.other, ahead);
        let refused = pair.other.refresh(&signed_in.refresh_token()).await;
        assert_eq!(refused.status, 503, "{}", refused.text);
        assert!(!refused.header("retry-after").is_empty());
        assert_eq!(pair.other.sign_in().await.status, 503);
        let ready = pair.other.get("/health/ready").await;
        assert_eq!(ready.status, 503);
        assert!(ready.json["status"].as_str().unwrap().contains("clock"), "{}", ready.text);
        assert_eq!(pair.other.get("/health/live").await.status, 200);
        // The others learn of it, and go on.
        pair.other.app.nodes.beat().await.unwrap();
        pair.one.app.nodes.beat().await.unwrap();
        let nodes = pair.one.app.nodes.list().await.unwrap();
        let answers: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), node.answers)).collect();
        assert_eq!(answers, [("one", true), ("other", false)]);
        assert_eq!(pair.one.get("/health/ready").await.status, 200);
        set_ahead(&pair.other, -ahead);
        assert_eq!(pair.other.get("/health/ready").await.status, 200);
        pair.other.app.nodes.beat().await.unwrap();
        pair.one.app.nodes.beat().await.unwrap();
    }
    assert_eq!(pair.other.refresh(&signed_in.refresh_token()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_whose_clock_is_wrong_stops_nobody() {
    let pair = Pair::start().await;
    let signed_in = pair.one.sign_in().await;
    pair.answer().await;
    let now = pair.database.clock.now();
    // A step of ten seconds: what the other has said before still counts as of now.
    let step = now.after(Duration::from_secs(10));
    for wrong in [step, now.after(Duration::from_hours(1)), now, now.before(Duration::from_hours(1))] {
        pair.database.clock.set(wrong);
        for node in [&pair.one, &pair.other, &pair.one] {
            node.app.nodes.beat().await.unwrap();
            assert_eq!(node.get("/health/ready").await.status, 200);
        }
    }
    assert_eq!(pair.other.refresh(&signed_in.refresh_token()).await.status, 200);
}

/// It comes up before its clock is set. With a node that answers, the two would have to agree.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_clock_is_far_ahead_of_the_databases_does_not_begin_alone() {
    let pair = Pair::start().await;
    set_ahead(&pair.one, 3_700_000);
    let refused = pair.one.app.nodes.join().await.unwrap_err().to_string();
    assert!(refused.contains("1.0 hours ahead of the database's"), "{refused}");
    assert_eq!(pair.other.app.nodes.list().await.unwrap().len(), 0, "it has said nothing");
    set_ahead(&pair.one, -200_000);
    pair.one.app.nodes.join().await.unwrap();
    pair.one.app.nodes.answer().await.unwrap();
    // As the other one's clock, whatever the database's shows.
    pair.database.clock.set(pair.database.clock.now().before(Duration::from_hours(1)));
    pair.one.app.nodes.beat().await.unwrap();
    set_ahead(&pair.other, 3_500_000);
    pair.other.app.nodes.join().await.unwrap();
}

/// It answered nobody, and then the other one, which did, died with the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_out_of_step_and_is_left_alone_signs_nobody_out() {
    let pair = Pair::start().await;
    pair.answer().await;
    pair.wait(1000);
    pair.beat().await;
    // It drifts: its clocks agree with each other.
    pair.other.clock.advance(Duration::from_secs(20));
    for _ in 0..2 {
        pair.beat().await;
    }
    let signed_in = pair.one.sign_in().await;
    assert_eq!(pair.other.refresh(&signed_in.refresh_token()).await.status, 503);
    let lost = pair.one.refresh(&signed_in.refresh_token()).await;
    for _ in 0..4 {
        pair.wait(4);
        pair.other.app.nodes.beat().await.unwrap();
    }
    let again = pair.other.refresh(&signed_in.refresh_token()).await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert_eq!(again.refresh_token(), lost.refresh_token());
    // The window is no longer than that.
    pair.wait(31);
    let late = pair.other.refresh(&signed_in.refresh_token()).await;
    assert_eq!(late.outcome(), (400, "invalid_grant"));
}

/// A jump long ago says nothing of a token that another node has just rotated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_a_little_behind_and_whose_clock_jumped_once_signs_nobody_out() {
    let pair = Pair::start().await;
    pair.answer().await;
    // Both at once: it was a leap of the hosts' clock, and each request looks whether there was one.
    for node in [&pair.one, &pair.other] {
        assert_eq!(node.sign_in().await.status, 200);
    }
    for clock in [&pair.one.clock, &pair.other.clock, &pair.database.clock] {
        clock.set(clock.now().after(Duration::from_secs(3)));
    }
    pair.beat().await;
    let first = pair.other.sign_in().await;
    assert_eq!(pair.other.refresh(&first.refresh_token()).await.status, 200, "it has noticed");
    for _ in 0..40 {
        pair.wait(100);
        pair.beat().await;
    }
    set_ahead(&pair.other, -50);
    let signed_in = pair.one.sign_in().await;
    let rotated = pair.one.refresh(&signed_in.refresh_token()).await;
    let again = pair.other.refresh(&signed_in.refresh_token()).await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert_eq!(again.refresh_token(), rotated.refresh_token());
}

/// None of its clocks shows it. What it wrote would seem to be older than it is, and so a retry at another node reuse.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_virtual_machine_that_was_paused_writes_nothing_until_its_clock_was_measured() {
    let pair = Pair::start().await;
    let signed_in = pair.one.sign_in().await;
    pair.answer().await;
    // Everybody else's time goes on.
    for clock in [&pair.one.clock, &pair.database.clock] {
        clock.advance(Duration::from_secs(40));
    }
    pair.one.app.nodes.beat().await.unwrap();
    let position = pair.one.position().await;
    let refused = pair.other.refresh(&signed_in.refresh_token()).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(pair.one.position().await, position, "nothing was written");
    // It learns of it at once, and says so.
    let beating = pair.other.keep_beating();
    let is_right = || pair.other.app.nodes.node_clock().check().is_ok();
    until("it finds its clock wrong", || !is_right()).await;
    assert_eq!(pair.other.refresh(&signed_in.refresh_token()).await.status, 503);
    set_ahead(&pair.other, 40_000);
    until("its clock is right", is_right).await;
    let refreshed = pair.other.refresh(&signed_in.refresh_token()).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text);
    let again = pair.one.refresh(&signed_in.refresh_token()).await;
    assert_eq!(again.refresh_token(), refreshed.refresh_token(), "{}", again.text);
    beating.abort();
}

/// The retry window is 30 s, however the clocks of the two nodes differ within what is tolerated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_at_a_node_whose_clock_is_ahead_signs_nobody_out() {
    for ahead in [-4500, 4500] {
        let pair = Pair::start().await;
        pair.wait(100);
        set_ahead(&pair.other, ahead);
        pair.answer().await;
        let first = pair.one.sign_in().await;
        let second = pair.one.refresh(&first.refresh_token()).await;
        pair.wait(29);
        let again = pair.other.refresh(&first.refresh_token()).await;
        assert_eq!(again.status, 200, "{ahead}: {}", again.text);
        assert_eq!(again.refresh_token(), second.refresh_token());
        // Later it is reuse for both.
        pair.wait(11);
        assert_eq!(pair.other.refresh(&first.refresh_token()).await.outcome(), (400, "invalid_grant"));
        let ended = pair.one.refresh(&second.refresh_token()).await;
        assert_eq!(ended.outcome(), (400, "invalid_grant"), "it has ended");
    }
}

/// Pages run their effects twice: within five seconds a second redemption ends nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_comes_twice_to_two_nodes_ends_nothing() {
    for ahead in [-4500, 4500] {
        let pair = Pair::start().await;
        set_ahead(&pair.other, ahead);
        pair.answer().await;
        let code = pair.one.code(Ask::default()).await;
        let tokens = pair.one.redeem(&code).await;
        assert_eq!(tokens.status, 200, "{}", tokens.text);
        pair.wait(4);
        assert_eq!(pair.other.redeem(&code).await.outcome(), (400, "invalid_grant"));
        let lives = pair.other.refresh(&tokens.refresh_token()).await;
        assert_eq!(lives.status, 200, "{ahead}: {}", lives.text);
        // Later it ends what it began.
        pair.wait(11);
        assert_eq!(pair.other.redeem(&code).await.outcome(), (400, "invalid_grant"));
        assert_eq!(pair.one.refresh(&lives.refresh_token()).await.outcome(), (400, "invalid_grant"));
    }
}
