//! Creates and opens files safely in folders that another user owns. When root writes into a service's folder, a
//! symbolic link there must not lead root to another file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Creates a temporary file that the caller renames once it is complete. Only its owner can read it; a file of this
/// name that a crash left behind is removed first.
pub(crate) fn create_unfinished(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Opens an existing file for overwriting, if it is a regular file and not a symbolic link.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    // Without `NONBLOCK`, opening a pipe would wait for its reader.
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_not_followed() {
        let temp = tempfile::tempdir().unwrap();
        let (victim, link) = (temp.path().join("victim"), temp.path().join("link"));
        fs::write(&victim, "whole").unwrap();
        symlink(&victim, &link).unwrap();
        assert!(open_regular(&link).is_err());
        assert!(open_regular(temp.path()).is_err());
        create_unfinished(&link).unwrap().write_all(b"other").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"whole");
        assert_eq!(fs::read(&link).unwrap(), b"other");
        assert!(open_regular(&link).is_ok());
    }
}
