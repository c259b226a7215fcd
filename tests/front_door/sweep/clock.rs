//! The clock that the sweeper goes by: when it is believed, and that a wrong one ends and removes nothing.

use std::time::Duration;

use crate::support::{NOW, PUBLIC, Server};
use crate::sweep::{DAY, keep_sweeping, status, until};
use heirloom::session::Status;

fn is_paused(server: &Server) -> bool {
    server.app.sweeper.stats().paused.is_some()
}

#[tokio::test]
async fn a_clock_that_is_a_year_ahead_for_a_while_destroys_nothing() {
    let server = Server::start().await;
    let live = server.sign_in().await;
    let sweeping = keep_sweeping(&server).await;
    until("it has swept", || server.app.sweeper.stats().last == Some(NOW)).await;
    server.clock.set(NOW.after(Duration::from_secs(365 * DAY)));
    until("it has noticed", || is_paused(&server)).await;
    let paused = server.get("/health/ready").await;
    assert!(paused.json["sweeper"]["paused_seconds"].as_u64().is_some_and(|left| left > 86_000));
    // So does a new process with the wrong clock.
    sweeping.abort();
    let server = server.restart(|_| {}).await;
    let sweeping = keep_sweeping(&server).await;
    until("it has noticed again", || is_paused(&server)).await;
    assert_eq!(server.app.sweeper.stats().last, None);
    server.clock.set(NOW);
    until("it sweeps again", || server.app.sweeper.stats().last == Some(NOW)).await;
    assert_eq!(server.app.sweeper.stats().paused, None);
    sweeping.abort();
    assert_eq!(server.refresh(&live.refresh_token()).await.status, 200);
}

/// A server whose sessions end after an hour without use.
async fn short_lived() -> Server {
    Server::with(|setup| {
        setup.client(PUBLIC, |client| {
            client.metadata.lifetimes.access_token = Duration::from_mins(1);
            client.metadata.lifetimes.refresh_idle = Duration::from_hours(1);
        });
    })
    .await
}

#[tokio::test]
async fn a_clock_that_is_an_hour_ahead_at_a_start_ends_nothing() {
    let server = short_lived().await;
    let live = server.sign_in().await;
    server.wait(3600);
    let server = server.restart(|_| {}).await;
    let sweeping = keep_sweeping(&server).await;
    until("it has noticed", || is_paused(&server)).await;
    let ready = server.get("/health/ready").await;
    let left = ready.json["sweeper"]["paused_seconds"].as_u64().unwrap();
    assert!((1100..=1200).contains(&left), "{left}");
    // Events that are written by the wrong clock are no evidence for it, neither now nor after another restart.
    let other = server.sign_in().await;
    sweeping.abort();
    let server = server.restart(|_| {}).await;
    let sweeping = keep_sweeping(&server).await;
    until("it has noticed again", || is_paused(&server)).await;
    assert_eq!(server.app.sweeper.stats().last, None);
    server.clock.set(NOW);
    until("it sweeps", || server.app.sweeper.stats().last == Some(NOW)).await;
    assert_eq!(server.app.sweeper.stats().total.ended, 0);
    for device in [live, other] {
        assert_eq!(server.refresh(&device.refresh_token()).await.status, 200);
    }
    sweeping.abort();
}

#[tokio::test]
async fn a_command_without_a_server_does_not_vouch_for_its_clock() {
    let server = short_lived().await;
    let live = server.sign_in().await;
    server.wait(3600);
    // A process that does not sweep, but writes something and ends.
    let server = server.restart(|_| {}).await;
    server.app.sweeper.note_doubt(server.app.sweeper.clock_evidence().await).await;
    let other = server.sign_in().await;
    let server = server.restart(|_| {}).await;
    let sweeping = keep_sweeping(&server).await;
    until("it has noticed", || is_paused(&server)).await;
    assert_eq!(server.app.sweeper.stats().last, None);
    server.clock.set(NOW);
    until("it sweeps", || server.app.sweeper.stats().last == Some(NOW)).await;
    for device in [live, other] {
        assert_eq!(server.refresh(&device.refresh_token()).await.status, 200);
    }
    sweeping.abort();
}

#[tokio::test]
async fn a_clock_that_nothing_vouches_for_is_believed_when_it_has_run_evenly_for_twenty_minutes() {
    let server = short_lived().await;
    let over = server.sign_in().await;
    // The server was down for an hour.
    server.wait(3600);
    let server = server.restart(|_| {}).await;
    let sweeping = keep_sweeping(&server).await;
    let left = || server.app.sweeper.stats().paused.map(|left| left.as_secs());
    until("it waits", || left() == Some(1200)).await;
    server.wait(1199);
    until("it waits still", || left() == Some(1)).await;
    assert_eq!(status(&server, over.session()).await, Some(Status::Live));
    server.wait(1);
    until("it has swept", || server.app.sweeper.stats().total.ended == 1).await;
    assert!(!is_paused(&server));
    // From now on the sweeper waits for a day after a jump.
    server.clock.set(server.now().after(Duration::from_mins(2)));
    until("it has noticed", || left() == Some(DAY)).await;
    server.wait(DAY);
    until("it sweeps again", || server.app.sweeper.stats().last == Some(server.now())).await;
    sweeping.abort();
}

#[tokio::test]
async fn a_clock_that_agrees_with_the_newest_event_is_believed_at_a_start() {
    let server = short_lived().await;
    let over = server.sign_in().await;
    server.wait(3600);
    server.sign_in().await;
    server.wait(240);
    let server = server.restart(|_| {}).await;
    let sweeping = keep_sweeping(&server).await;
    until("it has swept", || server.app.sweeper.stats().total.ended == 1).await;
    assert!(!is_paused(&server));
    assert!(matches!(status(&server, over.session()).await, Some(Status::Ended { .. })));
    sweeping.abort();
}
