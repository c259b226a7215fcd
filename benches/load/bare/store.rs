//! Group commit into sled and nothing else: one thread takes all waiting commits, writes them, syncs, and answers.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use sled::{Batch, Db};
use tokio::sync::oneshot;

/// As long as the event of a refresh, and as the session's state after it.
pub(crate) const EVENT: (usize, usize) = (86, 227);

/// The number of sessions that are used in turn.
const SESSIONS: u64 = 1000;

/// How long the writer waits for connections that have not handed in a commit, each time that it looks.
const GATHERING: Duration = Duration::from_millis(25);

/// What the writer writes for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// For each commit its session's row, which is read before, and an event's row, in one batch. Takes whatever waits.
    Rows,
    /// One row with the events of all, once all connections have handed in a commit.
    Log,
}

/// The side that asks for commits.
pub(super) struct Commits {
    waiting: Arc<Waiting>,
}

/// The commits that wait. A caller wakes the writer only if the writer should begin.
struct Waiting {
    way: Way,
    all: Mutex<Vec<oneshot::Sender<()>>>,
    enough: Condvar,
    /// The number of connections.
    connections: Arc<AtomicUsize>,
}

/// The side that makes commits.
struct Store {
    db: Db,
    file: File,
    position: u64,
}

impl Commits {
    /// Opens a store in a folder of its own, with sled set up as in heirloom.
    pub(super) fn start(way: Way, folder: &Path, connections: Arc<AtomicUsize>) -> anyhow::Result<Self> {
        let db = sled::Config::new().path(folder).cache_capacity(64 << 20).segment_size(1 << 20).open()?;
        let file = File::options().write(true).open(folder.join("db"))?;
        let waiting = Waiting { way, all: Mutex::default(), enough: Condvar::new(), connections };
        let waiting = Arc::new(waiting);
        let requested = Arc::clone(&waiting);
        std::thread::spawn(move || {
            if let Err(error) = (Store { db, file, position: 0 }).run(&requested) {
                eprintln!("the writer ends: {error:#}");
                // Without a writer, callers would wait for ever.
                std::process::exit(1);
            }
        });
        Ok(Self { waiting })
    }

    /// What is written for a group.
    pub(super) fn way(&self) -> Way {
        self.waiting.way
    }

    /// Asks for a commit. It is durable when the returned receiver is told.
    pub(super) fn ask(&self) -> oneshot::Receiver<()> {
        let (done, durable) = oneshot::channel();
        let mut all = self.waiting.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(done);
        // One wake-up is enough for a group.
        let wake = all.len() == self.waiting.wanted();
        drop(all);
        if wake {
            self.waiting.enough.notify_one();
        }
        durable
    }
}

impl Waiting {
    /// How many waiting commits make the writer begin.
    fn wanted(&self) -> usize {
        match self.way {
            Way::Rows => 1,
            Way::Log => self.connections.load(Ordering::Relaxed).max(1),
        }
    }

    /// The next group: returns when there are enough commits, or when no more come.
    fn group(&self) -> Vec<oneshot::Sender<()>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        while all.len() < self.wanted() {
            let (woken, timeout) =
                self.enough.wait_timeout(all, GATHERING).unwrap_or_else(PoisonError::into_inner);
            all = woken;
            if timeout.timed_out() && !all.is_empty() {
                break;
            }
        }
        std::mem::take(&mut *all)
    }
}

impl Store {
    /// Makes commits until one fails.
    fn run(mut self, waiting: &Waiting) -> anyhow::Result<()> {
        loop {
            let group = waiting.group();
            match waiting.way {
                Way::Rows => self.rows(group.len())?,
                Way::Log => self.log(group.len())?,
            }
            self.db.flush()?;
            self.file.sync_data()?;
            for done in group {
                // The caller may be gone already.
                let _ = done.send(());
            }
        }
    }

    fn rows(&mut self, commits: usize) -> anyhow::Result<()> {
        let mut batch = Batch::default();
        for _ in 0..commits {
            self.position += 1;
            let session = [b"s".as_slice(), &(self.position % SESSIONS).to_be_bytes()].concat();
            let mut state = self.db.get(&session)?.map_or_else(|| vec![7; EVENT.1], |state| state.to_vec());
            state.splice(..8, self.position.to_be_bytes());
            batch.insert(session, state);
            batch.insert([b"e".as_slice(), &self.position.to_be_bytes()].concat(), vec![7; EVENT.0]);
        }
        Ok(self.db.apply_batch(batch)?)
    }

    fn log(&mut self, commits: usize) -> anyhow::Result<()> {
        self.position += 1;
        self.db.insert(self.position.to_be_bytes(), vec![7; EVENT.0 * commits])?;
        Ok(())
    }
}
