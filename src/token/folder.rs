//! The keys folder: what is private is only read if it is. Writing is in `locked_folder.rs`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::KeyError;
use super::key_files::KeyFiles;
use super::name::COMPROMISED;

/// The largest file that is read, in bytes: an RSA key of 4,096 bits takes 3,300.
const MAX_FILE: u64 = 16 * 1024;

/// A folder with keys and secrets.
#[derive(Clone, Debug)]
pub(super) struct KeysFolder {
    path: PathBuf,
}

impl KeysFolder {
    /// The folder at `path`, which need not exist yet.
    pub(super) fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// The names of all files; none if the folder doesn't exist.
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

    /// What changes when something in the folder does.
    pub(super) fn print(&self) -> FolderPrint {
        // With the folder itself, which may be closed to us and opened again.
        let names = self.names().unwrap_or_default().into_iter().chain([String::new()]);
        let mut print: FolderPrint = names
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
}

impl KeyFiles for &KeysFolder {
    fn names(&self) -> Result<Vec<String>, KeyError> {
        if let Ok(folder) = fs::metadata(&self.path)
            && folder.mode() & 0o022 != 0
        {
            return Err(KeyError::ExposedFolder { path: self.path.clone(), mode: folder.mode() & 0o777 });
        }
        KeysFolder::names(self)
    }

    fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.read_private(name)
    }

    fn epitaph(&self, name: &str) -> String {
        let path = KeysFolder::file(self, format!("{name}{COMPROMISED}"));
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(1024).read_to_string(&mut text));
        if read.is_ok() { text.trim().to_owned() } else { String::new() }
    }

    fn file(&self, name: &str) -> PathBuf {
        KeysFolder::file(self, name)
    }

    fn place(&self) -> String {
        format!("the keys folder {}", self.path.display())
    }
}

/// All files, each with its name, and if it can be seen what tells it from another: not for what is in it.
pub(super) type FolderPrint = Vec<(String, Option<Seen>)>;

/// What is seen of a file from outside.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    owner: (u32, u32, u32),
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::key_files::LockedFiles as _;
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

    #[test]
    fn a_pipe_is_not_opened() {
        let temp = tempfile::tempdir().unwrap();
        let folder = KeysFolder::at(temp.path());
        fs::create_dir(folder.file(NAME)).unwrap();
        assert!(matches!(folder.read_private(NAME), Err(KeyError::Broken { .. })));
    }
}
