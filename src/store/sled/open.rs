//! Opening a folder: whose it is, whether the log is whole, and making a new one.

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use super::SledOptions;
use super::border;
use super::disk::{Disk, Synced};
use super::failure::Failure;
use super::gate::Gate;
use super::layout::{Damaged, FORMAT, META, Meta, log_key};
use super::log::{self, LastRow};
use super::mark::{Mark, MarkFile, digest};
use super::redo;
use super::shared::{Counts, Shared};
use super::tree::{self, Fault, Tree};
use crate::random::Random;

/// Where sled keeps its files, in the store's folder.
pub(super) const SLED: &str = "sled";
const LOCK: &str = "lock";
const MARK: &str = "mark";

/// Why a folder can't be opened as a store; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by {holder}: stop that first", .folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// Who has it.
        holder: String,
    },
    /// A newer heirloom wrote it.
    #[error("{} was written by a newer heirloom (format {found}; this one knows up to {FORMAT}): use that one", .folder.display())]
    Newer {
        /// The folder.
        folder: PathBuf,
        /// The format it is in.
        found: u32,
    },
    /// Its files are damaged.
    #[error("the store in {} is damaged: {why}; restore the whole folder from a backup", .folder.display())]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// What was met.
        why: String,
    },
    /// The log is not the one that the mark was made of: its end is missing, or it is another.
    #[error(
        "the store in {} is not as its mark says: {why}. If it was restored from a backup, start once with `heirloom serve \
         --restored`, which takes it as it is and ends every session, since what was ended after the backup is good again. If \
         not, it has lost acknowledged events: restore the whole folder, the file `mark` included, from a backup",
        .folder.display()
    )]
    NotAsMarked {
        /// The folder.
        folder: PathBuf,
        /// How they differ.
        why: String,
    },
    /// There is a log and no readable mark, so nobody knows whether its end is missing.
    #[error(
        "the store in {} has events but no readable mark, so it can't be told whether the newest are missing. If it was \
         restored from a backup, start once with `heirloom serve --restored`, which takes it as it is and ends every session. \
         If not, restore the whole folder from a backup, or accept the log as it is with `heirloom serve \
         --accept-missing-mark`", .folder.display()
    )]
    NoMark {
        /// The folder.
        folder: PathBuf,
    },
    /// The operating system refused sled something. The store is as whole as it was.
    #[error("the store in {} can't be opened: {why}", .folder.display())]
    Refused {
        /// The folder.
        folder: PathBuf,
        /// What it said.
        why: String,
    },
    /// The operating system refused something.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// A store that was opened and found whole.
pub(super) struct Opened {
    pub(super) shared: Shared,
    pub(super) mark: MarkFile,
    pub(super) store: [u8; 16],
    pub(super) last_row: LastRow,
}

/// Opens the folder on a thread of its own: damage can leave sled waiting for ever for one of its threads that
/// panicked, and then that thread is given up.
pub(super) fn open(folder: &Path, options: SledOptions) -> Result<Opened, OpenError> {
    let failure = Arc::new(Failure::new(folder, Arc::clone(&options.on_fatal)));
    border::watch(&failure);
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
        let path = self.folder.join(MARK);
        let (mark, marked) = at(&path, MarkFile::open(&path))?;

        let sled = self.folder.join(SLED);
        at(&self.folder, tighten(&self.folder))?;
        at(&sled, make_folder(&sled, &*disk).and_then(|()| tighten(&sled)))?;
        at(&sled, clear(&sled))?;
        // After a kill, sled reads back what was written and perhaps never synced, and overwrites what that replaces.
        let file = sled.join(tree::FILE);
        at(&file, sync_if_there(&file, &*disk))?;
        let cache_bytes = self.options.cache_bytes;
        let tree = Tree::open(&sled, cache_bytes, Arc::clone(&disk));
        let mut tree = tree.map_err(|fault| self.fault(&fault))?;
        let checked = self.check(&tree, marked);
        if let Err(OpenError::Damaged { .. } | OpenError::Refused { .. } | OpenError::Io { .. }) = &checked {
            // sled is not to write to what it can't read.
            tree.leak();
        }
        let log = checked?;
        let shared = Shared {
            gate: Gate::new(log.position, log.purging),
            folder: self.folder,
            tree,
            failure: self.failure,
            disk,
            limits: self.options.limits,
            floor_bytes: self.options.floor_bytes,
            counts: Counts::default(),
            _lock: lock,
        };
        let mut opened = Opened { shared, mark, store: log.store, last_row: log.last_row };
        let mark =
            Mark::of(log.store, log.position, log.newest.as_ref().map(|(k, v)| (k.as_slice(), v.as_slice())));
        let marked = opened.mark.write(&mark).and_then(|()| opened.mark.sync(&*opened.shared.disk));
        at(&path, marked)?;
        at(&opened.shared.folder, sync_folder(&opened.shared.folder, &*opened.shared.disk))?;
        Ok(opened)
    }

    /// Takes the folder for this process. The lock goes with the process, however it ends.
    fn lock(&self) -> Result<File, OpenError> {
        let path = self.folder.join(LOCK);
        let mut open = File::options();
        let open = open.read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let mut lock = at(&path, open)?;
        match lock.try_lock() {
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

    /// Holds what sled has found against the mark.
    fn check(&self, tree: &Tree, marked: Option<Mark>) -> Result<Log, OpenError> {
        for path in tree.created() {
            at(&path, sync_folder(&path, &*self.options.disk))?;
        }
        // First of all: what a newer one has written can't be judged.
        let meta = tree.get(META).map_err(|fault| self.fault(&fault))?.map(|value| Meta::parse(&value));
        if let Some(Ok(Meta { format, .. })) = meta
            && format > FORMAT
        {
            return Err(OpenError::Newer { folder: self.folder.clone(), found: format });
        }
        let not_meta = |Damaged| self.damaged("its first row is not what was written there");
        let meta = meta.transpose().map_err(not_meta)?;
        if redo::again(tree).map_err(|fault| self.fault(&fault))? {
            tree.flush().map_err(|fault| self.fault(&fault))?;
        }
        let log = Log::read(tree).map_err(|fault| self.fault(&fault))?;
        let meta = match (meta, &log.newest) {
            (Some(meta), _) => meta,
            (None, Some(_)) => return Err(self.damaged("its first row is missing")),
            (None, None) => match marked {
                Some(mark) if mark.position > 0 => {
                    return Err(
                        self.not_as_marked(format!("the log is empty, and had come to {}", mark.position))
                    );
                }
                _ => self.make(tree)?,
            },
        };
        let log = Log { store: meta.store, ..log };
        match marked {
            _ if self.options.accept_restored => {}
            Some(mark) => self.compare(tree, &log, mark)?,
            None if log.position > 0 && !self.options.accept_missing_mark => {
                return Err(OpenError::NoMark { folder: self.folder.clone() });
            }
            None => {}
        }
        if meta.format < FORMAT {
            // From now on there are rows that an older heirloom does not know.
            self.write(tree, Meta { format: FORMAT, ..meta })?;
        }
        Ok(log)
    }

    fn compare(&self, tree: &Tree, log: &Log, mark: Mark) -> Result<(), OpenError> {
        if mark.position == 0 {
            return Ok(());
        }
        if mark.store != log.store {
            return Err(self.not_as_marked("the mark is of another store".to_owned()));
        }
        if mark.position > log.position {
            let (now, then) = (log.position, mark.position);
            return Err(self.not_as_marked(format!("the log ends at {now}, and had come to {then}")));
        }
        let key = log_key(mark.position);
        // Since the mark was written, the log may have gone on, and the event's stream may have been removed, or the event
        // summarized.
        let same = tree.log_entry(mark.position, |entry| {
            let is_summary = entry.event.is_some_and(|event| event.first.is_some());
            entry.bytes == log::PURGED || is_summary || digest(&key, entry.bytes) == mark.digest
        });
        let same = same.and_then(|same| match same {
            Some(same) => Ok(same),
            // A row loses none of its entries; only the whole of it goes.
            None => tree.has_row_of(mark.position).map(|has| !has),
        });
        if same.map_err(|fault| self.fault(&fault))? {
            return Ok(());
        }
        Err(self.not_as_marked(format!("position {} holds another event", mark.position)))
    }

    /// Makes a new store in an empty tree.
    fn make(&self, tree: &Tree) -> Result<Meta, OpenError> {
        let store = Random::system().bytes();
        let store = at(&self.folder, store.map_err(io::Error::other))?;
        let meta = Meta { format: FORMAT, store };
        self.write(tree, meta)?;
        Ok(meta)
    }

    fn write(&self, tree: &Tree, meta: Meta) -> Result<(), OpenError> {
        tree.put(META, meta.value()).and_then(|()| tree.flush()).map_err(|fault| self.fault(&fault))
    }

    fn fault(&self, fault: &Fault) -> OpenError {
        // sled holds a lock of its own, and we hold ours: whoever has it is no heirloom.
        if fault.text().contains("could not acquire lock") {
            let holder = "a process other than heirloom".to_owned();
            return OpenError::InUse { folder: self.folder.clone(), holder };
        }
        match fault {
            Fault::Damaged(why) => self.damaged(why),
            Fault::Refused(why) => OpenError::Refused { folder: self.folder.clone(), why: why.clone() },
        }
    }

    fn damaged(&self, why: &str) -> OpenError {
        OpenError::Damaged { folder: self.folder.clone(), why: why.to_owned() }
    }

    fn not_as_marked(&self, why: String) -> OpenError {
        OpenError::NotAsMarked { folder: self.folder.clone(), why }
    }
}

fn at<T>(path: &Path, done: io::Result<T>) -> Result<T, OpenError> {
    done.map_err(|source| OpenError::Io { path: path.to_owned(), source })
}

/// What the tree says when it is opened.
struct Log {
    store: [u8; 16],
    /// Where the log ends.
    position: u64,
    last_row: LastRow,
    /// What stands at its end: the key of its position, and what the mark's digest is made of.
    newest: Option<([u8; 9], Vec<u8>)>,
    purging: std::collections::BTreeMap<u64, Vec<u64>>,
}

impl Log {
    fn read(tree: &Tree) -> Result<Self, Fault> {
        let purging = tree.purging()?;
        let empty = Self { store: [0; 16], position: 0, last_row: LastRow::behind(0), newest: None, purging };
        let Some((key, row)) = tree.last(b"l")? else { return Ok(empty) };
        let end = || Fault::row("the end of the log");
        let entries = log::entries(&key, &row).map_err(end())?;
        let newest = entries.last().ok_or(Damaged).map_err(end())?;
        let position = newest.position;
        let last_row = LastRow::resume(&key, &row).map_err(end())?;
        let last_row = last_row.unwrap_or_else(|| LastRow::behind(position));
        let newest = Some((log_key(position), newest.bytes.to_vec()));
        Ok(Self { position, last_row, newest, ..empty })
    }
}

/// Makes the folder, for this user only, and everything above it that is missing; each is synced in its parent.
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

/// Makes a folder private, as long as nothing but ours is in it: it may have been made by hand, and sled makes its own
/// for everybody to read.
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

/// Removes what a process left that ended while sled wrote a snapshot: sled would take it for one, and refuse it for
/// ever. The snapshot before it is still there.
fn clear(sled: &Path) -> io::Result<()> {
    for entry in fs::read_dir(sled)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if name.starts_with(b"snap.") && name.ends_with(b".generating") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes durable what a process before this one wrote to a file.
fn sync_if_there(path: &Path, disk: &dyn Disk) -> io::Result<()> {
    match File::options().read(true).write(true).open(path) {
        Ok(file) => disk.sync(Synced::Log, &file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn sync_folder(path: &Path, disk: &dyn Disk) -> io::Result<()> {
    disk.sync(Synced::Folder, &File::open(path)?)
}
