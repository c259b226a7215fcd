//! sled behind the border: the few calls that the store makes, with every failure told as a [`Fault`].

use std::fs::File;
use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};

use sled::{Batch, IVec};

use super::super::StoreError;
use super::border::guarded;
use super::layout::Damaged;

/// sled keeps a leaf of up to 19 entries in one message, and writes messages larger than a quarter of a segment to
/// files of their own, which it never syncs. With segments of 1 MiB the largest values fit nineteen times.
const SEGMENT: usize = 1 << 20;

/// Why a call into sled gave nothing, for the operator.
#[derive(Debug)]
pub(super) enum Fault {
    /// One row is not what was written there.
    Row(String),
    /// sled can't go on.
    Broken(String),
}

/// The one tree.
pub(super) struct Tree {
    folder: PathBuf,
    /// `None` only while it is being dropped.
    db: Option<sled::Db>,
    /// An own descriptor on sled's file: sled's flush does not sync it, and errors of the disk are told once to every
    /// descriptor that was open then.
    file: File,
}

impl Tree {
    /// Opens, or creates, sled's folder.
    pub(super) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, Fault> {
        let config = sled::Config::new().path(folder).cache_capacity(cache_bytes).segment_size(SEGMENT);
        let db = checked(|| config.open())?;
        let file = File::options().read(true).write(true).open(folder.join("db"));
        let file = file.map_err(|error| Fault::Broken(format!("its file can't be opened: {error}")))?;
        Ok(Self { folder: folder.to_owned(), db: Some(db), file })
    }

    /// sled's file, to be synced.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The folders and files that must be synced after they were created.
    pub(super) fn created(&self) -> [PathBuf; 3] {
        [self.folder.join("conf"), self.folder.join("blobs"), self.folder.clone()]
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>, Fault> {
        self.call(|db| db.get(key))
    }

    /// The last row whose key begins with `prefix`.
    pub(super) fn last(&self, prefix: &[u8]) -> Result<Option<(IVec, IVec)>, Fault> {
        self.call(|db| db.scan_prefix(prefix).next_back().transpose())
    }

    /// Shows the rows between two keys to `visit`, in order, until it breaks.
    pub(super) fn visit(
        &self,
        from: Bound<Vec<u8>>,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        self.call(|db| {
            for row in db.range::<Vec<u8>, _>((from, Bound::Unbounded)) {
                let (key, value) = row?;
                if !key.starts_with(prefix) || visit(&key, &value).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Applies a batch: readers see all of it, and after a crash all of it is there or nothing.
    pub(super) fn apply(&self, batch: Batch) -> Result<(), Fault> {
        self.call(|db| db.apply_batch(batch))
    }

    /// Has sled write out all that was applied. It is not durable yet: sync the [`file`](Self::file).
    pub(super) fn flush(&self) -> Result<(), Fault> {
        self.call(|db| db.flush().map(drop))
    }

    /// Leaves sled as it is, for ever: after a failure its own `Drop` panics, hangs, or writes what must not be
    /// written any more.
    pub(super) fn leak(&mut self) {
        std::mem::forget(self.db.take());
    }

    fn call<T>(&self, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, Fault> {
        let db = self.db.as_ref().ok_or_else(|| Fault::Broken("it is closed".to_owned()))?;
        checked(|| call(db))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let db = self.db.take();
        // A failure here can lose nothing: every answer was synced before it was given.
        drop(guarded(|| drop(db)));
    }
}

impl Fault {
    /// A row of which nothing is believed.
    pub(super) fn row(what: impl std::fmt::Display) -> impl FnOnce(Damaged) -> Self {
        move |Damaged| Self::Row(format!("{what} is not what was written there"))
    }

    /// The text for the operator.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Row(why) | Self::Broken(why) => why,
        }
    }

    /// As the store's error.
    pub(super) fn corrupt(&self, folder: &Path) -> StoreError {
        let how = "stop heirloom and restore the folder from a backup";
        StoreError::Corrupt(format!("{}: {}; {how}", folder.display(), self.text()))
    }
}

fn checked<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, Fault> {
    match guarded(call) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Corruption { .. })) => Err(Fault::Broken("sled's file is damaged".to_owned())),
        Ok(Err(error)) => Err(Fault::Broken(format!("sled: {error}"))),
        Err(panic) => Err(Fault::Broken(format!("sled's file is damaged, or sled is: {panic}"))),
    }
}
