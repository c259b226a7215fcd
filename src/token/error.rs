//! Errors in the keys folder.

use std::io;
use std::path::{Path, PathBuf};

use super::name::{SecretFile, SecretKind};
use crate::oauth::Kid;
use crate::store::KeyTableError;

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
    /// There is no usable key or secret of a kind.
    #[error("there is no {what} in {place}")]
    Missing {
        /// What is missing, for people.
        what: String,
        /// Where the keys lie.
        place: String,
    },
    /// A secret differs from the one that the data were used with.
    #[error(
        "{} is not the {kind} {id} that this data was used with: the file is damaged, or the keys belong to other data. \
         Restore the keys folder that belongs to this data; keys/README.md says what to do when the secret is lost",
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
        "{gone} is not in {place}, and this data was used with it: the keys are older than the data. Restore the newest \
         keys; if the file is lost for good, put an empty one called {gone}.compromised there: what that secret made is \
         refused from then on"
    )]
    Outdated {
        /// Where the keys lie.
        place: String,
        /// The file that is missing.
        gone: SecretFile,
    },
    /// There is no signing key with this `kid`.
    #[error("there is no signing key {0}")]
    UnknownKid(Kid),
    /// There is no secret of this kind with this id.
    #[error("there is no {0} with the id {1}")]
    UnknownSecret(SecretKind, u8),
    /// A sealed key is sealed under a key-encryption key that is not configured.
    #[error(
        "{} is sealed under the key-encryption key {id}, and {known}: name the file of {id} in [keys], as \
         key_encryption_key_file, or as other_key_encryption_key_file while another takes its place. Without it, what \
         is sealed is lost", path.display()
    )]
    OtherEncryptionKey {
        /// The file.
        path: PathBuf,
        /// The id of the key-encryption key.
        id: String,
        /// The configured ones.
        known: String,
    },
    /// A place already has other keys than those that are to be copied there.
    #[error("{} is not what is in {place}: nothing was replaced. Remove the one or the other first", path.display())]
    Differs {
        /// The file.
        path: PathBuf,
        /// Where the keys to be copied lie.
        place: String,
    },
    /// The keys in a database can't be taken as they are at the moment.
    #[error("{place} are refused: {why}")]
    Refused {
        /// Where the keys lie.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// The database with the keys can't be reached.
    #[error("the sealed keys: {0}")]
    Table(#[from] KeyTableError),
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
        matches!(self, Self::Io { .. } | Self::Unchecked(_) | Self::Table(_) | Self::Refused { .. })
    }

    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
