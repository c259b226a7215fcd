//! Group commit into sled and nothing else: one thread takes all that waits, writes it, syncs, and answers.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use sled::{Batch, Db};
use tokio::sync::oneshot;

use super::super::limits::EVENT;

/// How many sessions take turns.
const SESSIONS: u64 = 1000;

/// How long a log waits for those who are missing, each time that it looks.
const GATHERING: Duration = Duration::from_millis(25);

/// What a group writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Whatever waits: of each a session's row, which is read before, and an event's, in a batch.
    Rows,
    /// The least that there is to write: one row with the events of all, all being as many as there are connections.
    Log,
}

/// Where commits are asked for.
pub(super) struct Commits {
    waiting: Arc<Waiting>,
}

/// Those who wait for a commit. Who asks wakes the writer only if it should begin.
struct Waiting {
    way: Way,
    all: Mutex<Vec<oneshot::Sender<()>>>,
    enough: Condvar,
    /// How many connections there are.
    connections: Arc<AtomicUsize>,
}

/// Where commits are made.
struct Store {
    db: Db,
    file: File,
    position: u64,
}

impl Commits {
    /// Opens a store in a folder of its own, sled set up as heirloom's is.
    pub(super) fn start(way: Way, folder: &Path, connections: Arc<AtomicUsize>) -> anyhow::Result<Self> {
        let db = sled::Config::new().path(folder).cache_capacity(64 << 20).segment_size(1 << 20).open()?;
        let file = File::options().write(true).open(folder.join("db"))?;
        let waiting = Waiting { way, all: Mutex::default(), enough: Condvar::new(), connections };
        let waiting = Arc::new(waiting);
        let requested = Arc::clone(&waiting);
        std::thread::spawn(move || {
            if let Err(error) = (Store { db, file, position: 0 }).run(&requested) {
                eprintln!("the writer ends: {error:#}");
                // Nobody must wait for it.
                std::process::exit(1);
            }
        });
        Ok(Self { waiting })
    }

    /// What a group writes.
    pub(super) fn way(&self) -> Way {
        self.waiting.way
    }

    /// Asks for a commit, which is durable when what is returned says so.
    pub(super) fn ask(&self) -> oneshot::Receiver<()> {
        let (done, durable) = oneshot::channel();
        let mut all = self.waiting.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(done);
        // Once is enough.
        let wake = all.len() == self.waiting.wanted();
        drop(all);
        if wake {
            self.waiting.enough.notify_one();
        }
        durable
    }
}

impl Waiting {
    /// For how many the writer begins.
    fn wanted(&self) -> usize {
        match self.way {
            Way::Rows => 1,
            Way::Log => self.connections.load(Ordering::Relaxed).max(1),
        }
    }

    /// The next group: when there are enough, or when nobody else comes.
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
    /// Runs until something fails.
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
                // Whoever asked may have gone.
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
