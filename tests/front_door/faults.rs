//! Stores that count, or that fail in one way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use heirloom::store::{
    Append, Appended, RecordKey, RecordedEvent, Remove, Snapshot, Store, StoreError, StoreFuture, StoreStats,
    StreamId, Summarize,
};
use tokio::sync::Notify;

/// Makes a store that passes every call on, except for the given `load`, `append`, `record` and `stats`.
macro_rules! around {
    ($name:ident, $load:expr, $append:expr, $record:expr) => {
        around!($name, $load, $append, $record, |store: &Self| store.inner.stats());
    };
    ($name:ident, $load:expr, $append:expr, $record:expr, $stats:expr) => {
        around!($name, $load, $append, $record, $stats, |store: &Self| store.inner.outages());
    };
    ($name:ident, $load:expr, $append:expr, $record:expr, $stats:expr, $outages:expr) => {
        impl Store for $name {
            fn append(&self, append: Append) -> StoreFuture<'_, Appended> {
                $append(self, append)
            }
            fn remove(&self, remove: Remove) -> StoreFuture<'_, ()> {
                self.inner.remove(remove)
            }
            fn summarize(&self, summarize: Summarize) -> StoreFuture<'_, ()> {
                self.inner.summarize(summarize)
            }
            fn load(&self, stream: StreamId) -> StoreFuture<'_, Option<Snapshot>> {
                $load(self, stream)
            }
            fn read_stream(
                &self,
                stream: StreamId,
                after: u64,
                limit: usize,
            ) -> StoreFuture<'_, Vec<RecordedEvent>> {
                self.inner.read_stream(stream, after, limit)
            }
            fn read_log(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<RecordedEvent>> {
                self.inner.read_log(after, limit)
            }
            fn record(&self, key: RecordKey) -> StoreFuture<'_, Option<Vec<u8>>> {
                $record(self, key)
            }
            fn scan(
                &self,
                prefix: RecordKey,
                after: Option<RecordKey>,
                limit: usize,
            ) -> StoreFuture<'_, Vec<(RecordKey, Vec<u8>)>> {
                self.inner.scan(prefix, after, limit)
            }
            fn is_nearly_full(&self) -> bool {
                $stats(self).nearly_full.is_some()
            }
            fn outages(&self) -> u64 {
                $outages(self)
            }
            fn stats(&self) -> StoreStats {
                $stats(self)
            }
        }
    };
}

/// Counts the loads of a store.
pub(crate) struct Counting {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) loads: Arc<AtomicUsize>,
}

impl Counting {
    fn count(&self, stream: StreamId) -> StoreFuture<'_, Option<Snapshot>> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.inner.load(stream)
    }

    fn append_as_is(&self, append: Append) -> StoreFuture<'_, Appended> {
        self.inner.append(append)
    }

    fn record_as_is(&self, key: RecordKey) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.inner.record(key)
    }
}

around!(Counting, Self::count, Self::append_as_is, Self::record_as_is);

/// What a [`Failing`] store can't do while it is broken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Append. Nothing is written.
    Append,
    Record,
    LoadClient,
    Load,
    /// Loading any stream and reading a record: the store does not answer.
    Read,
    /// The same: what is read is damaged.
    Damage,
}

/// A store that fails while it is broken.
pub(crate) struct Failing {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) broken: Arc<AtomicBool>,
    pub(crate) fault: Fault,
}

impl Failing {
    fn fails(&self, fault: Fault) -> bool {
        self.fault == fault && self.broken.load(Ordering::SeqCst)
    }

    fn append_or_fail(&self, append: Append) -> StoreFuture<'_, Appended> {
        if self.fails(Fault::Append) { Box::pin(async { nobody_knows() }) } else { self.inner.append(append) }
    }

    fn load_or_fail(&self, stream: StreamId) -> StoreFuture<'_, Option<Snapshot>> {
        let of_client = stream.category() == b'c' && self.fails(Fault::LoadClient);
        if of_client || self.fails(Fault::Load) || self.fails(Fault::Read) {
            return Box::pin(async { nobody_knows() });
        }
        if self.fails(Fault::Damage) { Box::pin(async { damaged() }) } else { self.inner.load(stream) }
    }

    fn record_or_fail(&self, key: RecordKey) -> StoreFuture<'_, Option<Vec<u8>>> {
        if self.fails(Fault::Record) || self.fails(Fault::Read) {
            return Box::pin(async { nobody_knows() });
        }
        if self.fails(Fault::Damage) { Box::pin(async { damaged() }) } else { self.inner.record(key) }
    }
}

around!(Failing, Self::load_or_fail, Self::append_or_fail, Self::record_or_fail);

fn nobody_knows<T>() -> Result<T, StoreError> {
    Err(StoreError::Unavailable("a test says so".to_owned()))
}

fn damaged<T>() -> Result<T, StoreError> {
    Err(StoreError::Corrupt("a test says so".to_owned()))
}

/// A database that is away: the last append lands, but nobody learns it, and nothing is answered until it is back. It
/// says that there was an outage, as a store does whose process outlives it.
pub(crate) struct Away {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) broken: Arc<AtomicBool>,
    pub(crate) outages: Arc<AtomicUsize>,
}

impl Away {
    fn append_unheard(&self, append: Append) -> StoreFuture<'_, Appended> {
        Box::pin(async move {
            let appended = self.inner.append(append).await;
            if !self.broken.load(Ordering::SeqCst) {
                return appended;
            }
            self.outages.fetch_add(1, Ordering::SeqCst);
            nobody_knows()
        })
    }

    fn load_if_there(&self, stream: StreamId) -> StoreFuture<'_, Option<Snapshot>> {
        // Until an append has been lost, reads are answered.
        let is_away = self.broken.load(Ordering::SeqCst) && self.outages.load(Ordering::SeqCst) > 0;
        if is_away { Box::pin(async { nobody_knows() }) } else { self.inner.load(stream) }
    }

    fn record_as_is(&self, key: RecordKey) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.inner.record(key)
    }

    fn outages(&self) -> u64 {
        self.outages.load(Ordering::SeqCst) as u64
    }
}

around!(
    Away,
    Self::load_if_there,
    Self::append_unheard,
    Self::record_as_is,
    |store: &Self| store.inner.stats(),
    Self::outages
);

/// A store in which one append succeeds but reports an unknown outcome.
pub(crate) struct Once {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) broken: Arc<AtomicBool>,
}

impl Once {
    fn append_once(&self, append: Append) -> StoreFuture<'_, Appended> {
        Box::pin(async move {
            let appended = self.inner.append(append).await?;
            if self.broken.swap(false, Ordering::SeqCst) { nobody_knows() } else { Ok(appended) }
        })
    }

    fn load_as_is(&self, stream: StreamId) -> StoreFuture<'_, Option<Snapshot>> {
        self.inner.load(stream)
    }

    fn record_as_is(&self, key: RecordKey) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.inner.record(key)
    }
}

around!(Once, Self::load_as_is, Self::append_once, Self::record_as_is);

/// Holds an append back, so that another one overtakes it.
#[derive(Default)]
pub(crate) struct Hold {
    next: AtomicBool,
    held: Notify,
    released: Notify,
}

impl Hold {
    /// Holds the next append back.
    pub(crate) fn next_append(&self) {
        self.next.store(true, Ordering::SeqCst);
    }

    /// Waits until an append is held back.
    pub(crate) async fn held(&self) {
        tokio::time::timeout(std::time::Duration::from_secs(10), self.held.notified()).await.unwrap();
    }

    /// Lets the append go on.
    pub(crate) fn release(&self) {
        self.released.notify_one();
    }
}

/// A store in which appends can be held back.
pub(crate) struct Holding {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) hold: Arc<Hold>,
}

impl Holding {
    fn append_when_released(&self, append: Append) -> StoreFuture<'_, Appended> {
        Box::pin(async move {
            if self.hold.next.swap(false, Ordering::SeqCst) {
                self.hold.held.notify_one();
                self.hold.released.notified().await;
            }
            self.inner.append(append).await
        })
    }

    fn load_as_is(&self, stream: StreamId) -> StoreFuture<'_, Option<Snapshot>> {
        self.inner.load(stream)
    }

    fn record_as_is(&self, key: RecordKey) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.inner.record(key)
    }
}

around!(Holding, Self::load_as_is, Self::append_when_released, Self::record_as_is);

/// A disk that a test fills.
#[derive(Default)]
pub(crate) struct TestDisk {
    pub(crate) full: AtomicBool,
    /// How often the store was asked for its statistics.
    pub(crate) looks: AtomicUsize,
}

/// A store on a [`TestDisk`].
pub(crate) struct Filling {
    pub(crate) inner: Arc<dyn Store>,
    pub(crate) disk: Arc<TestDisk>,
}

impl Filling {
    fn load_as_is(&self, stream: StreamId) -> StoreFuture<'_, Option<Snapshot>> {
        self.inner.load(stream)
    }

    fn append_as_is(&self, append: Append) -> StoreFuture<'_, Appended> {
        self.inner.append(append)
    }

    fn record_as_is(&self, key: RecordKey) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.inner.record(key)
    }

    fn stats_of_the_disk(&self) -> StoreStats {
        self.disk.looks.fetch_add(1, Ordering::SeqCst);
        let nearly_full = self.disk.full.load(Ordering::SeqCst).then_some(Duration::ZERO);
        StoreStats { nearly_full, ..self.inner.stats() }
    }
}

around!(Filling, Self::load_as_is, Self::append_as_is, Self::record_as_is, Self::stats_of_the_disk);
