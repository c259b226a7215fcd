//! Today's heirloom opens every recorded folder, and finds everything in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::process::{Command, Output};

use heirloom::app::clock_guard::Newest;
use heirloom::client::{Client, ClientEvent};
use heirloom::clock::Timestamp;
use heirloom::encoding::DecodeError;
use heirloom::installation::{Installation, InstallationEvent};
use heirloom::session::{Session, SessionEvent, index};
use heirloom::store::sled::{SledOptions, SledStore};
use heirloom::store::{RecordKey, RecordedEvent, Store, StreamId};
use heirloom::user::{User, UserEvent};
use serde_json::{Value, json};

use crate::recorded::{Copied, Family, KnownClient, copies, key_states, token_of};
use crate::support::{Answer, Server};

const REFUSED: (u16, &str) = (400, "invalid_grant");
/// More records than any folder has.
const ALL: usize = 100_000;

/// Checks that a snapshot is the fold of its stream. A snapshot of an earlier version may lack the last fields.
#[track_caller]
fn same<S: Debug + PartialEq>(
    fold: &S,
    again: &[u8],
    snapshot: &[u8],
    decode: fn(&[u8]) -> Result<S, DecodeError>,
) {
    let read = decode(snapshot).unwrap();
    // A snapshot is a format version, a header with the number of fields, and the fields.
    let lacks_the_last = snapshot[1] < again[1] && again[2..].starts_with(&snapshot[2..]);
    assert!(read == *fold || lacks_the_last, "the snapshot is\n{read:?}\nand the fold\n{fold:?}");
}

/// Reads and folds the events of a stream, and compares the result with the snapshot.
fn fold(stream: &StreamId, events: &[RecordedEvent], snapshot: &[u8]) {
    let events = events.iter().map(|event| event.data.as_slice());
    match stream.category() {
        b's' => {
            let events = events.map(|data| SessionEvent::decode(data).unwrap());
            let fold = events.fold(None, |session, event| Session::apply(session, &event)).unwrap();
            same(&fold, &fold.encode(), snapshot, Session::decode);
        }
        b'u' => {
            let events = events.map(|data| UserEvent::decode(data).unwrap());
            let fold = events.fold(User::default(), |user, event| user.apply(&event));
            same(&fold, &fold.encode(), snapshot, User::decode);
        }
        b'c' => {
            let events = events.map(|data| ClientEvent::decode(data).unwrap());
            let fold = events.fold(Client::default(), |client, event| client.apply(&event));
            same(&fold, &fold.encode(), snapshot, Client::decode);
        }
        b'i' => {
            let events = events.map(|data| InstallationEvent::decode(data).unwrap());
            let fold = events.fold(Installation::default(), |state, event| state.apply(&event));
            same(&fold, &fold.encode(), snapshot, Installation::decode);
        }
        other => panic!("no aggregate has the category {other}"),
    }
}

/// Every record of a store.
async fn records(store: &dyn Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let found = store.scan(RecordKey::from_bytes(b""), None, ALL).await.unwrap();
    found.into_iter().map(|(key, value)| (key.as_bytes().to_vec(), value)).collect()
}

/// The keys of the records that were added, changed or removed.
fn changed(before: &BTreeMap<Vec<u8>, Vec<u8>>, after: &BTreeMap<Vec<u8>, Vec<u8>>) -> BTreeSet<Vec<u8>> {
    let all = before.keys().chain(after.keys());
    all.filter(|key| before.get(*key) != after.get(*key)).cloned().collect()
}

#[tokio::test]
async fn every_stream_folds_to_its_snapshot() {
    for copied in copies() {
        let store = SledStore::open(&copied.path().join("data"), SledOptions::default()).unwrap();
        let log = store.read_log(0, ALL).await.unwrap();
        assert!(log.last().unwrap().position <= copied.recorded.position, "{}", copied.name);
        let mut streams: BTreeMap<StreamId, Vec<RecordedEvent>> = BTreeMap::new();
        for event in log {
            streams.entry(event.stream.clone()).or_default().push(event);
        }
        for category in [b's', b'u', b'c'] {
            assert!(streams.keys().any(|stream| stream.category() == category), "{}", copied.name);
        }
        for (stream, events) in streams {
            let snapshot = store.load(stream.clone()).await.unwrap().unwrap();
            assert_eq!(snapshot.version, events.last().unwrap().version);
            assert_eq!(store.read_stream(stream.clone(), 0, ALL).await.unwrap(), events);
            fold(&stream, &events, &snapshot.data);
        }
    }
}

fn heirloom(arguments: &[&str], copied: &Copied) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom"));
    command.args(arguments).arg("--data").arg(copied.path()).env_clear().output().unwrap()
}

#[test]
fn the_command_line_verifies_and_reads_every_folder() {
    for copied in copies() {
        let verified = heirloom(&["data", "verify", "--json"], &copied);
        let found: Value = serde_json::from_slice(&verified.stdout).unwrap();
        assert!(verified.status.success(), "{}: {verified:?}", copied.name);
        assert_eq!(found["whole"], json!(true), "{}: {found}", copied.name);
        assert_eq!(found["position"], json!(copied.recorded.position), "{}: {found}", copied.name);
        assert_eq!(found["made_again_at_start"], json!([]), "{}: {found}", copied.name);

        let listed = heirloom(&["user", "list"], &copied);
        assert!(listed.status.success(), "{}: {listed:?}", copied.name);
        let text = String::from_utf8(listed.stdout).unwrap();
        for person in copied.recorded.users.iter().filter(|person| person.signs_in) {
            assert!(text.contains(&person.name) || person.name.contains('@'), "{}: {text}", copied.name);
        }
    }
}

/// A start notes nothing again and makes nothing again. So it has found everything under the key that it has.
#[tokio::test]
async fn a_start_finds_all_records_where_they_were() {
    for copied in copies() {
        let server = copied.setup().start().await;
        let before = records(&*server.app.store).await;
        server.app.keys.check().await.unwrap();
        let rebuilt = server.app.indexes.prepare().await.unwrap();
        let after = records(&*server.app.store).await;
        let (version, knows_keys) = (copied.recorded.index_version, copied.recorded.knows_keys);
        assert_eq!(rebuilt.is_none(), version == index::VERSION, "{}: {rebuilt:?}", copied.name);
        // A record with the check value of a key, or a record of an index.
        let (key, index) = (RecordKey::vault(&[b"K"]), RecordKey::from_bytes(b"v"));
        let changed = changed(&before, &after);
        let is = |kind: &RecordKey| changed.iter().filter(|key| key.starts_with(kind.as_bytes())).count();
        assert_eq!(is(&key) == 0, knows_keys, "{}: check values", copied.name);
        assert_eq!(is(&index) == 0, version == index::VERSION, "{}: indexes", copied.name);
        assert_eq!(is(&key) + is(&index), changed.len(), "{}: other records", copied.name);
        let evidence = server.app.sweeper.clock_evidence().await;
        assert_eq!(evidence.believed.map(Timestamp::millis), copied.recorded.believed, "{}", copied.name);
        let doubted = match evidence.newest {
            Newest::Doubted(hold) => Some(hold.as_secs()),
            Newest::Empty | Newest::At(_) | Newest::Unknown => None,
        };
        assert_eq!(doubted, copied.recorded.doubted, "{}", copied.name);
    }
}

#[tokio::test]
async fn the_index_of_every_session_is_there() {
    for copied in copies() {
        let server = copied.serve().await;
        let records = records(&*server.app.store).await;
        let log = server.app.store.read_log(0, ALL).await.unwrap();
        let mut sessions = 0;
        for event in log.iter().filter(|event| event.version == 1 && event.stream.category() == b's') {
            let id = <[u8; 16]>::try_from(event.stream.key()).unwrap().into();
            let snapshot = server.app.store.load(event.stream.clone()).await.unwrap().unwrap();
            let entries = index::entries(id, &Session::decode(&snapshot.data).unwrap());
            // A session's place in the expiry queue moves when the sweeper visits it.
            let stays =
                entries.iter().filter(|key| !key.as_bytes().starts_with(index::expiry_queue().as_bytes()));
            for key in stays {
                assert!(
                    records.contains_key(key.as_bytes()),
                    "{}: {id} lacks {:?}",
                    copied.name,
                    key.as_bytes()
                );
            }
            sessions += 1;
        }
        assert!(sessions > 2, "{}", copied.name);
    }
}

#[test]
fn every_key_does_what_it_did() {
    for copied in copies() {
        let at = Timestamp::from_millis(copied.recorded.at);
        let found = key_states(&copied.path().join("keys"), at);
        assert_eq!(found, copied.recorded.keys, "{}", copied.name);
    }
}

/// Sends a form to the token endpoint, as the client does.
async fn ask(server: &Server, client: &KnownClient, form: &[(&str, &str)], cookie: &str) -> Answer {
    let request = server.token();
    let mut form = form.to_vec();
    let request = if let Some(secret) = client.secrets.last() {
        request.basic_auth(&client.id, Some(secret))
    } else {
        form.push(("client_id", &client.id));
        request
    };
    let request = match &client.origin {
        Some(origin) => request.header("origin", origin).header("cookie", cookie),
        None => request,
    };
    server.send(request.form(&form)).await
}

/// Presents a recorded refresh token.
async fn refresh(server: &Server, copied: &Copied, family: &Family, token: &str) -> Answer {
    let client = copied.recorded.clients.iter().find(|client| client.id == family.client).unwrap();
    let mut form = vec![("grant_type", "refresh_token")];
    if client.origin.is_none() {
        form.push(("refresh_token", token));
    }
    ask(server, client, &form, token).await
}

#[tokio::test]
async fn families_that_live_are_refreshed_and_those_that_ended_stay_so() {
    for copied in copies() {
        let server = copied.serve().await;
        for family in &copied.recorded.families {
            answered_again(&server, &copied, family).await;
        }
        for family in &copied.recorded.families {
            let what = format!("{}: {}", copied.name, family.what);
            let newest = family.tokens.last().unwrap();
            if !family.lives {
                assert_eq!(refresh(&server, &copied, family, newest).await.outcome(), REFUSED, "{what}");
                continue;
            }
            let next = refresh(&server, &copied, family, newest).await;
            assert_eq!(next.status, 200, "{what}: {}", next.text);
            server.wait(60);
            let last = refresh(&server, &copied, family, &token_of(&next)).await;
            assert_eq!(last.status, 200, "{what}: {}", last.text);
            // The recorded token is an old one by now: presenting it ends this family, and no other.
            for token in [newest, &token_of(&last)] {
                assert_eq!(refresh(&server, &copied, family, token).await.outcome(), REFUSED, "{what}");
            }
        }
    }
}

/// A client that missed the last answer gets it again, byte for byte: the refresh token and the access token.
async fn answered_again(server: &Server, copied: &Copied, family: &Family) {
    let (Some(access_token), [.., before, newest]) = (&family.access_token, &family.tokens[..]) else {
        return;
    };
    let again = refresh(server, copied, family, before).await;
    let what = format!("{}: {}: {}", copied.name, family.what, again.text);
    assert_eq!((&token_of(&again), &again.access_token()), (newest, access_token), "{what}");
}

#[tokio::test]
async fn recorded_users_sign_in_and_recorded_clients_show_who_they_are() {
    for copied in copies() {
        let server = copied.serve().await;
        let (users, clients) = (&copied.recorded.users, &copied.recorded.clients);
        let first = users.iter().find(|person| person.signs_in).unwrap();
        for client in clients {
            let form =
                [("grant_type", "password"), ("username", &*first.name), ("password", &*first.password)];
            let answer = ask(&server, client, &form, "").await;
            let expected = if client.is_good { (200, "") } else { (400, "invalid_client") };
            assert_eq!(answer.outcome(), expected, "{}: {}: {}", copied.name, client.id, answer.text);
            for secret in &client.secrets {
                let request = server.token().basic_auth(&client.id, Some(secret)).form(&form);
                assert_eq!(server.send(request).await.status, 200, "{}: {}", copied.name, client.id);
            }
        }
        let client = clients.iter().find(|client| client.is_good && client.origin.is_none()).unwrap();
        for person in users {
            let form =
                [("grant_type", "password"), ("username", &*person.name), ("password", &*person.password)];
            let answer = ask(&server, client, &form, "").await;
            let expected = if person.signs_in { (200, "") } else { REFUSED };
            assert_eq!(answer.outcome(), expected, "{}: {}: {}", copied.name, person.name, answer.text);
        }
    }
}

#[tokio::test]
async fn an_invitation_that_was_open_makes_an_account_and_no_other_does() {
    for copied in copies() {
        let server = copied.serve().await;
        for (number, invitation) in copied.recorded.invitations.iter().enumerate() {
            let body = json!({
                "username": format!("new-{number}"),
                "email": format!("new-{number}@example.com"),
                "password": "violet-anchor-71-harbour",
                "invitation": invitation.code,
            });
            let url = format!("{}/account", server.base);
            let answer = server.send(server.client.post(url).json(&body)).await;
            let expected = if invitation.is_good { 201 } else { 422 };
            assert_eq!(answer.status, expected, "{}: {}", copied.name, answer.text);
        }
    }
}
