//! Several servers, of which one writes.

use std::time::Instant;

use heirloom::store::postgres::{PostgresSettings, PostgresStore};
use heirloom::store::{Expected, Store as _, StoreError};
use tokio::net::TcpListener;

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
    let raw = super::opening::raw(&second).await;
    super::opening::end_connections(&raw, &second.schema).await;
    comes_about("it goes on", async || {
        let appended = store.append(append("a", Expected::Exact(1), &["2"])).await;
        matches!(appended, Ok(_) | Err(StoreError::WrongExpectedVersion))
    })
    .await;
    let alone = PostgresStore::open(second).await.unwrap();
    assert_eq!(alone.stats().position, 2);
}
