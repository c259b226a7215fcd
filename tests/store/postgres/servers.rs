//! Several servers, of which one writes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use heirloom::store::postgres::{PostgresKeyTable, PostgresSettings, PostgresStore, TlsMode};
use heirloom::store::{Expected, KeyTable as _, Store as _, StoreError};
use tokio::net::{TcpListener, UnixStream};
use tokio::time::sleep;

use super::opening::{end_connections, raw};
use super::pooler::{copy, promote};
use super::tls::own_address;
use crate::contract::append;
use crate::postgres_server::{self, PostgresServer};
use crate::support::until::comes_about;

/// One database on several servers.
fn on(servers: &[&PostgresSettings]) -> PostgresSettings {
    let mut all = tokio_postgres::Config::new();
    for settings in servers {
        match &settings.server.get_hosts()[0] {
            tokio_postgres::config::Host::Tcp(name) => all.host(name),
            tokio_postgres::config::Host::Unix(folder) => all.host_path(folder),
        };
        all.port(settings.server.get_ports().first().copied().unwrap_or(5432));
    }
    all.user("heirloom").dbname("postgres");
    PostgresSettings::new(all, servers[0].schema.clone())
}

fn by_tcp(address: std::net::SocketAddr) -> PostgresSettings {
    let mut server = tokio_postgres::Config::new();
    server.host(address.ip().to_string()).port(address.port()).user("heirloom").dbname("postgres");
    PostgresSettings::new(server, "several")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_that_writes_is_found_behind_one_that_is_silent_one_that_reads_and_one_that_is_gone() {
    let reads = PostgresServer::start_with(|_| {
        "listen_addresses = ''\ndefault_transaction_read_only = on\n".to_owned()
    });
    let silent = TcpListener::bind((own_address(), 0)).await.unwrap();
    let gone = TcpListener::bind((own_address(), 0)).await.unwrap().local_addr().unwrap();
    let (silent_one, gone) = (by_tcp(silent.local_addr().unwrap()), by_tcp(gone));
    let (reads, writes) = (reads.settings("several"), postgres_server::settings());
    let mut settings = on(&[&silent_one, &reads, &gone, &writes]);
    settings.schema.clone_from(&writes.schema);
    let began = Instant::now();
    let store = PostgresStore::open(settings.clone()).await.unwrap();
    store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    println!("opened within {:?}", began.elapsed());
    drop(store);
    let alone = PostgresStore::open(writes.clone()).await.unwrap();
    assert_eq!(alone.stats().position, 1);

    let error = PostgresStore::open(on(&[&silent_one, &reads, &gone])).await.unwrap_err().to_string();
    for said in ["no answer within 5 s", "does not allow writes", "refused"] {
        assert!(error.contains(said), "{said}: {error}");
    }
}

/// Both servers write; the first has another store. A node that knows the second one's must pass the first over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_another_store_than_before_is_passed_over() {
    let mut first = PostgresServer::start();
    let second = postgres_server::settings();
    let mut settings = on(&[&first.settings(""), &second]);
    settings.schema.clone_from(&second.schema);
    settings.server.application_name(format!("heirloom {}", second.schema));
    drop(PostgresStore::open(first.settings(&second.schema)).await.unwrap());
    first.kill();
    let store = PostgresStore::open(settings).await.unwrap();
    store.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    first.run();
    end_connections(&raw(&second).await, &second.schema).await;
    comes_about("it goes on", async || {
        let appended = store.append(append("a", Expected::Exact(1), &["2"])).await;
        matches!(appended, Ok(_) | Err(StoreError::WrongExpectedVersion))
    })
    .await;
    let alone = PostgresStore::open(second).await.unwrap();
    assert_eq!(alone.stats().position, 2);
}

/// A server that is reached later than it would be.
async fn slowly(listener: TcpListener, socket: PathBuf) {
    while let Ok((mut client, _)) = listener.accept().await {
        let socket = socket.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(150)).await;
            let mut server = UnixStream::connect(socket).await.unwrap();
            drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
        });
    }
}

/// Both could be written to: where the nodes' lists are the same, so is their choice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_that_write_the_first_counts_also_if_it_answers_later() {
    let (first, second) = (PostgresServer::start(), postgres_server::settings());
    let listener = TcpListener::bind((own_address(), 0)).await.unwrap();
    let mut settings = on(&[&by_tcp(listener.local_addr().unwrap()), &second]);
    settings.tls.mode = TlsMode::Disable;
    let slow = tokio::spawn(slowly(listener, first.folder.join(".s.PGSQL.5432")));
    // The other one counts if the first has no answer for a while: on a busy machine it may take several attempts.
    let mut attempts = 0;
    comes_about("the first counts", async || {
        attempts += 1;
        settings.schema = format!("attempt {attempts}");
        drop(PostgresStore::open(settings.clone()).await.unwrap());
        let alone = PostgresSettings { schema: settings.schema.clone(), ..second.clone() };
        let made = raw(&alone).await.query_one("SELECT to_regclass('head') IS NULL", &[]).await.unwrap();
        attempts > 5 || made.get(0)
    })
    .await;
    assert!(attempts <= 5, "the second counts");
    slow.abort();
}

/// The old primary is the first in the list, still takes changes, and this node has never met the other one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_that_write_the_one_that_took_over_counts() {
    let mut old = PostgresServer::start();
    let before = PostgresStore::open(old.settings("taken over")).await.unwrap();
    before.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    drop(before);
    let new = copy(&mut old, true);
    promote(&new);
    let settings = on(&[&old.settings("taken over"), &new.settings("taken over")]);
    let mut attempts = 0;
    comes_about("the one that took over counts", async || {
        attempts += 1;
        let store = PostgresStore::open(settings.clone()).await.unwrap();
        attempts > 5 || store.history().terms.len() == 2
    })
    .await;
    assert!(attempts <= 5, "the old one counts");
    drop(new);
}

/// Its other connections still lead to the old server, which takes changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_on_the_old_server_is_not_acknowledged_once_one_connection_has_found_the_new_one() {
    let mut old = PostgresServer::start();
    let before = PostgresStore::open(old.settings("taken over")).await.unwrap();
    before.append(append("a", Expected::NoStream, &["1"])).await.unwrap();
    drop(before);
    let new = copy(&mut old, true);
    let store =
        PostgresStore::open(on(&[&old.settings("taken over"), &new.settings("taken over")])).await.unwrap();
    promote(&new);
    store.read_log(0, 9).await.unwrap();
    let ends = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE pid <> pg_backend_pid() AND position('event WHERE position >' IN query) > 0";
    let ended: i64 = raw(&old.settings("taken over")).await.query_one(ends, &[]).await.unwrap().get(0);
    assert_eq!(ended, 1, "the connection for pages");
    comes_about("it has found the new server", async || store.history().terms.len() == 2).await;
    comes_about("it appends", async || {
        let appended = store.append(append("a", Expected::Exact(1), &["2"])).await;
        matches!(appended, Ok(_) | Err(StoreError::WrongExpectedVersion))
    })
    .await;
    let alone = PostgresStore::open(new.settings("taken over")).await.unwrap();
    assert_eq!(alone.stats().position, 2, "it was acknowledged by the old server");
}

/// Keys that are rotated on the new server must become known, although the old one still answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_table_of_keys_is_read_where_the_server_that_took_over_has_it() {
    let mut old = PostgresServer::start();
    drop(PostgresStore::open(old.settings("taken over")).await.unwrap());
    let new = copy(&mut old, true);
    let both = on(&[&old.settings("taken over"), &new.settings("taken over")]);
    let table = Arc::new(PostgresKeyTable::new(both).unwrap());
    let version = async || {
        let table = Arc::clone(&table);
        tokio::task::spawn_blocking(move || table.version()).await.unwrap().unwrap()
    };
    assert_eq!(version().await, 1);
    promote(&new);
    let client = raw(&new.settings("taken over")).await;
    comes_about("it takes changes", async || {
        client.batch_execute("UPDATE sealed_key_version SET version = 7").await.is_ok()
    })
    .await;
    comes_about("the keys of the new server are known", async || version().await == 7).await;
}
