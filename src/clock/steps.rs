//! Detects jumps of the wall clock, so that a duration between two of its readings does not include time that never
//! passed.
//!
//! When the clock is set (by NTP, by hand) or the machine was suspended, the wall clock has moved on and the monotonic
//! clock has not. Between two jumps both run at the same rate. So the time since something happened is the sum of what
//! the wall clock ran between the jumps since then.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use super::Timestamp;

/// How many jumps are remembered.
const MOST_JUMPS: usize = 4;
/// A smaller difference between the clocks, in milliseconds, is not a jump: the clock is slewed, or the thread was
/// interrupted between reading the two clocks.
const TOLERANCE: u64 = 1000;
/// The clock may be set back by so much without being noticed. What seems to lie ahead by no more was a moment ago.
pub const UNNOTICED: Duration = Duration::from_millis(TOLERANCE);
/// A smaller difference, in milliseconds, is not stored, which saves the write.
const NEGLIGIBLE: u64 = 10;
/// The longest that reading both clocks may take, in milliseconds: a reading that was interrupted for longer is not
/// used.
const LONGEST_READING: u64 = 100;
/// After this time nobody asks for a duration across the jump, because a retry window is at most a day.
const REMEMBERED_FOR: Duration = Duration::from_hours(25);

/// A jump of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step {
    before: Timestamp,
    after: Timestamp,
}

/// The last jumps of the wall clock, newest first; at most four.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps([Option<Step>; MOST_JUMPS]);

impl Steps {
    /// Whether no jump is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// How long ago, at `now`, the wall clock showed `then`, without the jumps. If it showed `then` twice, since the
    /// last time.
    #[must_use]
    pub fn since(&self, then: Timestamp, now: Timestamp) -> Duration {
        let (mut until, mut passed) = (now, Duration::ZERO);
        for step in self.0.iter().flatten() {
            if (step.after..=until).contains(&then) {
                break;
            }
            passed = passed.saturating_add(until.since(step.after));
            until = step.before;
        }
        passed.saturating_add(until.since(then))
    }

    fn with(self, newest: Step) -> Self {
        let [first, second, third, _] = self.0;
        Self([Some(newest), first, second, third])
    }
}

/// Detects jumps of the wall clock by comparing it with a monotonic one.
#[derive(Debug)]
pub struct StepWatch {
    /// By how many milliseconds the wall clock was ahead of the monotonic one at the last reading.
    ahead: AtomicI64,
    /// Whether a jump is remembered: without one, the lock is not taken.
    any: AtomicBool,
    seen: RwLock<Seen>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    steps: Steps,
    /// When the newest jump was noticed, by the monotonic clock.
    newest: Duration,
}

impl StepWatch {
    /// Starts from one reading of both clocks.
    #[must_use]
    pub fn since(wall: Timestamp, monotonic: Duration) -> Self {
        let ahead = AtomicI64::new(ahead(wall, monotonic));
        Self { ahead, any: AtomicBool::new(false), seen: RwLock::default() }
    }

    /// The jumps up to now. The monotonic clock showed `began`, then the wall clock `wall`, then the monotonic clock
    /// `monotonic`.
    pub fn look(&self, began: Duration, wall: Timestamp, monotonic: Duration) -> Steps {
        let found = ahead(wall, monotonic);
        let moved = found.abs_diff(self.ahead.load(Ordering::Relaxed));
        if monotonic.saturating_sub(began) > Duration::from_millis(LONGEST_READING) {
            // The reading was interrupted: it says nothing about jumps.
        } else if moved > TOLERANCE {
            self.note(wall, monotonic);
        } else if moved > NEGLIGIBLE {
            self.ahead.store(found, Ordering::Relaxed);
        }
        if self.any.load(Ordering::Acquire) { self.known(wall, monotonic) } else { Steps::default() }
    }

    fn note(&self, wall: Timestamp, monotonic: Duration) {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        let known = self.ahead.load(Ordering::Relaxed);
        let found = ahead(wall, monotonic);
        // Another thread has noted this jump meanwhile, or noted a newer one after this thread read the clocks.
        if found.abs_diff(known) <= TOLERANCE || monotonic < seen.newest {
            return;
        }
        let before = millis(monotonic).saturating_add(known);
        let before = Timestamp::from_millis(u64::try_from(before).unwrap_or_default());
        *seen = Seen { steps: seen.steps.with(Step { before, after: wall }), newest: monotonic };
        self.ahead.store(found, Ordering::Relaxed);
        self.any.store(true, Ordering::Release);
        tracing::warn!(clock.before = %before, clock.after = %wall, "the wall clock has jumped");
    }

    fn known(&self, wall: Timestamp, monotonic: Duration) -> Steps {
        let seen = *self.seen.read().unwrap_or_else(PoisonError::into_inner);
        if !seen.is_past(wall, monotonic) {
            return seen.steps;
        }
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have noted a jump meanwhile.
        if seen.is_past(wall, monotonic) {
            self.any.store(false, Ordering::Release);
            seen.steps = Steps::default();
        }
        seen.steps
    }
}

impl Seen {
    /// Whether the jumps can be forgotten. After the clock was set back, earlier readings lie in its future until it
    /// has reached them again; until then only the remembered jump tells how old they are.
    fn is_past(&self, wall: Timestamp, monotonic: Duration) -> bool {
        monotonic.saturating_sub(self.newest) > REMEMBERED_FOR
            && self.steps.0.iter().flatten().all(|step| step.before <= wall)
    }
}

/// By how many milliseconds the wall clock is ahead of the monotonic one.
fn ahead(wall: Timestamp, monotonic: Duration) -> i64 {
    i64::try_from(wall.millis()).unwrap_or(i64::MAX).saturating_sub(millis(monotonic))
}

fn millis(monotonic: Duration) -> i64 {
    i64::try_from(monotonic.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: u64 = 1_000_000_000;

    /// A machine's two clocks, in seconds, and the watch that compares them.
    struct Machine {
        wall: u64,
        monotonic: u64,
        watch: StepWatch,
    }

    impl Machine {
        fn new() -> Self {
            let watch = StepWatch::since(Timestamp::from_seconds(NOON), Duration::ZERO);
            Self { wall: NOON, monotonic: 0, watch }
        }

        fn wait(&mut self, seconds: u64) {
            self.wall += seconds;
            self.monotonic += seconds;
        }

        fn jump(&mut self, seconds: i64) {
            self.wall = self.wall.saturating_add_signed(seconds);
        }

        fn since(&self, then: u64) -> u64 {
            let now = Timestamp::from_seconds(self.wall);
            let monotonic = Duration::from_secs(self.monotonic);
            let steps = self.watch.look(monotonic, now, monotonic);
            steps.since(Timestamp::from_seconds(then), now).as_secs()
        }
    }

    #[test]
    fn what_the_clock_jumped_ahead_does_not_count_for_what_was_before() {
        let mut machine = Machine::new();
        machine.wait(5);
        machine.jump(120);
        machine.wait(5);
        assert_eq!(machine.since(NOON), 10, "noticed five seconds later");
        machine.wait(4);
        assert_eq!(machine.since(NOON + 130), 4, "but what is after it counts as ever");
        machine.wait(3600);
        machine.jump(7200);
        assert_eq!((machine.since(NOON), machine.since(NOON + 130)), (3614, 3604));
    }

    #[test]
    fn what_was_before_a_clock_was_set_back_is_as_old_as_it_was() {
        let mut machine = Machine::new();
        machine.wait(100);
        machine.jump(-3600);
        assert_eq!(machine.since(NOON), 100);
        machine.wait(20);
        assert_eq!(machine.since(NOON), 120);
        assert_eq!(machine.since(NOON + 100 - 3600), 20);
        // The clock showed this time twice: the later one counts.
        machine.wait(3590);
        assert_eq!(machine.since(NOON + 90), 20);
    }

    #[test]
    fn small_differences_are_no_jumps_and_old_jumps_are_forgotten() {
        let mut machine = Machine::new();
        for _ in 0..100 {
            machine.wait(10);
            machine.jump(1);
            assert_eq!(machine.since(NOON), machine.wall - NOON);
        }
        machine.jump(60);
        assert_eq!(machine.since(machine.wall - 70), 10);
        machine.wait(26 * 3600);
        assert_eq!(machine.since(machine.wall - 100), 100);
        assert!(!machine.watch.any.load(Ordering::Relaxed));
    }

    #[test]
    fn a_look_that_was_overtaken_is_no_jump() {
        let machine = Machine::new();
        let late = |wall: u64, monotonic: u64| {
            let monotonic = Duration::from_secs(monotonic);
            machine.watch.look(monotonic, Timestamp::from_seconds(wall), monotonic)
        };
        let steps = late(NOON + 125, 5);
        assert_eq!(late(NOON + 4, 4), steps);
        assert_eq!(late(NOON + 126, 6), steps);
    }

    #[test]
    fn what_lies_ahead_of_a_clock_that_was_set_back_keeps_its_age() {
        let mut machine = Machine::new();
        machine.wait(100);
        machine.jump(-40 * 3600);
        assert_eq!(machine.since(NOON + 90), 10);
        for hours in [26, 13] {
            machine.wait(hours * 3600);
            assert!(machine.since(NOON + 90) >= 26 * 3600, "the clock is not there yet");
        }
        machine.wait(2 * 3600);
        machine.since(NOON);
        assert!(!machine.watch.any.load(Ordering::Relaxed), "it is");
    }

    #[test]
    fn a_look_that_was_interrupted_is_no_jump() {
        let machine = Machine::new();
        let look = |began: u64, wall: u64, monotonic: u64| {
            let monotonic = Duration::from_secs(monotonic);
            machine.watch.look(Duration::from_secs(began), Timestamp::from_seconds(NOON + wall), monotonic)
        };
        assert!(look(5, 5, 8).is_empty(), "between the wall clock and the monotonic one");
        assert!(look(9, 9, 9).is_empty());
        assert!(!look(10, 70, 10).is_empty(), "but a jump is noticed by the next");
    }

    proptest! {
        #[test]
        fn no_more_time_has_passed_than_by_the_monotonic_clock(
            days in prop::collection::vec((0..400u64, prop_oneof![-500i64..-1, 2i64..500], 0..400u64), 1..5),
        ) {
            let mut machine = Machine::new();
            let mut marks = Vec::new();
            let ahead_only = days.iter().all(|(_, jump, _)| *jump > 0);
            for (wait, jump, more) in days {
                machine.wait(wait);
                machine.since(0);
                marks.push((machine.wall, machine.monotonic));
                machine.jump(jump);
                machine.wait(more);
                for (wall, monotonic) in &marks {
                    let passed = machine.monotonic - monotonic;
                    let counted = machine.since(*wall);
                    prop_assert!(counted <= passed, "{counted} of {passed}");
                    prop_assert!(!ahead_only || counted == passed, "{counted} is not {passed}");
                }
            }
        }
    }
}
