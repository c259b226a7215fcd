//! The keys folder: reading what is private only if it is, and writing so that a crash leaves all or nothing.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::KeyError;
use super::name::{COMPROMISED, Entry};
use crate::files::{create_unfinished, open_regular};

/// The largest file that is read, in bytes: an RSA key of 4,096 bits takes 3,300.
const MAX_FILE: u64 = 16 * 1024;

/// The folder that holds all keys and secrets, and nothing else does.
#[derive(Clone, Debug)]
pub struct KeysFolder {
    path: PathBuf,
}

/// What to do when the folder holds no key, or no secret of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMissing {
    /// Make the first one.
    Create,
    /// Refuse: making a new one would not bring back what the old one opened.
    Refuse,
}

impl KeysFolder {
    /// The folder at `path`, which need not exist yet.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// All that is named as ours, sorted; nothing if the folder doesn't exist.
    pub(super) fn entries(&self) -> Result<Listing, KeyError> {
        let mut listing = Listing::default();
        if let Ok(folder) = fs::metadata(&self.path)
            && folder.mode() & 0o022 != 0
        {
            return Err(KeyError::ExposedFolder { path: self.path.clone(), mode: folder.mode() & 0o777 });
        }
        for name in self.names()? {
            let (bare, compromised) =
                name.strip_suffix(COMPROMISED).map_or((name.as_str(), false), |bare| (bare, true));
            match Entry::parse(bare) {
                Ok(Some(entry)) if compromised => listing.compromised.push(entry),
                Ok(Some(entry)) => listing.live.push(entry),
                Ok(None) => {}
                Err(_) => listing.mistyped.push(name),
            }
        }
        listing.live.sort();
        listing.compromised.sort();
        Ok(listing)
    }

    fn names(&self) -> Result<Vec<String>, KeyError> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|source| KeyError::io(&self.path, source))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            // A name that isn't UTF-8 is none of ours.
            names.extend(entry.map_err(|source| KeyError::io(&self.path, source))?.file_name().into_string());
        }
        Ok(names)
    }

    /// The bytes of a private file, if only its owner may read and write it.
    pub(super) fn read_private(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let path = self.file(name);
        // Before it is opened: to open a pipe would wait for somebody to write to it.
        if !fs::metadata(&path).map_err(|source| KeyError::io(&path, source))?.is_file() {
            return Err(KeyError::Broken { path, reason: "not a regular file".to_owned() });
        }
        let file = File::open(&path).map_err(|source| KeyError::io(&path, source))?;
        let metadata = file.metadata().map_err(|source| KeyError::io(&path, source))?;
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path, mode });
        }
        let owner = metadata.uid();
        if !self.trusts(owner) {
            return Err(KeyError::Stranger { path, owner });
        }
        // At its full size at once: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(MAX_FILE).unwrap_or_default()));
        file.take(MAX_FILE).read_to_end(&mut bytes).map_err(|source| KeyError::io(&path, source))?;
        Ok(bytes)
    }

    /// Whether what belongs to a user may be believed: whom this process runs as, root, or whose folder it is, where root
    /// looks into a service's.
    fn trusts(&self, owner: u32) -> bool {
        let own = rustix::process::geteuid();
        let of_folder =
            || own.is_root() && fs::metadata(&self.path).is_ok_and(|folder| folder.uid() == owner);
        owner == own.as_raw() || owner == 0 || of_folder()
    }

    /// The text in a tombstone; empty if there is none that can be read.
    pub(super) fn epitaph(&self, name: &str) -> String {
        let path = self.file(format!("{name}{COMPROMISED}"));
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(1024).read_to_string(&mut text));
        if read.is_ok() { text.trim().to_owned() } else { String::new() }
    }

    /// What changes when something in the folder does: cheap enough to ask for every second.
    fn print(&self) -> Vec<Print> {
        // With the folder itself, which may be closed to us and opened again.
        let names = self.names().unwrap_or_default().into_iter().chain([String::new()]);
        let mut print: Vec<_> = names
            .map(|name| {
                let file = fs::metadata(self.file(&name)).ok();
                let file = file.map(|file| Seen {
                    owner: (file.uid(), file.gid(), file.mode()),
                    len: file.len(),
                    modified: (file.mtime(), file.mtime_nsec()),
                    // Of what is in the folder, other names tell.
                    changed: if name.is_empty() { (0, 0) } else { (file.ctime(), file.ctime_nsec()) },
                });
                (name, file)
            })
            .collect();
        print.sort();
        print
    }

    /// Calls `changed` whenever the folder has, looking at it once in `every`, and again as long as something may pass;
    /// never returns. What `changed` can't use is logged once.
    pub(super) async fn watch<F>(&self, every: Duration, changed: F)
    where
        F: Fn() -> Vec<KeyError> + Clone + Send + 'static,
    {
        let (mut seen, mut told) = (Vec::new(), Vec::new());
        let mut ticks = tokio::time::interval(every.max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (folder, changed, before) = (self.clone(), changed.clone(), std::mem::take(&mut seen));
            let look = tokio::task::spawn_blocking(move || {
                let print = folder.print();
                let problems = (print != before).then(changed);
                (print, problems)
            });
            let Ok((print, problems)) = look.await else { continue };
            seen = print;
            if let Some(problems) = problems {
                if problems.iter().any(KeyError::may_pass) {
                    // The folder looks the same once it has passed.
                    seen = Vec::new();
                }
                let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
                for problem in problems.iter().filter(|problem| !told.contains(*problem)) {
                    tracing::error!(keys.problem = %problem, "the keys folder has changed, and not all of it can be used");
                }
                told = problems;
            }
        }
    }

    /// Takes the folder for writing, making it if need be; waits while another process has it.
    pub(super) fn lock(&self) -> Result<Locked<'_>, KeyError> {
        self.make().map_err(|source| KeyError::io(&self.path, source))?;
        let handle = File::open(&self.path).map_err(|source| KeyError::io(&self.path, source))?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&handle, rustix::fs::FlockOperation::LockExclusive))
            .map_err(|errno| KeyError::io(&self.path, errno.into()))?;
        Ok(Locked { folder: self, handle })
    }

    /// Makes the folder, and those above it, so that it survives a power cut as the files in it do.
    fn make(&self) -> io::Result<()> {
        let parents = parents_of_missing(&self.path);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        parents.into_iter().try_for_each(|parent| File::open(parent)?.sync_all())
    }
}

/// The folders that will hold an entry more once `path` has been made.
fn parents_of_missing(path: &Path) -> Vec<&Path> {
    let exists = |path: &Path| path.as_os_str().is_empty() || path.exists();
    let missing = path.ancestors().take_while(|path| !exists(path)).filter_map(Path::parent);
    missing.map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent }).collect()
}

/// A file's name, and if it can be seen what tells it from another: not for what is in it.
type Print = (String, Option<Seen>);

/// What is seen of a file from outside.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    owner: (u32, u32, u32),
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What lies in the folder, in order.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) live: Vec<Entry>,
    pub(super) compromised: Vec<Entry>,
    mistyped: Vec<String>,
}

impl Listing {
    /// What is wrong with the names that begin with `word`, as those of one kind of key do.
    pub(super) fn mistyped(&self, folder: &KeysFolder, word: &str) -> Vec<KeyError> {
        let of_kind = self.mistyped.iter().filter(|name| name.starts_with(word));
        of_kind.map(|name| KeyError::BadName { path: folder.file(name) }).collect()
    }
}

/// The folder, held by this process alone until dropped.
pub(super) struct Locked<'a> {
    folder: &'a KeysFolder,
    handle: File,
}

impl<'a> Locked<'a> {
    pub(super) const fn folder(&self) -> &'a KeysFolder {
        self.folder
    }

    /// Puts a new file there, 0600, durably: all of it or nothing.
    pub(super) fn create(&self, name: &str, bytes: &[u8]) -> Result<(), KeyError> {
        self.tighten()?;
        let (path, fresh) = (self.folder.file(name), self.folder.file(format!(".{name}.new")));
        if path.exists() {
            return Err(KeyError::io(&path, io::ErrorKind::AlreadyExists.into()));
        }
        let write = || {
            let mut file = create_unfinished(&fresh)?;
            self.give_to_owner(&file)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)?;
            self.handle.sync_all()
        };
        write().map_err(|source| KeyError::io(&path, source))
    }

    /// Gives a file that root has made to whom the folder belongs: the server that is to read it runs as that user.
    fn give_to_owner(&self, file: &File) -> io::Result<()> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let owner = self.handle.metadata()?;
        std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))
    }

    /// Destroys the key material in a file and leaves a tombstone with `epitaph` in its place.
    pub(super) fn destroy(&self, name: &str, epitaph: &str) -> Result<(), KeyError> {
        let path = self.folder.file(name);
        // The tombstone first: from here on the file isn't used, whatever happens to it.
        let tombstone = format!("{name}{COMPROMISED}");
        if !self.folder.file(&tombstone).exists() {
            self.create(&tombstone, format!("{epitaph}\n").as_bytes())?;
        }
        if fs::symlink_metadata(&path).is_ok_and(|file| !file.is_file()) {
            let reason = "a link, or no file: it is not used any more, but what it leads to is not destroyed; do that, and \
                          remove it";
            return Err(KeyError::Broken { path, reason: reason.to_owned() });
        }
        let wipe = || {
            let mut file = open_regular(&path)?;
            let len = usize::try_from(file.metadata()?.len()).unwrap_or_default();
            file.write_all(&vec![0; len])?;
            file.sync_all()?;
            fs::remove_file(&path)?;
            self.handle.sync_all()
        };
        wipe().map_err(|source| KeyError::io(&path, source))
    }

    /// Makes an existing folder private, if nothing but ours is in it (as in a fresh clone, where git made it).
    fn tighten(&self) -> Result<(), KeyError> {
        let path = &self.folder.path;
        let mode = self.handle.metadata().map_err(|source| KeyError::io(path, source))?.mode() & 0o777;
        let ours = |name: &String| {
            let bare = name.strip_suffix(COMPROMISED).unwrap_or(name);
            matches!(name.as_str(), "README.md" | ".gitignore" | "data.position")
                || name.strip_suffix(".new").is_some()
                || matches!(Entry::parse(bare), Ok(Some(_)))
        };
        if mode & 0o077 != 0 && self.folder.names()?.iter().all(ours) {
            let private = fs::Permissions::from_mode(0o700);
            return self.handle.set_permissions(private).map_err(|source| KeyError::io(path, source));
        }
        if mode & 0o022 != 0 {
            return Err(KeyError::ExposedFolder { path: path.clone(), mode });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "refresh-001-20261121T014105Z.secret";

    #[test]
    fn a_new_file_is_private_and_never_replaces_one() {
        let temp = tempfile::tempdir().unwrap();
        let folder = KeysFolder::at(temp.path().join("deep/keys"));
        folder.lock().unwrap().create(NAME, b"one").unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(folder.file(NAME)).unwrap().mode() & 0o777, 0o600);
        assert!(folder.lock().unwrap().create(NAME, b"two").is_err());
        assert_eq!(**folder.read_private(NAME).unwrap(), *b"one");
        assert_eq!(folder.names().unwrap(), [NAME], "no temporary file is left");
    }

    #[test]
    fn what_a_crash_left_half_written_is_not_in_the_way() {
        let temp = tempfile::tempdir().unwrap();
        let folder = KeysFolder::at(temp.path());
        fs::write(folder.file(format!(".{NAME}.new")), b"ha").unwrap();
        assert!(folder.entries().unwrap().live.is_empty());
        folder.lock().unwrap().create(NAME, b"whole").unwrap();
        assert_eq!(folder.names().unwrap(), [NAME]);
    }

    #[test]
    fn what_others_may_read_or_write_is_refused_by_name() {
        let temp = tempfile::tempdir().unwrap();
        let folder = KeysFolder::at(temp.path());
        folder.lock().unwrap().create(NAME, b"secret").unwrap();
        for mode in [0o640, 0o604, 0o620, 0o602] {
            fs::set_permissions(folder.file(NAME), fs::Permissions::from_mode(mode)).unwrap();
            let error = folder.read_private(NAME).unwrap_err();
            assert!(matches!(&error, KeyError::Exposed { mode: seen, .. } if *seen == mode), "{error}");
            assert!(error.to_string().contains(NAME), "{error}");
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_refused_by_name() {
        let temp = tempfile::tempdir().unwrap();
        let folder = KeysFolder::at(temp.path());
        folder.lock().unwrap().create(NAME, b"secret").unwrap();
        if !rustix::process::geteuid().is_root() {
            println!("not run: only root can give files away");
            return;
        }
        std::os::unix::fs::chown(folder.file(NAME), Some(61_184), None).unwrap();
        let error = folder.read_private(NAME).unwrap_err();
        assert!(matches!(&error, KeyError::Stranger { owner: 61_184, .. }), "{error}");
        assert!(error.to_string().contains(NAME), "{error}");
        // Root beside a service: whose the folder is, theirs are the files.
        std::os::unix::fs::chown(temp.path(), Some(61_184), None).unwrap();
        assert!(folder.read_private(NAME).is_ok());
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused_unless_it_is_ours_to_close() {
        let temp = tempfile::tempdir().unwrap();
        let folder = KeysFolder::at(temp.path());
        fs::write(folder.file("README.md"), b"").unwrap();
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o775)).unwrap();
        assert!(matches!(folder.entries(), Err(KeyError::ExposedFolder { mode: 0o775, .. })));
        folder.lock().unwrap().create(NAME, b"secret").unwrap();
        assert_eq!(fs::metadata(temp.path()).unwrap().mode() & 0o777, 0o700);

        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(folder.file("somebody's"), b"").unwrap();
        let second = "refresh-002-20261121T014105Z.secret";
        assert!(matches!(folder.lock().unwrap().create(second, b""), Err(KeyError::ExposedFolder { .. })));
        assert_eq!(fs::metadata(temp.path()).unwrap().mode() & 0o777, 0o777, "not ours: left as it was");
    }

    #[test]
    fn a_second_lock_waits_for_the_first() {
        let temp = tempfile::tempdir().unwrap();
        let folder = KeysFolder::at(temp.path());
        let first = folder.lock().unwrap();
        let second = File::open(temp.path()).unwrap();
        let lock = || rustix::fs::flock(&second, rustix::fs::FlockOperation::NonBlockingLockExclusive);
        assert!(lock().is_err());
        drop(first);
        assert!(lock().is_ok());
    }

    #[test]
    fn every_folder_that_gets_an_entry_is_synced() {
        assert_eq!(parents_of_missing(Path::new("not-there")), [Path::new(".")]);
        assert_eq!(parents_of_missing(Path::new("not-there/keys")), [Path::new("not-there"), Path::new(".")]);
        assert_eq!(parents_of_missing(Path::new("src/keys")), [Path::new("src")]);
        assert!(parents_of_missing(Path::new("src")).is_empty());
        assert!(parents_of_missing(Path::new("/")).is_empty());
    }

    #[test]
    fn what_a_link_leads_to_is_not_destroyed() {
        let temp = tempfile::tempdir().unwrap();
        let folder = KeysFolder::at(temp.path().join("keys"));
        let victim = temp.path().join("victim");
        fs::write(&victim, "whole").unwrap();
        let locked = folder.lock().unwrap();
        std::os::unix::fs::symlink(&victim, folder.file(NAME)).unwrap();
        let error = locked.destroy(NAME, "").unwrap_err();
        assert!(matches!(&error, KeyError::Broken { .. }) && error.to_string().contains(NAME), "{error}");
        assert_eq!(fs::read(&victim).unwrap(), b"whole");
    }

    /// By a clock that stands still unless everybody waits: then it is at once as late as the next of them waits for.
    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_looked_at_again_and_nothing_else_is() {
        let temp = tempfile::tempdir().unwrap();
        let folder = KeysFolder::at(temp.path());
        let (looked, mut looks) = tokio::sync::mpsc::unbounded_channel();
        let calls = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let changed = move || {
            let call = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            looked.send(call).unwrap();
            let path = "signing".into();
            match call {
                0 | 1 => vec![KeyError::Io { path, source: io::ErrorKind::StaleNetworkFileHandle.into() }],
                _ => vec![KeyError::BadName { path }],
            }
        };
        let watched = folder.clone();
        let watch = tokio::spawn(async move { watched.watch(Duration::from_secs(1), changed).await });
        let mut next =
            async || tokio::time::timeout(Duration::from_mins(1), looks.recv()).await.ok().flatten();
        for call in 0..3 {
            assert_eq!(next().await, Some(call), "an error that may pass is looked at again");
        }
        assert_eq!(next().await, None, "nothing has changed in a minute, and the error can't pass");
        fs::write(temp.path().join("other"), "").unwrap();
        assert_eq!(next().await, Some(3), "the folder has changed");
        watch.abort();
    }

    #[test]
    fn a_pipe_is_not_opened() {
        let temp = tempfile::tempdir().unwrap();
        let folder = KeysFolder::at(temp.path());
        fs::create_dir(folder.file(NAME)).unwrap();
        assert!(matches!(folder.read_private(NAME), Err(KeyError::Broken { .. })));
    }
}
