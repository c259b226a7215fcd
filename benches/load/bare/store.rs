//! Group commit into sled and nothing else: one thread takes all that waits, writes it in a batch, syncs, and answers.

use std::fs::File;
use std::path::Path;

use anyhow::Context as _;
use crossbeam_channel::{Receiver, Sender};
use sled::{Batch, Db};
use tokio::sync::oneshot;

use super::super::limits::EVENT;

/// How many commits share a sync at most.
const MOST: usize = 128;
/// How many sessions take turns.
const SESSIONS: u64 = 1000;

/// Where commits are asked for.
pub(super) struct Commits {
    waiting: Sender<oneshot::Sender<()>>,
}

impl Commits {
    /// Opens a store in a folder of its own, sled set up as heirloom's is.
    pub(super) fn start(folder: &Path) -> anyhow::Result<Self> {
        let db = sled::Config::new().path(folder).cache_capacity(64 << 20).segment_size(1 << 20).open()?;
        let file = File::options().write(true).open(folder.join("db"))?;
        let (waiting, commits) = crossbeam_channel::unbounded();
        std::thread::spawn(move || {
            if let Err(error) = write(&db, &file, &commits) {
                eprintln!("the writer ends: {error:#}");
            }
        });
        Ok(Self { waiting })
    }

    /// Returns when the next session's rows are durable.
    pub(super) async fn commit(&self) -> anyhow::Result<()> {
        let (done, durable) = oneshot::channel();
        self.waiting.send(done).context("the writer has ended")?;
        durable.await.context("the writer has ended")
    }
}

/// Ends when nobody can ask any more, or when something fails; whoever waits is told by that.
fn write(db: &Db, file: &File, commits: &Receiver<oneshot::Sender<()>>) -> anyhow::Result<()> {
    let mut position: u64 = 0;
    loop {
        let Ok(first) = commits.recv() else { return Ok(()) };
        let group: Vec<_> = std::iter::once(first).chain(commits.try_iter().take(MOST - 1)).collect();
        let mut batch = Batch::default();
        for _ in &group {
            position += 1;
            let session = [b"s".as_slice(), &(position % SESSIONS).to_be_bytes()].concat();
            let mut state = db.get(&session)?.map_or_else(|| vec![7; EVENT.1], |state| state.to_vec());
            state.splice(..8, position.to_be_bytes());
            batch.insert(session, state);
            batch.insert([b"e".as_slice(), &position.to_be_bytes()].concat(), vec![7; EVENT.0]);
        }
        db.apply_batch(batch)?;
        db.flush()?;
        file.sync_data()?;
        for done in group {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }
}
