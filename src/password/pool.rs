//! The hashing pool: a few threads at lowered priority, each with its own memory block, behind a bounded queue.
//!
//! A hash takes tens of milliseconds and 19 MiB. So that a storm of sign-ins neither slows refreshes nor eats the
//! machine, only the pool's threads hash: memory is bounded by their number, waiting by the length of the queue, and
//! what comes on top is told at once to come back ([`PoolError::Busy`]). No account and no network fills the queue
//! ([`PoolError::TooManyAtOnce`]), and those who wait take turns: see `pool/queue.rs`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use tokio::sync::oneshot;

use super::Password;
use super::hash::{Cost, HashRefused, PasswordRecord, Peppers, Workspace};
use super::policy::{Policy, PolicyRefused};
use crate::random::{NoRandomness, Random};

mod queue;
#[cfg(test)]
mod tests;

pub use queue::Source;
use queue::{Full, Places, Queue};

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

/// What a new password is measured by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPassword {
    /// The rules.
    pub policy: Policy,
    /// Words about the person that are no secret: the name, an address.
    pub about: Vec<String>,
}

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the password is the right one. Never for a person without a record.
    pub matches: bool,
    /// On a match with a record of another cost or pepper: the same password hashed anew, to be stored in its place.
    pub rehashed: Option<PasswordRecord>,
}

/// Why the pool has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The queue is full; nothing was hashed.
    #[error("the password hashing queue is full")]
    Busy {
        /// When to come back.
        retry_after: Duration,
    },
    /// One account or one network has too many passwords hashed at once; this one was not.
    #[error("too many passwords of one account or network are hashed at once")]
    TooManyAtOnce {
        /// When to come back.
        retry_after: Duration,
    },
    /// The stored record cannot be computed.
    #[error(transparent)]
    Refused(#[from] HashRefused),
    /// There is no salt.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The new password is not good enough. The one case that is the client's to read.
    #[error(transparent)]
    NotAccepted(#[from] PolicyRefused),
    /// The hashing thread gave no answer: a defect, or the process is ending.
    #[error("the password hashing pool gave no answer")]
    Lost,
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
            peppers,
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

enum Job {
    Hash {
        password: Password,
        rules: Option<NewPassword>,
        answer: oneshot::Sender<Result<PasswordRecord, PoolError>>,
    },
    Judge {
        password: Password,
        rules: NewPassword,
        answer: oneshot::Sender<Result<(), PoolError>>,
    },
    Verify {
        password: Password,
        record: Option<PasswordRecord>,
        answer: oneshot::Sender<Result<Verdict, PoolError>>,
    },
}

impl Job {
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Hash { answer, .. } => answer.is_closed(),
            Self::Judge { answer, .. } => answer.is_closed(),
            Self::Verify { answer, .. } => answer.is_closed(),
        }
    }

    /// Answers without any work. Who has gone meanwhile has no use for it.
    fn refuse(self, error: PoolError) {
        match self {
            Self::Hash { answer, .. } => drop(answer.send(Err(error))),
            Self::Judge { answer, .. } => drop(answer.send(Err(error))),
            Self::Verify { answer, .. } => drop(answer.send(Err(error))),
        }
    }
}

impl NewPassword {
    fn accept(&self, password: &Password) -> Result<(), PoolError> {
        let about: Vec<&str> = self.about.iter().map(String::as_str).collect();
        Ok(self.policy.accept(password, &about)?)
    }
}

struct Jobs {
    queue: Queue<Job>,
    /// There will be no more.
    closed: bool,
}

struct Shared {
    cost: Cost,
    keep_memory: Duration,
    peppers: Peppers,
    random: Random,
    jobs: Mutex<Jobs>,
    /// There is a job, or there will be no more.
    arrived: Condvar,
    started: Arc<AtomicU64>,
    refused: AtomicU64,
    refused_source: AtomicU64,
    skipped: AtomicU64,
    memory: AtomicUsize,
}

impl Shared {
    /// The queue is good after a panic elsewhere: each step leaves it whole.
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("cost", &self.cost)
            .field("peppers", &self.peppers)
            .finish_non_exhaustive()
    }
}

/// One thread's side.
struct Worker<'a> {
    shared: &'a Shared,
    workspace: Workspace,
    /// What this worker has added to the shared count of bytes.
    counted: usize,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared) -> Self {
        Self { shared, workspace: Workspace::new(Arc::clone(&shared.started)), counted: 0 }
    }

    fn run(mut self) {
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
        let Shared { cost, peppers, random, .. } = self.shared;
        let salt = random.bytes()?;
        let hashed = self.workspace.hash(password, (*cost, peppers), salt);
        self.count_memory();
        Ok(hashed?)
    }

    fn verify(&mut self, password: &Password, record: Option<&PasswordRecord>) -> Result<Verdict, PoolError> {
        let Shared { cost, peppers, .. } = self.shared;
        let nobody = PasswordRecord::of_nobody(*cost, peppers);
        let equal = self.workspace.verify(password, record.unwrap_or(&nobody), peppers);
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
fn lower_priority() {
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
const NICENESS: i32 = 10;
