//! Why a folder can't be opened as a store.

use std::io;
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::layout::FORMAT;

/// Why a folder can't be opened as a store. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by {holder}: stop that first", .folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process that has it open.
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
        /// What is wrong with it.
        why: String,
    },
    /// The log is not the one in its mark: its end is missing, or it is another log.
    #[error(
        "the store in {} is not as its mark says: {why}. If it was restored from a backup, start once with `heirloom serve \
         --restored`, which takes it as it is and ends every session, since what was ended after the backup is good again. If \
         not, it has lost acknowledged events: restore the whole folder, the file `mark` included, from a backup",
        .folder.display()
    )]
    NotAsMarked {
        /// The folder.
        folder: PathBuf,
        /// How log and mark differ.
        why: String,
    },
    /// There is a log without a readable mark, so nothing shows whether its end is missing.
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
    /// The operating system refused something to sled. The store is unharmed.
    #[error("the store in {} can't be opened: {why}", .folder.display())]
    Refused {
        /// The folder.
        folder: PathBuf,
        /// The operating system's error.
        why: String,
    },
    /// The operating system refused something.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
}

impl OpenError {
    /// The error for a fault in the store in this folder.
    pub(super) fn of(folder: &Path, fault: &Fault) -> Self {
        let folder = folder.to_owned();
        match fault {
            Fault::Damaged(why) => Self::Damaged { folder, why: why.clone() },
            Fault::Refused(why) | Fault::NoRoom(why) => Self::Refused { folder, why: why.clone() },
            // heirloom would have taken the folder's lock too.
            Fault::Taken => Self::InUse { folder, holder: "a process other than heirloom".to_owned() },
        }
    }
}
