//! The table of keys, on a connection of its own: it is read before the store is opened, and by commands that open none.
//!
//! A thread has the connection, so that callers can wait for it wherever they are. Every statement is complete by itself,
//! so that poolers may give each to another connection of theirs.

use std::fmt;
use std::io;
use std::sync::mpsc as answers;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::super::key_table::{KeyChanges, KeyRows, KeyTable, KeyTableError};
use super::connect::Connector;
use super::failure;
use super::numbers::bigint;
use super::servers::{Canceller, Carrier, Dialed};
use super::settings::PostgresSettings;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a request to cancel may take.
const CANCELLING: Duration = Duration::from_secs(1);

/// How often it is asked again which server took over last: one from before a fail-over may still answer.
const LOOKS_AGAIN: Duration = Duration::from_secs(10);

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
    connection: Option<Connection>,
    /// The system identifier of the last server, and the highest timeline of it.
    newest: (Option<i64>, Option<i64>),
}

struct Connection {
    client: Client,
    canceller: Canceller,
    _carrier: Carrier,
    /// When it was last made sure that it leads to the right server.
    looked: Instant,
}

/// A statement that is not answered in time is cancelled if it only reads. A change that waits for a standby would be
/// committed without it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Change,
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
            let connector = Connector::new(settings);
            let mut worker = Worker { connector, connection: None, newest: (None, None) };
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
        let rows = self.query(Kind::Read, &version, &[]).await?;
        rows.first().map_or(Ok(0), |row| number(row, 0)).map_err(|error| told(&error))
    }

    async fn rows(&mut self) -> Result<KeyRows, KeyTableError> {
        let schema = self.schema();
        let all = format!(
            "SELECT counter.version, head.store, key.name, key.value
             FROM {schema}.sealed_key_version AS counter CROSS JOIN {schema}.head AS head
             LEFT JOIN {schema}.sealed_key AS key ON true"
        );
        rows_of(&self.query(Kind::Read, &all, &[]).await?).map_err(|error| told(&error))
    }

    async fn change(&mut self, version: u64, changes: KeyChanges) -> Result<bool, KeyTableError> {
        let change = format!("SELECT {}.change_keys_1($1, $2, $3)", self.schema());
        let (names, values): (Vec<String>, Vec<Option<Vec<u8>>>) = changes.into_iter().unzip();
        let version = bigint(version);
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&version, Type::INT8), (&names, Type::TEXT_ARRAY), (&values, Type::BYTEA_ARRAY)];
        let rows = self.query(Kind::Change, &change, &parameters).await?;
        rows.first().map_or(Ok(false), |row| row.try_get(0)).map_err(|error| told(&error))
    }

    fn schema(&self) -> String {
        self.connector.settings().quoted_schema()
    }

    /// Sends one statement. No rows if its table is missing.
    async fn query(
        &mut self,
        kind: Kind,
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
                if let Some(connection) = self.connection.take().filter(|_| kind == Kind::Read) {
                    // If the server is away, there is nothing to cancel.
                    let _ = timeout(CANCELLING, connection.canceller.cancel()).await;
                }
                Err(KeyTableError(format!("PostgreSQL gave no answer within {} s", PATIENCE.as_secs())))
            }
        }
    }

    /// The connection, which is made again if it was closed, and from time to time: another server may have taken over.
    async fn client(&mut self) -> Result<&Client, KeyTableError> {
        let open = self.connection.take().filter(|open| !open.client.is_closed());
        let looked = Instant::now();
        let connection = match open {
            Some(open) if looked.duration_since(open.looked) < LOOKS_AGAIN => open,
            open => match (Box::pin(self.connector.dial_server()).await, open) {
                (Ok(dialed), _) => self.accept(dialed, looked)?,
                // There may be no room for another connection.
                (Err(_), Some(open)) => Connection { looked, ..open },
                (Err(error), None) => return Err(KeyTableError(error.to_string())),
            },
        };
        Ok(&self.connection.insert(connection).client)
    }

    /// Takes a connection, unless it leads to a server from before a fail-over.
    fn accept(&mut self, dialed: Dialed, looked: Instant) -> Result<Connection, KeyTableError> {
        let Dialed { client, canceller, carrier, system, timeline } = dialed;
        let (known, newest) = self.newest;
        if system == known && timeline < newest {
            return Err(KeyTableError("the server that answers is from before a fail-over".to_owned()));
        }
        self.newest = (system, timeline);
        Ok(Connection { client, canceller, _carrier: carrier, looked })
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
