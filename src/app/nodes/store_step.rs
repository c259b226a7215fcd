//! A step ahead of the store's clock. Differences from it that were measured before and after can't be compared: without
//! this, all nodes but one would seem to be out of step until each has said the new difference.

use std::time::Duration;

use super::node_clock::JUMP;
use crate::clock::Timestamp;
use crate::store::cluster::{ClockDifference, NodeState};

/// The last step that was noticed.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoreStep {
    /// What was said until then, by the store's clock, was measured before.
    before: Timestamp,
    /// In milliseconds.
    by: i64,
}

impl StoreStep {
    /// The step that a heartbeat shows: the difference of this node's clock was `was`, also when the store's showed
    /// `last`, `since` ago.
    pub(super) fn noticed(
        (last, since): (Timestamp, Duration),
        was: Option<ClockDifference>,
        is: ClockDifference,
    ) -> Option<Self> {
        let was = was?;
        let by = was.ahead.saturating_sub(is.ahead);
        let error = i64::try_from(was.error.saturating_add(is.error)).unwrap_or(i64::MAX);
        (by.saturating_sub(error) > JUMP).then(|| Self { before: last.after(since), by })
    }

    /// The last step, when the store's clock showed `now`: the one that was just noticed, or the one that was known.
    pub(super) fn last(noticed: Option<Self>, known: Option<Self>, now: Timestamp) -> Option<Self> {
        // If the clock was set back since, what is said now is not from before.
        noticed.or(known.filter(|step| step.before < now))
    }

    /// How another node's clock differs from the store's now, by what it said.
    pub(super) fn corrected(&self, other: &NodeState) -> ClockDifference {
        let by = if other.seen <= self.before { self.by } else { 0 };
        ClockDifference { ahead: other.clock.ahead.saturating_sub(by), ..other.clock }
    }
}
