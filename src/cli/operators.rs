//! The operators' socket of a running server, which `heirloom user`, `client` and `session` use: `admin/socket` in the
//! data folder. Only the server's user may enter the folder `admin`.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::{Failure, Outcome};

/// The path of the socket for a data folder.
pub(super) fn path(data: &Path) -> PathBuf {
    data.join("admin").join("socket")
}

/// The user id of this process.
pub(super) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Removes the socket when it is dropped. Drop it before the store is closed.
pub(super) struct Placed(PathBuf);

/// Listens on the socket of a data folder whose store this process has open. A socket that is there already is stale
/// and is replaced.
///
/// # Errors
/// The operating system's error, or that the folder belongs to another user.
pub(super) fn listen(data: &Path) -> io::Result<(UnixListener, Placed)> {
    let path = path(data);
    let folder = data.join("admin");
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let found = fs::symlink_metadata(&folder)?;
    if !found.is_dir() || found.uid() != own_uid() {
        return Err(io::Error::other(format!("{} is not a folder of this user", folder.display())));
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok((UnixListener::bind(&path)?, Placed(path)))
}

/// Whether a server listens on a socket.
pub(super) fn runs(socket: &Path) -> Outcome<bool> {
    // There is no socket, or its server ended without removing it, or the path is too long to be a socket's.
    let none = |kind| {
        matches!(
            kind,
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::InvalidInput
        )
    };
    match UnixStream::connect(socket) {
        Ok(_) => Ok(true),
        Err(error) if none(error.kind()) => Ok(false),
        Err(error) => Err(Failure::File { path: socket.to_path_buf(), error }),
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(error = %error, "the operators' socket could not be removed");
        }
    }
}
