//! Gathers appends into groups. While one group is written, the next one gathers: two at a time would be smaller, need a
//! sync each, and the second would wait for the first at `head`. Only if one takes long, the next one goes by another
//! connection.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, timeout};

use super::super::StoreStats;
use super::connect::Connector;
use super::group::{Group, Job};
use super::link::Links;

/// After how long the next group does not wait for the one before it: its connection may be broken.
const LONG: Duration = Duration::from_millis(100);

/// The appends that wait.
pub(super) struct Gatherer {
    incoming: Receiver<Job>,
    /// Those that have to go by another group than those before them.
    waiting: VecDeque<Job>,
}

/// What was written since the store was opened.
#[derive(Default)]
pub(super) struct Counters(Mutex<StoreStats>);

/// Writes one group after another, taking turns with the other writers.
pub(super) struct Writer {
    pub(super) gatherer: Arc<tokio::sync::Mutex<Gatherer>>,
    pub(super) links: Arc<Links>,
    /// Its number, from 0: that of its connection.
    pub(super) number: usize,
    pub(super) connector: Arc<Connector>,
    pub(super) counters: Arc<Counters>,
}

impl Gatherer {
    pub(super) const fn new(incoming: Receiver<Job>) -> Self {
        Self { incoming, waiting: VecDeque::new() }
    }

    /// The next group; `None` when no more appends will come.
    async fn next(&mut self) -> Option<Group> {
        if self.waiting.is_empty() {
            self.waiting.push_back(self.incoming.recv().await?);
            // All requests that are ready to append do so first. If there are none, this takes no time.
            tokio::task::yield_now().await;
        }
        let mut group = Group::default();
        let mut others = VecDeque::new();
        while !group.is_full()
            && let Some(job) = self.waiting.pop_front().or_else(|| self.incoming.try_recv().ok())
        {
            if group.suits(&job) {
                group.add(job);
            } else {
                others.push_back(job);
            }
        }
        others.append(&mut self.waiting);
        self.waiting = others;
        Some(group)
    }
}

impl Writer {
    /// Writes groups until no more appends will come.
    pub(super) async fn run(self) {
        loop {
            let mut turn = self.gatherer.lock().await;
            let Some(group) = turn.next().await else { return };
            let (began, appends) = (Instant::now(), group.len());
            let session = self.links.session_of(self.number);
            let session = session.as_deref().map_err(Clone::clone);
            let mut writing = pin!(group.write(session));
            let written = timeout(LONG, &mut writing).await;
            drop(turn);
            let written = match written {
                Ok(written) => written,
                Err(_) => writing.await,
            };
            if let Some(position) = written {
                self.connector.known().acknowledge(position);
                self.counters.count(appends, began.elapsed());
            }
        }
    }
}

impl Counters {
    /// Counts a group.
    pub(super) fn count(&self, changes: usize, took: Duration) {
        let mut stats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = u64::try_from(changes).unwrap_or(u64::MAX);
        stats.groups = stats.groups.saturating_add(1);
        stats.changes = stats.changes.saturating_add(changes);
        stats.largest_group = stats.largest_group.max(changes);
        stats.longest_group = stats.longest_group.max(took);
    }

    pub(super) fn read(&self) -> StoreStats {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
