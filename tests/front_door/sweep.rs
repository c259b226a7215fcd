//! The sweeper: what it does and leaves alone, and what a list of sessions reads.

use std::sync::Arc;
use std::time::Duration;

use heirloom::app::devices::{SessionOwner, SessionsPage};
use heirloom::app::sweep::Swept;
use heirloom::clock::Timestamp;
use heirloom::oauth::{SessionId, UserId};
use heirloom::session::event::Started;
use heirloom::session::{EndReason, Session, SessionEvent, Status, device, index};
use heirloom::store::{Append, Expected, RecordChange, RecordKey, Store, StreamId};
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
        Some(Status::Live) | None => None,
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
    assert_eq!(counts.take(), (3, 10), "a look at the front of each queue");
    server.wait(1);
    let mut ended = Vec::new();
    loop {
        counts.take();
        let swept = server.app.sweeper.sweep(10).await.unwrap();
        let (reads, rows) = counts.take();
        assert!(reads <= 3 + 10 * 4 && rows <= 20, "{reads} reads, {rows} rows");
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

/// Waits until a condition holds, at most ten seconds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

#[tokio::test]
async fn a_store_with_older_indexes_gets_new_ones_from_its_log() {
    let server = Server::start().await;
    let mut devices = Vec::new();
    for _ in 0..40 {
        devices.push(server.sign_in().await);
    }
    let user: UserId = devices[0].claims()["sub"].as_str().unwrap().parse().unwrap();
    for device in &devices[..10] {
        server.app.sessions.end_own_session(user, device.session()).await.unwrap();
    }
    let expected = dump(&server).await;
    assert_eq!(expected.len(), 30 * 3 + 10);
    // As an older version left the indexes.
    let mut old: Vec<_> = expected.into_iter().map(RecordChange::Delete).collect();
    for device in &devices {
        let id = device.session();
        old.push(RecordChange::Put(RecordKey::index(1, &[b"u", user.as_bytes(), id.as_bytes()]), Vec::new()));
        old.push(RecordChange::Put(RecordKey::index(1, &[b"e", &[0; 8], id.as_bytes()]), Vec::new()));
    }
    for records in old.chunks(100) {
        change_records(&server, records.to_vec()).await;
    }
    assert_eq!(dump(&server).await.len(), 0);

    let rebuilt = server.app.indexes.prepare().await.unwrap().unwrap();
    assert_eq!((rebuilt.sessions, rebuilt.dropped), (40, 80));
    let after = dump(&server).await;
    assert_eq!(after.len(), 100);
    assert_eq!(places(&server, &devices[0]).await, [30, 30, 10]);
    assert_eq!(count(&server, RecordKey::index(1, &[])).await, 0);
    assert_eq!(server.app.indexes.prepare().await.unwrap(), None, "once");
}

async fn change_records(server: &Server, records: Vec<RecordChange>) {
    let stream = StreamId::new(b't', b"test").unwrap();
    let (events, snapshot) = (Vec::new(), Vec::new());
    let append = Append { stream, expected: Expected::NoStream, events, snapshot, records };
    server.app.store.append(append).await.unwrap();
}

/// All keys of the session indexes.
async fn dump(server: &Server) -> Vec<RecordKey> {
    let mut keys = Vec::new();
    for prefix in index::made_by(index::VERSION) {
        let found = server.app.store.scan(prefix, None, 100_000).await.unwrap();
        keys.extend(found.into_iter().map(|(key, _)| key));
    }
    keys
}

/// A session with its indexes, as a sign-in writes it.
fn begun(user: UserId, id: SessionId) -> Append {
    let at = Timestamp::from_seconds(4_102_444_800);
    let started = SessionEvent::Started(Started {
        at,
        client: PUBLIC.parse().unwrap(),
        client_epoch: 0,
        user: Some(user),
        user_epoch: 0,
        scope: "read".parse().unwrap(),
        audience: None,
        absolute_expiry: at.after(Duration::from_hours(60 * 24)),
        idle_expiry: at.after(Duration::from_hours(14 * 24)),
        refreshable: true,
        installation_epoch: None,
    });
    let session = Session::apply(None, &started).unwrap();
    Append {
        stream: Session::stream(id).unwrap(),
        expected: Expected::NoStream,
        events: vec![started.encode()],
        snapshot: session.encode(),
        records: index::changes(id, None, &session),
    }
}

/// Appends `many` sessions of each user, with one task for each user.
async fn fill(store: &Arc<dyn Store>, users: std::ops::Range<u32>, many: u32) {
    let mut running = tokio::task::JoinSet::new();
    for user in users {
        let store = Arc::clone(store);
        running.spawn(async move {
            for number in 0..many {
                let id = [user.to_be_bytes(), number.to_be_bytes(), [0; 4], [1; 4]].concat();
                let id = SessionId::from(<[u8; 16]>::try_from(id.as_slice()).unwrap());
                store.append(begun(user_number(user), id)).await.unwrap();
            }
        });
    }
    running.join_all().await;
}

fn user_number(number: u32) -> UserId {
    let id = [number.to_be_bytes(), [9; 4], [9; 4], [9; 4]].concat();
    UserId::from(<[u8; 16]>::try_from(id.as_slice()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_sessions_of_a_thousand_users_are_listed_by_user_in_constant_time() {
    let mut counts = None;
    let server = Server::with(|setup| counts = Some(counted(setup))).await;
    let counts = counts.unwrap();
    for number in 0..1000 {
        add_user(&server, user_number(number)).await;
    }
    let first = 7;
    let owner = SessionOwner::User(user_number(first));
    let page = SessionsPage { after: None, limit: 50 };
    let mut reads = Vec::new();
    for users in [first..first + 1, 0..first, first + 1..1000] {
        fill(&server.app.store, users, 100).await;
        counts.take();
        let (sessions, next) = server.app.sessions.sessions(&owner, page).await.unwrap();
        assert_eq!(sessions.len(), 50);
        let (more, end) =
            server.app.sessions.sessions(&owner, SessionsPage { after: next, limit: 51 }).await.unwrap();
        assert_eq!((more.len(), end), (50, None));
        reads.push(counts.take());
    }
    assert_eq!(count(&server, RecordKey::index(index::VERSION, &[b"u"])).await, 100_000);
    let (among_100, among_100_000) = (reads[0], reads[2]);
    assert_eq!(among_100, among_100_000, "reads and rows do not depend on how many others there are");
    assert!(among_100.1 == 100 && among_100.0 <= 2 + 100 * 4, "{among_100:?}");
}

/// A user without name and password.
async fn add_user(server: &Server, id: UserId) {
    use heirloom::user::{User, UserEvent, stream};
    let event = UserEvent::Registered { at: NOW, roles: Vec::new(), by: None };
    let append = Append {
        stream: stream(id).unwrap(),
        expected: Expected::NoStream,
        events: vec![event.encode()],
        snapshot: User::default().apply(&event).encode(),
        records: Vec::new(),
    };
    server.app.store.append(append).await.unwrap();
}
