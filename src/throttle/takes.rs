//! What this node has taken out of its [buckets](super::bucket) and the others have not heard of yet.
//!
//! It is told by key, a number each, from time to time: nobody waits for it. A take counts as told once this node has read
//! its own entry in the log. So an entry whose outcome was unknown is told again only if it is not there.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::keyed_hash::KeyedHash;
use super::log_clock::LogTime;
use super::operation::{LimitedAction, Operation};
use crate::clock::Timestamp;

/// Of how many buckets it is remembered at once; what is taken out of more is not told.
pub const UNTOLD: usize = 4096;

/// The takes that are to be told, and what buckets need to count with those of other nodes: the key of the hashes and the time
/// of the log.
pub struct Takes {
    hash: KeyedHash,
    time: Mutex<LogTime>,
    untold: Mutex<BTreeMap<(LimitedAction, [u8; 16]), Untold>>,
}

#[derive(Clone, Copy)]
struct Untold {
    number: u32,
    /// When the first was taken, by the log's time.
    since: Timestamp,
}

impl Takes {
    /// Nothing was taken yet. All nodes have the same key.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self { hash: KeyedHash::new(key), time: Mutex::default(), untold: Mutex::default() }
    }

    /// The time of the log, as far as it was applied.
    #[must_use]
    pub fn time(&self) -> LogTime {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is something to tell.
    #[must_use]
    pub fn has_untold(&self) -> bool {
        !self.untold().is_empty()
    }

    /// What is to be told, at most so much at once. `now` is this node's time.
    #[must_use]
    pub fn operations(&self, at_most: usize, now: Timestamp) -> Vec<Operation> {
        let at = self.time().at(now);
        let age = |since| u32::try_from(Duration::as_millis(&at.since(since))).unwrap_or(u32::MAX);
        let untold = self.untold();
        let first = untold.iter().take(at_most);
        first
            .map(|((action, key), untold)| Operation::Took {
                action: *action,
                key: (*key).into(),
                number: untold.number,
                age: age(untold.since),
            })
            .collect()
    }

    pub(super) fn move_on(&self, time: LogTime) {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner) = time;
    }

    /// What a key is called in buckets that are shared.
    pub(super) fn key(&self, key: &[u8; 16]) -> [u8; 16] {
        self.hash.hash(b'b', &[key]).first_chunk().copied().unwrap_or_default()
    }

    pub(super) fn add(&self, action: LimitedAction, key: [u8; 16], at: Timestamp) {
        let mut untold = self.untold();
        if let Some(known) = untold.get_mut(&(action, key)) {
            known.number = known.number.saturating_add(1);
        } else if untold.len() < UNTOLD {
            untold.insert((action, key), Untold { number: 1, since: at });
        }
    }

    /// The log has an entry of this node that says so. `at` is its time.
    pub(super) fn told(&self, action: LimitedAction, key: [u8; 16], number: u32, at: Timestamp) {
        let mut untold = self.untold();
        if let Some(known) = untold.get_mut(&(action, key)) {
            known.number = known.number.saturating_sub(number);
            known.since = known.since.max(at);
            if known.number == 0 {
                untold.remove(&(action, key));
            }
        }
    }

    /// A poisoned lock is used anyway: each step leaves the numbers consistent.
    fn untold(&self) -> MutexGuard<'_, BTreeMap<(LimitedAction, [u8; 16]), Untold>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
