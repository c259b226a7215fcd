//! The indexes of sessions, logins and consents: made anew from the log, and read in constant time.

use std::sync::Arc;
use std::time::Duration;

use heirloom::app::devices::{SessionOwner, SessionsPage};
use heirloom::clock::Timestamp;
use heirloom::consent::{self, Allowed, ConsentId};
use heirloom::login::{self, LogoutReason};
use heirloom::oauth::{SessionId, UserId};
use heirloom::session::event::Started;
use heirloom::session::{Session, SessionEvent, index};
use heirloom::store::{Append, Expected, RecordChange, RecordKey, Store, StreamId};

use crate::counting::counted;
use crate::support::{CONFIDENTIAL, NOW, PUBLIC, Server};
use crate::sweep::{count, places};

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

#[tokio::test]
async fn indexes_of_logins_and_consents_of_another_version_are_made_again_too() {
    let server = Server::start().await;
    assert!(server.app.indexes.prepare().await.unwrap().is_some());
    let (live, ended) = (server.log_in().await, server.log_in().await);
    server.app.logins.log_out(ended.id, LogoutReason::Logout, None).await.unwrap();
    let allowed =
        Allowed { scope: "read".parse().unwrap(), resource: None, redirect_host: "a.example".to_owned() };
    let consent = |client: &str| ConsentId { user: live.user, client: client.parse().unwrap() };
    for client in [PUBLIC, CONFIDENTIAL] {
        server.app.consents.give(&consent(client), &allowed).await.unwrap();
    }
    server.app.consents.withdraw(&consent(PUBLIC), None).await.unwrap();
    let prefixes: Vec<_> = login::index::made_by(1).into_iter().chain(consent::index::made_by(1)).collect();
    let dump = async || {
        let mut found = Vec::new();
        for prefix in &prefixes {
            found.push(server.app.store.scan(prefix.clone(), None, 100).await.unwrap());
        }
        found
    };
    let expected = dump().await;
    assert_eq!(expected.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1, 1, 1]);

    let marker = |versions: &[u8]| RecordChange::Put(RecordKey::index(0, &[b"sessions"]), versions.to_vec());
    let mut old: Vec<_> =
        expected.iter().flatten().map(|(key, _)| RecordChange::Delete(key.clone())).collect();
    old.push(marker(&[index::VERSION, 9, 9]));
    change_records(&server, old).await;
    assert_eq!(dump().await.iter().flatten().count(), 0);
    let rebuilt = server.app.indexes.prepare().await.unwrap().unwrap();
    assert_eq!((rebuilt.sessions, rebuilt.logins_and_consents), (0, 4));
    assert_eq!(dump().await, expected);
    assert_eq!(server.app.indexes.prepare().await.unwrap(), None, "once");
}

#[tokio::test]
async fn a_marker_from_before_logins_had_indexes_stands_for_their_first_version() {
    let server = Server::start().await;
    let marker = RecordChange::Put(RecordKey::index(0, &[b"sessions"]), vec![index::VERSION]);
    change_records(&server, vec![marker]).await;
    assert_eq!(server.app.indexes.prepare().await.unwrap(), None);
}

pub(crate) async fn change_records(server: &Server, records: Vec<RecordChange>) {
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
        login: None,
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
