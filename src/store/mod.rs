//! The contract that every store keeps: streams of events, their snapshots, and records.
//!
//! A store knows nothing of OAuth: events, snapshots and record values are opaque bytes to it. It guarantees:
//!
//! - **Atomic.** The events, the snapshot and the record changes of one [`Append`] land together or not at all. So
//!   every index is exactly as new as the log.
//! - **Expected version.** Every append names the version of its stream that it was decided on. If the stream has
//!   moved on, nothing is written and the answer is [`StoreError::WrongExpectedVersion`]: load and decide again.
//! - **Durable before it returns.** When [`Store::append`] or [`Store::remove`] returns `Ok`, the change survives a
//!   power cut. When it returns [`StoreError::Unavailable`], the outcome is unknown: load and decide again.
//! - **Reads return durable state only.** A read that touches a write which is not yet durable waits for it, so no
//!   answer depends on something that a power cut can undo.
//! - **Positions** increase over the whole log and may have gaps. Once a read has returned position `p`, no event ever
//!   appears at a new position below `p`: a reader that follows the log with [`Store::read_log`] misses nothing.
//! - **Versions** of a stream count its events from 1 and may have gaps where [`Store::summarize`] has replaced several
//!   events by one. An event keeps its version and its position as long as it exists. Two events of a stream are in the
//!   same order in the stream and in the log.
//! - **Records** change only inside an append, guarded by its stream's version. [`RecordChange::Insert`] fails with
//!   [`StoreError::RecordExists`] when the key is taken, also by another append that lands at the same moment.
//! - **Checked.** Every event and snapshot has a checksum: damage is reported as [`StoreError::Corrupt`], never
//!   returned as a wrong answer. A store may also end the run then, because other data may be damaged too.
//!
//! One contract suite (`tests/store/contract/`) runs against every store: [`sled`], which is on a disk, [`postgres`],
//! which is in a database, and [`memory`], which guarantees all of this except that its data outlive the process.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

mod change;
pub mod cluster;
mod exchange;
mod history;
mod key_table;
pub mod memory;
mod open;
pub mod postgres;
pub mod sled;
mod verification;

pub use self::change::{
    Append, Expected, MAX_APPEND_BYTES, MAX_APPEND_VALUES, MAX_SUMMARIZED, MAX_SUMMARY, MAX_VALUE,
    RecordChange, Remove, Summarize,
};
pub use self::cluster::Cluster;
pub use self::exchange::{Exchange, Exchanged, Heard};
pub use self::history::{History, Lack, Remembered, Term};
pub use self::key_table::{KeyChanges, KeyRows, KeyTable, KeyTableError};
pub use self::open::{OpenError, OpenedStore, StoreLocation, StoreSettings, migrate, open};
pub use self::postgres::{Migrated, Migration, PostgresSettings, PostgresTls, TlsMode};
pub use self::verification::Verification;

/// The future of a store's answer.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Durable streams, snapshots and records. The [module docs](self) state the guarantees.
pub trait Store: Send + Sync + 'static {
    /// Appends events to a stream, replaces its snapshot and changes records: atomically, and durable before it
    /// returns.
    ///
    /// # Errors
    /// [`StoreError::WrongExpectedVersion`], [`StoreError::RecordExists`] and [`StoreError::TooLarge`] change nothing;
    /// after [`StoreError::Unavailable`] the outcome is unknown.
    fn append(&self, append: Append) -> StoreFuture<'_, Appended>;

    /// Removes a whole stream, its events and its snapshot, and changes records; with the guarantees of `append`.
    /// The stream is [`Expected::NoStream`] again; the positions of its events become gaps.
    ///
    /// # Errors
    /// As [`Store::append`].
    fn remove(&self, remove: Remove) -> StoreFuture<'_, ()>;

    /// Replaces several events of a stream by one, with the guarantees of `append`. Those from [`Summarize::first`] to
    /// [`Summarize::last`] are removed, and the summary gets the version and the position of the last of them. All
    /// other events, the stream's version and its snapshot stay: a summary states the result of the events, and changes
    /// nothing. If the first of them is a summary too, the new one also covers the events that it covers.
    ///
    /// The summary gets the last position because only there everything in it has happened: the state of the stream at
    /// every version that is left stays the same, and times still increase with positions. At the log's end it would
    /// come after events that depend on it. A reader of the log that is already past that position does not see the
    /// summary; one that comes later sees it and not the events; one that is in between sees some of the events and the
    /// summary, which says which events it covers.
    ///
    /// A reader that continues after a removed version gets the summary next. Repeating the call changes nothing, so a
    /// caller that does not know whether it succeeded may read and decide again.
    ///
    /// # Errors
    /// As [`Store::append`]. [`StoreError::WrongExpectedVersion`] also if there is no event at `last`, for example
    /// because somebody else has summarized meanwhile, or if `first` is the stream's first event, which must stay;
    /// [`StoreError::TooLarge`] if there are more than [`MAX_SUMMARIZED`] events from `first` to `last`, or if the
    /// summary has more than [`MAX_SUMMARY`] bytes.
    fn summarize(&self, summarize: Summarize) -> StoreFuture<'_, ()>;

    /// The latest snapshot of a stream with its version; `None` if there is no such stream.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    fn load(&self, stream: StreamId) -> StoreFuture<'_, Option<Snapshot>>;

    /// At most `limit` events of a stream, in order, after version `after` (0: from the first). It returns fewer only
    /// at the stream's end.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    fn read_stream(&self, stream: StreamId, after: u64, limit: usize) -> StoreFuture<'_, Vec<RecordedEvent>>;

    /// At most `limit` events of all streams, in the order of their positions, after position `after` (0: from the
    /// first). An empty answer means that there is no event after `after` yet.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    fn read_log(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<RecordedEvent>>;

    /// The value of a record.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    fn record(&self, key: RecordKey) -> StoreFuture<'_, Option<Vec<u8>>>;

    /// At most `limit` records whose keys begin with `prefix`, in key order, after the key `after`.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    fn scan(
        &self,
        prefix: RecordKey,
        after: Option<RecordKey>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<(RecordKey, Vec<u8>)>>;

    /// Whether other processes may change what is stored. Then each read that may not be stale asks somebody else, so reads
    /// that don't depend on each other are worth making at the same time.
    fn is_shared(&self) -> bool {
        false
    }

    /// Whether the disk is so full that new accounts and sign-ins should be refused, so that refreshes of people who
    /// are signed in still work. Cheap enough for every request.
    fn is_nearly_full(&self) -> bool;

    /// A number that grows whenever it is not known how a change ended: somebody's answer may be lost, and they could
    /// not ask again as long as the store did not answer. 0 for a store whose failure ends the process. A store that
    /// several processes share notices also what only the others' changes wait for.
    fn outages(&self) -> u64 {
        0
    }

    /// Counters since it was opened, for monitoring; all zero for a store that does not count.
    fn stats(&self) -> StoreStats {
        StoreStats::default()
    }
}

/// Called when the store has failed: it must log the text and end the process within a second. It is called once, from
/// any thread, and must not panic.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// Counters of the store since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Groups written, each with one sync.
    pub groups: u64,
    /// Changes in all groups, refused ones included.
    pub changes: u64,
    /// Changes in the largest group.
    pub largest_group: u64,
    /// How long the slowest group took, from its first decision to its last answer.
    pub longest_group: Duration,
    /// How long the longest read of the tree took; no group can begin meanwhile.
    pub longest_read: Duration,
    /// The last durable position.
    pub position: u64,
    /// The mark of the newest [`Term`], of a store in a database.
    pub term: Option<[u8; 16]>,
    /// Removed streams whose events still take space.
    pub purging: usize,
    /// The free space on its disk, in bytes.
    pub free_bytes: u64,
    /// The free space, in bytes, below which its disk counts as nearly full.
    pub floor_bytes: u64,
    /// How long its disk has been nearly full; `None` if it is not.
    pub nearly_full: Option<Duration>,
}

/// The id of a stream: one byte for its category, then the key of the aggregate, at most [`StreamId::MAX_KEY`] bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(Box<[u8]>);

impl StreamId {
    /// The longest key, in bytes.
    pub const MAX_KEY: usize = 64;

    /// The stream of the aggregate `key` in `category`; `None` if the key is longer than [`StreamId::MAX_KEY`].
    #[must_use]
    pub fn new(category: u8, key: &[u8]) -> Option<Self> {
        let fits = key.len() <= Self::MAX_KEY;
        fits.then(|| Self(std::iter::once(category).chain(key.iter().copied()).collect()))
    }

    /// The category and the key, as bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The category.
    #[must_use]
    pub fn category(&self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }

    /// The key of the aggregate.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.0.get(1..).unwrap_or_default()
    }
}

impl AsRef<[u8]> for StreamId {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.category().escape_ascii())?;
        self.key().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The result of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The stream's version after it.
    pub version: u64,
    /// The position of the last event; 0 if the append had none.
    pub position: u64,
}

/// A stream's latest snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The version of the last event in the snapshot.
    pub version: u64,
    /// The snapshot's bytes, as they were appended.
    pub data: Vec<u8>,
}

/// An event as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its position in the whole log, from 1.
    pub position: u64,
    /// Its stream.
    pub stream: StreamId,
    /// Its version in that stream, from 1.
    pub version: u64,
    /// The event's bytes, as they were appended.
    pub data: Vec<u8>,
}

/// The key of a record, at most [`RecordKey::MAX`] bytes. Keys are ordered as bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey(Vec<u8>);

impl RecordKey {
    /// The longest key, in bytes.
    pub const MAX: usize = 512;

    /// The key of an index record, which pure functions derive from events, under the version of those functions. A
    /// rebuild makes the record again.
    #[must_use]
    pub fn index(version: u8, parts: &[&[u8]]) -> Self {
        Self([b'v', version].into_iter().chain(parts.iter().copied().flatten().copied()).collect())
    }

    /// A key in the vault: for data that must be unique, secret or erasable, and so are in no event.
    #[must_use]
    pub fn vault(parts: &[&[u8]]) -> Self {
        Self(std::iter::once(b'x').chain(parts.iter().copied().flatten().copied()).collect())
    }

    /// The key of the record that a store writes when it accepts a log that was restored from a backup. Whoever ends
    /// the sessions because of that deletes it in the same append.
    #[must_use]
    pub fn restored() -> Self {
        Self::vault(&[b"R"])
    }

    /// A key that a store has read.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// The whole key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for RecordKey {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for RecordKey {
    /// Prints only the length: a key in the vault may contain a person's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordKey({} bytes)", self.0.len())
    }
}

/// Why a store did not do what was requested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The stream is at another version, or an event no longer exists: load it and decide again.
    #[error("the stream has moved on")]
    WrongExpectedVersion,
    /// A record to be inserted exists already.
    #[error("the record exists")]
    RecordExists,
    /// A key, an event, a snapshot, a record or the whole append is larger than the store accepts.
    #[error("too large for the store")]
    TooLarge,
    /// The disk is full, or too full for something new. As after [`StoreError::Unavailable`], the outcome is unknown.
    /// The text is for the operator.
    #[error("the store has no room: {0}")]
    NoRoom(String),
    /// The store can't answer; whether an append succeeded is unknown. The text is for the operator.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The stored bytes are damaged, or a newer version wrote them. The text is for the operator.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
}
