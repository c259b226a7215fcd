//! Whether the wall clock can be believed enough to destroy something by it.
//!
//! A machine whose clock runs a year ahead for a while would find every session expired and every ended one old. Tokens
//! are refused then, but nothing is lost: they are good again when the clock is. The sweeper must not make it worse. So
//! it compares the wall clock with a monotonic one:
//!
//! - If the wall clock gets more than a minute ahead of the monotonic one, nothing is swept until it has run evenly for
//!   24 hours, or is back.
//! - The last moment that was believed is stored. A start more than a day after it is a jump too, so that a restart with
//!   a wrong clock does not help: after a longer standstill the sweeper begins a day later.
//! - A clock that was set back is believed at once: by an earlier time less is swept.
//!
//! A machine that was suspended looks as if its clock had jumped; it costs a day's delay, and nothing else.

use std::time::Duration;

use crate::clock::Timestamp;

/// How far the wall clock may get ahead of the monotonic one between two looks.
const TOLERANCE: Duration = Duration::from_mins(1);
/// How long a standstill may be.
const STANDSTILL: Duration = Duration::from_hours(24);
/// How long the clock must run evenly after a jump.
const HOLD: Duration = Duration::from_hours(24);

/// What was seen of the wall clock so far.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    /// What was believed last: what the wall clock said, and the monotonic one.
    believed: Option<Look>,
    /// How far ahead of it the wall clock may be now.
    slack: Duration,
    /// The first look after a jump.
    jumped: Option<Look>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    wall: Timestamp,
    monotonic: Duration,
}

impl Look {
    /// What the wall clock should say when the monotonic one says `monotonic`.
    fn at(self, monotonic: Duration) -> Timestamp {
        self.wall.after(monotonic.saturating_sub(self.monotonic))
    }
}

impl Steady {
    /// At the start of a process; `last` is what an earlier one believed last. Without one there is nothing to lose yet.
    #[must_use]
    pub fn since(last: Option<Timestamp>) -> Self {
        let believed = last.map(|wall| Look { wall, monotonic: Duration::ZERO });
        Self { believed, slack: STANDSTILL, jumped: None }
    }

    /// Looks at both clocks: the wall clock, and the time since the process started. Says for how long still the wall
    /// clock is not to be believed; `None`: it is.
    pub fn look(&mut self, wall: Timestamp, monotonic: Duration) -> Option<Duration> {
        let look = Look { wall, monotonic };
        let expected = self.believed.map(|believed| believed.at(monotonic).after(self.slack));
        if expected.is_some_and(|expected| wall > expected) {
            let jumped = match self.jumped {
                Some(jumped) if is_near(jumped.at(monotonic), wall) => jumped,
                Some(_) | None => *self.jumped.insert(look),
            };
            let held = monotonic.saturating_sub(jumped.monotonic);
            if held < HOLD {
                return Some(HOLD.saturating_sub(held));
            }
        }
        *self = Self { believed: Some(look), slack: TOLERANCE, jumped: None };
        None
    }
}

fn is_near(a: Timestamp, b: Timestamp) -> bool {
    a.since(b).max(b.since(a)) <= TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_000_000_000);
    const HOUR: Duration = Duration::from_hours(1);
    const YEAR: Duration = Duration::from_hours(365 * 24);

    #[test]
    fn an_even_clock_is_believed_and_so_is_one_that_is_set_back() {
        let mut steady = Steady::since(None);
        for hours in 0..48 {
            assert_eq!(steady.look(NOON.after(HOUR * hours), HOUR * hours), None);
        }
        assert_eq!(steady.look(NOON, HOUR * 48), None);
        assert_eq!(steady.look(NOON.after(HOUR + TOLERANCE), HOUR * 49), None, "within the tolerance");
    }

    #[test]
    fn a_year_ahead_is_not_believed_for_a_day_nor_after_a_restart_and_is_over_when_the_clock_is_back() {
        let mut steady = Steady::since(Some(NOON));
        assert_eq!(steady.look(NOON.after(HOUR), HOUR), None);
        for hours in 2..24 {
            assert!(steady.look(NOON.after(YEAR + HOUR * hours), HOUR * hours).is_some());
        }
        let mut restarted = Steady::since(Some(NOON.after(HOUR)));
        assert_eq!(restarted.look(NOON.after(YEAR + HOUR * 24), Duration::ZERO), Some(HOLD));
        assert_eq!(steady.look(NOON.after(HOUR * 24), HOUR * 24), None, "back");
        assert!(steady.look(NOON.after(YEAR), HOUR * 25).is_some(), "and ahead once more");
    }

    #[test]
    fn what_stays_for_a_day_is_believed_but_each_jump_begins_a_new_day() {
        let mut steady = Steady::since(Some(NOON));
        assert_eq!(steady.look(NOON.after(YEAR), Duration::ZERO), Some(HOLD));
        assert_eq!(steady.look(NOON.after(YEAR + HOUR * 23), HOUR * 23), Some(HOUR));
        assert_eq!(steady.look(NOON.after(YEAR * 2), HOUR * 24), Some(HOLD));
        assert_eq!(steady.look(NOON.after(YEAR * 2 + HOUR * 24), HOUR * 48), None);
        assert_eq!(steady.look(NOON.after(YEAR * 2 + HOUR * 25), HOUR * 49), None);
    }

    #[test]
    fn a_short_standstill_is_no_jump() {
        let mut steady = Steady::since(Some(NOON));
        assert_eq!(steady.look(NOON.after(HOUR * 23), Duration::ZERO), None);
    }
}
