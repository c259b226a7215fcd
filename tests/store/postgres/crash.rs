//! The server is killed while appends are under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use heirloom::store::postgres::PostgresStore;
use heirloom::store::{Append, Expected, Store, StoreError};

use crate::contract::{Tested, append, key, put, stream, whole_log};
use crate::postgres_server::PostgresServer;
use crate::support::until::{PATIENCE, comes_about};

/// Appends to a stream of its own until that is over. After an unknown outcome it loads, and goes on from there. Returns the
/// version that it knows of, and how many outcomes were unknown.
pub(super) async fn append_until(is_over: Arc<AtomicBool>, store: Tested, name: String) -> (u64, u64) {
    let (mut version, mut unknown) = (0, 0);
    while !is_over.load(Ordering::Acquire) {
        let expected = if version == 0 { Expected::NoStream } else { Expected::Exact(version) };
        let text = (version + 1).to_string();
        let records = vec![put(&name, &text)];
        match store.append(Append { records, ..append(&name, expected, &[&text]) }).await {
            Ok(appended) => {
                assert_eq!(appended.version, version + 1);
                version += 1;
            }
            Err(StoreError::Unavailable(_)) => {
                unknown += 1;
                let lost = Instant::now();
                let found = loop {
                    assert!(lost.elapsed() < PATIENCE, "the store did not come back");
                    match store.load(stream(&name)).await {
                        Ok(found) => break found.map_or(0, |head| head.version),
                        Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                        Err(error) => panic!("{error}"),
                    }
                };
                // Nobody else appends to it: the append was made once, or not at all.
                assert!(found == version || found == version + 1, "{found} after {version}");
                version = found;
            }
            Err(error) => panic!("{error}"),
        }
    }
    (version, unknown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills_of_the_server() {
    let mut server = PostgresServer::start();
    let settings = server.settings("killed");
    let store: Tested = Arc::new(PostgresStore::open(settings).await.unwrap());
    let is_over = Arc::new(AtomicBool::new(false));
    let append = |number: u8| append_until(Arc::clone(&is_over), Arc::clone(&store), number.to_string());
    let appenders: Vec<_> = (0..8).map(|number| tokio::spawn(append(number))).collect();
    for _ in 0..3 {
        under_way(&*store).await;
        server.kill();
        server.run();
    }
    under_way(&*store).await;
    is_over.store(true, Ordering::Release);
    let mut all = 0;
    let mut unknown = 0;
    for (number, appender) in appenders.into_iter().enumerate() {
        let (version, unknowns) = appender.await.unwrap();
        let name = number.to_string();
        assert_eq!(store.load(stream(&name)).await.unwrap().map_or(0, |head| head.version), version);
        let events = store.read_stream(stream(&name), 0, usize::MAX).await.unwrap();
        let expected: Vec<Vec<u8>> = (1..=version).map(|number| number.to_string().into_bytes()).collect();
        assert_eq!(events.into_iter().map(|event| event.data).collect::<Vec<_>>(), expected);
        assert_eq!(store.record(key(&name)).await.unwrap(), Some(version.to_string().into_bytes()));
        all += version;
        unknown += unknowns;
    }
    let log = whole_log(&*store).await;
    assert_eq!(log.len() as u64, all);
    assert!(log.iter().zip(1..).all(|(event, position)| event.position == position), "a gap");
    assert!(unknown > 0, "the server was not killed under an append");
}

/// Waits until the store is there again, and many appends are made.
pub(super) async fn under_way(store: &dyn Store) {
    comes_about("the store reads", async || {
        // Each kind of read has a connection of its own.
        let (loaded, record, log) =
            tokio::join!(store.load(stream("0")), store.record(key("0")), store.read_log(0, 1));
        loaded.is_ok() && record.is_ok() && log.is_ok()
    })
    .await;
    let before = store.stats().position;
    comes_about("appends are made", async || store.stats().position > before + 50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_every_call_fails_at_once() {
    let mut server = PostgresServer::start();
    let store = PostgresStore::open(server.settings("away")).await.unwrap();
    store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    server.kill();
    while store.load(stream("a")).await.is_ok() {}
    let began = Instant::now();
    for _ in 0..100 {
        let unavailable = |error| matches!(error, StoreError::Unavailable(_));
        assert!(store.append(append("a", Expected::Exact(1), &["2"])).await.is_err_and(unavailable));
        assert!(store.load(stream("a")).await.is_err_and(unavailable));
        assert!(store.read_log(0, 1).await.is_err_and(unavailable));
    }
    // Whoever waited for a connection would wait for 50 ms at least, each time.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    server.run();
    let appends = async || store.append(append("a", Expected::Exact(1), &["2"])).await.is_ok();
    comes_about("it appends again", appends).await;
    // Reads have connections of their own.
    comes_about("it loads again", async || store.load(stream("a")).await.is_ok()).await;
    comes_about("it reads the log again", async || store.read_log(0, 1).await.is_ok()).await;
    assert_eq!(whole_log(&store).await.len(), 2);
}
