//! Errors in the keys folder.

use std::io;
use std::path::{Path, PathBuf};

use super::name::{SecretFile, SecretKind};
use crate::oauth::Kid;

/// Why keys or secrets can't be used. Every message names the file; it is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operating system refused to read or write.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Other users may read or write a private file.
    #[error("{} may be read or written by others (mode {mode:03o}): consider what it holds leaked, or run chmod 600", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A private file belongs to another user, who may replace it.
    #[error(
        "{} belongs to the user {owner}, and neither to the user that heirloom runs as nor to the keys folder's: run chown", path.display()
    )]
    Stranger {
        /// The file.
        path: PathBuf,
        /// The user id of its owner.
        owner: u32,
    },
    /// Other users may replace files in the folder.
    #[error("the keys folder {} may be written by others (mode {mode:03o}): run chmod 700", path.display())]
    ExposedFolder {
        /// The folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file name begins and ends like a key's but can't be parsed.
    #[error("{}: the name isn't one of a key; see the README in the keys folder", path.display())]
    BadName {
        /// The file.
        path: PathBuf,
    },
    /// A file's contents don't fit its name.
    #[error("{}: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with the contents.
        reason: String,
    },
    /// The same key, or the same id, in two files.
    #[error("{} holds the same key or id as {other}: remove one of them", path.display())]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The other file's name.
        other: String,
    },
    /// The folder has no usable key or secret of a kind.
    #[error("there is no {what} in the keys folder {}", folder.display())]
    Missing {
        /// What is missing, for people.
        what: String,
        /// The keys folder.
        folder: PathBuf,
    },
    /// A secret differs from the one that the data were used with.
    #[error(
        "{} is not the {kind} {id} that this data was used with: the file is damaged, or the keys folder belongs to other \
         data. Restore the keys folder that belongs to this data; keys/README.md says what to do when the secret is lost",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What the secret is for.
        kind: SecretKind,
        /// The secret's id.
        id: u8,
    },
    /// The newest secret that the data were used with is missing.
    #[error(
        "{gone} is not in the keys folder {}, and this data was used with it: the folder is older than the data. Restore \
         the newest keys folder; if the file is lost for good, put an empty one called {gone}.compromised there: what that \
         secret made is refused from then on", folder.display()
    )]
    Outdated {
        /// The keys folder.
        folder: PathBuf,
        /// The file that is missing.
        gone: SecretFile,
    },
    /// The folder has no signing key with this `kid`.
    #[error("there is no signing key {0} in the keys folder")]
    UnknownKid(Kid),
    /// The folder has no secret of this kind with this id.
    #[error("there is no {0} with the id {1} in the keys folder")]
    UnknownSecret(SecretKind, u8),
    /// All 255 ids of a kind have been used.
    #[error("all 255 ids of a {0} have been given")]
    IdsExhausted(SecretKind),
    /// The check values in the store can't be read, so new refresh secrets are not used.
    #[error("the refresh secrets can't be held against what the data knows of them: {0}")]
    Unchecked(String),
    /// A new key could not be generated.
    #[error("the machine could not make a key: {0}")]
    NotMade(String),
}

impl KeyError {
    /// Whether the cause may disappear although no file changes.
    pub(super) const fn may_pass(&self) -> bool {
        matches!(self, Self::Io { .. } | Self::Unchecked(_))
    }

    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
