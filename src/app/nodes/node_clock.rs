//! How a node's clock agrees with those of the other nodes.
//!
//! Nodes compare times that others have written: when a token was rotated, a code redeemed. So their clocks may be at most
//! [`TOLERATED`] apart, and every decision that could end something by mistake leaves as much room. Each heartbeat measures
//! the clock against the store's; a jump since then shows at once, since the monotonic clock does not jump. Of two nodes
//! whose clocks are further apart, the one that is further from the store's clock answers nothing until it is set right.
//! A virtual machine that was paused sees no jump, since both clocks stood still: its store refuses what it appends (see
//! [`ExpectedClock`]), and the next heartbeat, which then comes at once, measures its clock again.
//! That the store's own clock is wrong matters to nobody, as long as the nodes agree.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Timestamp};
use crate::store::cluster::{ClockDifference, ExpectedClock, NodeId};

/// How far the clocks of two nodes that answer requests may be apart.
pub const TOLERATED: Duration = Duration::from_secs(5);
/// A smaller difference, in milliseconds, between the wall clock and the monotonic one is no jump.
pub(super) const JUMP: i64 = 1000;

/// A node's clock, beside those of the others.
pub struct NodeClock {
    clock: Arc<dyn Clock>,
    measured: RwLock<Option<Measured>>,
    /// Notified when the clock has jumped since it was measured, or stood still.
    jumped: Notify,
}

/// Both clocks, at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) wall: Timestamp,
    pub(super) monotonic: Duration,
}

/// What a heartbeat has shown.
#[derive(Debug)]
struct Measured {
    /// By how many milliseconds the wall clock was ahead of the monotonic one.
    ahead: i64,
    /// How the clock differed from the store's.
    difference: ClockDifference,
    me: Rank,
    others: Vec<OtherClock>,
}

/// Which of two clocks that are equally far from the store's goes on: that of the node that has run longer.
type Rank = (Timestamp, NodeId);

/// The clock of another node that answers requests.
#[derive(Clone, Debug)]
pub(super) struct OtherClock {
    pub(super) name: String,
    pub(super) difference: ClockDifference,
    pub(super) rank: Rank,
}

/// The clocks of two nodes are too far apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct OutOfStep {
    /// How far this node's clock is ahead, in milliseconds; negative if it is behind.
    pub ahead: i64,
    /// The name of the other node.
    pub other: String,
}

impl fmt::Display for OutOfStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Duration::from_millis(self.ahead.unsigned_abs()).as_secs_f64();
        let which = if self.ahead < 0 { "behind" } else { "ahead of" };
        let other = &self.other;
        write!(f, "this node's clock is {seconds:.1} s {which} the clock of the node {other}")
    }
}

impl NodeClock {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, measured: RwLock::default(), jumped: Notify::new() }
    }

    pub(super) fn read(&self) -> Reading {
        Reading { wall: self.clock.now(), monotonic: self.clock.monotonic() }
    }

    /// How the clock differs from the store's, which showed `theirs` at some time since `began`.
    pub(super) fn measure(&self, began: Reading, theirs: Timestamp) -> ClockDifference {
        let took = self.clock.monotonic().saturating_sub(began.monotonic);
        let half = took.checked_div(2).unwrap_or_default();
        let middle = began.wall.after(half);
        let error = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        ClockDifference { ahead: signed(middle.millis()).saturating_sub(signed(theirs.millis())), error }
    }

    /// Notes what a heartbeat that began at `began` has shown.
    pub(super) fn note(
        &self,
        began: Reading,
        difference: ClockDifference,
        me: Rank,
        others: Vec<OtherClock>,
    ) {
        let ahead = ahead(began.wall, began.monotonic);
        *self.measured.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Measured { ahead, difference, me, others });
    }

    /// How the clock differs from the store's now; `None` before it was measured.
    pub(super) fn difference(&self) -> Option<ClockDifference> {
        let measured = self.measured.read().unwrap_or_else(PoisonError::into_inner);
        measured.as_ref().map(|measured| measured.now(self.jump_since(measured)))
    }

    /// Whether it agrees with the others' clocks, so that this node may answer requests. Cheap enough for every request.
    ///
    /// # Errors
    /// [`OutOfStep`] if not.
    pub fn check(&self) -> Result<(), OutOfStep> {
        let measured = self.measured.read().unwrap_or_else(PoisonError::into_inner);
        let Some(measured) = measured.as_ref() else { return Ok(()) };
        let jump = self.jump_since(measured);
        let difference = measured.now(jump);
        let yields_to = measured.others.iter().find_map(|other| {
            let ahead = apart(difference, other.difference)?;
            let mine = (difference.ahead.unsigned_abs(), measured.me);
            let theirs = (other.difference.ahead.unsigned_abs(), other.rank);
            (theirs < mine).then(|| OutOfStep { ahead, other: other.name.clone() })
        });
        if jump != 0 {
            self.jumped.notify_one();
        }
        yields_to.map_or(Ok(()), Err)
    }

    /// Whether it agrees with the others' clocks, whichever of them is right: for a node that begins.
    ///
    /// # Errors
    /// [`OutOfStep`] if not.
    pub(super) fn check_strictly(&self) -> Result<(), OutOfStep> {
        let measured = self.measured.read().unwrap_or_else(PoisonError::into_inner);
        let Some(measured) = measured.as_ref() else { return Ok(()) };
        let difference = measured.now(self.jump_since(measured));
        let mut others = measured.others.iter();
        let found = others.find_map(|other| {
            apart(difference, other.difference).map(|ahead| OutOfStep { ahead, other: other.name.clone() })
        });
        found.map_or(Ok(()), Err)
    }

    /// Waits until somebody has noticed that the clock has jumped, or stood still.
    pub(super) async fn jumped(&self) {
        self.jumped.notified().await;
    }

    /// By how many milliseconds the wall clock has jumped since it was measured.
    fn jump_since(&self, measured: &Measured) -> i64 {
        let (began, wall, ended) = (self.clock.monotonic(), self.clock.now(), self.clock.monotonic());
        // Reading the clocks may have been interrupted: what lies between the two is no jump.
        let (least, most) = (ahead(wall, ended), ahead(wall, began));
        let jump = if measured.ahead > most {
            most.saturating_sub(measured.ahead)
        } else if measured.ahead < least {
            least.saturating_sub(measured.ahead)
        } else {
            0
        };
        if jump.unsigned_abs() > JUMP.unsigned_abs() { jump } else { 0 }
    }
}

impl ExpectedClock for NodeClock {
    fn latest(&self) -> Option<Timestamp> {
        let ClockDifference { ahead, error } = self.difference()?;
        let by = Duration::from_millis(ahead.unsigned_abs());
        let now = self.clock.now();
        let theirs = if ahead < 0 { now.after(by) } else { now.before(by) };
        Some(theirs.after(TOLERATED).after(Duration::from_millis(error)))
    }

    fn was_late(&self) {
        self.jumped.notify_one();
    }
}

impl Measured {
    fn now(&self, jump: i64) -> ClockDifference {
        ClockDifference { ahead: self.difference.ahead.saturating_add(jump), ..self.difference }
    }
}

/// How far the first clock is ahead of the second, if they are certainly too far apart.
fn apart(one: ClockDifference, other: ClockDifference) -> Option<i64> {
    let ahead = one.ahead.saturating_sub(other.ahead);
    let certain = ahead.unsigned_abs().saturating_sub(one.error).saturating_sub(other.error);
    (u128::from(certain) > TOLERATED.as_millis()).then_some(ahead)
}

fn ahead(wall: Timestamp, monotonic: Duration) -> i64 {
    let monotonic = i64::try_from(monotonic.as_millis()).unwrap_or(i64::MAX);
    signed(wall.millis()).saturating_sub(monotonic)
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "node_clock_tests.rs"]
mod tests;
