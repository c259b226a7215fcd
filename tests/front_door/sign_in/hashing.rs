//! Hashing at sign-in: of whole passwords, by a pool that may be busy, and again when a hash has old parameters.

use crate::support::{Server, USER};
use heirloom::password::hash::Cost;
use heirloom::store::{Append, Expected, RecordChange};
use heirloom::user::{UserEvent, vault};

#[tokio::test]
async fn sign_ins_that_find_the_pool_busy_count_as_no_guesses() {
    let server = Server::with(|setup| {
        setup.config.passwords.threads = 1;
        setup.config.passwords.queue = 1;
        setup.config.throttle.account_attempts = 6;
        setup.cost = Cost::new(64 * 1024, 3, 1).unwrap();
    })
    .await;
    // At most five at once: what is not decided yet does count.
    let persons = (0..5).map(|_| {
        let (client, url) = (server.client.clone(), format!("{}/oauth/token", server.base));
        let form =
            [("grant_type", "password"), ("client_id", "web"), ("username", USER.0), ("password", USER.1)];
        tokio::spawn(async move {
            let mut statuses = Vec::new();
            for _ in 0..5 {
                statuses.push(client.post(&url).form(&form).send().await.unwrap().status().as_u16());
            }
            statuses
        })
    });
    let mut busy = 0;
    for person in persons.collect::<Vec<_>>() {
        for status in person.await.unwrap() {
            assert!(status == 200 || status == 503, "{status}");
            busy += usize::from(status == 503);
        }
    }
    assert!(busy > 6, "{busy} busy");
}

#[tokio::test]
async fn passwords_are_whole_and_normalised() {
    let server = Server::start().await;
    let long = "a1-".repeat(25);
    let (at_73_a, at_73_b) = (format!("{}A{}", &long[..72], "tail"), format!("{}B{}", &long[..72], "tail"));
    server.app.accounts.register("long", &at_73_a, Vec::new()).await.unwrap();
    assert_eq!(server.sign_in_as("long", &at_73_b).await.status, 400);
    assert_eq!(server.sign_in_as("long", &at_73_a).await.status, 200);
    server.app.accounts.register("accent", "cafe\u{301}  noir et  lait", Vec::new()).await.unwrap();
    assert_eq!(server.sign_in_as("accent", "café  noir et  lait").await.status, 200);
    assert_eq!(server.sign_in_as("accent", "café noir et lait").await.status, 400);
    let before = server.app.passwords.hashes_started();
    assert_eq!(server.sign_in_as("ann", &"x".repeat(1025)).await.outcome(), (400, "invalid_grant"));
    assert_eq!(server.app.passwords.hashes_started(), before, "refused before any hash");
}

#[tokio::test]
async fn what_overflows_the_hashing_pool_is_told_when_to_come_back_and_the_rest_stays_fast() {
    let server = Server::with(|setup| {
        setup.config.passwords.threads = 1;
        setup.config.passwords.queue = 4;
        setup.config.throttle.network_attempts = 1000;
        setup.cost = Cost::new(64 * 1024, 3, 1).unwrap();
    })
    .await;
    let token = server.sign_in().await.refresh_token();
    let storm: Vec<_> = (0..64)
        .map(|index| {
            let (client, url) = (server.client.clone(), format!("{}/oauth/token", server.base));
            tokio::spawn(async move {
                let name = format!("user-{index}");
                let form = [
                    ("grant_type", "password"),
                    ("client_id", "web"),
                    ("username", &name),
                    ("password", "x"),
                ];
                let response = client.post(url).form(&form).send().await.unwrap();
                (response.status().as_u16(), response.headers().contains_key("retry-after"))
            })
        })
        .collect();
    let refused = || {
        let stats = server.app.passwords.stats();
        stats.refused_busy + stats.refused_source
    };
    while refused() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.get("/.well-known/jwks.json").await.status, 200);
    assert_eq!(server.refresh(&token).await.status, 200);
    assert!(!storm.iter().all(tokio::task::JoinHandle::is_finished), "the storm still rages");
    let mut busy = 0;
    for sent in storm {
        let (status, retry_after) = sent.await.unwrap();
        // All come from one network, which may not fill the queue.
        assert!(status == 400 || (status == 429 || status == 503) && retry_after, "{status}");
        busy += usize::from(status != 400);
    }
    assert!(busy > 0);
    assert!(server.app.passwords.stats().memory_bytes <= 2 * 64 * 1024 * 1024);
}

#[tokio::test]
async fn a_stored_hash_that_asks_for_gigabytes_is_refused() {
    let server = Server::start().await;
    let id = server.sign_in().await.claims()["sub"].as_str().unwrap().parse().unwrap();
    let mut stored = server.app.store.record(vault::password(id)).await.unwrap().unwrap();
    // The third field is the memory of the hash, 64 KiB. It becomes 4 GiB.
    let (cheap, huge) = ([2, 0x18, 64], [2, 0x1a, 0, 0x40, 0, 0]);
    let at = stored.windows(cheap.len()).position(|bytes| bytes == cheap).unwrap();
    stored.splice(at..at + cheap.len(), huge);
    let read: heirloom::password::hash::PasswordRecord = minicbor::decode(&stored).unwrap();
    assert!(format!("{read:?}").contains("m=4194304,"), "{read:?}");
    let stream = heirloom::user::stream(id).unwrap();
    let user = server.app.store.load(stream.clone()).await.unwrap().unwrap();
    let tampered = Append {
        stream,
        expected: Expected::Exact(user.version),
        events: vec![UserEvent::PasswordRehashed { at: server.now(), by: None }.encode()],
        snapshot: user.data,
        records: vec![RecordChange::Put(vault::password(id), stored)],
    };
    server.app.store.append(tampered).await.unwrap();
    let before = server.app.passwords.stats();
    assert_eq!(server.sign_in().await.outcome(), (500, "server_error"));
    assert_eq!(server.app.passwords.stats(), before, "nothing was hashed, no memory was taken");
}

#[tokio::test]
async fn old_hash_parameters_are_replaced_at_the_next_success() {
    let server = Server::start().await;
    let id = server.sign_in().await.claims()["sub"].as_str().unwrap().parse().unwrap();
    let before = server.app.store.record(vault::password(id)).await.unwrap();
    let server = server.restart(|setup| setup.cost = Cost::new(128, 1, 1).unwrap()).await;
    assert_eq!(server.sign_in_as(USER.0, "wrong").await.status, 400);
    assert_eq!(server.app.store.record(vault::password(id)).await.unwrap(), before);
    assert_eq!(server.sign_in().await.status, 200);
    let after = server.app.store.record(vault::password(id)).await.unwrap();
    assert_ne!(after, before);
    assert_eq!(server.sign_in().await.status, 200);
    assert_eq!(server.app.store.record(vault::password(id)).await.unwrap(), after, "once");
}
