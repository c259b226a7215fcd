//! How long requests have been answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// When requests began to be answered. Before that no retry window runs out, because nobody could retry.
pub struct Uptime {
    /// In milliseconds of the monotonic clock.
    answering_since: AtomicU64,
    clock: Arc<dyn Clock>,
}

impl Uptime {
    /// Starts now, until [`Uptime::begin`] is called.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { answering_since: AtomicU64::new(millis(clock.monotonic())), clock }
    }

    /// Requests are answered from now on.
    pub fn begin(&self) {
        self.answering_since.store(millis(self.clock.monotonic()), Ordering::Relaxed);
    }

    /// For how long requests have been answered at a moment of the monotonic clock.
    pub(super) fn at(&self, monotonic: Duration) -> Duration {
        monotonic.saturating_sub(Duration::from_millis(self.answering_since.load(Ordering::Relaxed)))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
