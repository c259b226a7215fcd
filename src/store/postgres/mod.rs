//! The store in a PostgreSQL database, for several nodes.
//!
//! It keeps the contract like this:
//!
//! - **Atomic, in order.** Each group of appends is one statement in autocommit, which calls a function that the schema
//!   defines (`schema/1.sql` says why); so are a removal and a summary. All of them, from whichever node, lock one row
//!   first: changes come one after another, nothing waits in a circle, and positions have no gaps and are in the order
//!   in which changes become visible.
//! - **Durable.** Every change sets `synchronous_commit` to on, whatever the database's default is. What standbys
//!   promise is the database's configuration; its `fsync` must be on.
//! - **Reads** see what is committed, and so what is durable.
//! - **Unknown outcomes.** After [`StoreError::Unavailable`] a change may still be committed: by a server that no longer
//!   reaches us, after it has waited for a lock for at most 4 s, and then for as long as a synchronous standby is away: the
//!   change becomes visible when that returns, maybe hours later. A retry that expects the same version can't be in conflict
//!   with that: only one of the two succeeds.
//! - **While the database is away** every call fails at once. The connections are made again, with growing pauses.
//! - **The same database.** A connection to another store, to one that lacks what was acknowledged to this process, or to a
//!   server from before a fail-over is refused (`known.rs`), and so is a server that only reads. Of several hosts, the one
//!   on the highest timeline counts. Every statement looks again, since a pooler may have changed the server meanwhile.
//! - **No state of a connection.** No statement relies on what is set, and nothing is prepared, so a pooler may give each
//!   transaction another connection.
//! - **Nothing is left behind.** A change waits for a lock for at most 4 s. A read that has no answer after 8 s is cancelled;
//!   a change never is, since one that waits for a standby would be committed without it.
//! - **Checked.** Values begin with a checksum.
//!
//! Lookups of all requests gather too: while one statement is under way, the next ones wait for the next, which is sent
//! after they were made. Appends gather while a group is under way. A group has no two appends that change the same stream or record, since the
//! function decides all of them on what was there before.

mod check;
mod checksum;
mod cluster;
mod connect;
mod exchange;
mod failure;
mod group;
mod hosts;
mod key_table;
mod known;
mod link;
mod lookups;
mod migration;
mod numbers;
mod open_error;
mod privileges;
mod pulse;
mod reads;
mod records;
mod schema;
mod servers;
mod session;
mod settings;
mod statements;
mod tls;
mod writer;

use std::fmt;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use self::cluster::PostgresCluster;
use self::connect::Connector;
use self::group::{Job, Prepared, Unsent, column, refusal};
pub use self::key_table::PostgresKeyTable;
use self::link::Links;
use self::lookups::Lookups;
pub use self::migration::{Migrated, Migration};
use self::numbers::{bigint, expected, limit};
pub use self::open_error::OpenError;
use self::records::{InsertsTwice, RecordRows};
pub use self::settings::PostgresSettings;
use self::statements::Query;
pub use self::tls::{PostgresTls, TlsMode};
use self::writer::{Counters, Gatherer, Writer};
use super::{
    Append, Appended, Cluster, Expected, History, MAX_SUMMARIZED, RecordKey, RecordedEvent, Remove, Snapshot,
    Store, StoreError, StoreFuture, StoreStats, StreamId, Summarize,
};
use crate::clock::Clock;

/// How many connections write, in turn.
const WRITERS: usize = 2;
/// How many connections read: one for each batch of lookups, and one for pages, so that lookups don't wait behind one.
const READERS: usize = PAGES + 1;
/// The number of the connection for pages.
const PAGES: usize = lookups::UNDER_WAY;
/// How many appends may wait; more wait outside.
const QUEUE: usize = 1024;

/// Streams, snapshots and records in a PostgreSQL database. Its tasks run on the runtime in which it was opened.
pub struct PostgresStore {
    id: [u8; 16],
    connector: Arc<Connector>,
    readers: Arc<Links>,
    lookups: Arc<Lookups>,
    writers: Arc<Links>,
    cluster: Arc<PostgresCluster>,
    /// For the nodes' exchange, so that nothing else waits for it.
    exchange: Links,
    queue: mpsc::Sender<Job>,
    counters: Arc<Counters>,
    /// Dropping them ends the connections.
    _tasks: JoinSet<()>,
}

impl PostgresStore {
    /// Connects, and makes the tables that are missing.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do.
    pub async fn open(settings: PostgresSettings) -> Result<Self, OpenError> {
        Self::open_with(settings, false).await
    }

    /// As [`open`](Self::open). With `accept_restored`, it takes the data as they are, whatever is missing, and records
    /// that all sessions must be ended ([`RecordKey::restored`]); but not while other nodes answer requests on them.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do.
    pub async fn open_with(settings: PostgresSettings, accept_restored: bool) -> Result<Self, OpenError> {
        let connector = Arc::new(Connector::new(settings));
        Box::pin(connector.prepare_schema()).await?;
        if accept_restored {
            Box::pin(connector.accept_restored()).await?;
        }
        let mut tasks = JoinSet::new();
        let writers = Arc::new(Links::open(&connector, WRITERS, &mut tasks).await?);
        let readers = Arc::new(Links::open_to_cancel(&connector, READERS, &mut tasks).await?);
        let lookups = Arc::<Lookups>::default();
        for number in 0..lookups::UNDER_WAY {
            tasks.spawn(Arc::clone(&lookups).run(Arc::clone(&readers), number));
        }
        // A heartbeat is no change that could wait for a standby: it may be cancelled.
        let links = Links::open_to_cancel(&connector, 1, &mut tasks).await?;
        let cluster = Arc::new(PostgresCluster::new(&connector, links));
        let exchange = Links::open(&connector, 1, &mut tasks).await?;
        let (queue, incoming) = mpsc::channel(QUEUE);
        let gatherer = Arc::new(tokio::sync::Mutex::new(Gatherer::new(incoming)));
        let counters = Arc::<Counters>::default();
        for number in 0..WRITERS {
            let writer = Writer {
                gatherer: Arc::clone(&gatherer),
                links: Arc::clone(&writers),
                number,
                connector: Arc::clone(&connector),
                counters: Arc::clone(&counters),
            };
            tasks.spawn(writer.run());
        }
        tasks.spawn(pulse::keep(Arc::clone(&writers), Arc::clone(&readers), Arc::clone(&connector)));
        let id = connector.known().store().unwrap_or_default();
        Ok(Self {
            id,
            connector,
            readers,
            lookups,
            writers,
            cluster,
            exchange,
            queue,
            counters,
            _tasks: tasks,
        })
    }

    /// Whether there is a store in the schema that has been used. One that has never had an event needs no keys of before.
    ///
    /// # Errors
    /// [`OpenError`] if the database can't be asked.
    pub async fn is_in(settings: &PostgresSettings) -> Result<bool, OpenError> {
        Box::pin(Connector::new(settings.clone()).has_store()).await
    }

    /// Finds out whether it would open, without changing anything. Returns what the operator should know; `clock` is compared
    /// with the database's.
    ///
    /// # Errors
    /// [`OpenError`] if it would not.
    pub async fn check(settings: &PostgresSettings, clock: &dyn Clock) -> Result<Vec<String>, OpenError> {
        Box::pin(check::check(&Connector::new(settings.clone()), clock)).await
    }

    /// Makes the tables, or brings them to this version, for a role that may not.
    ///
    /// # Errors
    /// [`OpenError`]; then nothing has changed.
    pub async fn migrate(migration: &Migration) -> Result<Migrated, OpenError> {
        Box::pin(migration::migrate(migration)).await
    }

    /// What tells this store from every other; it never changes.
    #[must_use]
    pub const fn id(&self) -> [u8; 16] {
        self.id
    }

    /// Its terms, and where its log ended when the last connection was made.
    #[must_use]
    pub fn history(&self) -> History {
        self.connector.known().history()
    }

    /// The nodes that share the database.
    #[must_use]
    pub fn cluster(&self) -> Arc<dyn Cluster> {
        Arc::<PostgresCluster>::clone(&self.cluster)
    }

    async fn append_one(&self, append: Append) -> Result<Appended, StoreError> {
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        let guard = (append.stream.clone(), append.expected);
        let append = match Prepared::of(append) {
            Ok(append) => append,
            Err(Unsent::Refused(error)) => return Err(error),
            Err(Unsent::InsertsTwice) => return Err(self.insert_refusal(guard).await),
        };
        let (answer, answered) = oneshot::channel();
        self.queue.send(Job { append, answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    async fn remove_one(&self, remove: Remove) -> Result<(), StoreError> {
        remove.check_size()?;
        let expected = expected(remove.expected)?;
        let RecordRows { keys, contents, inserted } = match RecordRows::of(&remove.records) {
            Ok(rows) => rows,
            Err(InsertsTwice) => return Err(self.insert_refusal((remove.stream, remove.expected)).await),
        };
        let stream = remove.stream.as_bytes();
        self.change(Query::Remove, &[&stream, &expected, &keys, &contents, &inserted]).await
    }

    async fn summarize_one(&self, summarize: Summarize) -> Result<(), StoreError> {
        summarize.check_size()?;
        let Summarize { stream, expected: on, first, last, event, records } = summarize;
        let expected = expected(on)?;
        let RecordRows { keys, contents, inserted } = match RecordRows::of(&records) {
            Ok(rows) => rows,
            Err(InsertsTwice) => return Err(self.insert_refusal((stream, on)).await),
        };
        let event = checksum::sealed(checksum::Owner::Event(&stream, last), &event);
        let (stream, first, last, most) =
            (stream.as_bytes(), bigint(first), bigint(last), limit(MAX_SUMMARIZED));
        let range: [&(dyn ToSql + Sync); 6] = [&stream, &expected, &first, &last, &event, &most];
        let records: [&(dyn ToSql + Sync); 3] = [&keys, &contents, &inserted];
        self.change(Query::Summarize, &[&range[..], &records].concat()).await
    }

    /// Makes a change that goes by itself.
    async fn change(&self, query: Query, parameters: &[&(dyn ToSql + Sync)]) -> Result<(), StoreError> {
        let began = Instant::now();
        let row = self.writers.session()?.ask_one(query, parameters).await?;
        self.counters.count(1, began.elapsed());
        refusal(column(&row, 0)?)
    }

    /// The error of a change that would insert a record twice: it fails in any case.
    async fn insert_refusal(&self, (stream, expected): (StreamId, Expected)) -> StoreError {
        match self.lookups.load(stream).await {
            Ok(snapshot) => {
                let is_met = expected.is_met_by(snapshot.map(|snapshot| snapshot.version));
                if is_met { StoreError::RecordExists } else { StoreError::WrongExpectedVersion }
            }
            Err(error) => error,
        }
    }

    async fn read(&self, query: Query, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        self.readers.session_of(PAGES)?.ask(query, parameters).await
    }
}

impl Store for PostgresStore {
    fn append(&self, append: Append) -> StoreFuture<'_, Appended> {
        Box::pin(self.append_one(append))
    }

    fn remove(&self, remove: Remove) -> StoreFuture<'_, ()> {
        Box::pin(self.remove_one(remove))
    }

    fn summarize(&self, summarize: Summarize) -> StoreFuture<'_, ()> {
        Box::pin(self.summarize_one(summarize))
    }

    fn load(&self, stream: StreamId) -> StoreFuture<'_, Option<Snapshot>> {
        Box::pin(self.lookups.load(stream))
    }

    fn read_stream(&self, stream: StreamId, after: u64, most: usize) -> StoreFuture<'_, Vec<RecordedEvent>> {
        Box::pin(async move {
            let parameters: [&(dyn ToSql + Sync); 3] = [&stream.as_bytes(), &bigint(after), &limit(most)];
            let rows = self.read(Query::ReadStream, &parameters).await?;
            rows.iter().map(|row| reads::event_of(&stream, row)).collect()
        })
    }

    fn read_log(&self, after: u64, most: usize) -> StoreFuture<'_, Vec<RecordedEvent>> {
        Box::pin(async move {
            let rows = self.read(Query::ReadLog, &[&bigint(after), &limit(most)]).await?;
            rows.iter().map(reads::logged_event).collect()
        })
    }

    fn record(&self, key: RecordKey) -> StoreFuture<'_, Option<Vec<u8>>> {
        Box::pin(self.lookups.record(key))
    }

    fn scan(
        &self,
        prefix: RecordKey,
        after: Option<RecordKey>,
        most: usize,
    ) -> StoreFuture<'_, Vec<(RecordKey, Vec<u8>)>> {
        Box::pin(async move {
            let (first, end) = reads::range(&prefix, after.as_ref());
            let rows = self.read(Query::Scan, &[&first, &end, &limit(most)]).await?;
            let record = |row| {
                let (key, value) = reads::record(row)?;
                Ok((key, value?))
            };
            rows.iter().map(record).collect()
        })
    }

    fn is_shared(&self) -> bool {
        true
    }

    /// The database's disk is the business of whoever runs it.
    fn is_nearly_full(&self) -> bool {
        false
    }

    fn outages(&self) -> u64 {
        self.connector.known().outages()
    }

    /// The position is the last that this node knows of: the others' appends count two seconds later.
    fn stats(&self) -> StoreStats {
        let known = self.connector.known();
        StoreStats { position: known.position(), term: known.history().mark(), ..self.counters.read() }
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.connector.settings().place();
        f.debug_struct("PostgresStore").field("place", &place).finish_non_exhaustive()
    }
}
