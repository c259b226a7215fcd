//! Lets readers see durable state only. sled shows a row before it is durable. So a read that touches rows of the open
//! group waits until that group is synced, and all other reads go on.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::watch;

use super::rows::Rows;

/// The barrier between the one writer and all readers.
#[derive(Debug)]
pub(super) struct ReadBarrier {
    visible: RwLock<Visible>,
    /// The number of the last group that was synced.
    ended: watch::Sender<u64>,
}

/// What a reader must know about the open group, and about removed events that are still in the tree.
#[derive(Debug, Default)]
pub(super) struct Visible {
    /// The number of the open group, or of the last one if none is open.
    group: u64,
    /// The rows that the open group changes; empty if none is open.
    rows: Arc<Rows>,
    /// Whether the open group removes events from the log, by removing streams or summarizing.
    takes_away: bool,
    /// The last durable position.
    pub(super) position: u64,
    /// Removed streams whose events are not purged yet, by birth, with the positions that are in no chunk.
    pub(super) purging: BTreeMap<u64, Vec<u64>>,
}

/// The part of the tree that a read touches.
#[derive(Debug)]
pub(super) enum Touches<'a> {
    /// One row.
    Row(&'a [u8]),
    /// All rows with this prefix.
    Prefix(&'a [u8]),
    /// The log up to the last durable position.
    Log,
}

impl ReadBarrier {
    pub(super) fn new(position: u64, purging: BTreeMap<u64, Vec<u64>>) -> Self {
        let visible = Visible { position, purging, ..Visible::default() };
        Self { visible: RwLock::new(visible), ended: watch::Sender::new(0) }
    }

    /// Runs `read`, unless the open group changes something that it touches; then returns the number of the group to
    /// wait for. No group opens while `read` runs.
    pub(super) fn read<T>(&self, touches: &Touches<'_>, read: impl FnOnce(&Visible) -> T) -> Result<T, u64> {
        let visible = self.visible();
        if visible.is_open(touches) { Err(visible.group) } else { Ok(read(&visible)) }
    }

    /// Waits until a group is synced.
    pub(super) async fn ended(&self, group: u64) {
        let mut ended = self.ended.subscribe();
        // The sender lives as long as the barrier.
        drop(ended.wait_for(|last| *last >= group).await);
    }

    /// Opens a group; call it before the group is applied.
    pub(super) fn begin(&self, rows: Arc<Rows>, takes_away: bool) {
        self.change(|visible| {
            visible.group = visible.group.saturating_add(1);
            visible.rows = rows;
            visible.takes_away = takes_away;
        });
    }

    /// Closes the open group: its changes are durable now.
    pub(super) fn end(&self, position: u64, removed: Vec<(u64, Vec<u64>)>) {
        let group = self.change(|visible| {
            visible.rows = Arc::default();
            visible.takes_away = false;
            visible.position = position;
            visible.purging.extend(removed);
            visible.group
        });
        self.ended.send_replace(group);
    }

    /// Changes what readers see, while no read runs.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Visible) -> T) -> T {
        change(&mut self.visible.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// What readers see. While the guard is held, no group opens.
    pub(super) fn visible(&self) -> RwLockReadGuard<'_, Visible> {
        self.visible.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visible {
    fn is_open(&self, touches: &Touches<'_>) -> bool {
        match touches {
            Touches::Row(key) => self.rows.contains_key(*key),
            Touches::Prefix(prefix) => {
                let from = (Bound::Included(*prefix), Bound::Unbounded);
                self.rows.range::<[u8], _>(from).next().is_some_and(|(key, _)| key.starts_with(prefix))
            }
            Touches::Log => self.takes_away,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reads_of_what_the_open_group_changes_wait() {
        let read_barrier = ReadBarrier::new(3, BTreeMap::new());
        let row = |key: &'static [u8]| Touches::Row(key);
        let prefix = |key: &'static [u8]| Touches::Prefix(key);
        read_barrier.begin(Arc::new(Rows::from([(b"rb/1".to_vec(), None)])), false);
        for waits in [row(b"rb/1"), prefix(b"rb"), prefix(b"rb/1")] {
            assert_eq!(read_barrier.read(&waits, |_| ()), Err(1), "{waits:?}");
        }
        for passes in [row(b"rb/"), prefix(b"ra"), prefix(b"rb/2"), Touches::Log] {
            assert_eq!(read_barrier.read(&passes, |visible| visible.position), Ok(3), "{passes:?}");
        }
        read_barrier.end(4, Vec::new());
        assert_eq!(read_barrier.read(&row(b"rb/1"), |visible| visible.position), Ok(4));
        read_barrier.begin(Arc::default(), true);
        assert_eq!(read_barrier.read(&Touches::Log, |_| ()), Err(2), "a removal takes events out of the log");
    }
}
