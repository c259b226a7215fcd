//! Group commit into sled and nothing else: one thread takes all that waits, writes it, syncs, and answers.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use crossbeam_channel::{Receiver, Sender};
use sled::{Batch, Db};
use tokio::sync::oneshot;

use super::super::limits::EVENT;

/// How many commits share a sync at most.
const MOST: usize = 128;
/// How many sessions take turns.
const SESSIONS: u64 = 1000;

/// How long a log waits for those who are missing at most.
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
    pub(super) way: Way,
    waiting: Sender<oneshot::Sender<()>>,
}

/// Where they are made.
struct Store {
    db: Db,
    file: File,
    /// How many connections there are.
    connections: Arc<AtomicUsize>,
    position: u64,
}

impl Commits {
    /// Opens a store in a folder of its own, sled set up as heirloom's is.
    pub(super) fn start(way: Way, folder: &Path, connections: Arc<AtomicUsize>) -> anyhow::Result<Self> {
        let db = sled::Config::new().path(folder).cache_capacity(64 << 20).segment_size(1 << 20).open()?;
        let file = File::options().write(true).open(folder.join("db"))?;
        let (waiting, commits) = crossbeam_channel::unbounded();
        std::thread::spawn(move || {
            if let Err(error) = (Store { db, file, connections, position: 0 }).run(way, &commits) {
                eprintln!("the writer ends: {error:#}");
            }
        });
        Ok(Self { way, waiting })
    }

    /// Asks for a commit, which is durable when what is returned says so.
    pub(super) fn ask(&self) -> anyhow::Result<oneshot::Receiver<()>> {
        let (done, durable) = oneshot::channel();
        self.waiting.send(done).context("the writer has ended")?;
        Ok(durable)
    }
}

impl Store {
    /// Ends when nobody can ask any more, or when something fails; whoever waits is told by that.
    fn run(mut self, way: Way, commits: &Receiver<oneshot::Sender<()>>) -> anyhow::Result<()> {
        loop {
            let Ok(first) = commits.recv() else { return Ok(()) };
            let mut group = vec![first];
            match way {
                Way::Rows => {
                    group.extend(commits.try_iter().take(MOST - 1));
                    self.rows(group.len())?;
                }
                Way::Log => {
                    let end = Instant::now() + GATHERING;
                    while group.len() < self.connections.load(Ordering::Relaxed).min(MOST) {
                        let Ok(next) = commits.recv_deadline(end) else { break };
                        group.push(next);
                    }
                    self.log(group.len())?;
                }
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
