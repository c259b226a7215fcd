//! A PostgreSQL server for the benchmark, as the tests start theirs: by Debian's package, in a temporary folder, with its
//! usual settings.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio_postgres::{Client, NoTls};

use super::super::postgres_server::{self, PostgresServer};
use super::super::server::{cpu_seconds, cpu_seconds_with_children};

/// The script of [`Database::commits`]: like a refresh, it changes a row and adds one.
const SCRIPT: &str = "\\set id random(1, 1000)
WITH changed AS (UPDATE bench_row SET version = version + 1 WHERE id = :id RETURNING id, version)
INSERT INTO bench_event SELECT id, version FROM changed;
";

/// The server, and a connection that watches it.
pub(crate) struct Database {
    server: PostgresServer,
    watch: Client,
}

/// What the database has done so far.
#[derive(Clone, Copy)]
pub(crate) struct Counters {
    pub(crate) statements: i64,
    pub(crate) syncs: i64,
}

impl Database {
    /// Starts it.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let server = PostgresServer::start();
        let watch = connect(&server).await?;
        watch
            .batch_execute(
                "CREATE TABLE bench_row (id integer PRIMARY KEY, version bigint NOT NULL);
                 CREATE TABLE bench_event (id integer, version bigint);
                 INSERT INTO bench_row SELECT n, 0 FROM generate_series(1, 1000) AS n;",
            )
            .await?;
        fs::write(server.folder.join("script.sql"), SCRIPT)?;
        Ok(Self { server, watch })
    }

    /// The `[store]` section of a node.
    pub(crate) fn url(&self, schema: &str) -> String {
        let folder = self.server.folder.to_string_lossy().into_owned();
        let host = utf8_percent_encode(&folder, NON_ALPHANUMERIC);
        format!(
            "[store]\nkind = \"postgres\"\nurl = \"postgresql://heirloom@{host}/postgres\"\nschema = \"{schema}\"\n"
        )
    }

    /// Commits a second of a statement that changes one row and inserts another, by pgbench.
    pub(crate) fn commits(&self, connections: usize, length: Duration) -> anyhow::Result<f64> {
        // On a busy machine, connecting alone takes a while.
        let seconds = length.as_secs().max(2).to_string();
        let said = Command::new(postgres_server::path("pgbench"))
            .arg("-h")
            .arg(&self.server.folder)
            .args(["-U", "heirloom", "-n", "-M", "prepared", "-j", "1", "-T", &seconds, "-f"])
            .arg(self.server.folder.join("script.sql"))
            .args(["-c", &connections.to_string(), "postgres"])
            .output()?;
        let text = String::from_utf8_lossy(&said.stdout);
        let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        let none = text.contains("actually processed: 0\n").then_some(0.0);
        rate.or(none).with_context(|| format!("pgbench: {text}{}", String::from_utf8_lossy(&said.stderr)))
    }

    /// What it has done, once all other connections have ended and reported it.
    pub(crate) async fn counters(&self) -> anyhow::Result<Counters> {
        let others = "SELECT count(*) FROM pg_stat_activity
                      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        while self.watch.query_one(others, &[]).await?.try_get::<_, i64>(0)? > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Later versions count the syncs elsewhere.
        let version: i32 = self
            .watch
            .query_one("SELECT current_setting('server_version_num')::int", &[])
            .await?
            .try_get(0)?;
        let syncs = if version < 180_000 {
            "SELECT wal_sync FROM pg_stat_wal"
        } else {
            "SELECT sum(fsyncs)::bigint FROM pg_stat_io WHERE object = 'wal'"
        };
        let statements = "SELECT xact_commit + xact_rollback FROM pg_stat_database
                          WHERE datname = current_database()";
        Ok(Counters {
            statements: self.watch.query_one(statements, &[]).await?.try_get(0)?,
            syncs: self.watch.query_one(syncs, &[]).await?.try_get(0)?,
        })
    }

    /// The CPU seconds of all its processes so far, those that have ended included.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let server = self.pid()?;
        let mut seconds = cpu_seconds_with_children(&server)?;
        for child in fs::read_to_string(format!("/proc/{server}/task/{server}/children"))?.split_whitespace()
        {
            // One that has just ended is counted with the first.
            seconds += cpu_seconds(child).unwrap_or_default();
        }
        Ok(seconds)
    }

    /// Kills all its processes, and starts it again on the same folder.
    pub(crate) async fn kill_and_start(&mut self) -> anyhow::Result<()> {
        let pid = self.pid()?;
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        Command::new("kill").arg("-KILL").arg(&pid).args(children.split_whitespace()).output()?;
        // Waiting for the guard would close its pipe, by which it is told to remove the folder.
        while self.server.guard.try_wait()?.is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.server.run();
        self.watch = connect(&self.server).await?;
        Ok(())
    }

    fn pid(&self) -> anyhow::Result<String> {
        let file = fs::read_to_string(self.server.folder.join("data/postmaster.pid"))?;
        Ok(file.lines().next().context("postmaster.pid is empty")?.to_owned())
    }
}

async fn connect(server: &PostgresServer) -> anyhow::Result<Client> {
    let (client, connection) = server.settings("benchmark").server.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
