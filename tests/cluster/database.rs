//! What is done to a database server: it gets a standby, and is promoted.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use heirloom::store::postgres::PostgresSettings;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, NoTls};

use crate::postgres_server::{PostgresServer, folder_of_its_own, program, succeed};

/// The URL of a database on these servers.
pub(crate) fn url(servers: &[&PostgresSettings]) -> String {
    let host = |settings: &&PostgresSettings| match &settings.server.get_hosts()[0] {
        Host::Unix(folder) => folder.to_str().unwrap().replace('/', "%2F"),
        Host::Tcp(name) => name.clone(),
    };
    let hosts: Vec<String> = servers.iter().map(host).collect();
    format!("postgresql://heirloom@{}/postgres", hosts.join(","))
}

/// A connection to the tables.
pub(crate) async fn raw(settings: &PostgresSettings) -> Client {
    let (client, connection) = settings.server.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("SET search_path = \"{}\"", settings.schema)).await.unwrap();
    client
}

/// The position of the last event.
pub(crate) async fn position(settings: &PostgresSettings) -> i64 {
    raw(settings).await.query_one("SELECT position FROM head", &[]).await.unwrap().get(0)
}

/// A standby by streaming replication, made of a base backup. It is called `standby`.
pub(crate) fn standby_of(primary: &PostgresServer) -> PostgresServer {
    let folder = base_backup(primary, &["-R"]);
    // The primary's setting, which is copied too, would make it wait for a standby of its own.
    set(&folder, "synchronous_standby_names = ''");
    let mut standby = PostgresServer { guard: PostgresServer::guard(&folder), folder };
    standby.run();
    standby
}

/// A folder with a base backup of a server that runs.
pub(crate) fn base_backup(of: &PostgresServer, more: &[&str]) -> PathBuf {
    let folder = folder_of_its_own();
    let mut backup = program("pg_basebackup");
    let server = of.folder.display();
    backup.arg("-d").arg(format!("host={server} user=heirloom application_name=standby")).args(more);
    succeed(backup.args(["-X", "stream", "-c", "fast", "--no-sync", "-D"]).arg(folder.join("data")));
    folder
}

/// Adds a setting; it holds from the next start.
pub(crate) fn set(folder: &Path, setting: &str) {
    let file = folder.join("data/postgresql.auto.conf");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(file, format!("{before}\n{setting}\n")).unwrap();
}

/// Waits until a standby receives what the primary writes.
pub(crate) async fn streams(primary: &PostgresSettings) {
    let client = raw(primary).await;
    let ask = "SELECT count(*) > 0 FROM pg_stat_replication WHERE state = 'streaming'";
    while !client.query_one(ask, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Makes a standby a primary.
pub(crate) fn promote(standby: &PostgresServer) {
    succeed(program("pg_ctl").arg("promote").arg("-D").arg(standby.folder.join("data")));
}

/// Ends all connections of nodes to a server.
pub(crate) async fn end_connections(settings: &PostgresSettings) {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE pid <> pg_backend_pid() AND application_name = 'heirloom'";
    raw(settings).await.query_one(end, &[]).await.unwrap();
}
