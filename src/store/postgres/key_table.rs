//! The table of keys, on a connection of its own: it is read before the store is opened, and by commands that open none.
//!
//! A thread has the connection, so that callers can wait for it wherever they are. Every statement is complete by itself,
//! so that poolers may give each to another connection of theirs.

use std::fmt;
use std::io;
use std::sync::mpsc as answers;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::super::key_table::{KeyChanges, KeyRows, KeyTable, KeyTableError};
use super::connect::Connector;
use super::failure;
use super::numbers::bigint;
use super::servers::Carrier;
use super::settings::PostgresSettings;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The table of keys in a schema.
pub struct PostgresKeyTable {
    place: String,
    requests: mpsc::UnboundedSender<Request>,
}

/// Where an answer goes.
type Reply<T> = answers::Sender<Result<T, KeyTableError>>;

enum Request {
    Version(Reply<u64>),
    Rows(Reply<KeyRows>),
    Prepare(Reply<()>),
    Change(u64, KeyChanges, Reply<bool>),
}

/// What the thread has.
struct Worker {
    connector: Connector,
    connection: Option<(Client, Carrier)>,
}

impl PostgresKeyTable {
    /// The table of the store with these settings. Nothing is connected yet.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn new(settings: PostgresSettings) -> io::Result<Self> {
        let place = settings.place();
        let (requests, mut incoming) = mpsc::unbounded_channel::<Request>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = async move {
            let mut worker = Worker { connector: Connector::new(settings), connection: None };
            while let Some(request) = incoming.recv().await {
                worker.serve(request).await;
            }
        };
        std::thread::Builder::new().name("key-table".to_owned()).spawn(move || runtime.block_on(serve))?;
        Ok(Self { place, requests })
    }

    fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, KeyTableError> {
        let closed = || KeyTableError("the table of keys is closed".to_owned());
        let (reply, answer) = answers::channel();
        self.requests.send(request(reply)).map_err(|_| closed())?;
        answer.recv().map_err(|_| closed())?
    }
}

impl KeyTable for PostgresKeyTable {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn version(&self) -> Result<u64, KeyTableError> {
        self.ask(Request::Version)
    }

    fn rows(&self) -> Result<KeyRows, KeyTableError> {
        self.ask(Request::Rows)
    }

    fn prepare(&self) -> Result<(), KeyTableError> {
        self.ask(Request::Prepare)
    }

    fn change(&self, version: u64, changes: KeyChanges) -> Result<bool, KeyTableError> {
        self.ask(|reply| Request::Change(version, changes, reply))
    }
}

impl fmt::Debug for PostgresKeyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresKeyTable").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Worker {
    /// Answers a request. A caller that has gone needs no answer.
    async fn serve(&mut self, request: Request) {
        match request {
            Request::Version(reply) => drop(reply.send(self.version().await)),
            Request::Rows(reply) => drop(reply.send(self.rows().await)),
            Request::Prepare(reply) => {
                let prepared = Box::pin(self.connector.prepare_schema()).await;
                drop(reply.send(prepared.map_err(|error| KeyTableError(error.to_string()))));
            }
            Request::Change(version, changes, reply) => {
                drop(reply.send(self.change(version, changes).await));
            }
        }
    }

    async fn version(&mut self) -> Result<u64, KeyTableError> {
        let version = format!("SELECT version FROM {}.sealed_key_version", self.schema());
        let rows = self.query(&version, &[]).await?;
        rows.first().map_or(Ok(0), |row| number(row, 0)).map_err(|error| told(&error))
    }

    async fn rows(&mut self) -> Result<KeyRows, KeyTableError> {
        let schema = self.schema();
        let all = format!(
            "SELECT counter.version, head.store, key.name, key.value
             FROM {schema}.sealed_key_version AS counter CROSS JOIN {schema}.head AS head
             LEFT JOIN {schema}.sealed_key AS key ON true"
        );
        rows_of(&self.query(&all, &[]).await?).map_err(|error| told(&error))
    }

    async fn change(&mut self, version: u64, changes: KeyChanges) -> Result<bool, KeyTableError> {
        let change = format!("SELECT {}.change_keys_1($1, $2, $3)", self.schema());
        let (names, values): (Vec<String>, Vec<Option<Vec<u8>>>) = changes.into_iter().unzip();
        let version = bigint(version);
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&version, Type::INT8), (&names, Type::TEXT_ARRAY), (&values, Type::BYTEA_ARRAY)];
        let rows = self.query(&change, &parameters).await?;
        rows.first().map_or(Ok(false), |row| row.try_get(0)).map_err(|error| told(&error))
    }

    fn schema(&self) -> String {
        self.connector.settings().quoted_schema()
    }

    /// Sends one statement. No rows if its table is missing.
    async fn query(
        &mut self,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, KeyTableError> {
        let missing = [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME];
        let answer = timeout(PATIENCE, self.client().await?.query_typed(statement, parameters)).await;
        match answer {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) if error.code().is_some_and(|code| missing.contains(code)) => Ok(Vec::new()),
            Ok(Err(error)) => Err(told(&error)),
            Err(_) => {
                self.connection = None;
                Err(KeyTableError(format!("PostgreSQL gave no answer within {} s", PATIENCE.as_secs())))
            }
        }
    }

    /// The connection, which is made again if it was closed.
    async fn client(&mut self) -> Result<&Client, KeyTableError> {
        let open = self.connection.take().filter(|(client, _)| !client.is_closed());
        let connection = if let Some(open) = open {
            open
        } else {
            let dialed = Box::pin(self.connector.dial()).await;
            dialed.map_err(|error| KeyTableError(error.to_string()))?
        };
        Ok(&self.connection.insert(connection).0)
    }
}

/// The rows, each with what belongs to all of them.
fn rows_of(rows: &[Row]) -> Result<KeyRows, Error> {
    let mut all = KeyRows::default();
    for row in rows {
        all.version = number(row, 0)?;
        all.store = row.try_get::<_, &[u8]>(1)?.try_into().ok();
        if let Some(name) = row.try_get::<_, Option<String>>(2)? {
            all.values.insert(name, row.try_get(3)?);
        }
    }
    Ok(all)
}

fn number(row: &Row, column: usize) -> Result<u64, Error> {
    Ok(u64::try_from(row.try_get::<_, i64>(column)?).unwrap_or_default())
}

fn told(error: &Error) -> KeyTableError {
    KeyTableError(failure::text(error))
}
