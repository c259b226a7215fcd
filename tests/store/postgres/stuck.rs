//! What waits, or gives no answer: nothing is left behind, and only those who need it wait.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use heirloom::store::postgres::{PostgresKeyTable, PostgresSettings, PostgresStore};
use heirloom::store::{Expected, KeyTable as _, Store, StoreError};
use tokio::time::timeout;
use tokio_postgres::Client;

use super::durability::connect;
use super::lookups::becomes_true;
use super::tls::own_address;
use crate::contract::{append, key, stream};
use crate::postgres_server::{self, PostgresServer, succeed};
use crate::support::until::{comes_about, until};

/// A connection of a test that looks names up in the schema.
async fn other(settings: &PostgresSettings) -> Client {
    let client = connect(settings).await;
    client.batch_execute(&format!("SET search_path = \"{}\"", settings.schema)).await.unwrap();
    client
}

/// Waits until nothing that came by these settings waits for a lock.
async fn none_waits(client: &Client, settings: &PostgresSettings) {
    let name = settings.server.get_application_name().unwrap();
    let none_waits = format!(
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = '{name}'"
    );
    becomes_true(client, &none_waits).await;
}

/// `VACUUM FULL` takes such a lock, and so does an `ALTER TABLE` while it waits. Several statements wait on each connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_were_given_up_leave_nothing_waiting_in_the_database() {
    let settings = postgres_server::settings();
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    let client = other(&settings).await;
    client.batch_execute("BEGIN; LOCK TABLE stream, event, record IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let (loaded, record, page, log, scanned) = tokio::join!(
        store.load(stream("a")),
        store.record(key("r")),
        store.read_stream(stream("a"), 0, 9),
        store.read_log(0, 9),
        store.scan(key(""), None, 9),
    );
    let away = |error| matches!(error, StoreError::Unavailable(_));
    assert!(loaded.is_err_and(away) && record.is_err_and(away));
    assert!(page.is_err_and(away) && log.is_err_and(away) && scanned.is_err_and(away));
    none_waits(&client, &settings).await;
    client.batch_execute("COMMIT").await.unwrap();
    comes_about("it reads again", async || {
        let read = store.load(stream("a")).await.and(store.read_log(0, 9).await);
        read.is_ok_and(|log| log.len() == 1)
    })
    .await;
}

/// A heartbeat gives up its lock after some seconds; what is read beside it would wait for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_that_was_given_up_leaves_nothing_waiting_in_the_database() {
    let settings = postgres_server::settings();
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    let client = other(&settings).await;
    client.batch_execute("BEGIN; LOCK TABLE node, lease IN ACCESS EXCLUSIVE MODE").await.unwrap();
    assert!(store.cluster().look().await.is_err());
    none_waits(&client, &settings).await;
    client.batch_execute("COMMIT").await.unwrap();
    comes_about("it looks again", async || store.cluster().look().await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_are_not_read_in_time_leave_nothing_waiting_in_the_database() {
    let settings = postgres_server::settings();
    drop(PostgresStore::open(settings.clone()).await.unwrap());
    let client = other(&settings).await;
    client.batch_execute("BEGIN; LOCK TABLE sealed_key_version IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let table = Arc::new(PostgresKeyTable::new(settings.clone()).unwrap());
    let asked = Arc::clone(&table);
    let error = tokio::task::spawn_blocking(move || asked.version()).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("no answer within 5 s"), "{error}");
    none_waits(&client, &settings).await;
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(tokio::task::spawn_blocking(move || table.version()).await.unwrap().unwrap(), 1);
}

/// What waits for a lock on a table has all that come later wait too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_does_not_wait_long_for_a_lock_on_a_table() {
    let server = PostgresServer::start();
    let settings = server.settings("locked");
    let client = connect(&settings).await;
    client.batch_execute("BEGIN; LOCK TABLE pg_proc IN SHARE MODE").await.unwrap();
    let opened = timeout(Duration::from_secs(20), PostgresStore::open(settings.clone())).await;
    let error = opened.expect("it waits").unwrap_err().to_string();
    assert!(error.contains("lock timeout"), "{error}");
    client.batch_execute("COMMIT").await.unwrap();
    PostgresStore::open(settings).await.unwrap();
}

/// Stops the process of the connection whose last statement has `text`, which `ask` sends: once more if the store has sent
/// something else by itself meanwhile.
async fn stop(client: &Client, text: &str, mut ask: impl AsyncFnMut()) -> String {
    let pids = "SELECT pid::text FROM pg_stat_activity WHERE state = 'idle' AND pid <> pg_backend_pid()
                AND position($1 IN query) > 0";
    let mut pid = String::new();
    comes_about(text, async || {
        ask().await;
        let rows = client.query(pids, &[&text]).await.unwrap();
        if let [row] = rows.as_slice() {
            pid = row.get(0);
        }
        !pid.is_empty()
    })
    .await;
    succeed(Command::new("kill").args(["-STOP", &pid]));
    pid
}

/// How many of ten that are asked one after another have no answer within two seconds. Stops at three: it takes less time
/// than until the store gives the connection up.
async fn unanswered<F: Future<Output = bool> + Send + 'static>(ask: impl Fn(u64) -> F) -> usize {
    let mut without = 0;
    for number in 0..10 {
        // It goes on alone if it has no answer.
        let asked = tokio::spawn(ask(number));
        match timeout(Duration::from_secs(2), asked).await {
            Ok(answer) => assert!(answer.unwrap()),
            Err(_) => without += 1,
        }
        if without == 3 {
            break;
        }
    }
    without
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_answers_holds_up_only_one_of_those_who_work_together() {
    let server = PostgresServer::start();
    let settings = server.settings("stuck");
    let store = Arc::new(PostgresStore::open(settings.clone()).await.unwrap());
    let client = connect(&settings).await;
    let load = |_| {
        let store = Arc::clone(&store);
        async move { store.load(stream("a")).await.is_ok() }
    };
    let change = |number: u64| {
        let store = Arc::clone(&store);
        let next = append(&format!("b {number}"), Expected::NoStream, &["1"]);
        async move { store.append(next).await.is_ok() }
    };
    let mut appended = 0;
    let writer = stop(&client, "append_1", async || {
        appended += 1;
        store.append(append(&format!("c {appended}"), Expected::NoStream, &["1"])).await.unwrap();
    })
    .await;
    assert!(unanswered(change).await <= 1, "changes");
    let read = async || drop(store.read_log(0, 9).await.unwrap());
    let pages = stop(&client, "event WHERE position >", read).await;
    let page = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.read_log(0, 9).await }
    });
    assert_eq!(unanswered(load).await, 0, "lookups beside a page");
    let read = async || drop(store.record(key("r")).await.unwrap());
    let reader = stop(&client, "record WHERE key = ANY", read).await;
    assert!(unanswered(load).await <= 1, "lookups");
    for pid in [writer, pages, reader] {
        succeed(Command::new("kill").args(["-CONT", &pid]));
    }
    page.abort();
}

/// The server's sockets of the connections, with the hundredths of a second until the server asks whether the client is there.
fn keepalives(address: Ipv4Addr) -> Vec<Option<u64>> {
    let place = format!("{:08X}:{:04X}", u32::from_le_bytes(address.octets()), 5432);
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let columns = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let established = columns.filter(|columns| columns[1] == place && columns[3] == "01");
    let timer = |columns: Vec<&str>| {
        let until = columns[5].strip_prefix("02:")?;
        u64::from_str_radix(until, 16).ok()
    };
    established.map(timer).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_database_soon_asks_whether_a_node_is_still_there() {
    let IpAddr::V4(address) = own_address() else { unreachable!() };
    let server = PostgresServer::start_with(|folder| {
        std::fs::write(folder.join("rules"), "local all all trust\nhost all all all trust\n").unwrap();
        format!("listen_addresses = '{address}'\nhba_file = '{}'\n", folder.join("rules").display())
    });
    let mut settings = server.settings("alive");
    settings.server = tokio_postgres::Config::new();
    settings.server.host(address.to_string()).user("heirloom").dbname("postgres");
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    let soon = |timer: &Option<u64>| timer.is_some_and(|until| until <= 500);
    // While something is under way, another timer runs.
    until("all are asked soon", || {
        let timers = keepalives(address);
        timers.len() >= 5 && timers.iter().all(soon)
    })
    .await;
    drop(store);
    let warnings = PostgresStore::check(&settings, &heirloom::clock::SystemClock).await.unwrap();
    assert!(!warnings.iter().any(|warning| warning.contains("vanished")), "{warnings:?}");
}
