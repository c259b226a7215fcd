//! What a node has logged of itself and the others.

use std::collections::BTreeMap;

use super::node_clock::OutOfStep;
use crate::store::cluster::ClockDifference;

/// From this difference between its clock and the store's on, in milliseconds, a node warns.
pub(super) const WORTH_A_WARNING: u64 = 1000;

/// What was logged, so that it is logged once.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Told {
    /// The nodes that differ, and in what.
    pub(super) differences: BTreeMap<String, Vec<String>>,
    clock_differs: bool,
    out_of_step: bool,
    /// It could not say that it lives.
    pub(super) silent: bool,
}

impl Told {
    /// Logs what was not logged yet.
    pub(super) fn tell(
        &mut self,
        differences: BTreeMap<String, Vec<String>>,
        clock: ClockDifference,
        out_of_step: Option<&OutOfStep>,
    ) {
        for (name, what) in &differences {
            if self.differences.get(name) != Some(what) {
                let differs = what.join(", ");
                tracing::warn!(node.name = name, differs, "another node differs from this one");
            }
        }
        let clock_differs = clock.ahead.unsigned_abs().saturating_sub(clock.error) > WORTH_A_WARNING;
        if clock_differs && !self.clock_differs {
            tracing::warn!(
                clock.ahead_milliseconds = clock.ahead,
                "this node's clock differs from the database's: keep both right by NTP"
            );
        }
        match out_of_step {
            Some(error) if !self.out_of_step => {
                tracing::error!(error = %error, "this node answers 503 until its clock is right");
            }
            None if self.out_of_step => tracing::info!("this node's clock agrees with the others' again"),
            Some(_) | None => {}
        }
        (self.differences, self.clock_differs) = (differences, clock_differs);
        self.out_of_step = out_of_step.is_some();
    }
}
