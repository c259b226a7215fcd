//! Opens a folder: takes its lock, checks that the log is intact, or creates a new store.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::super::RecordKey;
use super::SledOptions;
use super::check::{Check, Found, Log};
use super::disk::{Disk, Synced};
use super::failure::Failure;
use super::fault::{Fault, refusal};
use super::last_row::LastRow;
use super::layout::{self, FORMAT, META, Meta, record_key};
use super::open_error::OpenError;
use super::panic_guard;
use super::preparation::{self, Preparation};
use super::read_barrier::ReadBarrier;
use super::redo;
use super::rows::Rows;
use super::shared::{Counts, Shared};
use super::space::Space;
use super::tree::{self, Tree};
use super::watermark::{Watermark, WatermarkFile};
use crate::random::Random;

/// Where sled keeps its files, in the store's folder.
pub(super) const SLED: &str = "sled";
pub(super) const LOCK: &str = "lock";
pub(super) const MARK: &str = "mark";
/// How often the lock is tried, and the pause between: `heirloom data verify` holds it for a moment.
const LOCK_TRIES: usize = 20;
const LOCK_AGAIN: Duration = Duration::from_millis(10);
/// How long to wait before the lock of sled's file is tried again.
const FILE_AGAIN: Duration = Duration::from_millis(150);

/// A store that was opened and is intact.
pub(super) struct Opened {
    pub(super) shared: Shared,
    pub(super) mark: WatermarkFile,
    pub(super) store: [u8; 16],
    pub(super) last_row: LastRow,
}

/// Opens the folder on a thread of its own. Damage can make one of sled's threads panic and sled wait for it for ever;
/// then the thread is abandoned.
pub(super) fn open(folder: &Path, options: SledOptions) -> Result<Opened, OpenError> {
    let failure = Arc::new(Failure::new(folder, Arc::clone(&options.on_fatal)));
    panic_guard::watch(&failure);
    let (send, result) = mpsc::channel();
    let opening = Opening { folder: folder.to_owned(), options, failure: Arc::clone(&failure) };
    let thread = std::thread::Builder::new().name("store-open".to_owned());
    let spawned = thread.spawn(move || drop(send.send(opening.run())));
    spawned.map_err(|source| OpenError::Io { path: folder.to_owned(), source })?;
    let damaged = |why: String| OpenError::Damaged { folder: folder.to_owned(), why };
    loop {
        match result.recv_timeout(Duration::from_millis(50)) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(damaged("opening it ended in a panic".to_owned()));
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Some(why) = failure.why() {
                    return Err(damaged(why.to_string()));
                }
            }
        }
    }
}

struct Opening {
    folder: PathBuf,
    options: SledOptions,
    failure: Arc<Failure>,
}

impl Opening {
    fn run(self) -> Result<Opened, OpenError> {
        let disk = Arc::clone(&self.options.disk);
        at(&self.folder, make_folder(&self.folder, &*disk))?;
        let lock = self.lock()?;
        let (path, sled) = (self.folder.join(MARK), self.folder.join(SLED));
        let marked = at(&path, Watermark::read(&path))?;
        // If the check refuses, nothing has been changed yet.
        let found = self.check(&sled, marked)?;

        at(&self.folder, tighten(&self.folder))?;
        let (mut mark, _) = at(&path, WatermarkFile::open(&path))?;
        let mut tree = self.prepare(&sled, found.as_ref())?;
        let finished = self.finish(&tree, found);
        if finished.is_err() {
            // sled must not write any more.
            tree.leak();
        }
        let (store, log) = finished?;
        let newest = log.newest.as_ref().map(|(key, entry)| (key.as_slice(), entry.as_slice()));
        let marked = mark.write(&Watermark::of(store, log.position, newest)).and_then(|()| mark.sync(&*disk));
        at(&path, marked)?;
        at(&self.folder, sync_folder(&self.folder, &*disk))?;
        let space = Space::new(&self.folder, self.options.floor_bytes, self.options.floor_share);
        let shared = Shared {
            read_barrier: ReadBarrier::new(log.position, log.purging),
            folder: self.folder,
            tree,
            failure: self.failure,
            disk,
            limits: self.options.limits,
            space,
            counts: Counts::default(),
            _lock: lock,
        };
        Ok(Opened { shared, mark, store, last_row: log.last_row })
    }

    /// Checks that there is an intact store; `None` if there is nothing yet.
    fn check(&self, sled: &Path, marked: Option<Watermark>) -> Result<Option<Found>, OpenError> {
        let check = Check {
            folder: &self.folder,
            sled,
            marked,
            accept_missing_mark: self.options.accept_missing_mark,
            accept_restored: self.options.accept_restored,
        };
        let file = match self.db(sled) {
            Ok(file) => file,
            Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return check.nothing().map(|()| None);
            }
            Err(error) => return Err(error),
        };
        // After a kill, data that can be read may never have been synced, and sled overwrites what it replaces.
        at(sled, self.options.disk.sync(Synced::Log, &file))?;
        check.run(&file)
    }

    /// Opens sled's file, if no other process has its lock.
    fn db(&self, sled: &Path) -> Result<File, OpenError> {
        let path = sled.join(tree::FILE);
        let file = at(&path, File::options().read(true).write(true).open(&path))?;
        // This process has the folder's lock. The lock of sled's file may still be held by a child process that is
        // being started: it shares all open files until its program begins.
        match try_lock(&file, || std::thread::sleep(FILE_AGAIN)) {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(OpenError::of(&self.folder, &Fault::Taken)),
            Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
        }
    }

    /// Prepares sled's folder, and opens it with sled.
    fn prepare(&self, sled: &Path, found: Option<&Found>) -> Result<Tree, OpenError> {
        let disk = &*self.options.disk;
        if found.is_none() && sled.exists() {
            tracing::warn!(store.folder = %self.folder.display(), "a start was cut short: the store is made anew");
            at(sled, fs::remove_dir_all(sled))?;
        }
        at(sled, make_folder(sled, disk).and_then(|()| tighten(sled)))?;
        if let Some(found) = found {
            let file = self.db(sled)?;
            let preparation = Preparation { folder: sled, file: &file, disk, recovery: &found.recovery };
            preparation.write().map_err(|error| self.fault(&Fault::Refused(refusal(&error))))?;
        } else {
            at(sled, preparation::write_settings(sled, disk))?;
        }
        let tree = Tree::open(sled, self.options.cache_bytes, Arc::clone(&self.options.disk));
        tree.map_err(|fault| self.fault(&fault))
    }

    /// Redoes the last group if something of it is missing, and writes the store's id.
    fn finish(&self, tree: &Tree, found: Option<Found>) -> Result<([u8; 16], Log), OpenError> {
        for path in tree.created() {
            at(&path, sync_folder(&path, &*self.options.disk))?;
        }
        let (meta, log, missing) = match found {
            Some(found) => (found.meta, found.log, found.missing),
            None => (None, Log::empty(), Rows::new()),
        };
        let store = match meta {
            Some(meta) => Ok(meta.store),
            None => Random::system().bytes().map_err(io::Error::other),
        };
        let now = Meta { format: FORMAT, store: at(&self.folder, store)? };
        let write = || {
            tree.apply_in_order(&missing)?;
            if meta != Some(now) {
                // From now on there may be rows that an older heirloom can't read.
                tree.put(META, now.value())?;
            }
            // Written before the mark, because after that nothing shows the restore. Without an event there is no
            // session to end.
            let restored = self.options.accept_restored && log.position > 0;
            if restored {
                let key = record_key(&RecordKey::restored());
                let value = layout::value(&key, &[]);
                // Written as a group of its own: redoing the last one could delete it.
                redo::apply(tree, &Rows::from([(key, Some(value))]))?;
            }
            let unchanged = missing.is_empty() && meta == Some(now) && !restored;
            if unchanged { Ok(()) } else { tree.flush() }
        };
        write().map_err(|fault| self.fault(&fault))?;
        Ok((now.store, log))
    }

    fn fault(&self, fault: &Fault) -> OpenError {
        OpenError::of(&self.folder, fault)
    }

    /// Takes the folder's lock. The operating system releases it when the process ends, for whatever reason.
    fn lock(&self) -> Result<File, OpenError> {
        let path = self.folder.join(LOCK);
        let mut open = File::options();
        let open = open.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut lock = at(&path, open)?;
        match try_lock(&lock, || std::thread::sleep(LOCK_AGAIN)) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The pid only helps the operator; without it the answer is the same.
                drop(lock.read_to_string(&mut holder));
                let pid = holder.trim().parse::<u32>();
                let holder = pid.map_or("another process".to_owned(), |pid| format!("process {pid}"));
                return Err(OpenError::InUse { folder: self.folder.clone(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(OpenError::Io { path, source }),
        }
        let written = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        at(&path, written)?;
        Ok(lock)
    }
}

/// Tries the lock several times, waiting in between.
fn try_lock(lock: &File, mut wait: impl FnMut()) -> Result<(), TryLockError> {
    for _ in 1..LOCK_TRIES {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => wait(),
            tried => return tried,
        }
    }
    lock.try_lock()
}

fn at<T>(path: &Path, done: io::Result<T>) -> Result<T, OpenError> {
    done.map_err(|source| OpenError::Io { path: path.to_owned(), source })
}

/// Creates the folder, for this user only, and all missing parents; each is synced in its parent.
fn make_folder(folder: &Path, disk: &dyn Disk) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(parent, disk)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(parent, disk),
    }
}

/// Makes a folder private if it contains only heirloom's files: it may have been created by hand, and sled's own is
/// readable for everybody.
fn tighten(folder: &Path) -> io::Result<()> {
    let sled = folder.ends_with(SLED);
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if !sled && ![SLED, LOCK, MARK, "dev.json", "keys.known"].iter().any(|ours| name == *ours) {
            return Ok(());
        }
    }
    if fs::metadata(folder)?.permissions().mode().trailing_zeros() >= 6 {
        return Ok(());
    }
    fs::set_permissions(folder, Permissions::from_mode(0o700))
}

fn sync_folder(path: &Path, disk: &dyn Disk) -> io::Result<()> {
    disk.sync(Synced::Folder, &File::open(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_held_for_a_moment_is_waited_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let opened = || File::open(file.path()).unwrap();
        let (lock, mut verification) = (opened(), Some(opened()));
        verification.as_ref().unwrap().lock_shared().unwrap();
        let mut waits = 0;
        let taken = try_lock(&lock, || {
            waits += 1;
            if waits == 3 {
                verification = None;
            }
        });
        assert!(taken.is_ok() && waits == 3);
        assert!(matches!(try_lock(&opened(), || ()), Err(TryLockError::WouldBlock)), "a server has it");
    }
}
