//! What was answered is on the disk, whatever the database's default is.

use std::time::Duration;

use heirloom::store::postgres::{PostgresSettings, PostgresStore};
use heirloom::store::{Expected, Remove, Store};
use tokio_postgres::{Client, NoTls};

use crate::contract::{append, fill, stream, summarize};
use crate::postgres_server::{self, PostgresServer};

/// A killed server process can't show this: what it wrote, the operating system still has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_change_is_synced_before_it_is_answered_although_the_default_is_off() {
    if std::env::var("HEIRLOOM_TEST_POSTGRES_FSYNC").is_ok_and(|fsync| fsync == "off") {
        println!("NOT TESTED: with fsync=off nothing is synced");
        return;
    }
    let server = PostgresServer::start();
    let settings = server.settings("lazy");
    let raw = connect(&settings).await;
    raw.batch_execute("ALTER ROLE heirloom SET synchronous_commit = off").await.unwrap();
    drop(PostgresStore::open(settings.clone()).await.unwrap());
    let before = syncs(&settings).await;
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    fill(&store, "a", 50, 1).await;
    for version in 2..=26 {
        store.summarize(summarize("a", 50, (version, version), "summary")).await.unwrap();
    }
    for number in 0..25 {
        let name = format!("removed {number}");
        store.append(append(&name, Expected::NoStream, &["1"])).await.unwrap();
        let removal = Remove { stream: stream(&name), expected: Expected::Exact(1), records: Vec::new() };
        store.remove(removal).await.unwrap();
    }
    drop(store);
    let synced = syncs(&settings).await - before;
    assert!(synced >= 125, "{synced} syncs of 125 changes");
}

/// No behaviour tells `remote_write` from `on` while the standby's machine runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_promises_less_than_a_synced_standby_is_raised_for_a_change() {
    let settings = postgres_server::settings();
    drop(PostgresStore::open(settings.clone()).await.unwrap());
    let client = super::opening::raw(&settings).await;
    let raised = [("off", "on"), ("local", "on"), ("remote_write", "on"), ("on", "on")];
    for (default, during) in raised.into_iter().chain([("remote_apply", "remote_apply")]) {
        client.batch_execute(&format!("SET synchronous_commit = {default}; BEGIN")).await.unwrap();
        client.query_one("SELECT lock_head_1()", &[]).await.unwrap();
        let setting = client.query_one("SHOW synchronous_commit", &[]).await.unwrap();
        assert_eq!(setting.get::<_, &str>(0), during, "the default is {default}");
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}

/// A connection to the database that is none of the store's.
pub(super) async fn connect(settings: &PostgresSettings) -> Client {
    let mut server = settings.server.clone();
    let (client, connection) = server.application_name("a test").connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// How often the write-ahead log was synced, which connections report at their end.
pub(super) async fn syncs(settings: &PostgresSettings) -> i64 {
    let client = connect(settings).await;
    let others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name = $1";
    let mine = format!("heirloom {}", settings.schema);
    while client.query_one(others, &[&mine]).await.unwrap().get::<_, i64>(0) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let version = client.query_one("SELECT current_setting('server_version_num')::int", &[]).await.unwrap();
    let syncs = if version.get::<_, i32>(0) >= 180_000 {
        "SELECT sum(fsyncs)::bigint FROM pg_stat_io WHERE object = 'wal'"
    } else {
        "SELECT wal_sync FROM pg_stat_wal"
    };
    let mut synced: i64 = client.query_one(syncs, &[]).await.unwrap().get(0);
    // Before version 15 a process of its own collects what they report, and tells it at most twice a second.
    while version.get::<_, i32>(0) < 150_000 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = client.query_one(syncs, &[]).await.unwrap().get(0);
        if std::mem::replace(&mut synced, now) == now {
            break;
        }
    }
    synced
}
