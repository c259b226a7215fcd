//! sled behind the panic guard: the few calls that the store makes, with every failure as a [`Fault`].

use std::fs::File;
use std::io;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sled::{Batch, IVec};

use super::disk::Disk;
use super::durable::{Durable, SEGMENT};
use super::fault::Fault;
use super::panic_guard::guarded;
use super::rows::{ReadRows, Rows};

/// sled's file, in its folder.
pub(super) const FILE: &str = "db";
/// How long to wait before sled is tried again.
const AGAIN: Duration = Duration::from_millis(50);
/// How often opening sled is retried after a failure.
const REFUSED_TRIES: u32 = 2;
/// How often opening sled is retried while another process has its lock: for three seconds.
const TAKEN_TRIES: u32 = 60;

/// sled's only tree.
pub(super) struct Tree {
    folder: PathBuf,
    /// `None` only while it is being dropped.
    db: Option<sled::Db>,
    durable: Durable,
}

impl Tree {
    /// Opens or creates sled's folder. What sled has found or written there is durable afterwards.
    pub(super) fn open(folder: &Path, cache_bytes: u64, disk: Arc<dyn Disk>) -> Result<Self, Fault> {
        let config = sled::Config::new().path(folder).cache_capacity(cache_bytes).segment_size(SEGMENT);
        // sled's flusher would write at any time, and more than the rule in `durable` permits.
        let config = config.flush_every_ms(None);
        let mut db = checked(|| config.open());
        let (mut refused, mut taken) = (0_u32, 0_u32);
        loop {
            match db {
                // The file could be read a moment ago, so a device that fails now and then is tried again.
                Err(Fault::Refused(_)) if refused < REFUSED_TRIES => refused = refused.saturating_add(1),
                // This process has the folder's lock. sled's lock may not be released yet by sled itself, in this
                // process or in a child process that is being started.
                Err(Fault::Taken) if taken < TAKEN_TRIES => taken = taken.saturating_add(1),
                Ok(_) | Err(_) => break,
            }
            std::thread::sleep(AGAIN);
            db = checked(|| config.open());
        }
        let db = db?;
        let opened = File::options().read(true).write(true).open(folder.join(FILE));
        let opened = opened.and_then(|file| {
            let durable = Durable::new(file, disk);
            durable.sync(written(&db)).map(|()| durable)
        });
        match opened {
            Ok(durable) => Ok(Self { folder: folder.to_owned(), db: Some(db), durable }),
            Err(error) => {
                // Dropping it would write.
                std::mem::forget(db);
                Err(Fault::refused("its file", &error))
            }
        }
    }

    /// The folders and files that must be synced after they were created.
    pub(super) fn created(&self) -> [PathBuf; 3] {
        [self.folder.join("conf"), self.folder.join("blobs"), self.folder.clone()]
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>, Fault> {
        self.read(|db| db.get(key))
    }

    /// Calls `visit` with the rows between two keys, in order, until it breaks.
    pub(super) fn visit(
        &self,
        from: Bound<Vec<u8>>,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        self.read(|db| {
            for row in db.range::<Vec<u8>, _>((from, Bound::Unbounded)) {
                let (key, value) = row?;
                self.durable.keep_within(written(db))?;
                if !key.starts_with(prefix) || visit(&key, &value).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Applies a batch atomically, for readers and after a crash. It syncs nothing, so that it can be called where
    /// everybody waits; call [`keep_up`](Self::keep_up) before and after it.
    pub(super) fn apply(&self, batch: Batch) -> Result<(), Fault> {
        let db = self.db()?;
        checked(|| db.apply_batch(batch))
    }

    /// Writes a row.
    pub(super) fn put(&self, key: &[u8], value: IVec) -> Result<(), Fault> {
        self.keep_up()?;
        let db = self.db()?;
        checked(|| db.insert(key, value).map(drop))?;
        self.keep_up()
    }

    /// Changes rows one by one: after a crash the first of them may exist without the others.
    pub(super) fn apply_in_order(&self, rows: &Rows) -> Result<(), Fault> {
        self.keep_up()?;
        let db = self.db()?;
        checked(|| {
            for (key, value) in rows {
                match value {
                    Some(value) => db.insert(key, value.clone())?,
                    None => db.remove(key)?,
                };
                self.durable.keep_up(written(db))?;
            }
            Ok(())
        })
    }

    /// Makes everything applied durable: sled writes, and then heirloom syncs, because sled does not.
    pub(super) fn flush(&self) -> Result<(), Fault> {
        self.durable.before_flush().map_err(|error| Fault::refused("writing failed", &error))?;
        self.keep_up()?;
        let db = self.db()?;
        let written = checked(|| db.flush().map(|_| written(db)))?;
        self.durable.sync(written).map_err(unsynced)
    }

    /// Never drops sled: after a failure its own `Drop` panics, hangs, or writes what must not be written any more.
    pub(super) fn leak(&mut self) {
        std::mem::forget(self.db.take());
    }

    /// Syncs if the rule in [`durable`](super::durable) requires it before more is written; for the writer.
    pub(super) fn keep_up(&self) -> Result<(), Fault> {
        self.durable.keep_up(written(self.db()?)).map_err(unsynced)
    }

    fn read<T>(&self, read: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, Fault> {
        let db = self.db()?;
        let found = checked(|| read(db))?;
        // sled may have split or merged pages while reading.
        self.durable.keep_within(written(db)).map_err(unsynced)?;
        Ok(found)
    }

    fn db(&self) -> Result<&sled::Db, Fault> {
        self.db.as_ref().ok_or_else(|| Fault::Refused("it is closed".to_owned()))
    }
}

impl ReadRows for Tree {
    fn get(&self, key: &[u8]) -> Result<Option<IVec>, Fault> {
        Self::get(self, key)
    }

    fn last(&self, prefix: &[u8]) -> Result<Option<(IVec, IVec)>, Fault> {
        self.read(|db| db.scan_prefix(prefix).next_back().transpose())
    }

    fn visit(
        &self,
        from: Bound<Vec<u8>>,
        prefix: &[u8],
        visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        Self::visit(self, from, prefix, visit)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let db = self.db.take();
        // A failure here can lose nothing: everything answered was synced before.
        drop(guarded(|| drop(db)));
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err calls it")]
fn unsynced(error: io::Error) -> Fault {
    Fault::refused("syncing failed", &error)
}

/// The last byte of its log that sled has written: its position in the log, not in the file.
fn written(db: &sled::Db) -> i64 {
    db.context.pagecache.log.stable_offset()
}

fn checked<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, Fault> {
    match guarded(call) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) if error.to_string().contains("could not acquire lock") => {
            Err(Fault::Taken)
        }
        Ok(Err(sled::Error::Io(error))) if is_refusal(&error) => Err(Fault::refused("its file", &error)),
        // sled's own message is for developers.
        Ok(Err(error)) => {
            tracing::debug!(error = %error, "sled's own error");
            Err(Fault::Damaged("its file is not what was written there".to_owned()))
        }
        Err(panic) => {
            tracing::debug!(error = panic, "sled's own error");
            let place = panic.rsplit_once('(').map_or("", |(_, place)| place.trim_end_matches(')'));
            Err(Fault::Damaged(format!("its file is not what was written there (met at {place})")))
        }
    }
}

/// Whether the operating system made this error: a full or failing disk is not damage. sled makes I/O errors of its
/// own, and when it copies one, only the kind and a text are left.
fn is_refusal(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, NotFound, Other, UnexpectedEof};
    error.raw_os_error().is_some()
        || ![InvalidData, InvalidInput, NotFound, Other, UnexpectedEof].contains(&error.kind())
}
