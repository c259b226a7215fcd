//! The changes that wait for the writer, and the moment by which their group should begin.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::group::GroupLimits;
use super::group_delay::GroupDelay;
use super::job::Job;
use super::time::now;

/// The queue between the callers and the writer.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

struct Waiting {
    jobs: VecDeque<Job>,
    /// The most that they can add to a group: rows and bytes.
    rows: usize,
    bytes: usize,
    /// When their group should begin.
    due: Option<Instant>,
    delay: GroupDelay,
    /// How many changes have come and were not answered yet: those that wait, and those of the group that is written.
    under_way: usize,
    /// Until when the writer sleeps; `None` if it is awake.
    asleep: Option<Instant>,
    closed: bool,
}

impl Waiting {
    /// Whether nothing has come.
    const fn is_quiet(&self) -> bool {
        self.due.is_none() && !self.closed
    }
}

impl Queue {
    pub(super) fn new(delay: GroupDelay) -> Self {
        let jobs = VecDeque::new();
        let (rows, bytes, due, under_way, asleep, closed) = (0, 0, None, 0, None, false);
        let waiting = Waiting { jobs, rows, bytes, due, delay, under_way, asleep, closed };
        Self { waiting: Mutex::new(waiting), came: Condvar::new() }
    }

    /// Adds a change. Wakes the writer if it would sleep too long for the change, or if a group is full.
    pub(super) fn push(&self, job: Job, limits: GroupLimits) {
        let mut waiting = self.lock();
        let full = !job.cost.fits((waiting.rows, waiting.bytes), limits);
        waiting.rows = waiting.rows.saturating_add(job.cost.keys);
        waiting.bytes = waiting.bytes.saturating_add(job.cost.bytes);
        let (now, under_way) = (now(), waiting.under_way);
        let delay = waiting.delay.of_next(now, under_way);
        waiting.under_way = under_way.saturating_add(1);
        let due = if full { now } else { now.checked_add(delay).unwrap_or(now) };
        waiting.due = Some(waiting.due.map_or(due, |earlier| earlier.min(due)));
        waiting.jobs.push_back(job);
        let wake = waiting.asleep.zip(waiting.due).is_some_and(|(until, due)| due < until);
        if wake {
            // Once is enough.
            waiting.asleep = None;
        }
        drop(waiting);
        if wake {
            self.came.notify_one();
        }
    }

    /// Waits until a change is due, or until `patience` is over; then all changes that wait are moved behind `taken`.
    /// False if none will come any more. For as long as `awake` it does not sleep, but lets all other threads go first:
    /// to be woken takes longer than a change that comes at once is away, and on a virtual machine whoever is woken is often
    /// put behind the very thread that woke it.
    pub(super) fn take(&self, taken: &mut VecDeque<Job>, patience: Instant, awake: Duration) -> bool {
        if !awake.is_zero() {
            let began = now();
            while began.elapsed() < awake && self.lock().is_quiet() {
                thread::yield_now();
            }
        }
        let mut waiting = self.lock();
        while !waiting.closed {
            let until = waiting.due.map_or(patience, |due| due.min(patience));
            let rest = until.saturating_duration_since(now());
            if rest.is_zero() {
                break;
            }
            waiting.asleep = Some(until);
            waiting = self.came.wait_timeout(waiting, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
        waiting.asleep = None;
        waiting.due = None;
        (waiting.rows, waiting.bytes) = (0, 0);
        taken.append(&mut waiting.jobs);
        !waiting.closed
    }

    /// Takes in that so many changes were answered, and what CPU time the process took since those before them.
    pub(super) fn answered(&self, changes: usize, took: Duration) {
        let mut waiting = self.lock();
        waiting.under_way = waiting.under_way.saturating_sub(changes);
        waiting.delay.learn(changes, took);
    }

    /// No more changes will come: the writer finishes the waiting ones and ends.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.came.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::{Semaphore, oneshot};

    use super::super::super::{Append, Expected, StreamId};
    use super::super::group::GroupEntry;
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// A queue where so many changes are under way that a group waits as long as it may: an hour.
    fn crowded() -> Queue {
        let mut delay = GroupDelay::new(HOUR);
        delay.learn(1, Duration::from_millis(5));
        let queue = Queue::new(delay);
        queue.lock().under_way = 1 << 40;
        queue
    }

    fn push(queue: &Queue, limits: GroupLimits) {
        let stream = StreamId::new(b't', b"a").unwrap();
        let (events, expected) = (vec![b"e".to_vec()], Expected::NoStream);
        let change = GroupEntry::Append(Append {
            stream,
            expected,
            events,
            snapshot: Vec::new(),
            records: Vec::new(),
        });
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let (answer, _) = oneshot::channel();
        queue.push(Job { cost: change.cost().unwrap(), change, answer, place }, limits);
    }

    /// In how long the group is due.
    fn due(queue: &Queue) -> Duration {
        queue.lock().due.unwrap().saturating_duration_since(now())
    }

    /// Takes what waits, which must be due; says how much it is, and whether more may come.
    fn take(queue: &Queue) -> (usize, bool) {
        let (mut taken, began) = (VecDeque::new(), now());
        let open = queue.take(&mut taken, now() + HOUR, Duration::ZERO);
        assert!(began.elapsed() < HOUR / 2);
        (taken.len(), open)
    }

    #[test]
    fn a_group_waits_for_more_until_one_comes_that_expects_nobody() {
        let queue = crowded();
        push(&queue, GroupLimits::default());
        push(&queue, GroupLimits::default());
        assert!(due(&queue) > HOUR / 2);
        queue.answered(usize::MAX, Duration::ZERO);
        queue.lock().delay = GroupDelay::new(HOUR);
        push(&queue, GroupLimits::default());
        assert_eq!(due(&queue), Duration::ZERO);
        assert_eq!(take(&queue), (3, true));
    }

    #[test]
    fn a_full_group_waits_for_nobody() {
        let (queue, limits) = (crowded(), GroupLimits { keys: 20, bytes: 256 * 1024 });
        // An event, a snapshot and a chunk at most each, and two rows are kept for the log's end: the seventh is too much.
        for _ in 0..6 {
            push(&queue, limits);
        }
        assert!(due(&queue) > HOUR / 2);
        push(&queue, limits);
        assert_eq!(take(&queue), (7, true));
    }

    #[test]
    fn what_waits_is_taken_when_the_queue_is_closed() {
        let queue = crowded();
        push(&queue, GroupLimits::default());
        queue.close();
        assert_eq!(take(&queue), (1, false));
    }
}
