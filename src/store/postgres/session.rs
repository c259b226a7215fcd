//! One connection that is set up: its statements, and what it does when there is no answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};

use super::super::StoreError;
use super::failure::{is_useless, store_error};
use super::known::Known;

/// How long an answer may take: longer than the database lets a statement run.
const PATIENCE: Duration = Duration::from_secs(8);

/// A connection with prepared statements. Those that are asked at the same time are sent without waiting for each
/// other's answers.
pub(super) struct Session {
    client: Client,
    statements: Statements,
    useless: Notify,
    known: Arc<Known>,
    /// The number of terms when it was made.
    term: usize,
}

/// The statements of this store.
pub(super) struct Statements {
    load: Statement,
    read_stream: Statement,
    read_log: Statement,
    record: Statement,
    scan: Statement,
    append: Statement,
    remove: Statement,
    summarize: Statement,
}

/// One of the statements.
#[derive(Clone, Copy, Debug)]
pub(super) enum Query {
    Load,
    ReadStream,
    ReadLog,
    Record,
    Scan,
    Append,
    Remove,
    Summarize,
}

impl Statements {
    /// Prepares all of them in one round trip.
    pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
        let load = client.prepare("SELECT id, version, snapshot FROM stream WHERE id = ANY ($1)");
        let read_stream = client.prepare(
            "SELECT position, version, data FROM event WHERE stream = $1 AND version > $2
             ORDER BY version LIMIT $3",
        );
        let read_log = client.prepare(
            "SELECT position, stream, version, data FROM event WHERE position > $1 ORDER BY position LIMIT $2",
        );
        let record = client.prepare("SELECT key, value FROM record WHERE key = ANY ($1)");
        let scan = client
            .prepare("SELECT key, value FROM record WHERE key >= $1 AND key < $2 ORDER BY key LIMIT $3");
        let append = client
            .prepare("SELECT outcomes, before FROM append_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");
        let remove = client.prepare("SELECT remove_1($1, $2, $3, $4, $5)");
        let summarize = client.prepare("SELECT summarize_1($1, $2, $3, $4, $5, $6, $7, $8, $9)");
        let (load, read_stream, read_log, record, scan, append, remove, summarize) =
            tokio::try_join!(load, read_stream, read_log, record, scan, append, remove, summarize)?;
        Ok(Self { load, read_stream, read_log, record, scan, append, remove, summarize })
    }

    const fn of(&self, query: Query) -> &Statement {
        match query {
            Query::Load => &self.load,
            Query::ReadStream => &self.read_stream,
            Query::ReadLog => &self.read_log,
            Query::Record => &self.record,
            Query::Scan => &self.scan,
            Query::Append => &self.append,
            Query::Remove => &self.remove,
            Query::Summarize => &self.summarize,
        }
    }
}

impl Session {
    pub(super) fn new(client: Client, statements: Statements, (known, term): (Arc<Known>, usize)) -> Self {
        Self { client, statements, useless: Notify::new(), known, term }
    }

    /// Sends a statement and waits for its rows. If it changes something, every error leaves the outcome unknown.
    pub(super) async fn ask(
        &self,
        query: Query,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, StoreError> {
        let answer = self.client.query(self.statements.of(query), parameters);
        match timeout(PATIENCE, answer).await {
            Ok(Ok(_)) if self.is_outdated() => {
                self.useless.notify_one();
                let text = "the connection leads to a server from before a fail-over";
                Err(StoreError::Unavailable(text.to_owned()))
            }
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => {
                if is_useless(&error) {
                    self.useless.notify_one();
                }
                Err(store_error(&error))
            }
            Err(_) => {
                self.useless.notify_one();
                let text = format!("PostgreSQL gave no answer within {} s", PATIENCE.as_secs());
                Err(StoreError::Unavailable(text))
            }
        }
    }

    /// As [`ask`](Self::ask), of a statement that answers one row.
    pub(super) async fn ask_one(
        &self,
        query: Query,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, StoreError> {
        let row = self.ask(query, parameters).await?.pop();
        row.ok_or_else(|| StoreError::Unavailable("PostgreSQL answered no row".to_owned()))
    }

    /// Whether another connection has found a server that took over since.
    fn is_outdated(&self) -> bool {
        self.term < self.known.terms()
    }

    /// Waits until the connection is of no more use.
    pub(super) async fn useless(&self) {
        self.useless.notified().await;
    }
}
