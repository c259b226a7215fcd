//! The keys folder, held for writing: a crash leaves all of a file or nothing.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::KeyError;
use super::folder::KeysFolder;
use super::key_files::{KeyFiles, LockedFiles};
use super::name::{COMPROMISED, Entry};
use crate::files::{create_unfinished, open_regular};

/// The folder, held by this process alone until dropped.
pub(super) struct Locked<'a> {
    folder: &'a KeysFolder,
    handle: File,
}

impl KeysFolder {
    /// Takes the folder for writing, making it if need be; waits while another process has it.
    pub(super) fn lock(&self) -> Result<Locked<'_>, KeyError> {
        self.make().map_err(|source| KeyError::io(self.path(), source))?;
        let handle = File::open(self.path()).map_err(|source| KeyError::io(self.path(), source))?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&handle, rustix::fs::FlockOperation::LockExclusive))
            .map_err(|errno| KeyError::io(self.path(), errno.into()))?;
        Ok(Locked { folder: self, handle })
    }

    /// Makes the folder, and those above it, so that it survives a power cut as the files in it do.
    fn make(&self) -> io::Result<()> {
        let parents = parents_of_missing(self.path());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(self.path())?;
        parents.into_iter().try_for_each(|parent| File::open(parent)?.sync_all())
    }
}

impl KeyFiles for Locked<'_> {
    fn names(&self) -> Result<Vec<String>, KeyError> {
        KeyFiles::names(&self.folder)
    }

    fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.folder.read(name)
    }

    fn epitaph(&self, name: &str) -> String {
        self.folder.epitaph(name)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.file(name)
    }

    fn place(&self) -> String {
        self.folder.place()
    }
}

impl LockedFiles for Locked<'_> {
    /// Puts a new file there, 0600, durably: all of it or nothing.
    fn create(&mut self, name: &str, bytes: &[u8]) -> Result<(), KeyError> {
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

    /// Destroys the key material in a file and leaves a tombstone with `epitaph` in its place.
    fn destroy(&mut self, name: &str, epitaph: &str) -> Result<(), KeyError> {
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
}

impl Locked<'_> {
    /// Gives a file that root has made to whom the folder belongs: the server that is to read it runs as that user.
    fn give_to_owner(&self, file: &File) -> io::Result<()> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let owner = self.handle.metadata()?;
        std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))
    }

    /// Makes an existing folder private, if nothing but ours is in it (as in a fresh clone, where git made it).
    fn tighten(&self) -> Result<(), KeyError> {
        let path = self.folder.path();
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
            return Err(KeyError::ExposedFolder { path: path.to_owned(), mode });
        }
        Ok(())
    }
}

/// The folders that will hold an entry more once `path` has been made.
fn parents_of_missing(path: &Path) -> Vec<&Path> {
    let exists = |path: &Path| path.as_os_str().is_empty() || path.exists();
    let missing = path.ancestors().take_while(|path| !exists(path)).filter_map(Path::parent);
    missing.map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::key_files::Listing;
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
        assert!(Listing::of(&&folder).unwrap().live.is_empty());
        folder.lock().unwrap().create(NAME, b"whole").unwrap();
        assert_eq!(folder.names().unwrap(), [NAME]);
    }

    #[test]
    fn a_folder_that_others_may_write_is_refused_unless_it_is_ours_to_close() {
        let temp = tempfile::tempdir().unwrap();
        let folder = KeysFolder::at(temp.path());
        fs::write(folder.file("README.md"), b"").unwrap();
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o775)).unwrap();
        assert!(matches!(Listing::of(&&folder), Err(KeyError::ExposedFolder { mode: 0o775, .. })));
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
        let mut locked = folder.lock().unwrap();
        std::os::unix::fs::symlink(&victim, folder.file(NAME)).unwrap();
        let error = locked.destroy(NAME, "").unwrap_err();
        assert!(matches!(&error, KeyError::Broken { .. }) && error.to_string().contains(NAME), "{error}");
        assert_eq!(fs::read(&victim).unwrap(), b"whole");
    }
}
