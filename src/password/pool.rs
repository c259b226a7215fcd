//! The hashing pool: a few threads at lowered priority, each with its own memory block, behind a bounded queue.
//!
//! A hash takes tens of milliseconds and 19 MiB. So that a storm of sign-ins neither slows refreshes nor eats the
//! machine, only the pool's threads hash: memory is bounded by their number, waiting by the length of the queue, and
//! what comes on top is told at once to come back ([`PoolError::Busy`]). No account and no network fills the queue
//! ([`PoolError::TooManyAtOnce`]), and those who wait take turns: see `pool/queue.rs`.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::Duration;
use std::{io, thread};

use tokio::sync::oneshot;

use super::Password;
use super::hash::{Cost, PasswordRecord, Peppers};
use crate::random::Random;

mod job;
mod queue;
#[cfg(test)]
mod tests;
mod worker;

use job::Job;
pub use job::{NewPassword, PoolError, Verdict};
pub use queue::Source;
use queue::{Full, Places, Queue};
use worker::{Jobs, Shared, Worker};

/// How large the pool is, and what a hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    /// How many threads hash; at least one does.
    pub threads: usize,
    /// How many jobs may wait. The default is 16 a thread: with the recommended cost a fifth of a second of
    /// waiting, and a second or two when other work leaves the pool little time; a client's timeout survives that.
    pub queue: usize,
    /// What a new hash costs.
    pub cost: Cost,
    /// How long a thread without work keeps its memory.
    pub keep_memory: Duration,
}

impl Default for PoolOptions {
    /// A thread for each core, whose memory is given back after five seconds without work.
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { threads, queue: threads.saturating_mul(16), cost: Cost::RECOMMENDED, keep_memory: KEEP_MEMORY }
    }
}

/// How the pool is doing, since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Hashes begun: the number that throttling bounds.
    pub hashes_started: u64,
    /// Jobs refused, or put out again, because the queue was full.
    pub refused_busy: u64,
    /// Jobs refused because their account or network had too many at once.
    pub refused_source: u64,
    /// Jobs skipped because nobody waited for them any more.
    pub skipped: u64,
    /// Bytes held for hashing now.
    pub memory_bytes: usize,
}

/// Threads that hash. They end when the pool is dropped, after the jobs that are queued.
#[derive(Debug)]
pub struct HashingPool {
    shared: Arc<Shared>,
}

impl HashingPool {
    /// Starts the threads.
    ///
    /// # Errors
    /// If a thread cannot be started.
    pub fn start(options: PoolOptions, peppers: Peppers, random: Random) -> io::Result<Self> {
        let pool = Self::unstarted(options, peppers, random);
        pool.start_threads(options.threads)?;
        Ok(pool)
    }

    /// Hashes a password, whatever it is: demo and test users, imports, and what was [judged](Self::judge) before.
    ///
    /// If the returned future is dropped while the job still waits, nothing is hashed.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn hash(&self, password: Password, source: Source) -> Result<PasswordRecord, PoolError> {
        let (answer, answered) = oneshot::channel();
        self.submit(source, Job::Hash { password, rules: None, answer })?;
        answered.await.map_err(|_| PoolError::Lost)?
    }

    /// Hashes a new password, once it is accepted by `rules`; both on a hashing thread.
    ///
    /// # Errors
    /// [`PoolError`]: [`PoolError::NotAccepted`] if the rules refuse it.
    pub async fn hash_new(
        &self,
        password: Password,
        rules: NewPassword,
        source: Source,
    ) -> Result<PasswordRecord, PoolError> {
        let (answer, answered) = oneshot::channel();
        self.submit(source, Job::Hash { password, rules: Some(rules), answer })?;
        answered.await.map_err(|_| PoolError::Lost)?
    }

    /// Whether `rules` accept a new password; on a hashing thread, without a hash.
    ///
    /// # Errors
    /// [`PoolError`]: [`PoolError::NotAccepted`] if they do not.
    pub async fn judge(
        &self,
        password: Password,
        rules: NewPassword,
        source: Source,
    ) -> Result<(), PoolError> {
        let (answer, answered) = oneshot::channel();
        self.submit(source, Job::Judge { password, rules, answer })?;
        answered.await.map_err(|_| PoolError::Lost)?
    }

    /// Whether `password` is the one of `record`. `None`, for a person who does not exist, costs the same hash and never
    /// matches; nothing but the answer tells the two apart.
    ///
    /// If the returned future is dropped while the job still waits, nothing is hashed; a hash that has begun runs to
    /// its end.
    ///
    /// # Errors
    /// [`PoolError`].
    pub async fn verify(
        &self,
        password: Password,
        record: Option<PasswordRecord>,
        source: Source,
    ) -> Result<Verdict, PoolError> {
        let (answer, answered) = oneshot::channel();
        self.submit(source, Job::Verify { password, record, answer })?;
        answered.await.map_err(|_| PoolError::Lost)?
    }

    /// Adds peppers with which other servers hash, or will: passwords are verified with them from now on. New hashes use
    /// the pepper that was the current one at the start.
    pub fn add_peppers(&self, others: impl IntoIterator<Item = (u8, [u8; 32])>) {
        let mut peppers = self.shared.peppers.write().unwrap_or_else(PoisonError::into_inner);
        *peppers = Arc::new(peppers.with(others));
    }

    /// How many hashes have begun since the start.
    #[must_use]
    pub fn hashes_started(&self) -> u64 {
        self.shared.started.load(Ordering::Relaxed)
    }

    /// How the pool is doing.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        PoolStats {
            hashes_started: self.hashes_started(),
            refused_busy: self.shared.refused.load(Ordering::Relaxed),
            refused_source: self.shared.refused_source.load(Ordering::Relaxed),
            skipped: self.shared.skipped.load(Ordering::Relaxed),
            memory_bytes: self.shared.memory.load(Ordering::Relaxed),
        }
    }

    fn unstarted(options: PoolOptions, peppers: Peppers, random: Random) -> Self {
        let places = Places::new(options.queue, options.threads.max(1));
        let shared = Arc::new(Shared {
            cost: options.cost,
            keep_memory: options.keep_memory,
            peppers: RwLock::new(Arc::new(peppers)),
            random,
            jobs: Mutex::new(Jobs { queue: Queue::new(places), closed: false }),
            arrived: Condvar::new(),
            started: Arc::default(),
            refused: AtomicU64::new(0),
            refused_source: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            memory: AtomicUsize::new(0),
        });
        Self { shared }
    }

    fn start_threads(&self, threads: usize) -> io::Result<()> {
        for number in 0..threads.max(1) {
            let shared = Arc::clone(&self.shared);
            thread::Builder::new()
                .name(format!("hashing-{number}"))
                .spawn(move || Worker::new(&shared).run())?;
        }
        Ok(())
    }

    fn submit(&self, source: Source, job: Job) -> Result<(), PoolError> {
        let pushed = {
            let mut jobs = self.shared.jobs();
            if jobs.queue.is_crowded(source) {
                let gone = jobs.queue.forget(Job::is_abandoned);
                self.shared.skipped.fetch_add(u64::try_from(gone).unwrap_or(0), Ordering::Relaxed);
            }
            jobs.queue.push(source, job)
        };
        let refused = match pushed {
            Ok(displaced) => {
                self.shared.arrived.notify_one();
                if let Some(job) = displaced {
                    self.shared.refused.fetch_add(1, Ordering::Relaxed);
                    job.refuse(PoolError::Busy { retry_after: RETRY_AFTER });
                }
                return Ok(());
            }
            Err(full) => full,
        };
        let (count, error) = match refused {
            Full::Queue => (&self.shared.refused, PoolError::Busy { retry_after: RETRY_AFTER }),
            Full::Source => {
                (&self.shared.refused_source, PoolError::TooManyAtOnce { retry_after: RETRY_AFTER })
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
        Err(error)
    }
}

impl Drop for HashingPool {
    fn drop(&mut self) {
        self.shared.jobs().closed = true;
        self.shared.arrived.notify_all();
    }
}

/// By then a full queue of the default length is mostly worked off; `Retry-After` has whole seconds.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A storm of sign-ins is over by then; the memory is there again within milliseconds.
const KEEP_MEMORY: Duration = Duration::from_secs(5);
