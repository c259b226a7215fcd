//! A store that counts reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use heirloom::store::{
    Append, Appended, RecordKey, RecordedEvent, Remove, Snapshot, Store, StoreFuture, StreamId, Summarize,
};

use crate::support::Setup;

/// How much was read so far.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    reads: AtomicUsize,
    rows: AtomicUsize,
}

impl Counts {
    /// The number of reads, and of rows of lists, since the last call.
    pub(crate) fn take(&self) -> (usize, usize) {
        (self.reads.swap(0, Ordering::SeqCst), self.rows.swap(0, Ordering::SeqCst))
    }

    fn read(&self) {
        self.reads.fetch_add(1, Ordering::SeqCst);
    }
}

/// Makes a server's store count its reads.
pub(crate) fn counted(setup: &mut Setup) -> Arc<Counts> {
    let counts = Arc::new(Counts::default());
    let mine = Arc::clone(&counts);
    setup.store = Some(Box::new(|inner| Arc::new(Counting { inner, counts: mine })));
    counts
}

struct Counting {
    inner: Arc<dyn Store>,
    counts: Arc<Counts>,
}

impl Counting {
    fn rows<'a, T: Send + 'a>(&'a self, rows: StoreFuture<'a, Vec<T>>) -> StoreFuture<'a, Vec<T>> {
        self.counts.read();
        Box::pin(async move {
            let rows = rows.await?;
            self.counts.rows.fetch_add(rows.len(), Ordering::SeqCst);
            Ok(rows)
        })
    }
}

impl Store for Counting {
    fn append(&self, append: Append) -> StoreFuture<'_, Appended> {
        self.inner.append(append)
    }

    fn remove(&self, remove: Remove) -> StoreFuture<'_, ()> {
        self.inner.remove(remove)
    }

    fn summarize(&self, summarize: Summarize) -> StoreFuture<'_, ()> {
        self.inner.summarize(summarize)
    }

    fn load(&self, stream: StreamId) -> StoreFuture<'_, Option<Snapshot>> {
        self.counts.read();
        self.inner.load(stream)
    }

    fn read_stream(&self, stream: StreamId, after: u64, limit: usize) -> StoreFuture<'_, Vec<RecordedEvent>> {
        self.rows(self.inner.read_stream(stream, after, limit))
    }

    fn read_log(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<RecordedEvent>> {
        self.rows(self.inner.read_log(after, limit))
    }

    fn record(&self, key: RecordKey) -> StoreFuture<'_, Option<Vec<u8>>> {
        self.counts.read();
        self.inner.record(key)
    }

    fn scan(
        &self,
        prefix: RecordKey,
        after: Option<RecordKey>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<(RecordKey, Vec<u8>)>> {
        self.rows(self.inner.scan(prefix, after, limit))
    }

    fn is_nearly_full(&self) -> bool {
        self.inner.is_nearly_full()
    }
}
