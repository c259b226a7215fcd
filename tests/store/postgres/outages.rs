//! A store knows that changes are held up, also if they are not its own.

use std::sync::Arc;
use std::time::Duration;

use heirloom::store::postgres::PostgresStore;
use heirloom::store::{Expected, Store, StoreError};

use super::lookups::becomes_true;
use super::opening::raw;
use crate::contract::{append, stream};
use crate::postgres_server;
use crate::support::until::{PATIENCE, comes_about};

/// A node that nobody asks for anything, while somebody else's change is held up: as one is that waits for a standby.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_at_rest_notices_that_no_change_is_made() {
    let settings = postgres_server::settings();
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    assert_eq!(store.outages(), 0);
    let other = raw(&settings).await;
    other.batch_execute("BEGIN; SELECT lock_head_1()").await.unwrap();
    let noticed = async {
        while store.outages() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // Two seconds to the next look, and four until it gives the lock up.
    tokio::time::timeout(PATIENCE, noticed).await.unwrap();
    other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(store.load(stream("a")).await.unwrap().unwrap().version, 1);
}

/// `REINDEX`, `VACUUM FULL` or an open `ALTER TABLE` locks the table out: changes that touch nothing of it go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_in_which_nothing_can_be_read_is_one() {
    let settings = postgres_server::settings();
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    let other = raw(&settings).await;
    other.batch_execute("BEGIN; LOCK TABLE stream IN ACCESS EXCLUSIVE MODE").await.unwrap();
    assert!(store.read_log(0, 9).await.is_ok(), "nobody needs the table for that");
    assert_eq!(store.outages(), 0);
    assert!(store.load(crate::contract::stream("a")).await.is_err());
    assert!(store.outages() > 0);
    other.batch_execute("COMMIT").await.unwrap();
}

/// What another node has appended is known soon, without a question.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_position_of_another_nodes_append_becomes_known() {
    let settings = postgres_server::settings();
    let [here, there] =
        [PostgresStore::open(settings.clone()).await.unwrap(), PostgresStore::open(settings).await.unwrap()];
    there.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    let known = async {
        while here.stats().position == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, known).await.unwrap();
    assert_eq!(here.outages(), 0);
}

/// A change that waits, and whose connection then ends, was not made: nobody may be told that it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_connection_ends_before_its_commit_is_not_acknowledged() {
    let settings = postgres_server::settings();
    let store = Arc::new(PostgresStore::open(settings.clone()).await.unwrap());
    let other = raw(&settings).await;
    other.batch_execute("BEGIN; SELECT lock_head_1()").await.unwrap();
    let waiting = Arc::clone(&store);
    let changed = tokio::spawn(async move { waiting.append(append("a", Expected::NoStream, &["1"])).await });
    let ends = format!(
        "SELECT count(pg_terminate_backend(pid)) > 0 FROM pg_stat_activity
         WHERE wait_event_type = 'Lock' AND query LIKE '%append_1%' AND application_name = 'heirloom {}'",
        settings.schema
    );
    becomes_true(&other, &ends).await;
    let changed = changed.await.unwrap();
    assert!(matches!(changed, Err(StoreError::Unavailable(_))), "{changed:?}");
    other.batch_execute("COMMIT").await.unwrap();
    comes_about("it is there again", async || store.load(stream("a")).await == Ok(None)).await;
    assert!(store.outages() > 0);
}

/// It would wait in the database long after whoever asked for it was answered, and the next ones beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_waits_for_a_lock_is_given_up_by_the_database() {
    let settings = postgres_server::settings();
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    let other = raw(&settings).await;
    other.batch_execute("BEGIN; SELECT lock_head_1()").await.unwrap();
    // The store itself waits for 8 s, and a machine that stands still may count them first.
    comes_about("the database gives it up", async || {
        let waited = store.append(append("a", Expected::NoStream, &["1"])).await.unwrap_err();
        waited.to_string().contains("lock timeout")
    })
    .await;
    other.batch_execute("COMMIT").await.unwrap();
}
