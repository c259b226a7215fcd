//! How long requests have been answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::store::Store;

/// When requests began to be answered: since the process started, and since the store last failed to answer. Before that
/// no retry window runs out, because nobody could retry.
pub struct Uptime {
    /// In milliseconds of the monotonic clock.
    answering_since: AtomicU64,
    /// The store's outages that were taken in.
    outages: AtomicU64,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Uptime {
    /// Starts now, until [`Uptime::begin`] is called.
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let uptime =
            Self { answering_since: AtomicU64::default(), outages: AtomicU64::default(), store, clock };
        uptime.begin();
        uptime
    }

    /// Requests are answered from now on.
    pub fn begin(&self) {
        self.begin_at(self.clock.monotonic(), self.store.outages());
    }

    fn begin_at(&self, monotonic: Duration, outages: u64) {
        self.answering_since.store(millis(monotonic), Ordering::Relaxed);
        self.outages.store(outages, Ordering::Release);
    }

    /// For how long requests have been answered at a moment of the monotonic clock. The first request after an outage of
    /// the store says when it ended: it was answered.
    pub(super) fn at(&self, monotonic: Duration) -> Duration {
        let outages = self.store.outages();
        if self.outages.load(Ordering::Acquire) != outages {
            self.begin_at(monotonic, outages);
        }
        monotonic.saturating_sub(Duration::from_millis(self.answering_since.load(Ordering::Relaxed)))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
