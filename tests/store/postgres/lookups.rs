//! Lookups of many requests go together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use heirloom::store::postgres::{PostgresSettings, PostgresStore};
use heirloom::store::{Expected, Store, StoreError};
use tokio_postgres::{Client, NoTls};

use crate::contract::{append, key, put, stream};
use crate::postgres_server;
use crate::support::until::comes_about;

/// A connection to the schema, for what no store does.
async fn raw(settings: &PostgresSettings) -> Client {
    let mut server = settings.server.clone();
    let (client, connection) = server.application_name("test").connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("SET search_path = \"{}\"", settings.schema)).await.unwrap();
    client
}

/// Waits until a query says `true`.
pub(super) async fn becomes_true(client: &Client, query: &str) {
    comes_about(query, async || {
        // Within a transaction, what others do would stay as it was at the first look.
        client.batch_execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
        client.query_one(query, &[]).await.unwrap().get(0)
    })
    .await;
}

/// Has all connections for lookups wait for a lock, asks for four things at once, and lets them go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_value_does_not_fail_the_lookups_that_go_with_it() {
    let settings = postgres_server::settings();
    let store = Arc::new(PostgresStore::open(settings.clone()).await.unwrap());
    for name in ["good", "damaged"] {
        let mut first = append(name, Expected::NoStream, &["1"]);
        first.records.push(put(name, "v"));
        store.append(first).await.unwrap();
    }
    let client = raw(&settings).await;
    let damage = "UPDATE stream SET snapshot = '\\x00' WHERE position('damaged'::bytea IN id) > 0";
    assert_eq!(client.execute(damage, &[]).await.unwrap(), 1);
    let damage = "UPDATE record SET value = '\\x00' WHERE position('damaged'::bytea IN key) > 0";
    assert_eq!(client.execute(damage, &[]).await.unwrap(), 1);

    client.batch_execute("BEGIN; LOCK TABLE stream").await.unwrap();
    let name = settings.server.get_application_name().unwrap();
    let mut under_way = Vec::new();
    for number in 1..=2 {
        let store = Arc::clone(&store);
        under_way.push(tokio::spawn(async move { store.load(stream("none")).await }));
        let wait = format!(
            "SELECT count(*) = {number} FROM pg_stat_activity
             WHERE wait_event_type = 'Lock' AND application_name = '{name}'"
        );
        becomes_true(&client, &wait).await;
    }
    let (good, damaged, good_record, damaged_record, _) = tokio::join!(
        store.load(stream("good")),
        store.load(stream("damaged")),
        store.record(key("good")),
        store.record(key("damaged")),
        client.batch_execute("COMMIT"),
    );
    assert_eq!(good.unwrap().unwrap().version, 1);
    assert_eq!(good_record.unwrap().unwrap(), b"v");
    assert!(matches!(damaged, Err(StoreError::Corrupt(_))), "{damaged:?}");
    assert!(matches!(damaged_record, Err(StoreError::Corrupt(_))), "{damaged_record:?}");
    for lookup in under_way {
        assert_eq!(lookup.await.unwrap().unwrap(), None);
    }
}

/// One node appends, and the other, which is asked for the same all the time, never answers what was before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lookup_sees_all_that_was_acknowledged_before_it() {
    let settings = postgres_server::settings();
    let writer = PostgresStore::open(settings.clone()).await.unwrap();
    let reader = Arc::new(PostgresStore::open(settings).await.unwrap());
    let done = Arc::new(AtomicBool::new(false));
    let others: Vec<_> = (0..8)
        .map(|_| {
            let (reader, done) = (Arc::clone(&reader), Arc::clone(&done));
            tokio::spawn(async move {
                while !done.load(Ordering::Acquire) {
                    let (stream, record) = tokio::join!(reader.load(stream("a")), reader.record(key("r")));
                    stream.and(record.map(drop)).unwrap();
                }
            })
        })
        .collect();
    let mut expected = Expected::NoStream;
    for version in 1..=200 {
        let mut next = append("a", expected, &["1"]);
        next.records.push(put("r", &version.to_string()));
        assert_eq!(writer.append(next).await.unwrap().version, version);
        let (loaded, record) = tokio::join!(reader.load(stream("a")), reader.record(key("r")));
        assert_eq!(loaded.unwrap().unwrap().version, version);
        assert_eq!(record.unwrap().unwrap(), version.to_string().into_bytes());
        expected = Expected::Exact(version);
    }
    done.store(true, Ordering::Release);
    for other in others {
        other.await.unwrap();
    }
}

/// Statements in autocommit are transactions, which connections report at their end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lookups_that_come_together_share_their_statements() {
    let server = postgres_server::PostgresServer::start();
    let settings = server.settings("lookups");
    drop(PostgresStore::open(settings.clone()).await.unwrap());
    let client = raw(&settings).await;
    let before = transactions(&client).await;
    let store = Arc::new(PostgresStore::open(settings.clone()).await.unwrap());
    let requests: Vec<_> = (0..64)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for round in 0..20 {
                    let name = format!("{number} {round}");
                    assert_eq!(store.load(stream(&name)).await, Ok(None));
                    assert_eq!(store.record(key(&name)).await, Ok(None));
                }
            })
        })
        .collect();
    for request in requests {
        request.await.unwrap();
    }
    drop(store);
    let statements = transactions(&client).await - before;
    println!("{} lookups, {statements} statements", 64 * 20 * 2);
    assert!(statements < 64 * 20 * 2 / 4, "{statements} statements");
}

async fn transactions(client: &Client) -> i64 {
    let ended = "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'";
    becomes_true(client, ended).await;
    let committed = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    client.query_one(committed, &[]).await.unwrap().get(0)
}

/// Plans are made when the tables are empty, and kept when they have grown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_read_finds_its_rows_by_an_index() {
    let settings = postgres_server::settings();
    drop(PostgresStore::open(settings.clone()).await.unwrap());
    let client = raw(&settings).await;
    for table in ["stream", "record", "event"] {
        let alone = format!("ALTER TABLE {table} SET (autovacuum_enabled = off)");
        client.batch_execute(&alone).await.unwrap();
    }
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    read_all(&store, 0..4).await;
    let rows = "INSERT INTO stream SELECT int4send(n), 1, '' FROM generate_series(1, 20000) AS n;
        INSERT INTO record SELECT int4send(n), '' FROM generate_series(1, 20000) AS n;
        INSERT INTO event SELECT 1000000 + n, int4send(n), 1, '' FROM generate_series(1, 20000) AS n;";
    client.batch_execute(rows).await.unwrap();
    read_all(&store, 4..8).await;
    drop(store);
    let name = settings.server.get_application_name().unwrap();
    let ended = format!("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = '{name}')");
    becomes_true(&client, &ended).await;
    let read = "SELECT sum(seq_tup_read)::bigint FROM pg_stat_user_tables
                WHERE schemaname = $1 AND relname IN ('stream', 'record', 'event')";
    let read: i64 = client.query_one(read, &[&settings.schema]).await.unwrap().get(0);
    assert!(read < 1000, "{read} rows were read without an index");
}

/// Makes streams and records, and reads them.
async fn read_all(store: &PostgresStore, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let name = number.to_string();
        let mut first = append(&name, Expected::NoStream, &["1", "2"]);
        first.records.push(put(&name, "v"));
        store.append(first).await.unwrap();
        let (found, none, record, no_record) = tokio::join!(
            store.load(stream(&name)),
            store.load(stream("none")),
            store.record(key(&name)),
            store.record(key("none")),
        );
        assert!(found.unwrap().is_some() && record.unwrap().is_some());
        assert_eq!((none, no_record), (Ok(None), Ok(None)));
        assert_eq!(store.read_stream(stream(&name), 0, 9).await.unwrap().len(), 2);
        assert_eq!(store.read_log(u64::from(number) * 2, 2).await.unwrap().len(), 2);
        assert_eq!(store.scan(key(&name), None, 9).await.unwrap().len(), 1);
    }
}
