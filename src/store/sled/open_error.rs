//! Why a folder can't be opened as a store.

use std::io;
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::layout::FORMAT;

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

impl OpenError {
    /// A fault that was met in the store in this folder.
    pub(super) fn of(folder: &Path, fault: &Fault) -> Self {
        let folder = folder.to_owned();
        match fault {
            Fault::Damaged(why) => Self::Damaged { folder, why: why.clone() },
            Fault::Refused(why) | Fault::NoRoom(why) => Self::Refused { folder, why: why.clone() },
            // Whoever has sled's file and not ours is no heirloom.
            Fault::Taken => Self::InUse { folder, holder: "a process other than heirloom".to_owned() },
        }
    }
}
