//! For how long requests have been answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// Since when requests are answered. Until then no retry window runs out: nobody could ask again.
pub struct Uptime {
    /// In milliseconds of the monotonic clock.
    answering_since: AtomicU64,
    clock: Arc<dyn Clock>,
}

impl Uptime {
    /// From now on, until [`Uptime::begin`] is called.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { answering_since: AtomicU64::new(millis(clock.monotonic())), clock }
    }

    /// Says that requests are answered from now on.
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
