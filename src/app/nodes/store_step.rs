//! A step ahead of the store's clock. Differences from it that were measured before and after can't be compared: without
//! this, all nodes but one would seem to be out of step until each has said the new difference.

use std::time::Duration;

use super::Nodes;
use super::node_clock::{JUMP, Reading};
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

    /// How another node's clock differs from the store's now, by what it said.
    pub(super) fn corrected(&self, other: &NodeState) -> ClockDifference {
        let by = if other.seen <= self.before { self.by } else { 0 };
        ClockDifference { ahead: other.clock.ahead.saturating_sub(by), ..other.clock }
    }
}

impl Nodes {
    /// The last step ahead of the store's clock, which a heartbeat that began at `began` may have shown, when the store's
    /// clock showed `now`.
    pub(super) fn look_for_step(
        &self,
        (began, now): (Reading, Timestamp),
        difference: ClockDifference,
    ) -> Option<StoreStep> {
        let mut state = self.state();
        let last = (state.standing.now, began.monotonic.saturating_sub(state.read));
        let noticed = StoreStep::noticed(last, self.node_clock.difference(), difference);
        // If the clock was set back since, what is said now is not from before.
        let known = state.store_step.filter(|step| step.before < now);
        state.store_step = noticed.or(known);
        state.store_step
    }
}
