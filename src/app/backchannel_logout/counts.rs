//! Counts deliveries, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of deliveries.
#[derive(Debug, Default)]
pub struct DeliveryCounts {
    delivered: AtomicU64,
    failed: AtomicU64,
    given_up: AtomicU64,
    pending: AtomicU64,
}

/// What was counted since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryStats {
    /// Deliveries that a client has accepted.
    pub delivered: u64,
    /// Tries that failed.
    pub failed: u64,
    /// Deliveries that were given up.
    pub given_up: u64,
    /// Deliveries that are pending now.
    pub pending: u64,
}

impl DeliveryCounts {
    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> DeliveryStats {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        DeliveryStats {
            delivered: read(&self.delivered),
            failed: read(&self.failed),
            given_up: read(&self.given_up),
            pending: read(&self.pending),
        }
    }

    /// So many were pending when the process started.
    pub(super) fn found(&self, pending: u64) {
        self.pending.store(pending, Ordering::Relaxed);
    }

    /// So many more are pending.
    pub(super) fn added(&self, more: u64) {
        self.pending.fetch_add(more, Ordering::Relaxed);
    }

    /// A client has accepted one.
    pub(super) fn delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    /// A try failed.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// One was given up.
    pub(super) fn given_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    /// One is no longer pending, whatever became of it.
    pub(super) fn settled(&self) {
        let less = |pending: u64| Some(pending.saturating_sub(1));
        // It always changes.
        let _ = self.pending.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}
