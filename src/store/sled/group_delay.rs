//! How long a group waits for more changes.
//!
//! A group costs much more than what one more change adds to it. So it waits as long as the processors are busy with the
//! requests whose changes are under way, or will be with those that are expected in a moment: these changes come in any case,
//! and who has asked can do other things meanwhile. The more requests there are at once, the more of them share a group and
//! its sync. A change that comes alone does not wait.
//!
//! What a request takes is measured by the CPU time of the process: so much of it passes for each change. No waiting is in
//! that time, so a longer delay does not make the next one longer. A group waits for half of it, since requests whose
//! changes are under way have done half of their work, on average. (All of it was measured too: up to 7 % fewer refreshes
//! at 64 connections.)

use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The most CPU time that a change is taken to stand for. A process that took more did something else, such as hashing
/// passwords, or worked for changes that are still under way.
const LONGEST_WORK: Duration = Duration::from_millis(5);
/// After how long without a change nobody is expected.
const PAUSE: Duration = Duration::from_millis(100);

/// Who is expected, and what each takes.
#[derive(Debug)]
pub(super) struct GroupDelay {
    /// The longest delay.
    longest: Duration,
    processors: u32,
    /// The CPU time that passes for one change: a moving average.
    work: Duration,
    /// How many changes are expected to be under way in a moment.
    expected: usize,
    /// When the last change came.
    came: Option<Instant>,
}

impl GroupDelay {
    /// Nothing is known yet: the first changes don't wait.
    pub(super) fn new(longest: Duration) -> Self {
        let processors = thread::available_parallelism()
            .map_or(1, |number| u32::try_from(number.get()).unwrap_or(u32::MAX));
        Self { longest, processors, work: Duration::ZERO, expected: 0, came: None }
    }

    /// How long the group of the change that comes `now` may wait, while so many others are under way.
    pub(super) fn of_next(&mut self, now: Instant, under_way: usize) -> Duration {
        let paused = self.came.is_none_or(|came| now.saturating_duration_since(came) > PAUSE);
        self.came = Some(now);
        self.expected = match under_way {
            _ if paused => under_way,
            // Those whom a group has answered come back together. The first of them, who finds nobody, expects half of those
            // that there were, or else it would be a group of its own.
            0 => self.expected >> 1,
            // Fewer are expected with each who comes, so that it follows when they get fewer.
            _ => under_way.max(self.expected.saturating_sub(1)),
        };
        let expected = u32::try_from(self.expected).unwrap_or(u32::MAX);
        let busy = self.work.saturating_mul(expected).checked_div(self.processors.saturating_mul(2));
        busy.unwrap_or_default().min(self.longest)
    }

    /// Takes in that so many changes were answered, and what CPU time the process took since those before them.
    pub(super) fn learn(&mut self, answered: usize, took: Duration) {
        let answered = u32::try_from(answered).unwrap_or(u32::MAX);
        let Some(each) = took.checked_div(answered).map(|each| each.min(LONGEST_WORK)) else { return };
        let known = if self.work.is_zero() { each } else { self.work };
        self.work = known.saturating_mul(7).saturating_add(each).checked_div(8).unwrap_or_default();
    }
}

/// The CPU time that this process has taken so far, all its threads together.
pub(super) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::time::now;
    use super::*;

    /// Two processors, and changes of 800 microseconds: each that is expected is another 200.
    fn with_work() -> (GroupDelay, Instant) {
        let mut delay = GroupDelay { processors: 2, ..GroupDelay::new(Duration::from_millis(25)) };
        delay.learn(2, Duration::from_micros(1600));
        (delay, now())
    }

    /// How many are expected with each of the next `number` changes, while so many are under way.
    fn expected(delay: &mut GroupDelay, now: Instant, under_way: usize, number: usize) -> Vec<u128> {
        (0..number).map(|_| delay.of_next(now, under_way).as_micros() / 200).collect()
    }

    #[test]
    fn the_more_changes_are_under_way_the_longer_a_group_waits() {
        let (mut delay, now) = with_work();
        assert_eq!(delay.of_next(now, 0), Duration::ZERO, "alone, nobody waits");
        assert_eq!(delay.of_next(now, 3), Duration::from_micros(600));
        assert_eq!(delay.of_next(now, 1000), Duration::from_millis(25), "but not longer than it may");
        let mut delay = GroupDelay::new(Duration::ZERO);
        delay.learn(1, Duration::from_millis(1));
        assert_eq!(delay.of_next(now, 1000), Duration::ZERO);
    }

    #[test]
    fn what_a_change_takes_is_an_average_of_those_that_were_answered() {
        let (mut delay, _) = with_work();
        assert_eq!(delay.work, Duration::from_micros(800));
        delay.learn(10, Duration::from_millis(16));
        assert_eq!(delay.work, Duration::from_micros(900));
        delay.learn(0, Duration::from_secs(1));
        assert_eq!(delay.work, Duration::from_micros(900));
        // What takes long has done something else.
        delay.learn(1, Duration::from_hours(1));
        assert_eq!(delay.work, (Duration::from_micros(900) * 7 + LONGEST_WORK) / 8);
    }

    #[test]
    fn a_crowd_is_expected_back_but_not_for_long() {
        let (mut delay, now) = with_work();
        assert_eq!(expected(&mut delay, now, 8, 1), [8]);
        assert_eq!(expected(&mut delay, now, 0, 1), [4], "the first expects half of them");
        assert_eq!(expected(&mut delay, now, 1, 4), [3, 2, 1, 1], "and those behind it fewer each");

        assert_eq!(expected(&mut delay, now, 8, 1), [8]);
        assert_eq!(expected(&mut delay, now, 0, 5), [4, 2, 1, 0, 0], "alone again");

        assert_eq!(expected(&mut delay, now, 8, 1), [8]);
        assert_eq!(expected(&mut delay, now + PAUSE * 2, 0, 1), [0], "nobody for a while");
    }
}
