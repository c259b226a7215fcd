//! The changes that wait for the writer, each with the moment by which its group should begin.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::group::GroupLimits;
use super::job::Job;
use super::time::now;

/// Between those who ask for changes and the one writer.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// What they take of a group, rows and bytes.
    rows: usize,
    bytes: usize,
    /// When the first of them should be written.
    due: Option<Instant>,
    /// Until when the writer sleeps, if it does.
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
    /// Puts a change at the end; wakes the writer if it would sleep too long for it, or if a group is full.
    pub(super) fn push(&self, job: Job, limits: GroupLimits) {
        let mut waiting = self.lock();
        let full = !job.cost.fits((waiting.rows, waiting.bytes), limits);
        waiting.rows = waiting.rows.saturating_add(job.cost.keys);
        waiting.bytes = waiting.bytes.saturating_add(job.cost.bytes);
        let due = if full { now() } else { job.due };
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

    /// No more changes will come: the writer goes on with what waits, and ends.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.came.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
