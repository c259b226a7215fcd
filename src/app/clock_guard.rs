//! Decides whether the wall clock can be trusted enough to delete data by it.
//!
//! If a machine's clock ran an hour ahead for a while, sessions would look expired that are not; with a year ahead, all
//! of them. Their tokens are refused then, but work again once the clock is right. The sweeper, however, must not
//! delete anything meanwhile. So it compares the wall clock with a monotonic one, and, at a start, with the times that
//! an earlier process stored:
//!
//! - At a start the wall clock is trusted at once if it is less than five minutes ahead of the newest time that the
//!   store knows: the log's newest event, or the last trusted time. Otherwise it must first run evenly for twenty
//!   minutes. A machine without a battery for its clock, or one that was resumed, has a wrong time until the network
//!   has corrected it; that takes seconds, and with the slowest of the usual time daemons a quarter of an hour.
//! - If the wall clock gets more than a minute ahead of the monotonic one, nothing is swept until it has run evenly for
//!   24 hours, or is back.
//! - The last trusted time is stored. A start more than a day after the newest time that the store knows counts as a
//!   jump too, so that a restart with a wrong clock does not get around the check. After a longer standstill the
//!   sweeper therefore begins a day later.
//! - While the clock is doubted, the store records that too, because events written meanwhile have the doubted time. So
//!   after a restart the newest event proves nothing, and the next process waits as long as this one would have.
//! - A clock that was set back is trusted at once if the store knows a time as late: an earlier time only makes the
//!   sweeper delete less.
//!
//! A machine that was suspended looks as if its clock had jumped; it costs a day's delay, and nothing else.

use std::time::Duration;

use crate::clock::Timestamp;

/// How far the wall clock may get ahead of the monotonic one between two readings.
const TOLERANCE: Duration = Duration::from_mins(1);
/// How far ahead of the newest time that the store knows the wall clock may be at a start.
const NEAR: Duration = Duration::from_mins(5);
/// How long a standstill may be.
const STANDSTILL: Duration = Duration::from_hours(24);
/// How long the clock must run evenly after a start at which no stored time confirms it.
const HOLD_AT_START: Duration = Duration::from_mins(20);
/// How long the clock must run evenly after a jump.
const HOLD: Duration = Duration::from_hours(24);

/// The times that an earlier process stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The last trusted time.
    pub believed: Option<Timestamp>,
    /// What the newest event of the log tells.
    pub newest: Newest,
}

/// What the newest event of the log proves about the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Newest {
    /// The log is empty, so nothing can be deleted.
    #[default]
    Empty,
    /// The event's time, by a trusted clock.
    At(Timestamp),
    /// Nothing: an earlier process doubted its clock, and would have doubted it for this long.
    Doubted(Duration),
    /// Nothing: it could not be read.
    Unknown,
}

/// The state of the guard: the last readings of the clocks.
#[derive(Clone, Copy, Debug)]
pub struct ClockGuard {
    /// The last trusted reading: the wall clock and the monotonic one.
    believed: Option<Look>,
    /// How far ahead of that the wall clock may be now.
    slack: Duration,
    /// How long the clock must run evenly after a start at which no stored time has confirmed it yet.
    hold_at_start: Option<Duration>,
    /// Why the wall clock is not trusted now.
    doubt: Option<Doubt>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    wall: Timestamp,
    monotonic: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// Since when the clock has run evenly.
    since: Look,
    /// How long it must run evenly.
    hold: Duration,
}

impl Look {
    /// The time that the wall clock should show when the monotonic one shows `monotonic`.
    fn at(self, monotonic: Duration) -> Timestamp {
        self.wall.after(monotonic.saturating_sub(self.monotonic))
    }
}

impl Evidence {
    /// The newest time that the store knows.
    #[must_use]
    pub fn known(&self) -> Option<Timestamp> {
        match self.newest {
            Newest::At(newest) => self.believed.max(Some(newest)),
            Newest::Empty | Newest::Doubted(_) | Newest::Unknown => self.believed,
        }
    }
}

impl ClockGuard {
    /// The guard at the start of a process.
    #[must_use]
    pub fn since(evidence: Evidence) -> Self {
        let believed = evidence.known().map(|wall| Look { wall, monotonic: Duration::ZERO });
        let hold_at_start = match evidence.newest {
            // The store is empty: nothing can be deleted wrongly.
            Newest::Empty if believed.is_none() => None,
            Newest::Empty | Newest::Unknown | Newest::At(_) => Some(HOLD_AT_START),
            Newest::Doubted(hold) => Some(hold.clamp(HOLD_AT_START, HOLD)),
        };
        Self { believed, slack: STANDSTILL, hold_at_start, doubt: None }
    }

    /// Reads both clocks: the wall clock, and the time since the process started. Returns how long the wall clock will
    /// still be distrusted; `None`: it is trusted.
    pub fn look(&mut self, wall: Timestamp, monotonic: Duration) -> Option<Duration> {
        let look = Look { wall, monotonic };
        if let Some(hold) = self.hold(look) {
            let doubt = match self.doubt {
                Some(doubt) if is_near(doubt.since.at(monotonic), wall) => doubt,
                // It jumped ahead while it was doubted.
                Some(doubt) if doubt.since.at(monotonic) < wall => Doubt { since: look, hold: HOLD },
                Some(_) | None => Doubt { since: look, hold },
            };
            self.doubt = Some(doubt);
            let held = monotonic.saturating_sub(doubt.since.monotonic);
            if held < doubt.hold {
                return Some(doubt.hold.saturating_sub(held));
            }
        }
        *self = Self { believed: Some(look), slack: TOLERANCE, hold_at_start: None, doubt: None };
        None
    }

    /// How long the clock must run evenly after this reading; `None` if it is trusted.
    fn hold(&self, Look { wall, monotonic }: Look) -> Option<Duration> {
        let is_ahead = |by| self.believed.is_some_and(|believed| wall > believed.at(monotonic).after(by));
        if is_ahead(self.slack) {
            return Some(HOLD);
        }
        self.hold_at_start.filter(|_| self.believed.is_none() || is_ahead(NEAR))
    }

    /// How long the wall clock must run evenly, counted from when it was doubted; `None` if it is trusted.
    #[must_use]
    pub fn doubted_for(&self) -> Option<Duration> {
        self.doubt.map(|doubt| doubt.hold)
    }
}

fn is_near(a: Timestamp, b: Timestamp) -> bool {
    a.since(b).max(b.since(a)) <= TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_000_000_000);
    const MINUTE: Duration = Duration::from_mins(1);
    const HOUR: Duration = Duration::from_hours(1);
    const YEAR: Duration = Duration::from_hours(365 * 24);

    /// A process that starts behind one that believed its clock at noon.
    fn since_noon() -> ClockGuard {
        ClockGuard::since(Evidence { believed: Some(NOON), newest: Newest::At(NOON) })
    }

    #[test]
    fn an_even_clock_is_believed_and_so_is_one_that_is_set_back() {
        let mut guard = ClockGuard::since(Evidence::default());
        for hours in 0..48 {
            assert_eq!(guard.look(NOON.after(HOUR * hours), HOUR * hours), None);
        }
        assert_eq!(guard.look(NOON, HOUR * 48), None);
        assert_eq!(guard.look(NOON.after(HOUR + TOLERANCE), HOUR * 49), None, "within the tolerance");
    }

    #[test]
    fn a_year_ahead_is_not_believed_for_a_day_nor_after_a_restart_and_is_over_when_the_clock_is_back() {
        let mut guard = since_noon();
        assert_eq!(guard.look(NOON, Duration::ZERO), None);
        assert_eq!(guard.look(NOON.after(HOUR), HOUR), None);
        for hours in 2..24 {
            assert!(guard.look(NOON.after(YEAR + HOUR * hours), HOUR * hours).is_some());
        }
        let believed = Some(NOON.after(HOUR));
        let mut restarted = ClockGuard::since(Evidence { believed, newest: Newest::Doubted(HOLD) });
        assert_eq!(restarted.look(NOON.after(YEAR + HOUR * 24), Duration::ZERO), Some(HOLD));
        assert_eq!(guard.look(NOON.after(HOUR * 24), HOUR * 24), None, "back");
        assert!(guard.look(NOON.after(YEAR), HOUR * 25).is_some(), "and ahead once more");
    }

    #[test]
    fn what_stays_for_a_day_is_believed_but_each_jump_begins_a_new_day() {
        let mut guard = since_noon();
        assert_eq!(guard.look(NOON.after(YEAR), Duration::ZERO), Some(HOLD));
        assert_eq!(guard.look(NOON.after(YEAR + HOUR * 23), HOUR * 23), Some(HOUR));
        assert_eq!(guard.look(NOON.after(YEAR * 2), HOUR * 24), Some(HOLD));
        assert_eq!(guard.look(NOON.after(YEAR * 2 + HOUR * 24), HOUR * 48), None);
        assert_eq!(guard.look(NOON.after(YEAR * 2 + HOUR * 25), HOUR * 49), None);
    }

    #[test]
    fn a_start_soon_after_the_newest_event_is_believed_at_once_whatever_was_believed_last() {
        for believed in [None, Some(NOON.before(HOUR * 20)), Some(NOON)] {
            let mut guard = ClockGuard::since(Evidence { believed, newest: Newest::At(NOON) });
            assert_eq!(guard.look(NOON.after(NEAR), Duration::ZERO), None, "{believed:?}");
        }
        assert_eq!(since_noon().look(NOON.before(HOUR), Duration::ZERO), None, "set back");
        // It took some time to look.
        assert_eq!(since_noon().look(NOON.after(NEAR + HOUR), HOUR), None);
    }

    #[test]
    fn an_hour_ahead_at_a_start_is_not_believed_until_it_has_run_evenly_for_a_while_or_is_back() {
        for newest in [Newest::At(NOON), Newest::Unknown] {
            let mut guard = ClockGuard::since(Evidence { believed: Some(NOON), newest });
            assert_eq!(guard.look(NOON.after(HOUR), Duration::ZERO), Some(HOLD_AT_START));
            assert_eq!(guard.look(NOON.after(HOUR + MINUTE * 19), MINUTE * 19), Some(MINUTE));
            let mut back = guard;
            assert_eq!(
                back.look(NOON.after(MINUTE * 20), MINUTE * 20),
                None,
                "the network has told the time"
            );
            assert_eq!(guard.look(NOON.after(HOUR + MINUTE * 20), MINUTE * 20), None, "a short standstill");
            assert_eq!(guard.look(NOON.after(HOUR + MINUTE * 21), MINUTE * 21), None);
        }
        let mut unknown = ClockGuard::since(Evidence { believed: None, newest: Newest::Unknown });
        assert_eq!(unknown.look(NOON, Duration::ZERO), Some(HOLD_AT_START), "nothing tells the time");
    }

    #[test]
    fn a_clock_that_is_set_back_a_part_of_the_way_begins_the_while_anew_and_one_that_jumps_ahead_a_day() {
        let mut guard = since_noon();
        assert_eq!(guard.look(NOON.after(HOUR * 3), Duration::ZERO), Some(HOLD_AT_START));
        assert_eq!(guard.look(NOON.after(HOUR), MINUTE * 10), Some(HOLD_AT_START));
        assert_eq!(guard.look(NOON.after(HOUR + MINUTE * 10), MINUTE * 20), Some(MINUTE * 10));
        assert_eq!(guard.look(NOON.after(HOUR * 2), MINUTE * 25), Some(HOLD));
        assert_eq!(
            guard.look(NOON.after(HOUR * 2 + MINUTE * 30), MINUTE * 55),
            Some(MINUTE * (24 * 60 - 30))
        );
    }

    #[test]
    fn events_of_a_process_that_doubted_its_clock_vouch_for_nothing() {
        let doubted =
            |hold| ClockGuard::since(Evidence { believed: Some(NOON), newest: Newest::Doubted(hold) });
        let mut guard = doubted(HOLD_AT_START);
        assert_eq!(guard.look(NOON.after(HOUR), Duration::ZERO), Some(HOLD_AT_START));
        assert_eq!(doubted(HOLD).look(NOON.after(HOUR * 5), Duration::ZERO), Some(HOLD), "it had jumped");
        assert_eq!(doubted(HOLD).look(NOON.after(MINUTE), Duration::ZERO), None, "back");
        assert_eq!(guard.doubted_for(), Some(HOLD_AT_START));
        assert_eq!(guard.look(NOON.after(HOUR + HOLD_AT_START), HOLD_AT_START), None);
        assert_eq!(guard.doubted_for(), None);
    }
}
