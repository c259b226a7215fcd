//! The state that the store's handle and its writer share, and the way of every read through the read barrier.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::super::{StoreError, StoreStats};
use super::disk::Disk;
use super::failure::Failure;
use super::fault::Fault;
use super::group::GroupLimits;
use super::read_barrier::ReadBarrier;
use super::reads::Read;
use super::space::Space;
use super::time::now;
use super::tree::Tree;

/// The store's parts that both readers and the writer use.
pub(super) struct Shared {
    pub(super) folder: PathBuf,
    pub(super) tree: Tree,
    pub(super) read_barrier: ReadBarrier,
    pub(super) failure: Arc<Failure>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) limits: GroupLimits,
    pub(super) space: Space,
    pub(super) counts: Counts,
    /// Held until sled is closed; therefore the last field.
    pub(super) _lock: File,
}

/// The writer's counters.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) groups: AtomicU64,
    pub(super) changes: AtomicU64,
    pub(super) largest: AtomicU64,
    pub(super) longest_micros: AtomicU64,
    longest_read_micros: AtomicU64,
}

impl Shared {
    /// Ends this run, because the tree's state is unknown.
    pub(super) fn fail(&self, why: &str) {
        self.failure.fail(why);
    }

    pub(super) fn count(&self, changes: usize, took: Duration) {
        let changes = u64::try_from(changes).unwrap_or(u64::MAX);
        let micros = micros(took);
        self.counts.groups.fetch_add(1, Ordering::Relaxed);
        self.counts.changes.fetch_add(changes, Ordering::Relaxed);
        self.counts.largest.fetch_max(changes, Ordering::Relaxed);
        self.counts.longest_micros.fetch_max(micros, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> StoreStats {
        let counts = &self.counts;
        let room = self.space.look();
        let visible = self.read_barrier.visible();
        StoreStats {
            groups: counts.groups.load(Ordering::Relaxed),
            changes: counts.changes.load(Ordering::Relaxed),
            largest_group: counts.largest.load(Ordering::Relaxed),
            longest_group: Duration::from_micros(counts.longest_micros.load(Ordering::Relaxed)),
            longest_read: Duration::from_micros(counts.longest_read_micros.load(Ordering::Relaxed)),
            position: visible.position,
            term: None,
            purging: visible.purging.len(),
            free_bytes: room.free,
            floor_bytes: room.floor,
            nearly_full: room.nearly_full,
        }
    }

    /// Reads durable state: waits for the open group if it changes what the read touches.
    pub(super) async fn read<R: Read>(&self, read: R) -> Result<R::Found, StoreError> {
        loop {
            match self.attempt(&read) {
                Ok(found) => return found,
                Err(group) => self.closed(group).await?,
            }
        }
    }

    /// As [`read`](Self::read), for many rows: on a thread that may block.
    pub(super) async fn read_many<R: Read>(self: &Arc<Self>, read: R) -> Result<R::Found, StoreError> {
        let read = Arc::new(read);
        loop {
            let (shared, attempted) = (Arc::clone(self), Arc::clone(&read));
            let attempt = tokio::task::spawn_blocking(move || shared.attempt(&*attempted)).await;
            match attempt
                .map_err(|error| StoreError::Unavailable(format!("the read ended early: {error}")))?
            {
                Ok(found) => return found,
                Err(group) => self.closed(group).await?,
            }
        }
    }

    /// Reads, or returns which group to wait for.
    fn attempt<R: Read>(&self, read: &R) -> Result<Result<R::Found, StoreError>, u64> {
        if let Err(error) = self.failure.check() {
            return Ok(Err(error));
        }
        let found = self.read_barrier.read(&read.touches(), |visible| {
            let began = now();
            let found = read.rows(&self.tree, visible);
            self.counts.longest_read_micros.fetch_max(micros(began.elapsed()), Ordering::Relaxed);
            found
        })?;
        Ok(match found {
            // If the store failed meanwhile, what was read may be wrong.
            Ok(found) => self.failure.check().map(|()| found),
            Err(fault) => Err(self.damage(&fault)),
        })
    }

    async fn closed(&self, group: u64) -> Result<(), StoreError> {
        tokio::select! {
            () = self.read_barrier.ended(group) => Ok(()),
            error = self.failure.failed() => Err(error),
        }
    }

    /// Ends the run after a fault in a read, even for a single bad row: sled's own checksums were right, so whatever
    /// caused it may have damaged other rows, and nothing more should be answered or written.
    fn damage(&self, fault: &Fault) -> StoreError {
        self.failure.fail_by(fault);
        fault.error(&self.folder)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.failure.why().is_some() {
            self.tree.leak();
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
