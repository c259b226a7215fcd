//! What can be wrong with the keys folder.

use std::io;
use std::path::{Path, PathBuf};

use super::name::{SecretFile, SecretKind};
use crate::oauth::Kid;

/// Why keys or secrets can't be used. Every message names the file; the operator reads it.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A private file that others may read or write.
    #[error("{} may be read or written by others (mode {mode:03o}): consider what it holds leaked, or run chmod 600", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A private file of somebody else, who may exchange it.
    #[error(
        "{} belongs to the user {owner}, and neither to the user that heirloom runs as nor to the keys folder's: run chown", path.display()
    )]
    Stranger {
        /// The file.
        path: PathBuf,
        /// The user id of its owner.
        owner: u32,
    },
    /// A folder in which others may exchange files.
    #[error("the keys folder {} may be written by others (mode {mode:03o}): run chmod 700", path.display())]
    ExposedFolder {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A name that looks like ours and isn't.
    #[error("{}: the name isn't one of a key; see the README in the keys folder", path.display())]
    BadName {
        /// The file.
        path: PathBuf,
    },
    /// A file that doesn't hold what its name says.
    #[error("{}: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// One key, or one id, in two files.
    #[error("{} holds the same key or id as {other}: remove one of them", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The other file's name.
        other: String,
    },
    /// Nothing there to use.
    #[error("there is no {what} in the keys folder {}", folder.display())]
    Missing {
        /// What is missing.
        what: String,
        /// The folder.
        folder: PathBuf,
    },
    /// A secret that is not the one that the data was used with.
    #[error(
        "{} is not the {kind} {id} that this data was used with: the file is damaged, or the keys folder belongs to other \
         data. Restore the keys folder that belongs to this data; keys/README.md says what to do when the secret is lost",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is for.
        kind: SecretKind,
        /// Its id.
        id: u8,
    },
    /// The newest secret that the data was used with is not there.
    #[error(
        "{gone} is not in the keys folder {}, and this data was used with it: the folder is older than the data. Restore \
         the newest keys folder; if the file is lost for good, put an empty one called {gone}.compromised there: what that \
         secret made is refused from then on", folder.display()
    )]
    Outdated {
        /// The folder.
        folder: PathBuf,
        /// The file that is missing.
        gone: SecretFile,
    },
    /// No such signing key.
    #[error("there is no signing key {0} in the keys folder")]
    UnknownKid(Kid),
    /// No such secret.
    #[error("there is no {0} with the id {1} in the keys folder")]
    UnknownSecret(SecretKind, u8),
    /// All 255 ids have been given.
    #[error("all 255 ids of a {0} have been given")]
    IdsExhausted(SecretKind),
    /// What the data knows of the refresh secrets can't be read, so new ones are not used.
    #[error("the refresh secrets can't be held against what the data knows of them: {0}")]
    Unchecked(String),
    /// The machine could not make a key.
    #[error("the machine could not make a key: {0}")]
    NotMade(String),
}

impl KeyError {
    /// Whether it may be over later although no file has changed.
    pub(super) const fn may_pass(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Unchecked(_))
    }

    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
