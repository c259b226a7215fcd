//! Opening: the schema, and databases that are refused.

use std::sync::Arc;

use heirloom::clock::SystemClock;
use heirloom::store::postgres::{OpenError, PostgresSettings, PostgresStore};
use heirloom::store::{Expected, Store, StoreError};
use tokio_postgres::{Client, NoTls};

use crate::contract::{append, stream, whole_log};
use crate::postgres_server;
use crate::support::until::comes_about;

/// A connection to the schema, for what no store does.
pub(super) async fn raw(settings: &PostgresSettings) -> Client {
    let (client, connection) = settings.server.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("SET search_path = \"{}\"", settings.schema)).await.unwrap();
    client
}

/// What a check warns of on the tests' server.
fn synced() -> Vec<String> {
    let off = std::env::var("HEIRLOOM_TEST_POSTGRES_FSYNC").is_ok_and(|fsync| fsync == "off");
    let warning = "the database's fsync is off: a power cut may lose what was answered";
    off.then(|| warning.to_owned()).into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_on_an_empty_database_share_one_store() {
    let settings = postgres_server::settings();
    assert!(!PostgresStore::is_in(&settings).await.unwrap());
    assert_eq!(PostgresStore::check(&settings, &SystemClock).await.unwrap(), synced());
    let starts: Vec<_> = (0..4).map(|_| tokio::spawn(PostgresStore::open(settings.clone()))).collect();
    let mut ids = Vec::new();
    for start in starts {
        ids.push(start.await.unwrap().unwrap().id());
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert!(!PostgresStore::is_in(&settings).await.unwrap(), "it was never used");
    assert_eq!(PostgresStore::check(&settings, &SystemClock).await.unwrap(), synced());
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    drop(store);
    assert!(PostgresStore::is_in(&settings).await.unwrap());
    let again = PostgresStore::open(settings).await.unwrap();
    assert_eq!((again.id(), again.stats().position), (ids[0], 1));
    assert_eq!(whole_log(&again).await.len(), 1);
}

/// Nobody has connected to this server since a fail-over, and only a start may begin a term on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_begins_no_term() {
    let settings = postgres_server::settings();
    drop(PostgresStore::open(settings.clone()).await.unwrap());
    let client = raw(&settings).await;
    client.batch_execute("DELETE FROM term").await.unwrap();
    // It would wait for this, and for a standby that is away.
    client.batch_execute("BEGIN; SELECT lock_head_1()").await.unwrap();
    assert_eq!(PostgresStore::check(&settings, &SystemClock).await.unwrap(), synced());
    client.batch_execute("COMMIT").await.unwrap();
    let terms: i64 = client.query_one("SELECT count(*) FROM term", &[]).await.unwrap().get(0);
    assert_eq!(terms, 0);
    // Nor does it pass what no connection would.
    let database = "ALTER ROLE careful SET default_transaction_isolation = 'serializable'";
    client.batch_execute(&format!("CREATE ROLE careful SUPERUSER LOGIN; {database}")).await.unwrap();
    let mut careful = settings.clone();
    careful.server.user("careful");
    for error in [
        PostgresStore::check(&careful, &SystemClock).await.unwrap_err(),
        PostgresStore::open(careful).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("serializable"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_a_newer_version_are_refused_only_if_they_say_so() {
    let settings = postgres_server::settings();
    drop(PostgresStore::open(settings.clone()).await.unwrap());
    let client = raw(&settings).await;
    client.batch_execute("INSERT INTO schema_version (version, oldest_program) VALUES (7, 1)").await.unwrap();
    drop(PostgresStore::open(settings.clone()).await.unwrap());
    client.batch_execute("INSERT INTO schema_version (version, oldest_program) VALUES (8, 8)").await.unwrap();
    let error = PostgresStore::open(settings).await.unwrap_err();
    assert!(matches!(error, OpenError::Newer { oldest_program: 8, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_make_the_schema_is_told_what_to_run() {
    let settings = postgres_server::settings();
    raw(&settings).await.batch_execute("CREATE ROLE weak LOGIN").await.unwrap();
    let mut weak = settings.clone();
    weak.server.user("weak");
    let error = PostgresStore::open(weak.clone()).await.unwrap_err().to_string();
    let checked = PostgresStore::check(&weak, &SystemClock).await.unwrap_err().to_string();
    assert_eq!(error.split_once("run: ").unwrap().1, checked.split_once("run: ").unwrap().1);
    let (_, command) = error.split_once("run: ").unwrap_or_else(|| panic!("{error}"));
    raw(&settings).await.batch_execute(command).await.unwrap();
    PostgresStore::open(weak).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_named_without_the_password() {
    let mut settings = postgres_server::settings();
    settings.server = tokio_postgres::Config::new();
    settings.server.host("127.0.0.1").port(1).user("heirloom").password("tulip");
    let error = PostgresStore::open(settings.clone()).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1") && !error.contains("tulip"), "{error}");
    assert!(!format!("{settings:?}").contains("tulip"));
}

/// The connections of a store end, and the next ones lead to a database that lacks an event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_lost_what_was_acknowledged_is_refused() {
    let settings = postgres_server::settings();
    let store = Arc::new(PostgresStore::open(settings.clone()).await.unwrap());
    for name in ["a", "b"] {
        store.append(append(name, Expected::NoStream, &["1"])).await.unwrap();
    }
    let client = raw(&settings).await;
    client.batch_execute("UPDATE head SET position = 1").await.unwrap();
    let name = &settings.schema;
    end_connections(&client, name).await;
    let refused = refusal(&store, "is refused").await;
    assert!(refused.contains("it ends at position 1, but everything up to 2 was acknowledged"), "{refused}");
    client.batch_execute("UPDATE head SET position = 2").await.unwrap();
    comes_about("it is accepted again", async || store.load(stream("a")).await.is_ok()).await;
    client.batch_execute("UPDATE head SET store = uuid_send(gen_random_uuid())").await.unwrap();
    end_connections(&client, name).await;
    refusal(&store, "another installation").await;
}

/// Loads until the store is unavailable for this reason.
pub(super) async fn refusal(store: &PostgresStore, reason: &str) -> String {
    let mut refused = String::new();
    comes_about(&format!("it is refused because {reason}"), async || {
        if let Err(StoreError::Unavailable(why)) = store.load(stream("a")).await {
            refused = why;
        }
        refused.contains(reason)
    })
    .await;
    refused
}

/// Ends the connections of the store in a schema; other tests use the same server.
pub(super) async fn end_connections(client: &Client, schema: &str) {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE pid <> pg_backend_pid() AND application_name = $1";
    let ended: i64 = client.query_one(end, &[&format!("heirloom {schema}")]).await.unwrap().get(0);
    assert!(ended > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_value_is_reported_and_never_answered() {
    let settings = postgres_server::settings();
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    let mut first = append("a", Expected::NoStream, &["1"]);
    first.records.push(crate::contract::put("r", "v"));
    store.append(first).await.unwrap();
    let client = raw(&settings).await;
    for damage in [
        "UPDATE event SET data = set_byte(data, 4, get_byte(data, 4) # 1)",
        "UPDATE stream SET snapshot = set_byte(snapshot, 0, get_byte(snapshot, 0) # 1)",
        "UPDATE record SET value = ''",
    ] {
        assert_eq!(client.execute(damage, &[]).await.unwrap(), 1);
    }
    let corrupt = |error| matches!(error, StoreError::Corrupt(_));
    assert!(store.load(stream("a")).await.is_err_and(corrupt));
    assert!(store.read_stream(stream("a"), 0, 9).await.is_err_and(corrupt));
    assert!(store.read_log(0, 9).await.is_err_and(corrupt));
    assert!(store.record(crate::contract::key("r")).await.is_err_and(corrupt));
    assert!(store.scan(crate::contract::key(""), None, 9).await.is_err_and(corrupt));
}
