//! A thread of the pool, and what all of its threads share.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use super::job::{Job, PoolError, Verdict};
use super::queue::{Queue, Source};
use crate::password::Password;
use crate::password::hash::{Cost, PasswordRecord, Peppers, Workspace};
use crate::random::Random;

pub(super) struct Jobs {
    pub(super) queue: Queue<Job>,
    /// There will be no more.
    pub(super) closed: bool,
}

pub(super) struct Shared {
    pub(super) cost: Cost,
    pub(super) keep_memory: Duration,
    pub(super) peppers: RwLock<Arc<Peppers>>,
    pub(super) random: Random,
    pub(super) jobs: Mutex<Jobs>,
    /// There is a job, or there will be no more.
    pub(super) arrived: Condvar,
    pub(super) started: Arc<AtomicU64>,
    pub(super) refused: AtomicU64,
    pub(super) refused_source: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) memory: AtomicUsize,
}

impl Shared {
    /// The queue is good after a panic elsewhere: each step leaves it whole.
    pub(super) fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn peppers(&self) -> Arc<Peppers> {
        Arc::clone(&self.peppers.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("cost", &self.cost)
            .field("peppers", &self.peppers())
            .finish_non_exhaustive()
    }
}

/// One thread's side.
pub(super) struct Worker<'a> {
    shared: &'a Shared,
    workspace: Workspace,
    /// What this worker has added to the shared count of bytes.
    counted: usize,
}

impl<'a> Worker<'a> {
    pub(super) fn new(shared: &'a Shared) -> Self {
        Self { shared, workspace: Workspace::new(Arc::clone(&shared.started)), counted: 0 }
    }

    pub(super) fn run(mut self) {
        lower_priority();
        while let Some((source, job)) = self.next() {
            if job.is_abandoned() {
                self.shared.skipped.fetch_add(1, Ordering::Relaxed);
            } else {
                // A panic must not cost the pool a thread: whoever waits is told that the answer is lost.
                let _ = catch_unwind(AssertUnwindSafe(|| self.work(job)));
            }
            self.shared.jobs().queue.done(source);
        }
    }

    /// The next job; none if there will be no more. A long wait for it is spent without the memory.
    fn next(&mut self) -> Option<(Source, Job)> {
        let shared = self.shared;
        let idle = |jobs: &mut Jobs| !jobs.closed && jobs.queue.is_empty();
        let waited = shared.arrived.wait_timeout_while(shared.jobs(), shared.keep_memory, idle);
        let (mut jobs, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if idle(&mut jobs) {
            drop(jobs);
            self.workspace.give_back();
            self.count_memory();
            let waited = shared.arrived.wait_while(shared.jobs(), idle);
            jobs = waited.unwrap_or_else(PoisonError::into_inner);
        }
        jobs.queue.pop()
    }

    fn work(&mut self, job: Job) {
        // A receiver that has gone meanwhile has no use for the answer.
        match job {
            Job::Hash { password, rules, answer } => {
                let accepted = rules.map_or(Ok(()), |rules| rules.accept(&password));
                drop(answer.send(accepted.and_then(|()| self.hash(&password))));
            }
            Job::Judge { password, rules, answer } => drop(answer.send(rules.accept(&password))),
            Job::Verify { password, record, answer } => {
                drop(answer.send(self.verify(&password, record.as_ref())));
            }
        }
    }

    fn hash(&mut self, password: &Password) -> Result<PasswordRecord, PoolError> {
        let Shared { cost, random, .. } = self.shared;
        let salt = random.bytes()?;
        let hashed = self.workspace.hash(password, (*cost, &self.shared.peppers()), salt);
        self.count_memory();
        Ok(hashed?)
    }

    fn verify(&mut self, password: &Password, record: Option<&PasswordRecord>) -> Result<Verdict, PoolError> {
        let (cost, peppers) = (&self.shared.cost, self.shared.peppers());
        let nobody = PasswordRecord::of_nobody(*cost, &peppers);
        let equal = self.workspace.verify(password, record.unwrap_or(&nobody), &peppers);
        self.count_memory();
        self.workspace.shrink_to(*cost);
        self.count_memory();
        let known = record.filter(|_| equal == Ok(true));
        let outdated = known.is_some_and(|record| record.needs_rehash(*cost, peppers.current()));
        // The sign-in is good even if the new hash fails: the next one tries again.
        let rehashed = if outdated { self.hash(password).ok() } else { None };
        Ok(Verdict { matches: equal? && known.is_some(), rehashed })
    }

    fn count_memory(&mut self) {
        let now = self.workspace.bytes();
        self.shared.memory.fetch_add(now, Ordering::Relaxed);
        self.shared.memory.fetch_sub(self.counted, Ordering::Relaxed);
        self.counted = now;
    }
}

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.shared.memory.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

/// Lets everything else go first. Linux keeps a priority per thread and takes a thread's id where POSIX has a process's;
/// elsewhere this would slow the whole process, so it is left alone. A refusal is no reason not to hash.
pub(super) fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        let thread = Some(rustix::thread::gettid());
        // Only ever lowered: the whole process may have been started with less.
        let own = rustix::process::getpriority_process(thread).unwrap_or(NICENESS);
        if own < NICENESS
            && let Err(error) = rustix::process::setpriority_process(thread, NICENESS)
        {
            tracing::debug!(%error, "hashing threads keep their priority");
        }
    }
}

/// From 0, as everything else, to 19: at 10, one of these threads gets about a tenth of a busy core.
#[cfg(target_os = "linux")]
pub(super) const NICENESS: i32 = 10;
