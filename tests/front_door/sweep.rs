//! The sweeper: what it does and what it leaves alone.

mod clock;
pub(crate) mod indexes;

use std::sync::Arc;
use std::time::Duration;

use heirloom::app::sweep::Swept;
use heirloom::oauth::{SessionId, UserId};
use heirloom::session::{EndReason, Session, Status, device, index};
use heirloom::store::{Append, Expected, RecordKey};
use heirloom::user::Command;
use tokio::task::JoinHandle;

use crate::counting::counted;
use crate::devices::sign_in_on;
use crate::support::{Answer, NOW, PUBLIC, Server, USER};

const DAY: u64 = 86_400;

/// How many records begin with `prefix`.
async fn count(server: &Server, prefix: RecordKey) -> usize {
    server.app.store.scan(prefix, None, 100_000).await.unwrap().len()
}

/// How many live sessions the user has, and how many places the expiry queue and the removal queue have.
async fn places(server: &Server, of: &Answer) -> [usize; 3] {
    let user: UserId = of.claims()["sub"].as_str().unwrap().parse().unwrap();
    [
        count(server, index::all_of_user(user)).await,
        count(server, index::expiry_queue()).await,
        count(server, index::removal_queue()).await,
    ]
}

async fn status(server: &Server, id: SessionId) -> Option<Status> {
    let snapshot = server.app.store.load(Session::stream(id).unwrap()).await.unwrap()?;
    Some(Session::decode(&snapshot.data).unwrap().status)
}

/// Sweeps until nothing more is due.
pub(crate) async fn sweep_all(server: &Server) -> Swept {
    let mut total = Swept::default();
    for _ in 0..1000 {
        let swept = server.app.sweeper.sweep(10).await.unwrap();
        total.ended += swept.ended;
        total.queued_again += swept.queued_again;
        total.summarized += swept.summarized;
        total.dropped += swept.dropped;
        total.removed += swept.removed;
        total.failed += swept.failed;
        if !swept.more {
            return total;
        }
    }
    panic!("it never ends");
}

#[tokio::test]
async fn what_is_over_is_ended_what_lives_is_queued_again_and_the_reason_is_told() {
    let server = Server::start().await;
    let idle = server.sign_in().await;
    let used = server.sign_in().await;
    server.wait(DAY);
    let used = server.refresh(&used.refresh_token()).await;
    assert_eq!(server.app.sweeper.sweep(10).await.unwrap(), Swept::default(), "nothing is due");
    server.wait(13 * DAY);
    let swept = sweep_all(&server).await;
    assert_eq!(swept, Swept { ended: 1, queued_again: 1, ..Swept::default() });
    let expired = NOW.after(Duration::from_hours(14 * 24));
    let ended = Status::Ended { at: expired, reason: EndReason::Expired };
    assert_eq!(status(&server, idle.session()).await, Some(ended));
    assert_eq!(places(&server, &used).await, [1, 1, 1]);
    assert_eq!(server.refresh(&used.refresh_token()).await.status, 200, "it lives on");
}

#[tokio::test]
async fn an_epoch_is_the_reason_when_it_is() {
    let server = Server::start().await;
    let user = server.sign_in().await;
    server.app.accounts.change(USER.0, Command::EndSessions { keep: None }).await.unwrap();
    server.wait(14 * DAY);
    assert_eq!(sweep_all(&server).await.ended, 1);
    let reason = |status| match status {
        Some(Status::Ended { reason, .. }) => Some(reason),
        Some(Status::Live | Status::Authorized { .. }) | None => None,
    };
    assert_eq!(reason(status(&server, user.session()).await), Some(EndReason::UserEpoch));

    let client = server.sign_in().await;
    disable(&server, PUBLIC).await;
    server.wait(14 * DAY);
    assert_eq!(sweep_all(&server).await.ended, 1);
    assert_eq!(reason(status(&server, client.session()).await), Some(EndReason::ClientEpoch));
}

/// Ends all sessions of a client by an event on its stream.
async fn disable(server: &Server, client: &str) {
    use heirloom::client::{Client, ClientEvent};
    let event = ClientEvent::SessionsEnded { at: server.now(), by: None };
    let append = Append {
        stream: Client::stream(&client.parse().unwrap()).unwrap(),
        expected: Expected::NoStream,
        events: vec![event.encode()],
        snapshot: Client::default().apply(&event).encode(),
        records: Vec::new(),
    };
    server.app.store.append(append).await.unwrap();
}

#[tokio::test]
async fn a_client_that_the_configuration_does_not_have_for_a_while_loses_no_session() {
    let server = Server::start().await;
    let used = server.sign_in().await;
    server.wait(DAY);
    let used = server.refresh(&used.refresh_token()).await;
    server.wait(13 * DAY + 1);
    let mut clients = Vec::new();
    let server = server.restart(|setup| std::mem::swap(&mut setup.config.clients, &mut clients)).await;
    assert_eq!(sweep_all(&server).await, Swept { queued_again: 1, ..Swept::default() });
    let server = server.restart(|setup| std::mem::swap(&mut setup.config.clients, &mut clients)).await;
    assert_eq!(server.refresh(&used.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn what_ended_longer_ago_than_the_retention_is_gone_with_all_that_is_known_of_it() {
    let server = Server::with(|setup| setup.config.sessions.retention = Duration::from_hours(48)).await;
    let first = sign_in_on(&server, "agent", "label").await;
    let user: UserId = first.claims()["sub"].as_str().unwrap().parse().unwrap();
    let record = device::record(user, first.session());
    assert!(server.app.sessions.end_own_session(user, first.session()).await.unwrap());
    server.wait(2 * DAY - 1);
    assert_eq!(sweep_all(&server).await, Swept::default());
    assert!(server.app.store.record(record.clone()).await.unwrap().is_some());
    server.wait(1);
    assert_eq!(sweep_all(&server).await, Swept { removed: 1, ..Swept::default() });
    assert_eq!(status(&server, first.session()).await, None);
    assert_eq!(server.app.store.record(record).await.unwrap(), None);
    assert_eq!(places(&server, &first).await, [0, 0, 0]);
    assert_eq!(server.events(first.session()).await, []);
    let log = server.app.store.read_log(0, 1000).await.unwrap();
    assert!(log.iter().all(|event| Session::stream(first.session()) != Some(event.stream.clone())));
    assert_eq!(server.refresh(&first.refresh_token()).await.outcome(), (400, "invalid_grant"));
}

#[tokio::test]
async fn a_place_in_the_queue_outlives_its_session_until_it_is_due() {
    let server = Server::with(|setup| setup.config.sessions.retention = Duration::from_hours(1)).await;
    let device = server.sign_in().await;
    server.wait(DAY);
    let device = server.refresh(&device.refresh_token()).await;
    server.wait(13 * DAY);
    assert_eq!(sweep_all(&server).await.queued_again, 1);
    let later = server.refresh(&device.refresh_token()).await;
    server
        .app
        .sessions
        .end_own_session(later.claims()["sub"].as_str().unwrap().parse().unwrap(), later.session())
        .await
        .unwrap();
    server.wait(DAY);
    let swept = sweep_all(&server).await;
    assert_eq!(swept, Swept { removed: 1, dropped: 1, ..Swept::default() });
    assert_eq!(places(&server, &later).await, [0, 0, 0]);
}

#[tokio::test]
async fn a_sweep_takes_its_batch_and_reads_nothing_that_is_not_due() {
    let mut counts = None;
    let server = Server::with(|setup| counts = Some(counted(setup))).await;
    let counts = counts.unwrap();
    for _ in 0..25 {
        server.sign_in().await;
    }
    server.wait(14 * DAY - 1);
    for _ in 0..10 {
        server.sign_in().await;
    }
    counts.take();
    server.app.sweeper.sweep(10).await.unwrap();
    assert_eq!(counts.take(), (6, 10), "a look at the front of each queue");
    server.wait(1);
    let mut ended = Vec::new();
    loop {
        counts.take();
        let swept = server.app.sweeper.sweep(10).await.unwrap();
        let (reads, rows) = counts.take();
        assert!(reads <= 6 + 10 * 4 && rows <= 20, "{reads} reads, {rows} rows");
        ended.push(swept.ended);
        if !swept.more {
            break;
        }
    }
    assert_eq!(ended, [10, 10, 5]);
    let stats = server.app.sweeper.stats();
    assert_eq!((stats.total.ended, stats.last), (25, Some(server.now())));
    let ready = server.get("/health/ready").await;
    assert_eq!((ready.status, &ready.json["sweeper"]["ended"]), (200, &25.into()));
    assert_eq!(ready.json["sweeper"]["last"], server.now().to_string());
}

#[tokio::test]
async fn sweeps_at_once_end_each_session_once() {
    let server = Server::start().await;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(server.sign_in().await.session());
    }
    server.wait(14 * DAY);
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let app = Arc::clone(&server.app);
        running.spawn(async move { app.sweeper.sweep(100).await.unwrap() });
    }
    let swept = running.join_all().await;
    assert_eq!(swept.iter().map(|swept| swept.ended).sum::<u64>(), 20);
    assert_eq!(swept.iter().map(|swept| swept.failed).sum::<u64>(), 0);
    for id in sessions {
        let names = server.event_names(id).await;
        assert_eq!(names.iter().filter(|name| **name == "session_ended").count(), 1);
    }
    assert_eq!(sweep_all(&server).await, Swept::default());
}

/// Starts sweeping, as a process does that has just started.
pub(crate) async fn keep_sweeping(server: &Server) -> JoinHandle<()> {
    let evidence = server.app.sweeper.clock_evidence().await;
    tokio::spawn(Arc::clone(&server.app.sweeper).keep_sweeping(Duration::from_millis(1), evidence))
}

/// Waits until a condition holds, at most for a minute.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..12_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}
