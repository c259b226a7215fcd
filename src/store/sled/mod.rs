//! The embedded store on sled 0.34.
//!
//! One thread writes, in groups: it takes the changes that wait, decides them against the state and each other,
//! changes the rows of sled's one tree, has sled write them out, syncs the file itself, and then answers all. sled needs
//! care, and this module is where it lives:
//!
//! - its flush does not sync on Linux, and it writes over what it takes for replaced: we sync once a group, and before it
//!   goes too far ahead of that (`durable` has the rule, and why);
//! - its batches cost small groups too much: those are made atomic by a row of our own (`redo`);
//! - its readers see what is not durable yet: reads of what the open group changes wait (`read_barrier`);
//! - it takes what it can't read for empty and overwrites it, and opens a file that lost its end without a word: we read the
//!   whole file first (`segments`, `recovery`, `pages`), hold it against a mark beside it (`mark`, `check`), and leave sled
//!   nothing to find out (`preparation`);
//! - damage can make it panic, also on its own threads: no panic of its code gets out (`panic_guard`);
//! - after a failed write or sync its state is unknown: nothing is answered any more, [`SledOptions::on_fatal`] is
//!   called to end the process, and sled is never dropped, since its drop panics or writes (`failure`);
//! - it writes large messages to files that it never syncs: values are limited, and its segments are large enough for
//!   a leaf of the largest values (`tree`);
//! - its flusher thread writes whenever it likes, so it is off; what it collects of garbage is collected while others
//!   write; it seldom gives space back to the disk.
//!
//! A group costs much more than what one more change adds to it. So it waits for more while many come (`group_delay`).
//!
//! In the folder: `lock` (who has it), `mark` (how far the log had come) and `sled/`.

mod check;
pub mod disk;
mod durable;
mod failure;
mod fault;
#[cfg(test)]
mod formats_tests;
mod group;
mod group_delay;
mod job;
mod last_row;
mod layout;
mod log;
mod open;
mod open_error;
mod pages;
mod panic_guard;
mod preparation;
mod queue;
mod read_barrier;
mod reads;
mod recovery;
mod redo;
mod rows;
mod segments;
mod shared;
mod space;
mod summary;
mod time;
mod tree;
mod verify;
mod watermark;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

pub use self::disk::{Disk, SystemDisk};
use self::group::GroupEntry;
pub use self::group::GroupLimits;
use self::group_delay::{GroupDelay, cpu_time};
use self::job::Job;
pub use self::open_error::OpenError;
use self::queue::Queue;
use self::reads::{Load, ReadLog, ReadStream, Record, Scan};
use self::shared::Shared;
pub use self::verify::verify;
use self::writer::Writer;
use super::{
    Append, Appended, OnFatal, RecordKey, RecordedEvent, Remove, Snapshot, Store, StoreError, StoreFuture,
    StoreStats, StreamId, Summarize,
};

/// How a [`SledStore`] is opened.
#[derive(Clone)]
pub struct SledOptions {
    /// sled's page cache, in bytes.
    pub cache_bytes: u64,
    /// Called once if the store fails: logs the text and ends the process within a second.
    pub on_fatal: OnFatal,
    /// The disk; another one in tests.
    pub disk: Arc<dyn Disk>,
    /// Opens a log that has no readable mark, and makes a mark of it as it is.
    pub accept_missing_mark: bool,
    /// Opens a log that is not the one that its mark was made of, or has no mark: it was restored from a backup, and the
    /// caller sees to what follows from that. Until it has, there is a record ([`RecordKey::restored`]).
    pub accept_restored: bool,
    /// How large a group may grow.
    pub limits: GroupLimits,
    /// How long a group waits for more at most.
    pub longest_delay: Duration,
    /// How many changes may wait for the writer; more wait outside.
    pub queue: usize,
    /// The free space, in bytes, under which [`Store::is_nearly_full`] says so: then nothing new is begun, and nothing is
    /// purged.
    pub floor_bytes: u64,
    /// The floor is never more than one part in so many of the volume; 0 if it is.
    pub floor_share: u64,
}

/// Streams, snapshots and records in a folder of this machine. Dropping it finishes what waits, and blocks for that.
///
/// No group opens while a read runs: read long stretches in pages of some hundreds.
pub struct SledStore {
    id: [u8; 16],
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
}

impl SledStore {
    /// Opens the store in `folder`; an empty or missing folder becomes a new one.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do.
    pub fn open(folder: &Path, options: SledOptions) -> Result<Self, OpenError> {
        let places = Arc::new(Semaphore::new(options.queue));
        let queue = Arc::new(Queue::new(GroupDelay::new(options.longest_delay)));
        let opened = open::open(folder, options)?;
        let id = opened.store;
        let shared = Arc::new(opened.shared);
        let writer = Writer {
            shared: Arc::clone(&shared),
            queue: Arc::clone(&queue),
            store: opened.store,
            mark: opened.mark,
            last_row: opened.last_row,
            purged: None,
            cpu_time: cpu_time(),
        };
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let writer = thread.spawn(move || writer.run());
        let writer = writer.map_err(|source| OpenError::Io { path: folder.to_owned(), source })?;
        Ok(Self { id, shared, places, queue, writer: Some(writer) })
    }

    /// What tells this store from every other; it never changes.
    #[must_use]
    pub const fn id(&self) -> [u8; 16] {
        self.id
    }

    /// Whether there is a store in `folder`, whole or not.
    #[must_use]
    pub fn is_in(folder: &Path) -> bool {
        folder.join(open::SLED).exists()
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &PathBuf {
        &self.shared.folder
    }

    /// The free space where the folder lies, in bytes; 0 if the operating system does not tell.
    #[must_use]
    pub fn free_space(&self) -> u64 {
        self.shared.space.look().free
    }

    async fn change(&self, change: GroupEntry) -> Result<Appended, StoreError> {
        self.shared.failure.check()?;
        let cost = change.cost()?;
        if !cost.fits((0, 0), self.shared.limits) {
            return Err(StoreError::TooLarge);
        }
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        let (answer, answered) = oneshot::channel();
        tokio::select! {
            place = Arc::clone(&self.places).acquire_owned() => {
                let place = place.map_err(|_| closed())?;
                self.queue.push(Job { change, cost, answer, place }, self.shared.limits);
            }
            error = self.shared.failure.failed() => return Err(error),
        }
        tokio::select! {
            biased;
            Ok(answer) = answered => answer,
            error = self.shared.failure.failed() => Err(error),
        }
    }
}

impl Store for SledStore {
    fn append(&self, append: Append) -> StoreFuture<'_, Appended> {
        Box::pin(self.change(GroupEntry::Append(append)))
    }

    fn remove(&self, remove: Remove) -> StoreFuture<'_, ()> {
        Box::pin(async { self.change(GroupEntry::Remove(remove)).await.map(drop) })
    }

    fn summarize(&self, summarize: Summarize) -> StoreFuture<'_, ()> {
        Box::pin(async { self.change(GroupEntry::Summarize(summarize)).await.map(drop) })
    }

    fn load(&self, stream: StreamId) -> StoreFuture<'_, Option<Snapshot>> {
        Box::pin(self.shared.read(Load::new(&stream)))
    }

    fn read_stream(&self, stream: StreamId, after: u64, limit: usize) -> StoreFuture<'_, Vec<RecordedEvent>> {
        Box::pin(self.shared.read_many(ReadStream::new(stream, after, limit)))
    }

    fn read_log(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<RecordedEvent>> {
        Box::pin(self.shared.read_many(ReadLog { after, limit }))
    }

    fn record(&self, key: RecordKey) -> StoreFuture<'_, Option<Vec<u8>>> {
        Box::pin(self.shared.read(Record::new(&key)))
    }

    fn scan(
        &self,
        prefix: RecordKey,
        after: Option<RecordKey>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<(RecordKey, Vec<u8>)>> {
        Box::pin(self.shared.read_many(Scan::new(&prefix, after.as_ref(), limit)))
    }

    fn is_nearly_full(&self) -> bool {
        self.shared.space.look().nearly_full.is_some()
    }

    fn stats(&self) -> StoreStats {
        self.shared.stats()
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.queue.close();
        let Some(writer) = self.writer.take() else { return };
        while !writer.is_finished() {
            // Closing it may end the process, but not before `on_fatal` has returned.
            if self.shared.failure.is_reported() {
                // The writer may hang inside sled, and sled must not be dropped: leave both until the process ends.
                std::mem::forget(Arc::clone(&self.shared));
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // A panic in the writer is logged already.
        drop(writer.join());
    }
}

impl Default for SledOptions {
    /// 64 MiB of cache, the system's disk, and a failure that is only remembered: set [`SledOptions::on_fatal`].
    fn default() -> Self {
        Self {
            cache_bytes: 64 * 1024 * 1024,
            on_fatal: Arc::new(|_| {}),
            disk: Arc::new(SystemDisk),
            accept_missing_mark: false,
            accept_restored: false,
            limits: GroupLimits::default(),
            longest_delay: Duration::from_millis(25),
            queue: 1024,
            floor_bytes: 256 * 1024 * 1024,
            floor_share: 16,
        }
    }
}

impl fmt::Debug for SledOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledOptions").field("cache_bytes", &self.cache_bytes).finish_non_exhaustive()
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore").field("folder", &self.shared.folder).finish_non_exhaustive()
    }
}
