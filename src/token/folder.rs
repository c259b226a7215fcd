//! The keys folder: what is private is only read if it is. Writing is in `locked_folder.rs`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::error::KeyError;
use super::name::{COMPROMISED, Entry};

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

    pub(super) fn names(&self) -> Result<Vec<String>, KeyError> {
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NAME: &str = "refresh-001-20261121T014105Z.secret";

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
