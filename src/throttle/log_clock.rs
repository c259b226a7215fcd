//! The time of the log that nodes share: it never goes back, whatever their clocks show.
//!
//! An operation takes place when its node's clock says, but not before the one before it. So clocks that differ by some
//! seconds make nobody wait for less than one clock would, and for longer by at most that difference. A clock that is
//! behind by more than `CLOCKS_DIFFER` was set back, or another one is wrong: from then on only its progress counts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;

/// By how much the nodes' clocks may differ before only their progress counts.
pub(super) const CLOCKS_DIFFER: Duration = Duration::from_secs(30);
/// Of how many processes it is remembered that their clocks are behind.
const NODES: usize = 256;

/// The time at the last operation that was applied, and which nodes' clocks are behind it.
#[derive(Default)]
pub(super) struct LogClock {
    time: Timestamp,
    behind: BTreeMap<[u8; 8], Duration>,
}

/// The time of the log, as one node sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogTime {
    time: Timestamp,
    /// By how much the node's clock is always behind.
    behind: Duration,
}

impl LogClock {
    pub(super) const fn now(&self) -> Timestamp {
        self.time
    }

    pub(super) fn time_of(&self, node: [u8; 8]) -> LogTime {
        LogTime { time: self.time, behind: self.behind.get(&node).copied().unwrap_or_default() }
    }

    /// A node whose clock shows `at` says something.
    pub(super) fn move_on(&mut self, node: [u8; 8], at: Timestamp) {
        let of_node = self.time_of(node);
        self.time = of_node.at(at);
        if of_node.is_off(at) {
            self.behind.insert(node, self.time.since(at));
            while self.behind.len() > NODES {
                self.behind.pop_first();
            }
        }
    }
}

impl LogTime {
    /// The time of the log when the node's clock shows `now`.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Timestamp {
        self.time.max(now.after(self.behind))
    }

    /// For how long the time of the log will not move on when the node's clock, which shows `now`, does.
    pub(super) fn stands_still(self, now: Timestamp) -> Duration {
        if self.is_off(now) { Duration::ZERO } else { self.time.since(now.after(self.behind)) }
    }

    /// Whether the node's clock, which shows `now`, is so far behind that it does not move the time of the log on. It does
    /// when the node has said something.
    #[must_use]
    pub fn is_off(self, now: Timestamp) -> bool {
        self.time.since(now.after(self.behind)) > CLOCKS_DIFFER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    fn moved(clock: &mut LogClock, node: u8, seconds: u64) -> u64 {
        clock.move_on([node; 8], at(seconds));
        clock.now().since(at(0)).as_secs()
    }

    #[test]
    fn it_stands_still_for_a_clock_that_is_some_seconds_behind() {
        let mut clock = LogClock::default();
        let acts = [(1, 20), (2, 0), (2, 10), (1, 30), (2, 29), (2, 31)];
        assert_eq!(acts.map(|(node, seconds)| moved(&mut clock, node, seconds)), [20, 20, 20, 30, 30, 31]);
        assert_eq!(clock.time_of([2; 8]).stands_still(at(11)), Duration::from_secs(20));
    }

    #[test]
    fn only_the_progress_counts_of_a_clock_that_is_far_behind() {
        let mut clock = LogClock::default();
        assert_eq!(moved(&mut clock, 1, 3600), 3600);
        let progress = [(2, 0), (2, 7), (1, 3607), (2, 9), (1, 3700), (2, 102)];
        let progress = progress.map(|(node, seconds)| moved(&mut clock, node, seconds));
        assert_eq!(progress, [3600, 3607, 3607, 3609, 3700, 3702]);
        assert_eq!(clock.time_of([2; 8]).stands_still(at(102)), Duration::ZERO);
        // The first clock is set right.
        assert_eq!([(1, 102), (1, 103)].map(|(node, at)| moved(&mut clock, node, at)), [3702, 3703]);
    }
}
